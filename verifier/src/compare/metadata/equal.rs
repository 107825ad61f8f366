//! Whether a JSON value says what a GGUF value says: floats bit for bit, arrays element by element.

use crate::decode::apr::{Document, Json, Kind};
use crate::decode::gguf::{Items, Value};
use crate::finding::{LONGEST_SHOWN, clip, escape};

/// Where two values part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mismatch {
    /// What the GGUF says.
    pub(super) expected: String,
    /// What the APR file says.
    pub(super) found: String,
    /// The finer place, for arrays.
    pub(super) detail: Option<String>,
}

/// How a key's value is written in the APR file, where loaders want another form than the GGUF may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// A list that has a value for each layer may be written as one value, if all are the same.
    OfLayers,
    /// Whole numbers are written as the f32 that has exactly their value.
    Floats,
}

/// Compares a GGUF value with a JSON value.
pub(super) fn same(
    value: Value<'_>,
    document: &Document,
    json: &Json,
    form: Form,
) -> Result<(), Mismatch> {
    match value.as_array() {
        Some(items) => same_array(items, document, json, form),
        None if same_scalar(value, document, json) => Ok(()),
        None if form == Form::Floats && same_float(value, document, json) => Ok(()),
        None => Err(Mismatch {
            expected: show(value),
            found: shorten(document.text(json)),
            detail: None,
        }),
    }
}

fn same_scalar(value: Value<'_>, document: &Document, json: &Json) -> bool {
    if let Some(integer) = value.as_integer() {
        return document.integer(json) == Some(integer);
    }
    if let Some(float) = value.as_f32() {
        return document
            .f32(json)
            .is_some_and(|found| found.to_bits() == float.to_bits());
    }
    if let Some(float) = value.as_f64() {
        return document
            .f64(json)
            .is_some_and(|found| found.to_bits() == float.to_bits());
    }
    if let Some(string) = value.as_string() {
        return document
            .string(json)
            .is_some_and(|found| found.as_bytes() == string);
    }
    match (value.as_bool(), &json.kind) {
        (Some(expected), Kind::Bool(found)) => expected == *found,
        _ => false,
    }
}

/// Whether a whole number stands as the f32 of exactly its value.
fn same_float(value: Value<'_>, document: &Document, json: &Json) -> bool {
    let exact = value
        .as_integer()
        .filter(|integer| integer.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS);
    #[expect(clippy::cast_precision_loss, reason = "the number fits the mantissa")]
    let float = exact.map(|integer| integer as f32);
    float.is_some_and(|float| document.f32(json) == Some(float))
}

fn same_array(
    items: Items<'_>,
    document: &Document,
    json: &Json,
    form: Form,
) -> Result<(), Mismatch> {
    let count = items.count;
    let Kind::Array(found) = &json.kind else {
        // A value for each layer, written as one because all are the same.
        if form == Form::OfLayers && count > 0 && { items }
            .all(|item| same_scalar(item, document, json))
        {
            return Ok(());
        }
        return Err(Mismatch {
            expected: format!("{count} items"),
            found: shorten(document.text(json)),
            detail: None,
        });
    };
    let item_form = match form {
        Form::Floats => Form::Floats,
        Form::Plain | Form::OfLayers => Form::Plain,
    };
    let mut first = None;
    let mut different: u64 = 0;
    for (index, (expected, found)) in items.zip(found).enumerate() {
        if let Err(mismatch) = same(expected, document, found, item_form) {
            different += 1;
            first.get_or_insert((index, mismatch));
        }
    }
    if let Some((index, mismatch)) = first {
        return Err(Mismatch {
            detail: Some(format!(
                "element {index}, the first of {different} that differ"
            )),
            ..mismatch
        });
    }
    if count != found.len() as u64 {
        return Err(Mismatch {
            expected: format!("{count} items"),
            found: format!("{} items", found.len()),
            detail: Some(format!("element {}", count.min(found.len() as u64))),
        });
    }
    Ok(())
}

/// A GGUF value in a few words.
pub(super) fn show(value: Value<'_>) -> String {
    if let Some(integer) = value.as_integer() {
        integer.to_string()
    } else if let Some(float) = value.as_f32() {
        format!("{float:?}")
    } else if let Some(float) = value.as_f64() {
        format!("{float:?}")
    } else if let Some(string) = value.as_string() {
        quote(string)
    } else if let Some(bool) = value.as_bool() {
        bool.to_string()
    } else if let Some(items) = value.as_array() {
        format!("{} items", items.count)
    } else {
        value.type_name().to_owned()
    }
}

/// A JSON value in a few words; of a list, how long it is.
pub(super) fn in_words(document: &Document, json: &Json) -> String {
    match &json.kind {
        Kind::Array(items) => format!("{} items", items.len()),
        Kind::Object(members) => format!("an object of {} members", members.len()),
        _ => shorten(document.text(json)),
    }
}

/// A string in a few words.
pub(super) fn quote(string: &[u8]) -> String {
    format!("\"{}\"", shown(string))
}

/// A JSON text in a few words.
pub(super) fn shorten(text: &str) -> String {
    shown(text.as_bytes())
}

/// Cut before it is escaped, so that a long value costs no more than a short one.
fn shown(bytes: &[u8]) -> String {
    let start = bytes.get(..LONGEST_SHOWN * 4).unwrap_or(bytes);
    clip(&escape(start))
}
