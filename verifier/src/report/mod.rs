//! The report: what was bound, what was compared, what was found. JSON by a published schema, or text.
//!
//! A report holds no time, no path and nothing that depends on the machine or the number of threads. New fields are only
//! added; the meaning of a field never changes under the same `schema_version`.

mod behaviour;
mod build;
mod cap;
mod conclusion;
mod first_difference;
mod json;
mod row;
mod set;
mod sides;
mod stages;
mod tensor_row;
pub mod text;
pub mod verdict;

use schemars::{JsonSchema, Schema, schema_for};
use serde::Serialize;

pub use behaviour::{
    Behaviour, BehaviourResult, BehaviourRow, ExpertsRow, PromptRow, StageDifference, StageResult,
    StageRow, StageSide, TokenSet, UsedWeight,
};
pub(crate) use build::{Parts, Scope, build, file_row};
pub use json::to_json;
pub use row::{CauseRow, FindingRow, PlaceRow};
pub(crate) use set::name_files_of_sets;
pub use sides::Sides;

pub use conclusion::{AtFault, Conclusion, ConclusionKind};
pub(crate) use first_difference::{EXCERPT, LINE};
pub use first_difference::{Excerpt, FieldSpan, FirstDifference, ValuePair};

use self::verdict::{Compared, Verdict};
use crate::code::Code;
pub use crate::compare::metadata::Status as KeyStatus;
pub use crate::decode::container::FileFormat;
use crate::finding::{Finding, Side};
use crate::origin::Origin;
use crate::policy::{Policy, PolicyRow};
use crate::region::{RegionKind, Span};

/// The result of a verification.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Report {
    /// The version of this form; 3.
    pub schema_version: u32,
    /// What wrote it, where it says so: the verifier does not know the program that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Tool>,
    /// What it came to.
    pub verdict: Verdict,
    /// The same for a person, where whoever wrote it says so: the first line of the text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentence: Option<String>,
    /// The codes of all findings that decided against the pair, each once, the first cause first.
    pub reasons: Vec<Code>,
    /// Who is at fault, when something decides against the pair and the files tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    /// The cause in one sentence, where whoever asked has drawn it from the findings and the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// What to do next: a command, where whoever asked knows the paths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What was compared with what.
    pub mode: Mode,
    /// The manifest that the model was held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<ManifestRow>,
    /// The policy, when one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRow>,
    /// The files that were read, the APR file first, then the GGUF shard by shard; of one format, in the order given.
    pub files: Vec<FileRow>,
    /// How much was compared.
    pub counts: Counts,
    /// What running both files said, when they were run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<BehaviourRow>,
    /// What was found, the first cause first; warnings and notes after what decides.
    pub findings: Vec<FindingRow>,
    /// The bytes around the first difference of two tensors of one type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<FirstDifference>,
    /// One row for every tensor of the GGUF, then what only the APR file has; of one format, of the second file, then what
    /// only the first one has.
    pub tensors: Vec<TensorRow>,
    /// One row for every key of the GGUF, then what only the APR file has; of one format, of the second file, then what only
    /// the first one has.
    pub metadata: Vec<KeyRow>,
    /// Whether an artifact was seen to give back the source that it records, where another file was compared with it.
    #[serde(skip)]
    pub gives_source_back: bool,
    /// Whether the GGUF was seen to have the tensors of the source that an artifact records, and nothing is unlike in its keys.
    #[serde(skip)]
    pub has_source_tensors: bool,
    /// What the verdict rests on beside the findings.
    #[serde(skip)]
    pub(crate) compared: Compared,
    /// Everything that was found, in the order of causes; `findings` is drawn from it.
    #[serde(skip)]
    pub(crate) all: Vec<Finding>,
    /// What `policy` is drawn from.
    #[serde(skip)]
    pub(crate) applied: Policy,
    /// What texts call the files of a pair of one format.
    #[serde(skip)]
    pub(crate) called: Option<[String; 2]>,
}

/// The program that wrote a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tool {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
}

/// What was compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Two models.
    Pair,
    /// One model with a manifest.
    Manifest,
    /// One model with its format and what is recorded of it.
    File,
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
    pub format: FileFormat,
    /// `a` or `b`, in a pair of one format.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Side>,
    /// The shard of a split set, from 0.
    pub shard: usize,
    /// The base name.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// Which object of a network it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
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
    /// The regions by offset, for pictures of the file.
    #[serde(skip)]
    pub layout: Vec<(RegionKind, Span)>,
    /// What could not be read.
    #[serde(skip)]
    pub unread: Vec<Span>,
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
    /// Keys that only one of two files of one format has; absent where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub keys_of_one_file: usize,
}

/// For fields that came later: a report without them is what it was.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// One tensor and how it came out.
#[derive(Clone, Debug)]
pub struct TensorRow {
    /// `bytes equal`, `values equal`, `different`, `not compared`.
    pub result: TensorResult,
    /// Whether the APR tensor is the copy of a tied embedding.
    pub tied: bool,
    /// The tensor in each file that has it.
    pub sides: Sides<TensorSide>,
    /// How the bytes differ.
    pub difference: Option<DifferenceRow>,
    /// How the decoded values differ.
    pub values: Option<ValuesRow>,
}

/// How a tensor came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum TensorResult {
    /// The same bytes.
    #[serde(rename = "bytes equal")]
    BytesEqual,
    /// Stored as F32 with exactly the decoded values.
    #[serde(rename = "values equal")]
    ValuesEqual,
    /// Other bytes or values.
    #[serde(rename = "different")]
    Different,
    /// Without a counterpart, or with one that cannot be interpreted or read.
    #[serde(rename = "not compared")]
    NotCompared,
}

impl TensorResult {
    /// Tells whether the tensor was compared and agrees.
    #[must_use]
    pub const fn is_equal(self) -> bool {
        matches!(self, Self::BytesEqual | Self::ValuesEqual)
    }
}

/// A tensor in one file.
#[derive(Clone, Debug)]
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
    pub blake3: Option<String>,
    /// SHA-256 of these bytes, when it was asked for.
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
    /// First and last differing byte in each file.
    #[serde(flatten)]
    pub sides: Sides<[u64; 2]>,
    /// How many blocks differ in each field of the block.
    pub parts: std::collections::BTreeMap<String, u64>,
}

/// How the decoded values of two tensors differ; the APR file, or the first one, first where there are two numbers.
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
    /// `equal`, `lost`, `changed` or `invented`; of one format, `only a` or `only b` for a key that one file has.
    pub result: KeyStatus,
    /// What the first file says and what the second one says, in a few words.
    #[serde(skip)]
    pub values: [Option<String>; 2],
}

/// Returns the JSON Schema of the report.
#[must_use]
pub fn schema() -> Schema {
    schema_for!(Report)
}
