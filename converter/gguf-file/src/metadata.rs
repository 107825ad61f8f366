//! The key/values, and the one key that the container itself depends on.

use std::collections::HashSet;

use crate::{
    error::{Error, Grouped, Quoted},
    header::{Cursor, Place, to_u64},
    limits::Limits,
    span::Span,
    value::{Value, read_typed},
};

/// A key with its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KeyValue<'a> {
    /// The key: ASCII without NUL, at least one byte.
    pub key: &'a [u8],
    /// The value.
    pub value: Value<'a>,
    /// Where key, type and value stand.
    pub span: Span,
    /// Where the value is, without its type.
    pub value_span: Span,
}

pub(crate) fn read<'a>(
    cursor: &mut Cursor<'a>,
    count: u64,
    limits: &Limits,
) -> Result<Vec<KeyValue<'a>>, Error> {
    // Grows with the bytes read, not with the count.
    let mut metadata = Vec::new();
    let mut seen = HashSet::new();
    for index in 0..count {
        let start = cursor.position();
        let key = read_key(cursor, index)?;
        if !seen.insert(key) {
            let (place, offset) = (Place::KeyValue(index, "key"), start.saturating_add(8));
            return Err(Error::format(
                "gguf.key.duplicate",
                offset,
                place,
                "a new key",
                Quoted(key),
            ));
        }
        let value_start = cursor.position().saturating_add(4);
        let value = read_typed(cursor, index, limits)?;
        metadata.push(KeyValue {
            key,
            value,
            span: Span::between(start, cursor.position()),
            value_span: Span::between(value_start, cursor.position()),
        });
    }
    Ok(metadata)
}

/// The value of `general.alignment`, or 32.
pub(crate) fn alignment(metadata: &[KeyValue<'_>], limits: &Limits) -> Result<u32, Error> {
    let Some((index, found)) = (0..)
        .zip(metadata)
        .find(|(_, pair)| pair.key == b"general.alignment")
    else {
        return Ok(DEFAULT_ALIGNMENT);
    };
    let offset = found.value_span.offset;
    let refuse = |code, expected: String, found: String| {
        Err(Error::format(
            code,
            offset,
            Place::KeyValue(index, "general.alignment"),
            expected,
            found,
        ))
    };
    let Value::U32(alignment) = found.value else {
        return refuse(
            "gguf.alignment.type",
            "u32".to_owned(),
            found.value.value_type().to_string(),
        );
    };
    if !alignment.is_power_of_two() {
        return refuse(
            "gguf.alignment.value",
            "a power of two".to_owned(),
            alignment.to_string(),
        );
    }
    if alignment > limits.alignment {
        let expected = format!("at most {}", Grouped(limits.alignment.into()));
        return refuse(
            "gguf.alignment.limit",
            expected,
            Grouped(alignment.into()).to_string(),
        );
    }
    Ok(alignment)
}

fn read_key<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<&'a [u8], Error> {
    let place = Place::KeyValue(index, "key");
    let length_offset = cursor.position();
    let length = cursor.u64(place)?;
    if length > LONGEST_KEY {
        let expected = format_args!("at most {} bytes", Grouped(LONGEST_KEY));
        return Err(Error::format(
            "gguf.key.length",
            length_offset,
            place,
            expected,
            Grouped(length),
        ));
    }
    if length == 0 {
        return Err(Error::format(
            "gguf.key.empty",
            length_offset,
            place,
            "at least 1 byte",
            0,
        ));
    }
    let offset = cursor.position();
    let key = cursor.take(length, place)?;
    if let Some(at) = key.iter().position(|byte| *byte == 0 || !byte.is_ascii()) {
        let offset = offset.saturating_add(to_u64(at));
        return Err(Error::format(
            "gguf.key.bytes",
            offset,
            place,
            "ASCII without NUL",
            Quoted(key),
        ));
    }
    Ok(key)
}

const DEFAULT_ALIGNMENT: u32 = 32;
const LONGEST_KEY: u64 = 65_535;
