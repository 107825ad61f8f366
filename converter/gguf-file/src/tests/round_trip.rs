//! What the writer writes is what the reader sees, and the other way round.

use super::writer::ArrayBuffer;
use super::*;
use crate::ValueType;

#[test]
fn values_of_every_type_survive() {
    let values = [
        Value::U8(u8::MAX),
        Value::I8(i8::MIN),
        Value::U16(u16::MAX),
        Value::I16(i16::MIN),
        Value::U32(u32::MAX),
        Value::I32(i32::MIN),
        Value::F32(f32::MIN_POSITIVE),
        Value::Bool(true),
        Value::Bool(false),
        Value::String(b"\0 \xff"),
        Value::U64(u64::MAX),
        Value::I64(i64::MIN),
        Value::F64(f64::NEG_INFINITY),
    ];
    let mut writer = Writer::new(3, 32);
    for (index, value) in values.iter().enumerate() {
        let mut array = ArrayBuffer::new(value.value_type());
        array.push(value).unwrap().push(value).unwrap();
        writer.key_value(format!("value.{index}").as_bytes(), value);
        writer.key_value(format!("array.{index}").as_bytes(), &array.as_value());
    }
    let file = writer.header();
    let content = read(&file).unwrap();
    for (index, value) in values.iter().enumerate() {
        assert_eq!(
            content.get(format!("value.{index}").as_bytes()),
            Some(value)
        );
        let array = content
            .get(format!("array.{index}").as_bytes())
            .and_then(Value::as_array)
            .unwrap();
        assert_eq!(array.iter().collect::<Vec<_>>(), [*value, *value]);
    }
}

#[test]
fn the_bits_of_every_nan_survive() {
    let bits = 0x7fa0_1234;
    let file = Writer::new(3, 32)
        .key_value(b"nan", &Value::F32(f32::from_bits(bits)))
        .header();
    let value = read(&file).unwrap().get(b"nan").and_then(Value::as_f32);
    assert_eq!(value.map(f32::to_bits), Some(bits));
}

#[test]
fn a_file_that_was_read_is_written_again_byte_by_byte() {
    let file = good();
    let content = read(&file).unwrap();
    let mut writer = Writer::new(content.version, content.alignment);
    for pair in &content.metadata {
        writer.key_value(pair.key, &pair.value);
    }
    let mut data = Vec::new();
    for info in &content.tensors {
        writer
            .tensor(info.name, &info.dims, info.type_id, info.data.length)
            .unwrap();
        let (start, end) = (info.data.offset, info.data.end());
        data.push(&file[usize::try_from(start).unwrap()..usize::try_from(end).unwrap()]);
    }
    let mut again = Vec::new();
    writer.write_to(&mut again, data).unwrap();
    assert_eq!(again, file);
}

#[test]
fn an_array_takes_items_of_its_type_only() {
    let mut array = ArrayBuffer::new(ValueType::U8);
    assert_eq!(
        array.push(&Value::I8(1)).unwrap_err().code(),
        "gguf.value.type"
    );
}

#[test]
fn data_of_another_number_or_length_are_not_written() {
    let mut writer = Writer::new(3, 32);
    writer.tensor(b"a", &[2], 0, 8).unwrap();
    for data in [vec![], vec![vec![0; 7]], vec![vec![0; 8], vec![]]] {
        let error = writer.write_to(&mut Vec::new(), data).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
