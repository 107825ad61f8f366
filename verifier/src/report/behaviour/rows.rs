//! What running both files said, row by row.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use crate::finding::Side;
use crate::report::Sides;

/// The outcome of one engine run on both files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BehaviourRow {
    /// The device that ran it, or that was to run it.
    pub device: String,
    /// Why this device, when it was not asked for by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_reason: Option<String>,
    /// The id of the arithmetic.
    pub numerics: String,
    /// `equal`, `different`, or `not covered`.
    pub result: BehaviourResult,
    /// Tokens that were run through each file.
    pub tokens: usize,
    /// Stages whose digests were compared.
    pub stages: usize,
    /// Tensors whose bytes were digested once more when they were run, and have the digest of the bytes that were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<usize>,
    /// The digests that were made when they were run.
    #[serde(skip)]
    pub used: Vec<UsedWeight>,
    /// Which of the experts were run, in a model that has some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<ExpertsRow>,
    /// What each file did not say and the run assumed.
    pub assumptions: Vec<String>,
    /// Tensors and keys of each file that no step reads and no engine would.
    pub unused: Vec<String>,
    /// The prompts, each with its table of stages.
    pub prompts: Vec<PromptRow>,
}

/// How many of the experts of all layers some token of the prompts was given to. The bytes of all of them were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExpertsRow {
    /// Those that were run; absent for a run on a GPU, where it is not recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<usize>,
    /// All of them.
    pub all: usize,
}

/// What running both files came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum BehaviourResult {
    /// Every stage has the same bits, and at least one was compared.
    #[serde(rename = "equal")]
    Equal,
    /// Something differs.
    #[serde(rename = "different")]
    Different,
    /// Not everything was run and compared.
    #[serde(rename = "not covered")]
    NotCovered,
}

impl BehaviourResult {
    /// Returns the words of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Different => "different",
            Self::NotCovered => "not covered",
        }
    }
}

/// A tensor as a run used it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedWeight {
    /// The file that it is a tensor of.
    pub side: Side,
    /// The name in the file.
    pub name: String,
    /// BLAKE3 of the bytes that were used.
    pub blake3: String,
}

/// One prompt, run through both files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PromptRow {
    /// The name.
    pub name: String,
    /// The token ids.
    pub tokens: Vec<u32>,
    /// The digest of all stages of each file that was run: its behaviour fingerprint for this prompt.
    #[serde(flatten)]
    pub sides: Sides<String>,
    /// The digest that a manifest records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// Rows that are equal and left out of the table.
    #[serde(skip_serializing_if = "crate::report::is_zero")]
    #[schemars(default)]
    pub equal_left_out: usize,
    /// Two rows for each stage of a pair, in the order of execution: over all tokens, and over the last one.
    pub table: Vec<StageRow>,
}

impl BehaviourRow {
    /// Why stages that are all equal prove nothing.
    pub(super) fn says_nothing(&self) -> Option<String> {
        if self.stages == 0 {
            return Some("no stage was compared".to_owned());
        }
        let rows = self.prompts.iter().flat_map(|prompt| &prompt.table);
        let is_number = |row: &&StageRow| row.sides.all().all(|(_, side)| side.nans == 0);
        let first = { rows }.find(|row| !is_number(row))?;
        Some(format!(
            "both models compute NaN from stage {} on, and NaN equals NaN whatever it comes from",
            first.stage
        ))
    }
}

/// One stage for one set of tokens. Statistics are information; the bits are judged.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StageRow {
    /// Layer and name, such as `3.ffn_gate`.
    pub stage: String,
    /// Where the value is taken, such as `after the matmul, before bias`.
    pub capture_point: String,
    /// `all` tokens, or the `last` one.
    pub token_set: TokenSet,
    /// `equal`, `different`, `missing`, or `not comparable: ` and the field that is unlike.
    pub result: StageResult,
    /// Each file whose model has the stage.
    #[serde(flatten)]
    pub sides: Sides<StageSide>,
    /// Standard deviation of the APR file by that of the GGUF; of one format, of the first by that of the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// |standard deviation of the APR file - that of the GGUF| by that of the GGUF. Some judge by 0.1; this report does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    /// How the values differ, where they were compared and do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<StageDifference>,
}

/// The tokens that a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TokenSet {
    /// All of them.
    All,
    /// The last one.
    Last,
}

impl TokenSet {
    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Last => "last",
        }
    }
}

/// How a stage came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageResult {
    /// The same bits.
    Equal,
    /// Other bits.
    Different,
    /// Only one of the models has it.
    Missing,
    /// This field of the two records is unlike, so that their values cannot be set side by side.
    NotComparable(&'static str),
}

impl StageResult {
    /// Returns the words of reports.
    #[must_use]
    pub fn text(self) -> Cow<'static, str> {
        match self {
            Self::Equal => "equal".into(),
            Self::Different => "different".into(),
            Self::Missing => "missing".into(),
            Self::NotComparable(field) => format!("not comparable: {field}").into(),
        }
    }
}

impl Serialize for StageResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl JsonSchema for StageResult {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

/// A stage in one file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StageSide {
    /// The number of values, each an f32.
    pub elements: usize,
    /// BLAKE3 of their little-endian bits, every NaN as 0x7fc00000.
    pub blake3: String,
    /// How many are NaN.
    pub nans: usize,
    /// Mean of the others; `null` when not finite, like all numbers here.
    pub mean: Option<f64>,
    /// Standard deviation of the population.
    pub standard_deviation: Option<f64>,
    /// Least value.
    pub minimum: Option<f32>,
    /// Greatest value.
    pub maximum: Option<f32>,
}

/// How the values of a stage differ.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct StageDifference {
    /// How many differ.
    pub elements: usize,
    /// The first one, from 0.
    pub first: usize,
    /// Its value in each file; `null` when not finite.
    #[serde(flatten)]
    pub sides: Sides<Option<f32>>,
    /// The largest distance in units in the last place.
    pub largest_ulp: u32,
    /// The largest absolute difference.
    pub largest_absolute: Option<f64>,
    /// The cosine of the angle between both.
    pub cosine: Option<f64>,
}

impl BehaviourRow {
    /// Leaves rows that are equal out of the tables, and counts them: they are most of a report.
    pub fn leave_out_equal(&mut self) {
        for prompt in &mut self.prompts {
            let all = prompt.table.len();
            prompt.table.retain(|row| row.result != StageResult::Equal);
            prompt.equal_left_out += all - prompt.table.len();
        }
    }

    /// Returns the first row of a table that is not equal, and its prompt.
    #[must_use]
    pub fn first_difference(&self) -> Option<(&PromptRow, &StageRow)> {
        self.prompts.iter().find_map(|prompt| {
            let row = prompt
                .table
                .iter()
                .find(|row| row.result != StageResult::Equal)?;
            Some((prompt, row))
        })
    }
}
