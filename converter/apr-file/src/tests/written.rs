//! What a plan lays out, and what it refuses.

use super::*;
use crate::{DType, Encoding, TensorEntry};

fn refused(tensors: Vec<PlannedTensor>) -> String {
    Plan::new(tensors, 0, FLAGS).unwrap_err().code().to_owned()
}

#[test]
fn data_lie_in_the_order_of_the_names_on_multiples_of_64() {
    let plan = Plan::new(tensors(), 58, FLAGS).unwrap();
    let entry = |name: &str, dtype, dims: &[u64], offset, size| TensorEntry {
        name: name.to_owned(),
        dtype,
        dims: dims.to_vec(),
        offset,
        size,
    };
    let expected = [
        entry("a", 0, &[7], 0, 28),
        entry("b", 12, &[2, 256], 64, 288),
        entry("c", 0, &[16], 384, 64),
    ];
    assert_eq!(plan.tensors(), expected);
    // 64 of header, 58 padded to 64 of metadata, 95 padded to 128 of index.
    let offsets = [
        plan.metadata_offset(),
        plan.index_offset(),
        plan.data_offset(),
        plan.footer_offset(),
    ];
    assert_eq!(offsets, [64, 128, 256, 704]);
    assert_eq!((plan.file_length(), plan.index().len()), (708, 128));
}

#[test]
fn a_file_by_the_plan_is_read_as_it_was_planned() {
    let file = good();
    let parsed = read(&file);
    assert_eq!(
        (parsed.header.flags, parsed.header.tensor_count),
        (0x0620, 3)
    );
    assert_eq!(parsed.metadata["num_heads"], 4);
    let plan = Plan::new(tensors(), 58, FLAGS).unwrap();
    for (index, (tensor, entry)) in parsed.tensors.iter().zip(plan.tensors()).enumerate() {
        assert_eq!(&tensor.entry, entry);
        assert_eq!(data_of(&file, tensor), Some(&data(index, entry.size)[..]));
    }
    assert_eq!(parsed.tensor("b").unwrap().encoding(), Some(Encoding::Q4K));
    assert_eq!(parsed.tensor("d"), None);
}

#[test]
fn the_checksum_of_the_header_is_that_of_its_other_bytes() {
    let file = good();
    let others = [&file[..40], &file[44..64]].concat();
    assert_eq!(read(&file).header.checksum, crc32fast::hash(&others));
}

#[test]
fn a_file_without_tensors_is_header_metadata_and_footer() {
    let file = file_of(Vec::new(), "{}", flags::LAYOUT_ROW_MAJOR);
    assert_eq!(file.len(), 132);
    assert_eq!(read(&file).tensors, []);
}

#[test]
fn tensors_without_elements_take_no_space() {
    let mut all = tensors();
    all.push(planned("aa", 0, &[0, 5], 0));
    let file = file_of(all, METADATA, FLAGS);
    let parsed = read(&file);
    assert_eq!(data_of(&file, parsed.tensor("aa").unwrap()), Some(&[][..]));
    assert_eq!(parsed.tensor("a").unwrap().span, parsed.tensors[0].span);
}

#[test]
fn every_type_that_may_be_written_is_read_in_the_meaning_of_ggml() {
    for (dtype, size, encoding) in [
        (DType::F32, 1024, Encoding::F32),
        (DType::F16, 512, Encoding::F16),
        (DType::BF16, 512, Encoding::BF16),
        (DType::Q4_0, 144, Encoding::Q4_0),
        (DType::Q4_1, 160, Encoding::Q4_1),
        (DType::Q5_0, 176, Encoding::Q5_0),
        (DType::Q5_1, 192, Encoding::Q5_1),
        (DType::Q4_K, 144, Encoding::Q4K),
        (DType::Q5_K, 176, Encoding::Q5K),
        (DType::Q6_K, 210, Encoding::Q6K),
    ] {
        let file = file_of(vec![planned("a", dtype.0, &[256], size)], METADATA, FLAGS);
        assert_eq!(read(&file).tensors[0].encoding(), Some(encoding));
    }
}

#[test]
fn names_are_whole_short_and_different() {
    let named = |name: &str| planned(name, 0, &[1], 4);
    for name in ["", "a\n", "a\u{1b}[1m", "a\0b", "\u{85}"] {
        assert_eq!(refused(vec![named(name)]), "apr.index.name");
    }
    assert_eq!(refused(vec![named(&"n".repeat(257))]), "apr.index.name");
    assert!(Plan::new(vec![named(&"n".repeat(256))], 0, FLAGS).is_ok());
    assert_eq!(
        refused(vec![named("a"), named("b"), named("a")]),
        "apr.index.duplicate"
    );
}

#[test]
fn ranks_are_1_to_8() {
    assert_eq!(refused(vec![planned("a", 0, &[], 4)]), "apr.index.rank");
    assert_eq!(refused(vec![planned("a", 0, &[1; 9], 4)]), "apr.index.rank");
    assert!(Plan::new(vec![planned("a", 0, &[1; 8], 4)], 0, FLAGS).is_ok());
}

#[test]
fn types_that_a_loader_misreads_are_not_written() {
    for (dtype, size) in [
        (8, 34),
        (8, 18),
        (9, 36),
        (4, 128),
        (5, 256),
        (10, 84),
        (99, 4),
    ] {
        assert_eq!(
            refused(vec![planned("a", dtype, &[32], size)]),
            "apr.tensor.dtype"
        );
    }
}

#[test]
fn sizes_follow_from_type_and_dims() {
    // The last two are what the library would call F64 and I8.
    for (dtype, dims, size) in [
        (0, [4, 4], 60),
        (12, [2, 255], 288),
        (12, [256, 2], 288),
        (3, [1, 32], 256),
        (6, [1, 32], 32),
    ] {
        assert_eq!(
            refused(vec![planned("a", dtype, &dims, size)]),
            "apr.tensor.size"
        );
    }
    assert_eq!(
        refused(vec![planned("a", 0, &[1 << 62], 0)]),
        "apr.tensor.size"
    );
}

#[test]
fn lengths_that_pass_2_to_the_64_are_refused() {
    let half = |name: &str| planned(name, 0, &[1 << 61], 1 << 63);
    assert_eq!(refused(vec![half("a"), half("b")]), "apr.data.bounds");
    let rest = planned("b", 1, &[(1 << 62) - 32], (1 << 63) - 64);
    assert_eq!(refused(vec![half("a"), rest]), "apr.data.bounds");
}

#[test]
fn flags_without_a_meaning_are_refused() {
    for flag in [
        flags::LZ4,
        flags::ZSTD,
        flags::ENCRYPTED,
        flags::SIGNED,
        flags::LAYOUT_COLUMN_MAJOR,
        0x1000,
    ] {
        assert_eq!(
            Plan::new(Vec::new(), 2, FLAGS | flag).unwrap_err().code(),
            "apr.flags"
        );
    }
}
