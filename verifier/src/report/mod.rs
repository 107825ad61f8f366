//! The report: what was bound, what was compared, what was found. JSON by a published schema, or text.
//!
//! A report holds no time, no path and nothing that depends on the machine or the number of threads. New fields are only
//! added; the meaning of a field never changes under the same `schema_version`.

mod behaviour;
mod build;
mod stages;
pub mod text;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

pub use behaviour::{
    Behaviour, BehaviourRow, PromptRow, StageDifference, StageRow, StageSide, UsedWeight,
};
pub(crate) use build::{Parts, build, file_row, hex};

use crate::verdict::Verdict;

/// The result of a verification.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this form; 1.
    pub schema_version: u32,
    /// What it came to.
    pub verdict: Verdict,
    /// The codes of all findings that decided the verdict, each once, the first cause first.
    pub reasons: Vec<String>,
    /// What was compared with what.
    pub mode: Mode,
    /// The manifest that the model was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestRow>,
    /// The files that were read, the APR file first, then the GGUF shard by shard.
    pub files: Vec<FileRow>,
    /// How much was compared.
    pub counts: Counts,
    /// What running both files said, when they were run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<BehaviourRow>,
    /// What was found, the first cause first; warnings and notes after what decides.
    pub findings: Vec<FindingRow>,
    /// One row for every tensor of the GGUF, then what only the APR file has.
    pub tensors: Vec<TensorRow>,
    /// One row for every key of the GGUF, then what only the APR file has.
    pub metadata: Vec<KeyRow>,
}

/// What was compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Two models.
    Pair,
    /// One model with a manifest.
    Manifest,
}

/// The manifest that a model was held against.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ManifestRow {
    /// The base name.
    pub name: String,
    /// The form: `aprove`, `rows`, `digest`, `Get-FileHash`, or the publisher that writes it.
    pub form: String,
    /// What its rows bind, in words.
    pub bound: Vec<String>,
    /// What no row binds.
    pub unbound: Vec<String>,
}

/// One file, and that all of it was accounted for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FileRow {
    /// `apr`, `gguf`, or `unknown`.
    pub format: String,
    /// The shard of a split set, from 0.
    pub shard: usize,
    /// The base name.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// BLAKE3 of the whole file, the number of `b3sum`, when all of it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// SHA-256 of the whole file, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Number of regions that the file is cut into.
    pub regions: usize,
    /// Bytes in regions that could be decoded and were read; all of them in a verified pair.
    pub covered: u64,
}

/// How much was compared.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Counts {
    /// Pairs of tensors whose data was compared.
    pub tensors_compared: usize,
    /// Pairs with the same bytes.
    pub bytes_equal: usize,
    /// Pairs stored as decoded F32 with exactly the decoded values.
    pub values_equal: usize,
    /// Pairs that differ.
    pub tensors_different: usize,
    /// Tensors of either file that were compared with nothing.
    pub tensors_not_compared: usize,
    /// Bytes of tensor data that were compared, counted once for a pair, as stored in the APR file.
    pub tensor_bytes_compared: u64,
    /// Keys of the GGUF that the APR file has with the same value.
    pub keys_equal: usize,
    /// Keys of the GGUF that the APR file does not have.
    pub keys_lost: usize,
    /// Keys of the GGUF that have another value in the APR file.
    pub keys_changed: usize,
    /// Keys of the APR file that come from nothing in the GGUF.
    pub keys_invented: usize,
}

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FindingRow {
    /// Stable code, such as `tensor.bytes`.
    pub code: String,
    /// `different`, `undecided`, `warning` or `note`.
    pub effect: String,
    /// One sentence. Bytes of the files that could confuse a reader are escaped.
    pub message: String,
    /// Where, the damaged file first.
    pub places: Vec<PlaceRow>,
    /// What should stand there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// The likely cause of a damage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseRow>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The likely cause of a damage: a hint that never changes the verdict.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct CauseRow {
    /// Stable code, such as `cause.single-bit`.
    pub code: String,
    /// One sentence.
    pub text: String,
}

/// A place in one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PlaceRow {
    /// `apr` or `gguf`.
    pub file: String,
    /// The shard of a split set, from 0.
    pub shard: usize,
    /// The kind of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// First byte, from the start of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// Number of bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// The tensor name or metadata key, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The finer place: block, part of the block, element, bit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// One tensor and how it came out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TensorRow {
    /// `bytes equal`, `values equal`, `different`, `not compared`.
    pub result: String,
    /// Whether the APR tensor is the copy of a tied embedding.
    pub tied: bool,
    /// The tensor of the APR file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub apr: Option<TensorSide>,
    /// The tensor of the GGUF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gguf: Option<TensorSide>,
    /// How the bytes differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<DifferenceRow>,
    /// How the decoded values differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesRow>,
}

/// A tensor in one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TensorSide {
    /// The name, escaped.
    pub name: String,
    /// The type.
    pub r#type: String,
    /// The dimensions, in the order of the file.
    pub shape: Vec<u64>,
    /// The shard of a split set, from 0.
    pub shard: usize,
    /// First byte, from the start of the file.
    pub offset: u64,
    /// Bytes without padding.
    pub size: u64,
    /// BLAKE3 of these bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blake3: Option<String>,
    /// SHA-256 of these bytes, when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// How the bytes of two tensors of one type differ. Offsets are whole-file offsets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DifferenceRow {
    /// Bytes that differ.
    pub bytes: u64,
    /// Runs of differing bytes.
    pub runs: u64,
    /// Blocks that differ (elements, for plain types).
    pub blocks: u64,
    /// All blocks of the tensor.
    pub blocks_total: u64,
    /// First block that differs, from 0.
    pub first_block: u64,
    /// Last block that differs.
    pub last_block: u64,
    /// First and last differing byte in the APR file.
    pub apr: [u64; 2],
    /// First and last differing byte in the GGUF.
    pub gguf: [u64; 2],
    /// How many blocks differ in each field of the block.
    pub parts: std::collections::BTreeMap<String, u64>,
}

/// How the decoded values of two tensors differ; the APR file first where there are two numbers.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ValuesRow {
    /// Elements compared.
    pub elements: u64,
    /// Elements whose f32 bits differ.
    pub different: u64,
    /// First element that differs, in the order of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Last element that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
    /// Means; `null` when not finite.
    pub mean: [Option<f64>; 2],
    /// Standard deviations.
    pub standard_deviation: [Option<f64>; 2],
    /// Largest absolute difference.
    pub maximum_difference: Option<f64>,
    /// Root of the mean squared difference.
    pub rms_difference: Option<f64>,
}

/// One key and how it came out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeyRow {
    /// The key, escaped.
    pub key: String,
    /// `equal`, `lost`, `changed` or `invented`.
    pub result: String,
}

/// Returns the JSON Schema of the report.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Report)
}

/// Writes a report as JSON, indented, with a line end.
#[must_use]
pub fn to_json(report: &Report) -> String {
    // The report holds strings and numbers only, which always serialise.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}
