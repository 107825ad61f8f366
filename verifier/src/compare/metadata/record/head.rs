//! The head of a source, built again from its record: header, key/values, tensor infos, padding.
//!
//! Building is linear in the record: a reference may stand only at the key that it belongs to, and once, and what is
//! filled with zeros has a budget.

use std::collections::BTreeSet;

use crate::decode::apr::{Document, Json, Kind};
use crate::decode::gguf;
use crate::region::{Region, RegionKind, Span};

/// The head of one source.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) bytes: Vec<u8>,
    pub(super) regions: Vec<Region>,
}

/// What building the heads of all sources may still use.
pub(super) struct Budget {
    /// Top-level keys that a reference has named.
    named: BTreeSet<&'static str>,
    /// Zeros between tensor infos and data.
    padding: u64,
}

impl Budget {
    /// The budget for all sources of an artifact whose metadata has this length.
    pub(super) const fn new(metadata: u64) -> Self {
        Self {
            named: BTreeSet::new(),
            padding: metadata.saturating_add(LARGEST_PADDING),
        }
    }
}

/// The fields of a source that describe its head.
pub(super) struct Parts<'a> {
    pub(super) version: u32,
    pub(super) data_offset: u64,
    pub(super) kv: &'a [Json],
    pub(super) tensors: &'a [Json],
}

/// Builds a head; the error names the broken part.
pub(super) fn build(
    document: &Document,
    parts: &Parts<'_>,
    budget: &mut Budget,
) -> Result<Head, String> {
    let mut head = Head::default();
    head.bytes.extend_from_slice(b"GGUF");
    head.bytes.extend_from_slice(&parts.version.to_le_bytes());
    for count in [parts.tensors.len(), parts.kv.len()] {
        head.bytes.extend_from_slice(&(count as u64).to_le_bytes());
    }
    head.close(RegionKind::Header, Vec::new());
    for (index, entry) in parts.kv.iter().enumerate() {
        head.key_value(document, entry, budget)
            .ok_or_else(|| format!("kv[{index}]"))?;
    }
    for (index, tensor) in parts.tensors.iter().enumerate() {
        head.tensor_info(document, tensor)
            .ok_or_else(|| format!("tensors[{index}]"))?;
    }
    let padding = parts
        .data_offset
        .checked_sub(head.bytes.len() as u64)
        .ok_or("data_offset")?;
    budget.padding = budget.padding.checked_sub(padding).ok_or("data_offset")?;
    let end = usize::try_from(parts.data_offset).map_err(|_| "data_offset")?;
    head.bytes.resize(end, 0);
    head.close(RegionKind::Padding, Vec::new());
    Ok(head)
}

/// One value with its key: of the record's `set`.
pub(super) fn key_value(document: &Document, entry: &Json) -> Option<(Vec<u8>, u32, Vec<u8>)> {
    let [key, type_name, value] = items(entry)? else {
        return None;
    };
    let type_id = type_id(&document.string(type_name)?)?;
    let mut bytes = Vec::new();
    encode(document, type_id, value, &mut bytes, 0)?;
    Some((bytes_of(document, key)?, type_id, bytes))
}

impl Head {
    fn close(&mut self, kind: RegionKind, label: Vec<u8>) {
        let start = self.regions.last().map_or(0, |region| region.span.end());
        let span = Span::new(start, (self.bytes.len() as u64).saturating_sub(start));
        if span.length > 0 {
            self.regions.push(Region { kind, span, label });
        }
    }

    /// `[KEY, TYPE, VALUE]`
    fn key_value(&mut self, document: &Document, entry: &Json, budget: &mut Budget) -> Option<()> {
        let [key, type_name, value] = items(entry)? else {
            return None;
        };
        let key = bytes_of(document, key)?;
        let type_id = type_id(&document.string(type_name)?)?;
        encode_string(&key, &mut self.bytes);
        self.bytes.extend_from_slice(&type_id.to_le_bytes());
        match document.member(value, "ref") {
            Some(target) => {
                let target = document.string(target)?;
                let (_, allowed) = REFERENCES
                    .iter()
                    .find(|(from, to)| from.as_bytes() == key && *to == target)?;
                if !budget.named.insert(allowed) {
                    return None;
                }
                referred(document, type_id, value, allowed, &mut self.bytes)?;
            }
            None => encode(document, type_id, value, &mut self.bytes, 0)?,
        }
        self.close(RegionKind::KeyValue, key);
        Some(())
    }

    /// `[NAME, TYPE, [ne0, ...], OFFSET]`
    fn tensor_info(&mut self, document: &Document, tensor: &Json) -> Option<()> {
        let [name, type_id, dims, offset] = items(tensor)? else {
            return None;
        };
        let name = bytes_of(document, name)?;
        let type_id = u32::try_from(document.u64(type_id)?).ok()?;
        let dims = items(dims)?;
        encode_string(&name, &mut self.bytes);
        self.bytes
            .extend_from_slice(&u32::try_from(dims.len()).ok()?.to_le_bytes());
        for dim in dims {
            self.bytes
                .extend_from_slice(&document.u64(dim)?.to_le_bytes());
        }
        self.bytes.extend_from_slice(&type_id.to_le_bytes());
        self.bytes
            .extend_from_slice(&document.u64(offset)?.to_le_bytes());
        self.close(RegionKind::TensorInfo, name);
        Some(())
    }
}

/// `{"ref": KEY}` for a string, `{"of": TYPE, "ref": KEY}` for items: the value stands at that top-level key.
fn referred(
    document: &Document,
    type_id: u32,
    value: &Json,
    target: &str,
    out: &mut Vec<u8>,
) -> Option<()> {
    let target = document.get(target)?;
    if type_id == STRING && members(value) == Some(1) {
        encode_string(document.string(target)?.as_bytes(), out);
        return Some(());
    }
    if type_id != ARRAY || members(value) != Some(2) {
        return None;
    }
    let item_type = self::type_id(&document.string(document.member(value, "of")?)?)?;
    let list = items(target)?;
    out.extend_from_slice(&item_type.to_le_bytes());
    out.extend_from_slice(&(list.len() as u64).to_le_bytes());
    for item in list {
        if item_type == F32 {
            // Loaders read plain numbers there.
            out.extend_from_slice(&document.f32(item)?.to_le_bytes());
        } else {
            encode(document, item_type, item, out, 0)?;
        }
    }
    Some(())
}

/// Appends the bytes that a value has in a GGUF. Nesting is bounded by that of the JSON.
fn encode(
    document: &Document,
    type_id: u32,
    value: &Json,
    out: &mut Vec<u8>,
    depth: usize,
) -> Option<()> {
    match type_id {
        F32 => {
            let bits = u32::try_from(bits(document, value, 8)?).ok()?;
            out.extend_from_slice(&bits.to_le_bytes());
        }
        F64 => out.extend_from_slice(&bits(document, value, 16)?.to_le_bytes()),
        BOOL => match value.kind {
            Kind::Bool(bool) => out.push(bool.into()),
            _ => return None,
        },
        STRING => encode_string(&bytes_of(document, value)?, out),
        ARRAY if depth < DEEPEST => encode_array(document, value, out, depth.saturating_add(1))?,
        _ => encode_integer(type_id, document.integer(value)?, out)?,
    }
    Some(())
}

fn encode_integer(type_id: u32, value: i128, out: &mut Vec<u8>) -> Option<()> {
    match type_id {
        0 => out.extend_from_slice(&u8::try_from(value).ok()?.to_le_bytes()),
        1 => out.extend_from_slice(&i8::try_from(value).ok()?.to_le_bytes()),
        2 => out.extend_from_slice(&u16::try_from(value).ok()?.to_le_bytes()),
        3 => out.extend_from_slice(&i16::try_from(value).ok()?.to_le_bytes()),
        4 => out.extend_from_slice(&u32::try_from(value).ok()?.to_le_bytes()),
        5 => out.extend_from_slice(&i32::try_from(value).ok()?.to_le_bytes()),
        10 => out.extend_from_slice(&u64::try_from(value).ok()?.to_le_bytes()),
        11 => out.extend_from_slice(&i64::try_from(value).ok()?.to_le_bytes()),
        _ => return None,
    }
    Some(())
}

fn encode_string(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// `{"of": TYPE, "v": [...]}`
fn encode_array(document: &Document, value: &Json, out: &mut Vec<u8>, depth: usize) -> Option<()> {
    let type_id = type_id(&document.string(document.member(value, "of")?)?)?;
    let list = items(document.member(value, "v")?)?;
    if members(value) != Some(2) {
        return None;
    }
    out.extend_from_slice(&type_id.to_le_bytes());
    out.extend_from_slice(&(list.len() as u64).to_le_bytes());
    for item in list {
        encode(document, type_id, item, out, depth)?;
    }
    Some(())
}

/// A JSON string, or `{"hex": "..."}` for bytes that are not UTF-8.
pub(super) fn bytes_of(document: &Document, json: &Json) -> Option<Vec<u8>> {
    if let Some(text) = document.string(json) {
        return Some(text.into_owned().into_bytes());
    }
    let hex = document.string(document.member(json, "hex")?)?;
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || members(json) != Some(1) || !is_hex(&hex) {
        return None;
    }
    let bytes: Vec<u8> = pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect::<Option<_>>()?;
    // What is UTF-8 is written as a string.
    std::str::from_utf8(&bytes).is_err().then_some(bytes)
}

/// The bits of a float, as hex digits in a string.
fn bits(document: &Document, json: &Json, digits: usize) -> Option<u64> {
    let text = document.string(json)?;
    let whole = text.len() == digits && is_hex(&text);
    whole.then(|| u64::from_str_radix(&text, 16).ok())?
}

/// Tells whether a text holds lower-case hex digits and nothing else.
pub(super) fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn type_id(name: &str) -> Option<u32> {
    let index = gguf::TYPE_NAMES.iter().position(|known| *known == name)?;
    u32::try_from(index).ok()
}

pub(super) fn items(json: &Json) -> Option<&[Json]> {
    match &json.kind {
        Kind::Array(items) => Some(items),
        _ => None,
    }
}

fn members(json: &Json) -> Option<usize> {
    match &json.kind {
        Kind::Object(members) => Some(members.len()),
        _ => None,
    }
}

/// Which key may refer to which top-level key.
const REFERENCES: [(&str, &str); 5] = [
    ("tokenizer.ggml.tokens", "tokenizer.vocabulary"),
    ("tokenizer.ggml.merges", "tokenizer.merges"),
    ("tokenizer.ggml.token_type", "tokenizer.token_type"),
    ("tokenizer.ggml.scores", "tokenizer.scores"),
    ("tokenizer.chat_template", "tokenizer.chat_template"),
];
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const F64: u32 = 12;
/// The alignment is at most 1 MiB, and that of a set of many files usually less.
const LARGEST_PADDING: u64 = 16 << 20;
const DEEPEST: usize = 64;
