//! Legal oddities that must be accepted, with a note where it helps.

use super::writer::ArrayBuffer;
use super::*;
use crate::{GgmlType, Part, RegionKind, Span, ValueType, read_header};

fn with_tensor(name: &[u8], dims: &[u64], type_id: u32, length: usize) -> Vec<u8> {
    let mut writer = Writer::new(3, 32);
    let announced = u64::try_from(length).unwrap();
    file(
        writer.tensor(name, dims, type_id, announced).unwrap(),
        &[length],
    )
}

#[test]
fn a_file_says_where_everything_stands() {
    let file = good();
    let content = read(&file).unwrap();
    assert_eq!(
        (content.version, content.alignment, content.data_offset),
        (3, 32, 192)
    );
    assert_eq!(
        content.get(b"general.architecture").and_then(Value::as_str),
        Some(&b"llama"[..])
    );
    assert_eq!(
        content.get(b"general.file_type").and_then(Value::as_u64),
        Some(15)
    );
    assert_eq!(content.get(b"general.name"), None);
    assert_eq!(
        content.metadata[1].span,
        Span {
            offset: 69,
            length: 33
        }
    );
    assert_eq!(
        content.metadata[1].value_span,
        Span {
            offset: 98,
            length: 4
        }
    );
    let [a, b] = &content.tensors[..] else {
        panic!("two tensors")
    };
    assert_eq!(
        (a.name, a.elements(), a.ggml_type),
        (&b"a"[..], 3, Some(GgmlType::F32))
    );
    assert_eq!(
        a.data,
        Span {
            offset: 192,
            length: 12
        }
    );
    assert_eq!(
        (b.offset, b.data),
        (
            32,
            Span {
                offset: 224,
                length: 144
            }
        )
    );
    let kinds: Vec<_> = content.regions().iter().map(|region| region.kind).collect();
    let expected = [
        RegionKind::Header,
        RegionKind::KeyValue(0),
        RegionKind::KeyValue(1),
        RegionKind::TensorInfo(0),
        RegionKind::TensorInfo(1),
        RegionKind::Padding,
        RegionKind::Tensor(0),
        RegionKind::Padding,
        RegionKind::Tensor(1),
        RegionKind::Padding,
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_type_is_called_as_ggml_calls_it() {
    for (id, name) in [(0, "F32"), (12, "Q4_K"), (30, "BF16"), (39, "MXFP4")] {
        assert_eq!(GgmlType::from_id(id).unwrap().to_string(), name);
    }
}

#[test]
fn any_alignment_of_the_key_is_honoured() {
    for alignment in [1, 4, 8, 32, 64, 4096, 1 << 20] {
        let mut writer = Writer::new(3, alignment);
        writer.key_value(b"general.alignment", &Value::U32(alignment));
        writer
            .tensor(b"a", &[3], 0, 12)
            .unwrap()
            .tensor(b"b", &[3], 0, 12)
            .unwrap();
        let file = file(&writer, &[12, 12]);
        let content = read(&file).unwrap();
        assert_eq!(content.alignment, alignment);
        assert!(content.data_offset.is_multiple_of(alignment.into()));
        let head = read_header(&file, &Limits::default()).unwrap();
        assert_eq!(head, file[..usize::try_from(content.data_offset).unwrap()]);
        assert_eq!(
            content.tensors[1].offset,
            12_u64.next_multiple_of(alignment.into())
        );
    }
}

#[test]
fn version_2_has_the_layout_of_version_3() {
    assert_eq!(read(&patched(good(), 4, &[2])).unwrap().version, 2);
}

#[test]
fn every_type_is_sized_by_the_table() {
    for ggml_type in GgmlType::ALL {
        let length = usize::try_from(ggml_type.block_bytes() * 6).unwrap();
        let file = with_tensor(
            b"a",
            &[ggml_type.block_size() * 2, 3],
            ggml_type.id(),
            length,
        );
        let content = read(&file).unwrap();
        assert_eq!(
            content.tensors[0].data.length,
            ggml_type.block_bytes() * 6,
            "{ggml_type}"
        );
    }
}

#[test]
fn the_region_of_an_unknown_type_is_the_gap_to_the_next_tensor() {
    let mut writer = Writer::new(3, 32);
    writer
        .tensor(b"a", &[256], 45, 100)
        .unwrap()
        .tensor(b"b", &[8], 0, 32)
        .unwrap();
    writer.tensor(b"c", &[256], 99, 50).unwrap();
    let file = file(&writer, &[100, 32, 50]);
    let content = read(&file).unwrap();
    let lengths: Vec<_> = content
        .tensors
        .iter()
        .map(|info| info.data.length)
        .collect();
    assert_eq!(lengths, [128, 32, 64]);
    assert_eq!(
        (content.tensors[0].type_id, content.tensors[0].ggml_type),
        (45, None)
    );
    // The end need not be padded, but there must be something.
    let end = file.len();
    assert!(read(&file[..end - 3]).is_ok());
    assert_eq!(
        read(&file[..end - 64]).unwrap_err().code(),
        "gguf.truncated"
    );
}

#[test]
fn nested_arrays_are_read_item_by_item() {
    let mut outer = ArrayBuffer::new(ValueType::Array);
    for items in [&[1_u8, 2][..], &[], &[3]] {
        let mut inner = ArrayBuffer::new(ValueType::U8);
        for item in items {
            inner.push(&Value::U8(*item)).unwrap();
        }
        outer.push(&inner.as_value()).unwrap();
    }
    let file = Writer::new(3, 32)
        .key_value(b"my.nest", &outer.as_value())
        .header();
    let content = read(&file).unwrap();
    let array = content.get(b"my.nest").and_then(Value::as_array).unwrap();
    let items: Vec<Vec<_>> = array
        .iter()
        .map(|inner| {
            inner
                .as_array()
                .unwrap()
                .into_iter()
                .filter_map(|item| item.as_u64())
                .collect()
        })
        .collect();
    assert_eq!(items, [vec![1, 2], vec![], vec![3]]);
    assert_eq!(array.iter().size_hint(), (3, Some(3)));
    let open = Part::Open(ValueType::U8);
    let item = |number| Part::Item(Value::U8(number));
    let parts = [
        &[Part::Open(ValueType::Array)][..],
        &[open, item(1), item(2), Part::Close],
        &[open, Part::Close],
        &[open, item(3), Part::Close],
        &[Part::Close],
    ];
    assert!(array.parts().eq(parts.concat()));
}

#[test]
fn strings_keep_bytes_that_are_not_utf_8() {
    let bytes = b"\xff\xfe\0\xef\xbf\xbd";
    let file = Writer::new(3, 32)
        .key_value(b"my.value", &Value::String(bytes))
        .header();
    assert_eq!(
        read(&file)
            .unwrap()
            .get(b"my.value")
            .and_then(Value::as_str),
        Some(&bytes[..])
    );
}

#[test]
fn keys_in_other_styles_are_accepted() {
    for key in [
        &b"My Key!"[..],
        b"general.Architecture",
        b"a..b",
        b".a",
        b"a\n",
    ] {
        let file = Writer::new(3, 32).key_value(key, &Value::U8(1)).header();
        assert_eq!(read(&file).unwrap().metadata[0].key, key);
    }
}

#[test]
fn keys_that_differ_in_case_are_two_keys() {
    let mut writer = Writer::new(3, 32);
    writer
        .key_value(b"general.architecture", &Value::U8(1))
        .key_value(b"general.Architecture", &Value::U8(2));
    assert_eq!(read(&writer.header()).unwrap().metadata.len(), 2);
}

#[test]
fn names_may_have_64_bytes() {
    for length in [63, 64] {
        let name = vec![b'n'; length];
        let file = with_tensor(&name, &[1], 0, 4);
        assert_eq!(read(&file).unwrap().tensors[0].name, name);
    }
}

#[test]
fn a_file_without_tensors_may_end_with_one_alignment_of_zeros() {
    let file = with_value(0, &[1]);
    for zeros in [0, 1, 24, 32] {
        let padded = [&file[..], &vec![0; zeros]].concat();
        let content = read(&padded).unwrap();
        assert_eq!(content.data_offset, content.file_length);
    }
    assert!(
        read(&Writer::new(3, 32).header())
            .unwrap()
            .tensors
            .is_empty()
    );
}

#[test]
fn scalars_and_zero_dims_are_accepted() {
    let scalar = with_tensor(b"a", &[], 0, 4);
    assert_eq!(read(&scalar).unwrap().tensors[0].elements(), 1);
    let empty = with_tensor(b"a", &[32, 0], 0, 0);
    assert_eq!(read(&empty).unwrap().tensors[0].elements(), 0);
}

#[test]
fn padding_at_the_end_may_be_missing() {
    let file = good();
    for missing in [1, 16] {
        assert!(read(&file[..file.len() - missing]).is_ok());
    }
    assert!(read(&file[..file.len() - 17]).is_err());
}

#[test]
fn the_header_ends_where_the_data_begin() {
    let file = good();
    let header = read_header(&file, &Limits::default()).unwrap();
    assert_eq!(header, &file[..192]);
    let content = Content::parse(&header, length(&file), &Limits::default()).unwrap();
    assert_eq!(content, read(&file).unwrap());
}

#[test]
fn a_header_that_is_cut_short_by_the_caller_is_incomplete() {
    let file = good();
    let infos_end = 24 + 45 + 33 + 33 + 33;
    for kept in 0..infos_end {
        let error = Content::parse(&file[..kept], length(&file), &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::Incomplete { .. }), "{kept}: {error}");
    }
    assert!(Content::parse(&file[..infos_end], length(&file), &Limits::default()).is_ok());
}

#[test]
fn integers_of_any_width_and_truth_values_are_taken_as_they_are() {
    for value in [
        Value::U8(7),
        Value::U16(7),
        Value::U32(7),
        Value::U64(7),
        Value::I8(7),
        Value::I16(7),
        Value::I32(7),
        Value::I64(7),
    ] {
        assert_eq!((value.as_u64(), value.as_bool()), (Some(7), None));
    }
    assert_eq!(Value::I16(-1).as_u64(), None);
    for truth in [true, false] {
        assert_eq!(Value::Bool(truth).as_bool(), Some(truth));
    }
}

#[test]
fn tensors_of_up_to_four_dims_are_read() {
    for dims in [&[4][..], &[2, 2], &[2, 2, 1], &[2, 1, 2, 1]] {
        let file = with_tensor(b"a", dims, 0, 16);
        assert_eq!(read(&file).unwrap().tensors[0].dims, dims);
    }
}
