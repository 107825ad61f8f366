//! What running both files said, joined to a report. The verifier itself runs nothing.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "counts of what one report holds; one that wraps ends the run"
)]

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};

use super::{Report, Sides};
use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side, escape};

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
    /// Tensors of each file that no step reads and no engine would.
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
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub equal_left_out: usize,
    /// Two rows for each stage of a pair, in the order of execution: over all tokens, and over the last one.
    pub table: Vec<StageRow>,
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

/// How the behaviour of two files compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Every stage has the same bits.
    Equal,
    /// The first stage that differs, in execution order.
    Different {
        /// The stage, such as `0.q_rope`.
        stage: String,
        /// The prompt.
        prompt: String,
    },
    /// The tokenizers cut the same text into other tokens, so nothing was run.
    Tokenised {
        /// The token ids of the APR file, or of the first of two files of one format.
        first: Vec<u32>,
        /// Those of the other one.
        second: Vec<u32>,
    },
    /// The digest of a run is not the one that a manifest records.
    Unrecorded {
        /// The prompt.
        prompt: String,
        /// The digest of the manifest.
        expected: String,
        /// The digest of the run.
        found: String,
    },
    /// One of the files could not be run.
    NotCovered {
        /// Why.
        why: String,
    },
    /// A file changed while it was run: what was read decides nothing.
    Changed {
        /// What changed.
        why: String,
    },
}

impl Behaviour {
    /// What the outcome is called, and the finding that it gives.
    fn judged(&self, called: Option<&[String; 2]>) -> (BehaviourResult, Option<Finding>) {
        let sides = if called.is_some() {
            Side::BY_POSITION
        } else {
            Side::BY_FORMAT
        };
        let different = |code, message: String| Finding::new(code, Effect::Different, message);
        match self {
            Self::Equal => (BehaviourResult::Equal, None),
            Self::Different { stage, prompt } => {
                let message = format!(
                    "the files behave differently: the first stage that differs is {stage} (prompt {prompt})"
                );
                let place = |side| Place::new(side, 0).detail(format!("stage {stage}"));
                let finding = different(Code::BehaviourStage, message)
                    .at(place(sides[0]))
                    .at(place(sides[1]));
                (BehaviourResult::Different, Some(finding))
            }
            Self::Tokenised { first, second } => {
                let at = first.iter().zip(second).take_while(|(a, g)| a == g).count();
                let message = format!(
                    "the tokenizers of the files differ: the text becomes other ids from token {at} on"
                );
                let [of_first, of_second] = match called {
                    Some([first, second]) => [first, second].map(String::as_str),
                    None => sides.map(Side::as_str),
                };
                let finding = different(Code::BehaviourTokens, message).expected_found(
                    format!("{second:?} ({of_second})"),
                    format!("{first:?} ({of_first})"),
                );
                (BehaviourResult::Different, Some(finding))
            }
            Self::Unrecorded {
                prompt,
                expected,
                found,
            } => {
                let message =
                    format!("the file does not behave as the manifest records (prompt {prompt})");
                let finding = different(Code::BehaviourFingerprint, message)
                    .expected_found(expected.clone(), found.clone());
                (BehaviourResult::Different, Some(finding))
            }
            Self::NotCovered { why } => {
                let finding = Finding::new(
                    Code::BehaviourNotCovered,
                    Effect::Undecided,
                    format!("the behaviour was not compared: {why}"),
                )
                .hint("`verify --forward off` compares bytes and metadata only");
                (BehaviourResult::NotCovered, Some(finding))
            }
            Self::Changed { why } => {
                let finding = Finding::new(
                    Code::InputChanged,
                    Effect::Unreadable,
                    format!("a file changed while it was run: {why}"),
                );
                (BehaviourResult::NotCovered, Some(finding))
            }
        }
    }
}

impl Report {
    /// Adds what running both files said. It can only make a verdict worse.
    ///
    /// Where the row says which bytes were run, they are held against those that were compared. An outcome that rests on no
    /// stage is not covered.
    pub fn add_behaviour(&mut self, behaviour: &Behaviour, mut row: BehaviourRow) {
        let bound = self.bind(&row.used);
        row.weights = bound.as_ref().ok().copied().filter(|count| *count > 0);
        let other = match bound {
            Err(why) => Some(Behaviour::Changed { why }),
            Ok(_) if *behaviour == Behaviour::Equal && row.stages == 0 => {
                let why = "no stage was compared".to_owned();
                Some(Behaviour::NotCovered { why })
            }
            Ok(_) => None,
        };
        let (result, decided) = other
            .as_ref()
            .unwrap_or(behaviour)
            .judged(self.called.as_ref());
        row.result = result;
        if result == BehaviourResult::Equal {
            self.compared.set_stages(row.stages);
        }
        let assumed = row.assumptions.iter();
        let assumed = assumed
            .map(|text| Finding::new(Code::BehaviourAssumed, Effect::Warning, text.as_str()));
        let findings: Vec<_> = assumed.chain(unused(&row.unused)).chain(decided).collect();
        self.add(&findings);
        self.behaviour = Some(row);
    }

    /// Counts the tensors whose bytes were run as they were compared. One that was not is an error: nothing follows.
    fn bind(&self, used: &[UsedWeight]) -> Result<usize, String> {
        let sides = self.tensors.iter().flat_map(|tensor| {
            let sides = tensor.sides.all();
            sides.filter_map(|(side, tensor)| {
                Some(((side, tensor.name.as_str()), tensor.blake3.as_ref()?))
            })
        });
        let compared: BTreeMap<_, _> = sides.collect();
        let mut count = 0usize;
        for weight in used {
            let name = escape(weight.name.as_bytes());
            match compared.get(&(weight.side, name.as_str())) {
                Some(blake3) if **blake3 == weight.blake3 => count += 1,
                Some(blake3) => {
                    let file = weight.side.as_str();
                    return Err(format!(
                        "tensor {name} ({file}): the bytes that were run have BLAKE3 {}, those that were compared {blake3}; if the file is the same, the device damaged them",
                        weight.blake3
                    ));
                }
                // The report has no digest of it.
                None => {}
            }
        }
        Ok(count)
    }

    /// Notes that a manifest records a behaviour and nobody asked to check it.
    pub fn note_unchecked_behaviour(&mut self) {
        let message = "the manifest records a behaviour, which was not checked";
        self.add(&[Finding::new(
            Code::BehaviourNotChecked,
            Effect::Note,
            message,
        )]);
    }
}

/// One note for all tensors that were compared and have no part in the run.
fn unused(names: &[String]) -> Option<Finding> {
    let (shown, more) = names.split_at(names.len().min(UNUSED_SHOWN));
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        let count = match names.len() {
            1 => "1 tensor is".to_owned(),
            count => format!("{count} tensors are"),
        };
        let names = shown.join(", ");
        let message =
            format!("{count} compared, and read by no step of the forward: {names}{more}");
        Finding::new(Code::BehaviourUnused, Effect::Note, message)
    })
}

/// Names of unused tensors in a finding.
const UNUSED_SHOWN: usize = 6;

const fn is_zero(count: &usize) -> bool {
    *count == 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Scope, TensorResult, TensorRow, TensorSide, build};
    use crate::verdict::{Compared, Verdict};

    fn row() -> BehaviourRow {
        BehaviourRow {
            device: "cpu".to_owned(),
            device_reason: None,
            numerics: "f32-fixed-1".to_owned(),
            result: BehaviourResult::NotCovered,
            tokens: 3,
            stages: 9,
            weights: None,
            experts: None,
            used: Vec::new(),
            assumptions: Vec::new(),
            unused: Vec::new(),
            prompts: Vec::new(),
        }
    }

    /// A report of a pair that comes to this verdict.
    fn report(verdict: Verdict) -> Report {
        let finding = match verdict {
            Verdict::Verified => None,
            Verdict::Different => Some((Code::TensorBytes, Effect::Different)),
            Verdict::Undecided => Some((Code::TensorNotCompared, Effect::Undecided)),
        };
        let findings: Vec<_> = finding
            .map(|(code, effect)| Finding::new(code, effect, ""))
            .into_iter()
            .collect();
        let mut report = build(Vec::new(), &Scope::Nothing, &[]);
        report.compared = Compared::Pair {
            tensor_bytes: 1,
            keys: 1,
            stages: None,
        };
        report.add(&findings);
        assert_eq!(report.verdict, verdict);
        report
    }

    #[test]
    fn behaviour_only_makes_a_verdict_worse() {
        let different = Behaviour::Different {
            stage: "0.q_rope".to_owned(),
            prompt: "eight".to_owned(),
        };
        let not_covered = Behaviour::NotCovered {
            why: "arch x".to_owned(),
        };
        let changed = Behaviour::Changed {
            why: "length".to_owned(),
        };
        let tokenised = Behaviour::Tokenised {
            first: vec![1],
            second: vec![2],
        };
        let unrecorded = Behaviour::Unrecorded {
            prompt: "eight".to_owned(),
            expected: "aa".to_owned(),
            found: "bb".to_owned(),
        };
        for (behaviour, before, after) in [
            (&unrecorded, Verdict::Verified, Verdict::Different),
            (&tokenised, Verdict::Verified, Verdict::Different),
            // A difference that was found is one, whatever else could not be compared.
            (&unrecorded, Verdict::Undecided, Verdict::Different),
            (&Behaviour::Equal, Verdict::Verified, Verdict::Verified),
            (&Behaviour::Equal, Verdict::Undecided, Verdict::Undecided),
            (&different, Verdict::Verified, Verdict::Different),
            (&different, Verdict::Undecided, Verdict::Different),
            (&not_covered, Verdict::Verified, Verdict::Undecided),
            (&not_covered, Verdict::Different, Verdict::Different),
            (&changed, Verdict::Verified, Verdict::Undecided),
            (&changed, Verdict::Different, Verdict::Undecided),
        ] {
            let mut report = report(before);
            report.add_behaviour(behaviour, row());
            assert_eq!(report.verdict, after, "{behaviour:?}");
        }
    }

    #[test]
    fn a_run_of_no_stage_is_not_covered() {
        let mut report = report(Verdict::Verified);
        report.add_behaviour(&Behaviour::Equal, BehaviourRow { stages: 0, ..row() });
        assert_eq!(report.verdict, Verdict::Undecided);
        assert_eq!(report.reasons, ["behaviour.not-covered"]);
        let result = report.behaviour.unwrap().result;
        assert_eq!(result, BehaviourResult::NotCovered);
    }

    #[test]
    fn bytes_that_were_run_are_held_against_those_that_were_compared() {
        let side = |blake3: Option<&str>| TensorSide {
            name: "a".to_owned(),
            r#type: "F32".to_owned(),
            shape: vec![1],
            shard: 0,
            offset: 0,
            size: 4,
            blake3: blake3.map(str::to_owned),
            sha256: None,
        };
        let used = |name: &str, blake3: &str| UsedWeight {
            side: Side::Gguf,
            name: name.to_owned(),
            blake3: blake3.to_owned(),
        };
        for (digest, used, bound, after) in [
            (
                Some("11"),
                vec![used("a", "11")],
                Some(1),
                Verdict::Verified,
            ),
            (Some("11"), vec![used("a", "12")], None, Verdict::Undecided),
            (Some("11"), vec![used("b", "12")], None, Verdict::Verified),
            (None, vec![used("a", "11")], None, Verdict::Verified),
        ] {
            let mut report = report(Verdict::Verified);
            report.tensors.push(TensorRow {
                result: TensorResult::BytesEqual,
                tied: false,
                sides: Sides::new(
                    Side::BY_FORMAT,
                    [Some(side(Some("10"))), Some(side(digest))],
                ),
                difference: None,
                values: None,
            });
            report.add_behaviour(&Behaviour::Equal, BehaviourRow { used, ..row() });
            assert_eq!(report.verdict, after);
            let found = report.behaviour.unwrap();
            assert_eq!(found.weights, bound);
            let changed = report
                .findings
                .iter()
                .any(|found| found.code == Code::InputChanged);
            assert_eq!(changed, after == Verdict::Undecided);
        }
    }
}
