//! The lossless record that our converter leaves in an artifact, read back.
//!
//! The key `aprove` of the metadata holds every byte of the source GGUF that is no tensor data, as key/values and tensor
//! infos (the page `converter/ARTIFACT.md` describes it). From it the head of the source is built again and compared with
//! the head of the GGUF at hand: the first byte that differs is the exact place of a damage, also where the damaged head
//! cannot be decoded any more.
#![warn(clippy::arithmetic_side_effects)]

pub(super) mod check;
mod head;

use self::head::{Budget, Parts, bytes_of, is_hex, items};
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::gguf::Value;
use crate::region::Region;

/// What an artifact says about its sources and its making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// Version 1 is read like version 2 and never accepted.
    pub(crate) version: u64,
    /// One for each source file, in shard order.
    pub(crate) sources: Vec<SourceRecord>,
    pub(super) names: String,
    pub(super) tie: String,
    pub(super) decoded: Vec<Vec<u8>>,
    /// Keys that change what the model computes and stand nowhere but here.
    pub(super) record_only: Vec<Vec<u8>>,
    pub(super) raw: Vec<Vec<u8>>,
    pub(super) set: Vec<SetKey>,
}

impl Record {
    /// Whether a tensor of the source is stored as the values that it decodes to.
    pub(crate) fn is_decoded(&self, gguf_name: &[u8]) -> bool {
        self.decoded.iter().any(|name| name == gguf_name)
    }

    /// Whether the output matrix of the artifact is a copy of the embedding.
    pub(crate) fn has_copy(&self) -> bool {
        self.tie == "duplicate"
    }
}

/// What an artifact says about one source file.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceRecord {
    /// Length in bytes.
    pub(crate) size: u64,
    /// BLAKE3 of the whole file, lower-case hex.
    pub(crate) blake3: String,
    /// SHA-256 of the whole file, lower-case hex; in version 1.
    pub(crate) sha256: Option<String>,
    /// The head, built again: header, key/values, tensor infos, padding.
    pub(crate) head: Vec<u8>,
    /// The regions of that head.
    pub(crate) regions: Vec<Region>,
}

/// A key that the user gave because the source lacks it.
#[derive(Clone, Debug)]
pub(super) struct SetKey {
    pub(super) key: Vec<u8>,
    type_id: u32,
    bytes: Vec<u8>,
}

impl SetKey {
    pub(super) fn value(&self) -> Value<'_> {
        Value {
            type_id: self.type_id,
            bytes: &self.bytes,
        }
    }
}

/// Whether the record is one of a development version, which kept SHA-256 as well.
pub(crate) fn is_of_version_1(document: &Document) -> bool {
    let version = document
        .get(KEY)
        .and_then(|json| document.member(json, "record"));
    version.and_then(|version| document.integer(version)) == Some(1)
}

/// Reads the record; `Ok(None)` when the artifact has none, an error that names the broken part.
pub(crate) fn read(document: &Document) -> Result<Option<Record>, String> {
    let Some(json) = document.get(KEY) else {
        return Ok(None);
    };
    let reader = Reader { document, json };
    let version = reader.number("record")?;
    if !matches!(version, 1 | 2) {
        return Err(format!("record: version {version} is not known here"));
    }
    let old = version == 1;
    reader.only(if old { MEMBERS_OF_1 } else { MEMBERS })?;
    reader.text("tool")?;
    let mut record = Record {
        version,
        names: reader.text("names")?,
        tie: reader.text("tie")?,
        decoded: reader.names("decoded")?,
        raw: reader.names("raw")?,
        record_only: reader.names("record_only")?,
        ..Record::default()
    };
    for entry in reader.optional_list("set")? {
        let (key, type_id, bytes) =
            head::key_value(document, entry).ok_or("set: [KEY, TYPE, VALUE] expected")?;
        record.set.push(SetKey {
            key,
            type_id,
            bytes,
        });
    }
    let mut budget = Budget::new(document.span(json).end());
    for (index, json) in reader.list("sources")?.iter().enumerate() {
        let reader = Reader { document, json };
        let source = reader
            .source(old, &mut budget)
            .map_err(|what| format!("sources[{index}].{what}"))?;
        record.sources.push(source);
    }
    if record.sources.is_empty() {
        return Err("sources: none".to_owned());
    }
    for (name, ..) in tensor_digests(document)? {
        if name.is_empty() {
            return Err("tensors: an empty name".to_owned());
        }
    }
    Ok(Some(record))
}

/// The digests of the stored tensors: APR name, BLAKE3, and SHA-256 in version 1.
///
/// # Errors
/// Fails when a digest is not one, naming the tensor.
pub(crate) fn tensor_digests(
    document: &Document,
) -> Result<Vec<(String, String, Option<String>)>, String> {
    let tensors = document
        .get(KEY)
        .and_then(|record| document.member(record, "tensors"))
        .ok_or("tensors: missing")?;
    let Kind::Object(members) = &tensors.kind else {
        return Err("tensors: an object expected".to_owned());
    };
    let read = |(name, digest): &(Json, Json)| {
        let name = document.name(name).into_owned();
        let text = |json| {
            let text = document.string(json)?;
            (text.len() == 64 && is_hex(&text)).then(|| text.into_owned())
        };
        let digests = match items(digest) {
            Some([blake3, sha256]) => text(blake3).zip(Some(text(sha256))),
            Some(_) => None,
            None => text(digest).zip(Some(None)),
        };
        let (blake3, sha256) =
            digests.ok_or_else(|| format!("tensors: {} has no digest", name.escape_debug()))?;
        Ok((name, blake3, sha256))
    };
    members.iter().map(read).collect()
}

/// One object of the record.
struct Reader<'a> {
    document: &'a Document,
    json: &'a Json,
}

impl<'a> Reader<'a> {
    fn source(&self, old: bool, budget: &mut Budget) -> Result<SourceRecord, String> {
        self.only(if old { SOURCE_OF_1 } else { SOURCE })?;
        let parts = Parts {
            version: u32::try_from(self.number("version")?).map_err(|_| "version")?,
            data_offset: self.number("data_offset")?,
            kv: self.list("kv")?,
            tensors: self.list("tensors")?,
        };
        let head = head::build(self.document, &parts, budget)?;
        Ok(SourceRecord {
            size: self.number("size")?,
            blake3: self.hex("blake3", 64)?,
            sha256: old.then(|| self.hex("sha256", 64)).transpose()?,
            head: head.bytes,
            regions: head.regions,
        })
    }

    fn member(&self, key: &str) -> Option<&'a Json> {
        self.document.member(self.json, key)
    }

    /// Refuses members that the description of the record does not know.
    fn only(&self, known: &[&str]) -> Result<(), String> {
        let Kind::Object(members) = &self.json.kind else {
            return Err("an object expected".to_owned());
        };
        for (key, _) in members {
            let name = self.document.name(key);
            if !known.contains(&&*name) {
                let start: String = name.chars().take(60).collect();
                return Err(format!("{}: not a member", start.escape_debug()));
            }
        }
        Ok(())
    }

    fn number(&self, key: &str) -> Result<u64, String> {
        self.member(key)
            .and_then(|json| self.document.u64(json))
            .ok_or_else(|| format!("{key}: a number expected"))
    }

    fn text(&self, key: &str) -> Result<String, String> {
        self.member(key)
            .and_then(|json| self.document.string(json))
            .map(std::borrow::Cow::into_owned)
            .ok_or_else(|| format!("{key}: a string expected"))
    }

    fn hex(&self, key: &str, digits: usize) -> Result<String, String> {
        let text = self.text(key)?;
        if text.len() == digits && is_hex(&text) {
            Ok(text)
        } else {
            Err(format!("{key}: {digits} lower-case hex digits expected"))
        }
    }

    fn list(&self, key: &str) -> Result<&'a [Json], String> {
        self.member(key)
            .and_then(items)
            .ok_or_else(|| format!("{key}: a list expected"))
    }

    /// A list that is absent when it would be empty.
    fn optional_list(&self, key: &str) -> Result<&'a [Json], String> {
        if self.member(key).is_none() {
            return Ok(&[]);
        }
        match self.list(key)? {
            [] => Err(format!("{key}: must be absent when empty")),
            list => Ok(list),
        }
    }

    fn names(&self, key: &str) -> Result<Vec<Vec<u8>>, String> {
        self.optional_list(key)?
            .iter()
            .map(|name| {
                bytes_of(self.document, name).ok_or_else(|| format!("{key}: names expected"))
            })
            .collect()
    }
}

pub(super) const KEY: &str = "aprove";
const MEMBERS: &[&str] = &[
    "record",
    "tool",
    "names",
    "tie",
    "decoded",
    "raw",
    "record_only",
    "set",
    "sources",
    "tensors",
];
const MEMBERS_OF_1: &[&str] = &[
    "record", "tool", "names", "tie", "decoded", "raw", "sources", "tensors",
];
const SOURCE: &[&str] = &["size", "blake3", "version", "data_offset", "kv", "tensors"];
const SOURCE_OF_1: &[&str] = &[
    "file",
    "sha256",
    "size",
    "blake3",
    "crc32",
    "version",
    "data_offset",
    "kv",
    "tensors",
];
