//! The key `aprove`: every byte of the sources outside their tensor data, and the digests.
//!
//! The format is described in `ARTIFACT.md` of this package. No file name and no SHA-256 is written: the artifact then
//! depends on bytes and options only, and no chain that a single core computes stands between the source and its record.

use gguf_file::{Array, Content, Part, Value};
use serde_json::{Map, Value as Json, json};

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

/// Describes the sources; [`seal`] adds the digests.
pub(crate) fn describe(
    choices: &Choices<'_>,
    sources: &[Content<'_>],
    references: &[(&'static str, &'static str)],
) -> Map<String, Json> {
    let mut record = Map::new();
    let mut put = |key: &str, value: Json| record.insert(key.to_owned(), value);
    put("record", json!(VERSION));
    put("tool", json!(choices.tool));
    put("names", json!(choices.names));
    put("tie", json!(choices.tie));
    if !choices.decoded.is_empty() {
        put("decoded", json!(choices.decoded));
    }
    if !choices.raw.is_empty() {
        put("raw", json!(choices.raw));
    }
    if !choices.record_only.is_empty() {
        put("record_only", json!(choices.record_only));
    }
    if !choices.given.is_empty() {
        let given = choices.given.iter().map(|(key, value)| {
            let type_name = value.value_type().name();
            Json::Array(vec![json!(key), json!(type_name), self::value(value, None)])
        });
        put("set", given.collect());
    }
    let sources = sources.iter().enumerate().map(|(shard, content)| {
        // The top-level keys were read from the first shard.
        let references = if shard == 0 { references } else { &[] };
        source(content, references)
    });
    put("sources", sources.collect());
    record
}

/// Writes the digests, which have fixed lengths: sealing again does not change the length of the record.
pub(crate) fn seal<'a>(
    record: &mut Map<String, Json>,
    sources: &[SourceDigests],
    tensors: impl Iterator<Item = (&'a str, TensorDigests)>,
) {
    let described = record.get_mut("sources").and_then(Json::as_array_mut);
    for (source, digests) in described.into_iter().flatten().zip(sources) {
        if let Some(source) = source.as_object_mut() {
            source.insert("blake3".to_owned(), json!(hex(&digests.blake3)));
        }
    }
    let tensors: Map<String, Json> = tensors
        .map(|(name, digests)| (name.to_owned(), json!(hex(&digests.blake3))))
        .collect();
    record.insert("tensors".to_owned(), tensors.into());
}

fn source(content: &Content<'_>, references: &[(&'static str, &'static str)]) -> Json {
    let pairs = content.metadata.iter().map(|pair| {
        let reference = references
            .iter()
            .find(|(key, _)| key.as_bytes() == pair.key)
            .map(|(_, name)| *name);
        let type_name = pair.value.value_type().name();
        let value = value(&pair.value, reference);
        Json::Array(vec![bytes(pair.key), json!(type_name), value])
    });
    let tensors = content
        .tensors
        .iter()
        .map(|info| json!([bytes(info.name), info.type_id, info.dims, info.offset]));
    object([
        ("size", json!(content.file_length)),
        ("version", json!(content.version)),
        ("data_offset", json!(content.data_offset)),
        ("kv", pairs.collect()),
        ("tensors", tensors.collect()),
    ])
}

/// An object of these members, which are moved: `json!` copies them, all of what nests at each depth.
fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    let members = members.map(|(key, value)| (key.to_owned(), value));
    Json::Object(Map::from_iter(members))
}

fn value(value: &Value<'_>, reference: Option<&str>) -> Json {
    match *value {
        Value::U8(number) => json!(number),
        Value::I8(number) => json!(number),
        Value::U16(number) => json!(number),
        Value::I16(number) => json!(number),
        Value::U32(number) => json!(number),
        Value::I32(number) => json!(number),
        Value::U64(number) => json!(number),
        Value::I64(number) => json!(number),
        Value::F32(number) => json!(format!("{:08x}", number.to_bits())),
        Value::F64(number) => json!(format!("{:016x}", number.to_bits())),
        Value::Bool(flag) => json!(flag),
        Value::String(text) => match reference {
            Some(name) => json!({ "ref": name }),
            None => bytes(text),
        },
        Value::Array(array) => {
            let of = array.element_type.name();
            match reference {
                Some(name) => json!({ "of": of, "ref": name }),
                None => items(array),
            }
        }
        _ => unreachable!("the reader knows these thirteen types and refuses others"),
    }
}

/// The items of an array, and of those in it: one walk, as to look for the next item of an array of arrays is to read it.
fn items(array: Array<'_>) -> Json {
    let mut open: Vec<(&str, Vec<Json>)> = Vec::new();
    for part in array.parts() {
        let done = match part {
            Part::Open(of) => {
                open.push((of.name(), Vec::new()));
                continue;
            }
            Part::Item(item) => value(&item, None),
            Part::Close => match open.pop() {
                Some((of, items)) => object([("of", json!(of)), ("v", Json::Array(items))]),
                None => unreachable!("an array ends that has begun"),
            },
        };
        match open.last_mut() {
            Some((_, items)) => items.push(done),
            None => return done,
        }
    }
    unreachable!("an array that was read once ends")
}

/// The version of the description in `ARTIFACT.md`.
const VERSION: u32 = 2;
