//! The key `aprove`: every byte of the sources outside their tensor data, and the digests.
//!
//! The format is described in `ARTIFACT.md` of this package. No file name and no SHA-256 is written: the artifact then
//! depends on bytes and options only, and no chain that a single core computes stands between the source and its record.

use std::{borrow::Cow, fmt::Write as _};

use gguf_file::{Array, Content, Part, Value};
use serde_json::{Value as Json, json};

use crate::plan::{
    json::{bytes, hex},
    keys::Given,
};

/// What the record says about the conversion.
pub(crate) struct Choices<'a> {
    pub(crate) tool: &'a str,
    pub(crate) names: &'static str,
    pub(crate) tie: &'static str,
    /// GGUF names, sorted.
    pub(crate) decoded: Vec<&'a str>,
    /// GGUF names, sorted.
    pub(crate) raw: Vec<&'a str>,
    /// Keys that the source lacks, sorted.
    pub(crate) given: &'a [Given<'a>],
    /// Keys that change what the model computes and that no loader reads, sorted.
    pub(crate) record_only: Vec<&'a str>,
}

/// The digests of one source file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SourceDigests {
    /// For the manifest only.
    pub(crate) sha256: [u8; 32],
    pub(crate) blake3: [u8; 32],
}

/// The digests of the stored bytes of one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TensorDigests {
    pub(crate) blake3: [u8; 32],
    /// For the manifest only, where the request asks for it.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// The record without its digests, as text: a model of values in its place would take many times the bytes of the source.
pub(crate) struct Record {
    /// The members that stand before those of the sources.
    before: String,
    /// What follows the digest of each source.
    sources: Vec<String>,
    after: String,
}

/// Describes the sources.
pub(crate) fn describe(
    choices: &Choices<'_>,
    sources: &[Content<'_>],
    references: &[(&'static str, &'static str)],
) -> Record {
    let mut before = String::new();
    let mut put = |key: &str, value: Json| before.push_str(&format!("\"{key}\":{value},"));
    for (key, names) in [("decoded", &choices.decoded), ("raw", &choices.raw)] {
        if key == "raw" {
            put("names", json!(choices.names));
        }
        if !names.is_empty() {
            put(key, json!(names));
        }
    }
    put("record", json!(VERSION));
    if !choices.record_only.is_empty() {
        put("record_only", json!(choices.record_only));
    }
    if !choices.given.is_empty() {
        before.push_str("\"set\":");
        list(&mut before, choices.given, |out, (key, value)| {
            typed(out, key.as_bytes(), value, None);
        });
        before.push(',');
    }
    let sources = sources.iter().enumerate().map(|(shard, content)| {
        // The top-level keys were read from the first shard.
        let references = if shard == 0 { references } else { &[] };
        source(content, references)
    });
    Record {
        before,
        sources: sources.collect(),
        after: format!(
            "\"tie\":{},\"tool\":{}",
            json!(choices.tie),
            json!(choices.tool)
        ),
    }
}

impl Record {
    /// Returns the parts of the text, with the digests, which have fixed lengths: other ones give a text of the same length.
    pub(crate) fn parts<'a>(
        &'a self,
        sources: &[SourceDigests],
        tensors: impl Iterator<Item = (&'a str, TensorDigests)>,
    ) -> Vec<Cow<'a, str>> {
        let mut parts: Vec<Cow<'_, str>> = vec!["{".into(), self.before.as_str().into()];
        for (index, (source, digests)) in self.sources.iter().zip(sources).enumerate() {
            let start = if index == 0 { "\"sources\":[" } else { "," };
            parts.push(format!("{start}{{\"blake3\":\"{}\"", hex(&digests.blake3)).into());
            parts.push(source.as_str().into());
        }
        let mut digests = "],\"tensors\":{".to_owned();
        for (index, (name, one)) in tensors.enumerate() {
            separate(&mut digests, index);
            digests.push_str(&format!("{}:\"{}\"", Json::from(name), hex(&one.blake3)));
        }
        digests.push_str("},");
        parts.extend([digests.into(), self.after.as_str().into(), "}".into()]);
        parts
    }
}

/// What stands of a source after its digest.
fn source(content: &Content<'_>, references: &[(&'static str, &'static str)]) -> String {
    let mut out = format!(",\"data_offset\":{},\"kv\":", content.data_offset);
    list(&mut out, &content.metadata, |out, pair| {
        let reference = references
            .iter()
            .find(|(key, _)| key.as_bytes() == pair.key)
            .map(|(_, name)| *name);
        typed(out, pair.key, &pair.value, reference);
    });
    out.push_str(&format!(",\"size\":{},\"tensors\":", content.file_length));
    list(&mut out, &content.tensors, |out, info| {
        let (name, dims) = (bytes(info.name), json!(info.dims));
        out.push_str(&format!("[{name},{},{dims},{}]", info.type_id, info.offset));
    });
    out.push_str(&format!(",\"version\":{}}}", content.version));
    out
}

fn list<T>(out: &mut String, items: &[T], mut write: impl FnMut(&mut String, &T)) {
    out.push('[');
    for (index, item) in items.iter().enumerate() {
        separate(out, index);
        write(out, item);
    }
    out.push(']');
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn typed(out: &mut String, key: &[u8], value: &Value<'_>, reference: Option<&str>) {
    let type_name = value.value_type().name();
    out.push_str(&format!("[{},\"{type_name}\",", bytes(key)));
    match (value, reference) {
        (Value::Array(array), Some(name)) => {
            let of = array.element_type.name();
            out.push_str(&json!({ "of": of, "ref": name }).to_string());
        }
        (Value::String(_), Some(name)) => out.push_str(&json!({ "ref": name }).to_string()),
        (Value::Array(array), None) => items(out, *array),
        (scalar, _) => write_scalar(out, scalar),
    }
    out.push(']');
}

fn write_scalar(out: &mut String, value: &Value<'_>) {
    // Writing to a string cannot fail.
    let _ = match *value {
        Value::U8(number) => write!(out, "{number}"),
        Value::I8(number) => write!(out, "{number}"),
        Value::U16(number) => write!(out, "{number}"),
        Value::I16(number) => write!(out, "{number}"),
        Value::U32(number) => write!(out, "{number}"),
        Value::I32(number) => write!(out, "{number}"),
        Value::U64(number) => write!(out, "{number}"),
        Value::I64(number) => write!(out, "{number}"),
        Value::F32(number) => write!(out, "\"{:08x}\"", number.to_bits()),
        Value::F64(number) => write!(out, "\"{:016x}\"", number.to_bits()),
        Value::Bool(flag) => write!(out, "{flag}"),
        Value::String(text) => write!(out, "{}", bytes(text)),
        _ => unreachable!("the reader knows these thirteen types and refuses others"),
    };
}

/// The items of an array, and of those in it: one walk, as to look for the next item of an array of arrays is to read it.
fn items(out: &mut String, array: Array<'_>) {
    let mut is_first = true;
    for part in array.parts() {
        if !is_first && !matches!(part, Part::Close) {
            out.push(',');
        }
        is_first = matches!(part, Part::Open(_));
        match part {
            Part::Open(of) => out.push_str(&format!("{{\"of\":\"{}\",\"v\":[", of.name())),
            Part::Item(item) => write_scalar(out, &item),
            Part::Close => out.push_str("]}"),
        }
    }
}

/// The version of the description in `ARTIFACT.md`.
const VERSION: u32 = 2;
