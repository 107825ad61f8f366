//! The behaviour of the reader and the writer together.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "tests compute the places that they patch"
)]

mod accepted;
mod hostile;
mod real_files;
mod refused;
mod round_trip;
mod split_sets;
mod writer;

use crate::{Content, Error, Limits, Value};
use writer::Writer;

/// Parses a whole file, its padding included.
fn read(file: &[u8]) -> Result<Content<'_>, Error> {
    let content = Content::parse(file, length(file), &Limits::default())?;
    content.check_padding(file)?;
    assert_partition(&content);
    Ok(content)
}

/// Asserts that the regions touch and cover the file.
fn assert_partition(content: &Content<'_>) {
    let mut end = 0;
    for region in content.regions() {
        assert_eq!(region.span.offset, end, "{region:?}");
        let is_padding = region.kind == crate::RegionKind::Padding;
        assert!(!is_padding || region.span.length > 0, "{region:?}");
        end = region.span.end();
    }
    assert_eq!(end, content.file_length);
}

/// Two key/values and two tensors: `a`, 3 F32 with 20 bytes of padding, and `b`, 256 Q4_K with 16.
fn good() -> Vec<u8> {
    let mut writer = Writer::new(3, 32);
    writer.key_value(b"general.architecture", &Value::String(b"llama"));
    writer.key_value(b"general.file_type", &Value::U32(15));
    file(
        writer
            .tensor(b"a", &[3], 0, 12)
            .unwrap()
            .tensor(b"b", &[256], 12, 144)
            .unwrap(),
        &[12, 144],
    )
}

/// The whole file of a writer, with data that are nowhere zero.
fn file(writer: &Writer, lengths: &[usize]) -> Vec<u8> {
    let mut file = Vec::new();
    writer
        .write_to(&mut file, lengths.iter().map(|length| vec![0xd7; *length]))
        .unwrap();
    file
}

/// A file with one key/value whose bytes behind the key are given.
fn with_value(type_id: u32, payload: &[u8]) -> Vec<u8> {
    Writer::new(3, 32)
        .raw_key_value(b"key", type_id, payload)
        .header()
}

/// The file with some bytes replaced from an offset on.
fn patched(mut file: Vec<u8>, offset: usize, bytes: &[u8]) -> Vec<u8> {
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
    file
}

fn length(file: &[u8]) -> u64 {
    u64::try_from(file.len()).unwrap()
}
