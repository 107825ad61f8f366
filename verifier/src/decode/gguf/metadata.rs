//! The key/values of a GGUF, kept as bytes and spans.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use super::Broken;
use super::value::{self, ARRAY, BOOL, STRING, Value, fixed_size};
use crate::code::Code;
use crate::decode::findings::Findings;
use crate::decode::head_reader::{Head, Stop};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{Region, RegionKind, Span};

/// The heads of all shards; the metadata of the model are those of the first.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    /// One head per shard, in order.
    pub shards: Vec<ShardHead>,
}

/// What stands before the tensor data of one file.
#[derive(Clone, Debug, Default)]
pub struct ShardHead {
    /// The bytes from the start of the file; at least up to the end of the tensor infos when those were decoded.
    pub bytes: Vec<u8>,
    /// The format version.
    pub version: u32,
    /// The tensor count of the header.
    pub tensor_count: u64,
    /// The key/value count of the header.
    pub kv_count: u64,
    /// The key/values, in file order.
    pub entries: Vec<Entry>,
    /// Where each key stands in `entries`; of a duplicate key, the first.
    pub(super) index: HashMap<Vec<u8>, usize>,
    /// `general.alignment`, or 32.
    pub alignment: u64,
    /// End of the tensor infos.
    pub infos_end: u64,
    /// Start of the tensor data; 0 when the head is broken.
    pub data_offset: u64,
}

/// One key/value.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The whole key/value.
    pub span: Span,
    /// The bytes of the key.
    pub key: Span,
    /// The type id of the value.
    pub type_id: u32,
    /// The bytes of the value, after the type id.
    pub value: Span,
}

impl Metadata {
    /// Returns the value of a key of the model.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value<'_>> {
        self.shards.first()?.get(key)
    }

    /// Returns the value of an architecture key: `NAME` of `A.NAME`, where A is `general.architecture`.
    #[must_use]
    pub fn of_architecture(&self, name: &str) -> Option<Value<'_>> {
        let mut key = self.architecture()?.to_vec();
        key.push(b'.');
        key.extend_from_slice(name.as_bytes());
        self.get(&key)
    }

    /// Returns `general.architecture`.
    #[must_use]
    pub fn architecture(&self) -> Option<&[u8]> {
        self.get(b"general.architecture")?.as_string()
    }
}

impl ShardHead {
    /// Returns the value of a key; of a duplicate key, the first.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<Value<'_>> {
        Some(self.value(self.entry(key)?))
    }

    pub(super) fn entry(&self, key: &[u8]) -> Option<&Entry> {
        self.entries.get(*self.index.get(key)?)
    }

    /// Returns the bytes of a key.
    #[must_use]
    pub fn key(&self, entry: &Entry) -> &[u8] {
        entry.key.of(&self.bytes)
    }

    /// Returns a value.
    #[must_use]
    pub fn value(&self, entry: &Entry) -> Value<'_> {
        Value {
            type_id: entry.type_id,
            bytes: entry.value.of(&self.bytes),
        }
    }

    /// Returns the whole key/value as it stands in the file.
    #[must_use]
    pub fn raw(&self, entry: &Entry) -> &[u8] {
        entry.span.of(&self.bytes)
    }
}

pub(super) fn decode(
    head: &mut Head<'_>,
    shard: usize,
    parts: &mut ShardHead,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Result<(), Broken> {
    parts.alignment = DEFAULT_ALIGNMENT;
    for index in 0..parts.kv_count {
        let start = head.position();
        let (key, entry) = decode_one(head, shard, index, findings)?;
        let span = Span::new(start, head.position().saturating_sub(start));
        if key == b"general.alignment" {
            parts.alignment = alignment(head, shard, &entry)?;
        }
        match parts.index.entry(key.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(parts.entries.len());
            }
            Slot::Occupied(_) => findings.push(
                Finding::new(
                    Code::GgufKeyDuplicate,
                    Effect::Undecided,
                    format!(
                        "duplicate key {}: readers disagree about which one counts",
                        clip(&key)
                    ),
                )
                .at(place(shard, &key, span)),
            ),
        }
        regions.push(Region {
            kind: RegionKind::KeyValue,
            span,
            label: key,
        });
        parts.entries.push(Entry { span, ..entry });
    }
    Ok(())
}

fn decode_one(
    head: &mut Head<'_>,
    shard: usize,
    index: u64,
    findings: &mut Findings,
) -> Result<(Vec<u8>, Entry), Broken> {
    let stop = |stop| Broken::Stop(stop, format!("the key of key/value {index}"));
    let start = head.position();
    let length = head.u64().map_err(stop)?;
    if length > LONGEST_KEY {
        return Err(field(
            shard,
            Code::GgufKeyLength,
            &format!("key/value {index}"),
            start,
            8,
        )
        .because("at most 65,535 bytes", &length.to_string()));
    }
    let key_offset = head.position();
    let key = head.take(length).map_err(stop)?.to_vec();
    let key_span = Span::new(key_offset, length);
    check_key(shard, index, &key, key_span, findings);
    let name = escape(&key);
    let stop = |stop| Broken::Stop(stop, format!("the value of {name}"));
    let type_offset = head.position();
    let type_id = head.u32().map_err(stop)?;
    let value_offset = head.position();
    skip_value(head, shard, &name, type_id, type_offset, findings)?;
    let value = Span::new(value_offset, head.position().saturating_sub(value_offset));
    let entry = Entry {
        span: key_span,
        key: key_span,
        type_id,
        value,
    };
    Ok((key, entry))
}

fn check_key(shard: usize, index: u64, key: &[u8], span: Span, findings: &mut Findings) {
    let (code, problem) = if key.is_empty() {
        (Code::GgufKeyEmpty, "is empty")
    } else if key.contains(&0) || !key.is_ascii() {
        (Code::GgufKeyBytes, "has bytes that are not ASCII, or NUL")
    } else {
        return;
    };
    findings.push(
        Finding::new(
            code,
            Effect::Undecided,
            format!("the key of key/value {index} ({}) {problem}", clip(key)),
        )
        .at(place(shard, key, span)),
    );
}

/// Walks over one value. Arrays in arrays are followed with an own stack, never by recursion.
fn skip_value(
    head: &mut Head<'_>,
    shard: usize,
    name: &str,
    type_id: u32,
    type_offset: u64,
    findings: &mut Findings,
) -> Result<(), Broken> {
    let stop = |stop| Broken::Stop(stop, format!("the value of {name}"));
    let mut stack = vec![(type_id, 1_u64)];
    while let Some((type_id, left)) = stack.pop() {
        if left == 0 {
            continue;
        }
        if let Some(size) = fixed_size(type_id) {
            let start = head.position();
            let length = left.checked_mul(size).ok_or(Stop::End).map_err(stop)?;
            let bytes = head.take(length).map_err(stop)?;
            if type_id == BOOL
                && let Some(at) = bytes.iter().position(|&byte| byte > 1)
            {
                let offset = start.saturating_add(at as u64);
                findings.push(
                    Finding::new(
                        Code::GgufValueBool,
                        Effect::Undecided,
                        format!("a bool of {name} is neither 0 nor 1; readers disagree about it"),
                    )
                    .at(place(shard, name.as_bytes(), Span::new(offset, 1))),
                );
            }
            continue;
        }
        stack.push((type_id, left.saturating_sub(1)));
        let start = head.position();
        match type_id {
            STRING => {
                let length = head.u64().map_err(stop)?;
                if length > head.left() {
                    return Err(
                        field(shard, Code::GgufStringLength, name, start, 8).because(
                            &format!("at most {} bytes, which are left", head.left()),
                            &length.to_string(),
                        ),
                    );
                }
                head.take(length).map_err(stop)?;
            }
            ARRAY => {
                let item_type = head.u32().map_err(stop)?;
                let count = head.u64().map_err(stop)?;
                let least =
                    fixed_size(item_type).unwrap_or(if item_type == ARRAY { 12 } else { 8 });
                if value::type_name(item_type).is_none() {
                    return Err(field(shard, Code::GgufValueType, name, start, 4)
                        .because("a value type of 0 to 12", &item_type.to_string()));
                }
                if count > head.left().checked_div(least).unwrap_or(0) {
                    return Err(field(
                        shard,
                        Code::GgufArrayCount,
                        name,
                        start.saturating_add(4),
                        8,
                    )
                    .because(
                        &format!("items within the {} bytes left", head.left()),
                        &count.to_string(),
                    ));
                }
                // The stack holds one entry per open array, and the outermost value.
                if stack.len() > DEEPEST_ARRAY {
                    return Err(field(shard, Code::GgufArrayDepth, name, start, 12)
                        .because("at most 64 arrays in one another", "more"));
                }
                stack.push((item_type, count));
            }
            _ => {
                return Err(field(shard, Code::GgufValueType, name, type_offset, 4)
                    .because("a value type of 0 to 12", &type_id.to_string()));
            }
        }
    }
    Ok(())
}

fn alignment(head: &Head<'_>, shard: usize, entry: &Entry) -> Result<u64, Broken> {
    let refuse = |code, expected: &str, found: &str| {
        Err(field(
            shard,
            code,
            "general.alignment",
            entry.value.offset,
            entry.value.length,
        )
        .because(expected, found))
    };
    if entry.type_id != 4 {
        return refuse(
            Code::GgufAlignmentType,
            "u32",
            value::type_name(entry.type_id).unwrap_or("unknown"),
        );
    }
    let value = Value {
        type_id: 4,
        bytes: head.read_back(entry.value),
    };
    let alignment = value.as_u64().unwrap_or(0);
    if !alignment.is_power_of_two() {
        return refuse(
            Code::GgufAlignmentValue,
            "a power of two",
            &alignment.to_string(),
        );
    }
    if alignment > LARGEST_ALIGNMENT {
        return refuse(
            Code::GgufAlignmentLimit,
            "at most 1 MiB",
            &alignment.to_string(),
        );
    }
    Ok(alignment)
}

/// A field that cannot be followed; `because` completes it.
fn field(shard: usize, code: Code, name: &str, offset: u64, length: u64) -> Unfinished {
    Unfinished(
        Finding::new(code, Effect::Undecided, "").at(Place::new(Side::Gguf, shard)
            .region(RegionKind::KeyValue)
            .span(Span::new(offset, length))
            .name(name)),
        name.to_owned(),
    )
}

struct Unfinished(Finding, String);

impl Unfinished {
    fn because(self, expected: &str, found: &str) -> Broken {
        let Self(mut finding, name) = self;
        let says = match finding.code {
            Code::GgufStringLength => format!("a string says that it is {found} bytes long"),
            Code::GgufKeyLength => format!("its name says that it is {found} bytes long"),
            Code::GgufArrayCount => format!("an array says that it has {found} items"),
            Code::GgufValueType => format!("a value says that its type is {found}"),
            Code::GgufArrayDepth => "its arrays lie too deep in one another".to_owned(),
            _ => format!("it cannot be {found}"),
        };
        finding.message = format!("{name}: {says}");
        Broken::Field(Box::new(finding.expected_found(expected, found)))
    }
}

fn place(shard: usize, key: &[u8], span: Span) -> Place {
    Place::new(Side::Gguf, shard)
        .region(RegionKind::KeyValue)
        .span(span)
        .name(key)
}

/// A key short enough for a message; the place of the finding holds all of it.
fn clip(key: &[u8]) -> String {
    match key.get(..LONGEST_SHOWN) {
        Some(start) => format!("{}...", escape(start)),
        None => escape(key),
    }
}

const LONGEST_SHOWN: usize = 120;
const DEFAULT_ALIGNMENT: u64 = 32;
const LARGEST_ALIGNMENT: u64 = 1 << 20;
const LONGEST_KEY: u64 = 65_535;
const DEEPEST_ARRAY: usize = 64;
