//! The header and the top-level keys of an APR file.

use super::{FieldView, KeyView, field, value};
use crate::decode::apr::{Document, Json, Kind, Metadata, flags};
use crate::decode::container::Container;

pub(super) fn header(container: &Container<Metadata>) -> Vec<FieldView> {
    let metadata = &container.metadata;
    let Some(header) = metadata.header else {
        return Vec::new();
    };
    let mut fields = vec![
        // Every other version is refused before there is a header.
        field("version", "2.0"),
        field("flags", flag_names(header.flags)),
        field("tensor count", header.tensor_count),
        field("metadata offset", header.metadata_offset),
        field("metadata size", header.metadata_size),
        field("index offset", header.index_offset),
        field("data offset", header.data_offset),
        field("checksum", format!("{:08x}", header.checksum)),
    ];
    if let Some((span, crc)) = metadata.footer {
        fields.push(field("footer offset", span.offset));
        fields.push(field("footer", format!("{crc:08x}")));
    }
    fields
}

pub(super) fn keys(container: &Container<Metadata>) -> Vec<KeyView> {
    let Some(document) = &container.metadata.document else {
        return Vec::new();
    };
    let view = |(key, json): &(Json, Json)| KeyView {
        shard: 0,
        key: name(document, key),
        r#type: type_of(json).to_owned(),
        count: match &json.kind {
            Kind::Array(items) => Some(items.len() as u64),
            Kind::Object(members) => Some(members.len() as u64),
            _ => None,
        },
        value: show(document, json),
    };
    document.members().iter().map(view).collect()
}

fn flag_names(set: u16) -> String {
    let mut names: Vec<String> = FLAGS
        .iter()
        .filter(|(bit, _)| set & bit != 0)
        .map(|(_, name)| (*name).to_owned())
        .collect();
    let named = FLAGS.iter().fold(0, |all, (bit, _)| all | bit);
    if set & !named != 0 {
        names.push(format!("{:#06x}", set & !named));
    }
    format!(
        "{set:#06x} ({})",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    )
}

fn name(document: &Document, key: &Json) -> String {
    let key = document.name(key);
    crate::finding::escape(key.as_bytes())
}

const fn type_of(json: &Json) -> &'static str {
    match json.kind {
        Kind::Null => "null",
        Kind::Bool(_) => "bool",
        Kind::Number => "number",
        Kind::String => "string",
        Kind::Array(_) => "array",
        Kind::Object(_) => "object",
    }
}

fn show(document: &Document, json: &Json) -> String {
    match &json.kind {
        Kind::Array(items) => value::list(
            items.iter().map(|item| show_item(document, item)),
            items.len() as u64,
        ),
        Kind::Object(members) => value::list(
            members.iter().map(|(key, _)| name(document, key)),
            members.len() as u64,
        ),
        _ => show_item(document, json),
    }
}

fn show_item(document: &Document, json: &Json) -> String {
    match &json.kind {
        Kind::Null => "null".to_owned(),
        Kind::Bool(flag) => flag.to_string(),
        Kind::Number => number(document.text(json)),
        Kind::String => value::string(document.string(json).unwrap_or_default().as_bytes()),
        Kind::Array(items) => format!("[{} items]", items.len()),
        Kind::Object(members) => format!("{{{} members}}", members.len()),
    }
}

/// A number may be written with as many digits as its author likes.
fn number(text: &str) -> String {
    match text.split_at_checked(LONGEST_NUMBER) {
        Some((start, rest)) if !rest.is_empty() => {
            format!("{start}... ({} characters)", text.len())
        }
        _ => text.to_owned(),
    }
}

const LONGEST_NUMBER: usize = 40;

/// The names of the header's flags, by bit.
const FLAGS: [(u16, &str); 12] = [
    (flags::LZ4, "LZ4"),
    (flags::ZSTD, "ZSTD"),
    (flags::ENCRYPTED, "ENCRYPTED"),
    (flags::SIGNED, "SIGNED"),
    (0x0010, "SHARDED"),
    (0x0020, "QUANTIZED"),
    (0x0040, "HAS_FILTERBANK"),
    (0x0080, "HAS_MODEL_CARD"),
    (0x0100, "STREAMING"),
    (0x0200, "HAS_VOCAB"),
    (flags::ROW_MAJOR, "LAYOUT_ROW_MAJOR"),
    (flags::COLUMN_MAJOR, "LAYOUT_COLUMN_MAJOR"),
];
