//! One test per class of files that must be refused, each with its code and place.

use super::writer::ArrayBuffer;
use super::*;
use crate::{ValueType, read_header};

fn assert_refused(file: &[u8], code: &str, offset: u64) {
    let error = read(file).unwrap_err();
    assert_eq!((error.code(), error.offset()), (code, offset), "{error}");
    // Reading in steps sees the same, but for padding, which is no part of the header's meaning.
    if code != "gguf.padding" {
        assert_eq!(read_header(file, &Limits::default()).unwrap_err(), error);
    }
}

/// A file with one F32 tensor that is all padding but for its info.
fn with_tensor(name: &[u8], dims: &[u64], type_id: u32) -> Vec<u8> {
    let mut file = Writer::new(3, 32)
        .tensor(name, dims, type_id, 0)
        .unwrap()
        .header();
    file.resize(file.len() + 1024, 0);
    file
}

/// A file with tensors of 128 bytes in F32 at these offsets.
fn with_offsets(offsets: &[u64]) -> Vec<u8> {
    let mut writer = Writer::new(3, 32);
    for index in 0..offsets.len() {
        writer
            .tensor(format!("{index}").as_bytes(), &[32], 0, 128)
            .unwrap();
    }
    let mut file = file(&writer, &vec![128; offsets.len()]);
    for (index, offset) in offsets.iter().enumerate() {
        let at = 24 + (index + 1) * INFO - 8;
        file[at..at + 8].copy_from_slice(&offset.to_le_bytes());
    }
    file
}

/// Bytes of an info with a name of one byte and one dim.
const INFO: usize = 8 + 1 + 4 + 8 + 4 + 8;

#[test]
fn the_base_of_the_patches_is_accepted() {
    assert!(read(&good()).is_ok());
    assert!(read(&with_offsets(&[0, 128])).is_ok());
}

#[test]
fn a_file_that_ends_in_the_fixed_header_is_short() {
    assert_refused(b"", "gguf.short", 0);
    assert_refused(b"GGU", "gguf.short", 0);
    assert_refused(b"GGUF", "gguf.short", 4);
    assert_refused(&good()[..23], "gguf.short", 16);
}

#[test]
fn a_file_that_ends_in_a_key_or_an_info_is_short() {
    let keys = with_value(4, &[1, 0, 0]);
    assert_refused(&keys, "gguf.short", 24 + 8 + 3 + 4);
    let infos = &with_tensor(b"a", &[3, 3, 3], 0)[..60];
    assert_refused(infos, "gguf.short", 24 + 8 + 1 + 4 + 16);
}

#[test]
fn another_magic_is_refused() {
    for magic in [b"FUGG", b"gguf", b"<!DO", b"vers"] {
        assert_refused(&patched(good(), 0, magic), "gguf.magic", 0);
    }
}

#[test]
fn only_versions_2_and_3_in_little_endian_are_read() {
    assert_refused(
        &patched(good(), 4, &[0, 0, 0, 0]),
        "gguf.version.unknown",
        4,
    );
    assert_refused(
        &patched(good(), 4, &[4, 0, 0, 0]),
        "gguf.version.unknown",
        4,
    );
    assert_refused(&patched(good(), 4, &[1, 0, 0, 0]), "gguf.version.v1", 4);
    assert_refused(&patched(good(), 4, &[0, 0, 0, 3]), "gguf.endian", 4);
}

#[test]
fn counts_beyond_the_bytes_left_are_refused() {
    // As many as there are bytes are too many: none takes a byte alone.
    for count in [u64::MAX, 1 << 40, 1 << 63, length(&good())] {
        assert_refused(
            &patched(good(), 8, &count.to_le_bytes()),
            "gguf.count.tensors",
            8,
        );
        assert_refused(
            &patched(good(), 16, &count.to_le_bytes()),
            "gguf.count.kv",
            16,
        );
    }
}

#[test]
fn a_refusal_says_where_and_of_what() {
    for (file, said) in [
        (patched(good(), 8, &[255; 8]), "tensor count"),
        (patched(good(), 24, &[255; 8]), "kv 0 key"),
        (with_tensor(b"a", &[3, 3, 3], 0)[..60].to_vec(), "tensor 0 "),
    ] {
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn keys_have_1_to_65535_bytes() {
    for length in [u64::MAX, 1 << 40, 65_536] {
        assert_refused(
            &patched(good(), 24, &length.to_le_bytes()),
            "gguf.key.length",
            24,
        );
    }
    let key = |bytes: &[u8]| Writer::new(3, 32).key_value(bytes, &Value::U8(0)).header();
    assert_refused(&key(b""), "gguf.key.empty", 24);
    assert_refused(&key(&[b'k'; 65_536]), "gguf.key.length", 24);
    assert!(read(&key(&[b'k'; 65_535])).is_ok());
}

#[test]
fn keys_are_ascii_without_nul() {
    for bytes in [b"ab\0", b"ab\xff", b"ab\xc3"] {
        let file = Writer::new(3, 32).key_value(bytes, &Value::U8(0)).header();
        assert_refused(&file, "gguf.key.bytes", 24 + 8 + 2);
    }
}

#[test]
fn a_key_comes_once() {
    let mut writer = Writer::new(3, 32);
    writer
        .key_value(b"key", &Value::U8(1))
        .key_value(b"key", &Value::U8(1));
    assert_refused(&writer.header(), "gguf.key.duplicate", 24 + 16 + 8);
}

#[test]
fn types_above_12_are_refused_in_values_and_arrays() {
    assert_refused(&with_value(13, &[0; 16]), "gguf.value.type", 24 + 8 + 3);
    let array_of_unknown = [&13_u32.to_le_bytes()[..], &[0; 8]].concat();
    assert_refused(
        &with_value(9, &array_of_unknown),
        "gguf.value.type",
        24 + 8 + 3 + 4,
    );
}

#[test]
fn a_bool_is_0_or_1_in_values_and_arrays() {
    assert_refused(&with_value(7, &[2]), "gguf.value.bool", 39);
    let array = [&7_u32.to_le_bytes()[..], &3_u64.to_le_bytes(), &[0, 1, 255]].concat();
    assert_refused(&with_value(9, &array), "gguf.value.bool", 39 + 12 + 2);
}

#[test]
fn strings_end_inside_the_file() {
    for length in [u64::MAX, 1 << 31, 3] {
        let payload = [&length.to_le_bytes()[..], b"ab"].concat();
        assert_refused(&with_value(8, &payload), "gguf.string.length", 39);
    }
    let array = [
        &8_u32.to_le_bytes()[..],
        &1_u64.to_le_bytes(),
        &u64::MAX.to_le_bytes(),
    ]
    .concat();
    assert_refused(&with_value(9, &array), "gguf.string.length", 39 + 12);
}

#[test]
fn array_counts_beyond_the_bytes_left_are_refused() {
    for (type_id, count) in [
        (0_u32, 1_u64 << 60),
        (8, 1 << 60),
        (10, 1 << 61),
        (9, u64::MAX),
        (4, 3),
    ] {
        let payload = [&type_id.to_le_bytes()[..], &count.to_le_bytes(), &[0; 11]].concat();
        assert_refused(&with_value(9, &payload), "gguf.array.count", 39 + 4);
    }
}

#[test]
fn arrays_nest_to_a_depth_of_64() {
    let nested = |depth: usize| {
        let mut array = ArrayBuffer::new(ValueType::U8);
        for _ in 1..depth {
            let mut outer = ArrayBuffer::new(ValueType::Array);
            outer.push(&array.as_value()).unwrap();
            array = outer;
        }
        Writer::new(3, 32)
            .key_value(b"key", &array.as_value())
            .header()
    };
    assert!(read(&nested(64)).is_ok());
    assert_refused(&nested(65), "gguf.array.depth", 39 + 64 * 12);
    // 200,000 deep by bytes alone: a nested head is its element type and a count of 1.
    let head = [9_u32.to_le_bytes().as_slice(), &1_u64.to_le_bytes()].concat();
    assert_refused(
        &with_value(9, &head.repeat(200_000)),
        "gguf.array.depth",
        39 + 64 * 12,
    );
}

#[test]
fn metadata_beyond_the_budget_are_refused() {
    let file = with_value(8, &[&100_u64.to_le_bytes()[..], &[b'x'; 100]].concat());
    let limits = Limits {
        metadata_bytes: 100,
        ..Limits::default()
    };
    let error = Content::parse(&file, length(&file), &limits).unwrap_err();
    assert_eq!((error.code(), error.offset()), ("gguf.limit.metadata", 47));
    assert_eq!(read_header(&file, &limits).unwrap_err(), error);
}

#[test]
fn alignment_is_a_u32_power_of_two_up_to_the_limit() {
    let with = |value: &Value<'_>| {
        Writer::new(3, 32)
            .key_value(b"general.alignment", value)
            .header()
    };
    let offset = 24 + 8 + 17 + 4;
    for value in [Value::I32(32), Value::U64(32), Value::String(b"32")] {
        assert_refused(&with(&value), "gguf.alignment.type", offset);
    }
    for value in [0, 13, 33] {
        assert_refused(&with(&Value::U32(value)), "gguf.alignment.value", offset);
    }
    for value in [1 << 21, 1 << 31] {
        assert_refused(&with(&Value::U32(value)), "gguf.alignment.limit", offset);
    }
    let raised = Limits {
        alignment: 1 << 31,
        ..Limits::default()
    };
    let file = with(&Value::U32(1 << 31));
    assert!(Content::parse(&file, length(&file), &raised).is_ok());
}

#[test]
fn tensor_names_have_1_to_64_bytes_without_control_bytes() {
    assert_refused(&with_tensor(&[b'n'; 70], &[1], 0), "gguf.name.length", 24);
    let endless = patched(with_tensor(b"a", &[1], 0), 24, &u64::MAX.to_le_bytes());
    assert_refused(&endless, "gguf.name.length", 24);
    for name in [&b""[..], b"a\0", b"\0", b"a\n", b"a\x1b[1m", b"\x7f"] {
        assert_refused(&with_tensor(name, &[1], 0), "gguf.name.bytes", 32);
    }
}

#[test]
fn a_tensor_name_comes_once_even_for_readers_that_stop_at_nul() {
    let with_names = |names: [&[u8]; 2]| {
        let mut writer = Writer::new(3, 32);
        for name in names {
            writer.tensor(name, &[8], 0, 32).unwrap();
        }
        file(&writer, &[32, 32])
    };
    assert_refused(
        &with_names([b"a", b"a"]),
        "gguf.name.duplicate",
        24 + 33 + 8,
    );
    assert_refused(
        &with_names([b"a\0x", b"a\0y"]),
        "gguf.name.c-duplicate",
        24 + 35 + 8,
    );
    assert_refused(
        &with_names([b"a", b"a\0y"]),
        "gguf.name.c-duplicate",
        24 + 33 + 8,
    );
    assert_refused(&with_names([b"a\0x", b"b"]), "gguf.name.bytes", 24 + 8);
}

#[test]
fn ranks_above_4_are_refused() {
    assert_refused(&with_tensor(b"a", &[1; 5], 0), "gguf.tensor.rank", 33);
    let endless = patched(with_tensor(b"a", &[1], 0), 33, &u32::MAX.to_le_bytes());
    assert_refused(&endless, "gguf.tensor.rank", 33);
}

#[test]
fn dims_and_their_product_stay_below_2_to_the_63() {
    assert_refused(
        &with_tensor(b"a", &[1, u64::MAX], 0),
        "gguf.tensor.dim",
        33 + 4 + 8,
    );
    assert_refused(&with_tensor(b"a", &[1 << 63], 0), "gguf.tensor.dim", 33 + 4);
    assert_refused(
        &with_tensor(b"a", &[1 << 32, 1 << 31], 24),
        "gguf.tensor.elements",
        24,
    );
    assert_refused(
        &with_tensor(b"a", &[1 << 40, 1 << 40, 0], 24),
        "gguf.tensor.elements",
        24,
    );
}

#[test]
fn byte_lengths_that_wrap_for_anyone_are_refused() {
    assert_refused(&with_tensor(b"a", &[1 << 61], 27), "gguf.tensor.bytes", 24);
    // Sized as 4 bytes by a reader that multiplies before it divides.
    assert_refused(
        &with_tensor(b"a", &[0x0e38_e38e_38e3_8e40], 2),
        "gguf.tensor.bytes",
        24,
    );
}

#[test]
fn removed_types_are_refused_by_their_former_name() {
    for type_id in [4, 5, 31, 32, 33, 36, 37, 38] {
        assert_refused(
            &with_tensor(b"a", &[256], type_id),
            "gguf.type.removed",
            24 + 8 + 1 + 4 + 8,
        );
    }
    let error = read(&with_tensor(b"a", &[256], 31)).unwrap_err();
    assert!(
        error.to_string().contains("found 31, once Q4_0_4_4"),
        "{error}"
    );
}

#[test]
fn rows_are_whole_blocks() {
    for (dims, type_id) in [(&[255, 2][..], 12), (&[16, 2], 2), (&[], 12), (&[64], 41)] {
        assert_refused(&with_tensor(b"a", dims, type_id), "gguf.tensor.row", 24);
    }
}

#[test]
fn offsets_follow_from_the_tensors_before() {
    let first = u64::try_from(24 + INFO - 8).unwrap();
    let second = first + u64::try_from(INFO).unwrap();
    for (offsets, code, place) in [
        ([u64::MAX, 128], "gguf.offset.range", first),
        ([u64::MAX - 63, 128], "gguf.offset.range", first),
        ([1 << 63, 128], "gguf.offset.range", first),
        ([0, u64::MAX - 63], "gguf.offset.range", second),
        ([8, 128], "gguf.offset.align", first),
        ([0, 136], "gguf.offset.align", second),
        ([0, 0], "gguf.offset.overlap", second),
        ([0, 96], "gguf.offset.overlap", second),
        ([0, 160], "gguf.offset.order", second),
        ([128, 0], "gguf.offset.order", first),
        ([32, 160], "gguf.offset.order", first),
    ] {
        assert_refused(&with_offsets(&offsets), code, place);
    }
}

#[test]
fn padded_ends_that_wrap_are_refused() {
    // 2^64 - 4 bytes, which round up to 0.
    let one = with_tensor(b"a", &[(1 << 62) - 1], 0);
    assert_refused(&one, "gguf.offset.wrap", 24 + 25);
    // Half of it twice: only the sum wraps.
    let mut writer = Writer::new(3, 32);
    writer
        .tensor(b"a", &[(1 << 61) + 8], 0, (1 << 63) - 32)
        .unwrap();
    writer.tensor(b"b", &[(1 << 61) + 8], 0, 32).unwrap();
    let two = writer.header();
    let two = patched(two, 24 + 33 + 25, &((1_u64 << 63) + 32).to_le_bytes());
    assert_eq!(read(&two).unwrap_err().code(), "gguf.offset.range");
    assert_eq!(
        writer
            .tensor(b"c", &[], 0, u64::MAX / 2)
            .unwrap_err()
            .code(),
        "gguf.offset.wrap"
    );
}

#[test]
fn data_that_end_early_are_truncated() {
    let whole = good();
    let data = whole.len() - 32 - 160;
    let first = u64::try_from(data).unwrap();
    // The last byte, half of the last tensor, all but one byte, all data.
    for (kept, tensor) in [(32 + 143, 32), (32 + 72, 32), (1, 0), (0, 0)] {
        assert_refused(&whole[..data + kept], "gguf.truncated", first + tensor);
    }
}

#[test]
fn padding_is_zero_wherever_it_stands() {
    let whole = good();
    let data = whole.len() - 32 - 160;
    for at in [
        data - 1,
        data + 12,
        data + 31,
        whole.len() - 16,
        whole.len() - 1,
    ] {
        let file = patched(whole.clone(), at, &[1]);
        assert_refused(&file, "gguf.padding", u64::try_from(at).unwrap());
    }
    let vocabulary = [with_value(0, &[1]), vec![0, 0, 1]].concat();
    assert_refused(&vocabulary, "gguf.padding", length(&vocabulary) - 1);
}

#[test]
fn trailing_bytes_are_refused() {
    for trailing in [1, 32, 4096] {
        let mut file = good();
        let end = length(&file);
        file.resize(file.len() + trailing, 0);
        assert_refused(&file, "gguf.trailing", end);
    }
    let vocabulary = with_value(0, &[1]);
    assert_refused(
        &[&vocabulary[..], &[0; 33]].concat(),
        "gguf.trailing",
        length(&vocabulary) + 32,
    );
}
