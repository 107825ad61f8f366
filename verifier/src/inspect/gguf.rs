//! The header and the keys of a GGUF.

use super::{FieldView, KeyView, field, value};
use crate::decode::container::Container;
use crate::decode::gguf::{Metadata, ShardHead, Value};
use crate::finding::escape;

pub(super) fn headers(container: &Container<Metadata>) -> Vec<Vec<FieldView>> {
    container.metadata.shards.iter().map(header).collect()
}

pub(super) fn keys(container: &Container<Metadata>) -> Vec<KeyView> {
    let mut keys = Vec::new();
    for (shard, head) in container.metadata.shards.iter().enumerate() {
        keys.extend(head.entries.iter().map(|entry| {
            let value = head.value(entry);
            let items = value.as_array();
            KeyView {
                shard,
                key: escape(head.key(entry)),
                r#type: type_of(&value),
                count: items.map(|items| items.count),
                value: show(&value),
            }
        }));
    }
    keys
}

fn header(head: &ShardHead) -> Vec<FieldView> {
    if head.version == 0 {
        return Vec::new();
    }
    let mut fields = vec![
        field("version", head.version),
        field("tensor count", head.tensor_count),
        field("key/value count", head.kv_count),
    ];
    // Known only when the tensor infos were decoded to their end.
    if head.infos_end > 0 {
        fields.extend([
            field("alignment", head.alignment),
            field("tensor infos end", head.infos_end),
            field("data offset", head.data_offset),
        ]);
    }
    fields
}

fn type_of(value: &Value<'_>) -> String {
    match value.as_array() {
        Some(items) => {
            let item = Value {
                type_id: items.type_id,
                bytes: &[],
            };
            format!("{}[{}]", value.type_name(), item.type_name())
        }
        None => value.type_name().to_owned(),
    }
}

fn show(value: &Value<'_>) -> String {
    if let Some(items) = value.as_array() {
        return value::list(items.map(|item| show_item(&item)), items.count);
    }
    show_item(value)
}

/// A value that is not looked into when it is an array: arrays in arrays are shown as their length.
fn show_item(value: &Value<'_>) -> String {
    if let Some(integer) = value.as_integer() {
        integer.to_string()
    } else if let Some(number) = value.as_f32() {
        format!("{number:?}")
    } else if let Some(number) = value.as_f64() {
        format!("{number:?}")
    } else if let Some(flag) = value.as_bool() {
        flag.to_string()
    } else if let Some(bytes) = value.as_string() {
        value::string(bytes)
    } else {
        let count = value.as_array().map_or(0, |items| items.count);
        format!("[{count} items]")
    }
}
