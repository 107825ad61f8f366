//! What a model file holds, as its container says it: header, metadata, tensors, regions, and what is wrong with them.
//!
//! The tensor data is not read. Nothing raw from the file is shown: names, keys and strings are escaped.

mod apr;
mod gguf;
mod summary;
mod text;
mod value;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

pub use crate::report::to_json;
pub use summary::{Summary, TypeCount};
pub use text::{Sections, to_text};

use crate::code::Code;
use crate::decode::decoded::Decoded;
use crate::decode::padding;
use crate::explain::common::malformed;
use crate::finding::{Effect, Finding, escape};
use crate::input::Input;
use crate::report::verdict::Verdict;
use crate::report::{FileFormat, FindingRow, Scope, Tool, build};

/// One decoded model.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Inspection {
    /// The version of this form; 2. Version 1 had a `verdict` in the place of `result`.
    pub schema_version: u32,
    /// What wrote it, where it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// What reading the container came to. Nothing was compared with anything.
    pub result: Decoding,
    /// `gguf`, `apr` or `unknown`.
    pub format: FileFormat,
    /// The model in short; absent where the file is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The files, in shard order.
    pub files: Vec<FileView>,
    /// The keys, in the order of the files; of an APR file the top level of its JSON.
    pub metadata: Vec<KeyView>,
    /// The tensors, in the order in which the files list them.
    pub tensors: Vec<TensorView>,
    /// The regions, which partition every file.
    pub regions: Vec<RegionView>,
    /// What is wrong with the container, what decides first.
    pub findings: Vec<FindingRow>,
}

/// What reading a container came to; the exit code says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Decoding {
    /// Everything but the tensor data was decoded, and nothing contradicts the format.
    Decoded,
    /// The file contradicts its own format.
    Different,
    /// Not everything could be read or decoded.
    Undecided,
}

impl Decoding {
    /// Returns the word of an inspection.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decoded => "decoded",
            Self::Different => "different",
            Self::Undecided => "undecided",
        }
    }

    /// The verdict with the same exit code.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Decoded => Verdict::Verified,
            Self::Different => Verdict::Different,
            Self::Undecided => Verdict::Undecided,
        }
    }
}

impl From<Verdict> for Decoding {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Verified => Self::Decoded,
            Verdict::Different => Self::Different,
            Verdict::Undecided => Self::Undecided,
        }
    }
}

/// One file and its header.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FileView {
    /// The base name, escaped.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// The fields of the header and what follows from them, in order; empty when the header cannot be read.
    pub header: Vec<FieldView>,
}

/// One field of a header.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FieldView {
    /// The name of the field, such as `version` or `data offset`.
    pub name: &'static str,
    /// The value: decimal for counts and offsets, hexadecimal for checksums, names for flags.
    pub value: String,
}

/// One metadata key.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeyView {
    /// The shard that holds the key, from 0.
    pub shard: usize,
    /// The key, escaped.
    pub key: String,
    /// The type: those of GGUF (`u32`, `str`, `arr[str]`) or of JSON (`number`, `string`, `array`, `object`).
    pub r#type: String,
    /// Number of items of an array, or of members of an object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// The value, escaped and shortened; of an array the first items, of an object the first names.
    pub value: String,
}

/// One tensor.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TensorView {
    /// The name, escaped.
    pub name: String,
    /// The type, such as `Q4_K`; `id N` where it has no name.
    pub r#type: String,
    /// The dimensions in the order of the file.
    pub shape: Vec<u64>,
    /// The shard that holds the data, from 0.
    pub shard: usize,
    /// First byte of the data, from the start of the file.
    pub offset: u64,
    /// Bytes without padding.
    pub size: u64,
}

/// One region.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RegionView {
    /// The shard, from 0.
    pub shard: usize,
    /// The kind, such as `header` or `padding`.
    pub kind: &'static str,
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The key or tensor that the region belongs to, escaped; empty where there is none.
    pub label: String,
}

/// Decodes a model by content. What is broken is a finding.
///
/// Reads the head and the padding, not the data: values and the footer's CRC are for a verification.
#[must_use]
pub fn inspect(input: &Input<'_>) -> Inspection {
    let decoded = Decoded::of(input);
    let mut findings: Vec<_> = malformed(decoded.findings()).collect();
    for (shard, (parts, (_, source))) in decoded.shards().iter().zip(&input.shards).enumerate() {
        findings.extend(
            padding::check(decoded.side(), shard, parts, *source).unwrap_or_else(|error| {
                let text = format!("the padding cannot be read: {error}");
                vec![Finding::new(Code::Io, Effect::Undecided, text)]
            }),
        );
    }
    let judged = build(Vec::new(), &Scope::Decoded, &findings);
    let (headers, metadata) = match &decoded {
        Decoded::Gguf(container) => (gguf::headers(container), gguf::keys(container)),
        Decoded::Apr(container) => (vec![apr::header(container)], apr::keys(container)),
        Decoded::Unknown(_) => Default::default(),
    };
    let mut headers = headers.into_iter();
    Inspection {
        schema_version: 2,
        tool: None,
        result: judged.verdict.into(),
        format: decoded.format(),
        summary: (decoded.format() != FileFormat::Unknown).then(|| Summary::of(&decoded)),
        files: input
            .shards
            .iter()
            .map(|(name, source)| FileView {
                name: escape(name.as_bytes()),
                size: source.length(),
                header: headers.next().unwrap_or_default(),
            })
            .collect(),
        metadata,
        tensors: tensors(&decoded),
        regions: regions(&decoded),
        findings: judged.findings,
    }
}

/// Returns the JSON Schema of an inspection.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Inspection)
}

fn tensors(decoded: &Decoded) -> Vec<TensorView> {
    let view = |tensor: &crate::decode::container::Tensor| TensorView {
        name: escape(&tensor.name),
        r#type: tensor.type_name(),
        shape: tensor.dims.clone(),
        shard: tensor.shard,
        offset: tensor.span.offset,
        size: tensor.span.length,
    };
    decoded.tensors().iter().map(view).collect()
}

fn regions(decoded: &Decoded) -> Vec<RegionView> {
    let mut views = Vec::new();
    for (shard, parts) in decoded.shards().iter().enumerate() {
        views.extend(parts.regions.iter().map(|region| RegionView {
            shard,
            kind: region.kind.as_str(),
            offset: region.span.offset,
            length: region.span.length,
            label: escape(&region.label),
        }));
    }
    views
}

fn field(name: &'static str, value: impl ToString) -> FieldView {
    FieldView {
        name,
        value: value.to_string(),
    }
}

#[cfg(test)]
mod tests;
