//! The result of a comparison: a value with reasons.

use super::{
    forced::{OperationRow, Outcome},
    prompt::TokensFrom,
    statistics::StatisticsReport,
    values::{Status, ValuesReport},
};
use crate::format::{TraceFormat, not_compared};
use inference::Step;
use schemars::JsonSchema;
use serde::Serialize;

/// What a comparison found.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What all traces come to.
    pub verdict: Verdict,
    /// The answer in one sentence.
    pub summary: String,
    /// Records of two traces that look alike and were taken elsewhere.
    pub mismatches: Vec<Mismatch>,
    /// Each trace.
    pub traces: Vec<TraceReport>,
}

/// What a comparison comes to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every record that is a stage of ours was compared and is within the gates.
    Agrees,
    /// Statistics only, and ours reproduce them. That proves nothing: statistics miss swapped tensors and single bits.
    Consistent,
    /// Two traces were taken at other points or over other tokens, and ours reproduce each: no divergence.
    CaptureMismatch,
    /// Something is beyond the gates.
    Differs,
    /// Nothing was compared, or something could not be judged.
    Undecided,
}

/// A record that two traces have and that means something else in each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TraceMismatch")]
pub struct Mismatch {
    /// The records, such as `layer 0 qkv`.
    pub records: Vec<String>,
    /// Whether the capture points differ.
    pub capture_point: bool,
    /// Whether the token sets differ.
    pub token_set: bool,
    /// The whole sentence.
    pub sentence: String,
}

/// What was found about one trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceReport {
    /// The name of the file or folder.
    pub name: String,
    /// Its format.
    pub format: TraceFormat,
    /// The engine, as far as it is known.
    pub engine: Option<String>,
    /// The token ids.
    pub tokens: Vec<u32>,
    /// Where the tokens come from.
    pub tokens_from: TokensFrom,
    /// The findings.
    pub findings: Findings,
    /// Records that are not a stage of ours.
    pub theirs_only: Vec<String>,
    /// Stages that the trace does not hold and that were judged as a part of operations.
    pub inside: Vec<Step>,
    /// Other stages that the trace does not hold.
    pub ours_only: Vec<Step>,
}

/// What was found, by what the trace holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Findings {
    /// Values.
    Values(ValuesReport),
    /// Statistics only.
    Statistics(StatisticsReport),
}

impl Verdict {
    /// Returns the exit code: 0 for the first three, 1 when something differs, 2 when undecided.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Agrees | Self::Consistent | Self::CaptureMismatch => 0,
            Self::Differs => 1,
            Self::Undecided => 2,
        }
    }

    /// Returns the word that a report starts with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Consistent => "consistent",
            Self::CaptureMismatch => "capture mismatch",
            Self::Differs => "differs",
            Self::Undecided => "undecided",
        }
    }
}

impl TraceReport {
    /// Records that were compared with nothing, and of which nothing else says that they need not be.
    fn uncompared(&self) -> impl Iterator<Item = &str> {
        let names = self.theirs_only.iter().map(String::as_str);
        names.filter(|name| self.format != TraceFormat::LlamaCpp || not_compared(name).is_none())
    }

    /// What this trace alone comes to.
    pub fn verdict(&self) -> Verdict {
        let compared = self.uncompared().next().is_none();
        match &self.findings {
            Findings::Values(values) => {
                let any = |status| values.records.iter().any(|record| record.status == status);
                if any(Status::Differs) {
                    Verdict::Differs
                } else if !compared || values.records.is_empty() || any(Status::NotJudged) {
                    Verdict::Undecided
                } else {
                    Verdict::Agrees
                }
            }
            Findings::Statistics(statistics) => match statistics.counts() {
                [0, 0, 0] => Verdict::Undecided,
                [_, _, 0] if statistics.changes.is_empty() => match compared {
                    true => Verdict::Consistent,
                    false => Verdict::Undecided,
                },
                _ => Verdict::Differs,
            },
        }
    }

    /// Says in one sentence what was found; it starts after the name of the trace and a colon.
    pub(crate) fn sentence(&self) -> String {
        let verdict = self.verdict();
        let names: Vec<_> = self.uncompared().collect();
        let mut sentence = match &self.findings {
            Findings::Values(values) => values.sentence(verdict, self.theirs_only.len()),
            Findings::Statistics(statistics) => statistics.sentence(),
        };
        if let (Verdict::Undecided, [first, ..]) = (verdict, names.as_slice()) {
            let count = names.len();
            sentence += &format!("; compared with nothing: {count}, the first is {first}");
        }
        sentence
    }
}

impl ValuesReport {
    /// The operations under what explains them, or as they are.
    pub(crate) fn explained_operations(&self) -> &[OperationRow] {
        match &self.explanation {
            Some(explanation) => &explanation.operations,
            None => &self.operations,
        }
    }

    /// Returns the first operation, in execution order, that is beyond the gates.
    pub fn first_failing(&self) -> Option<&OperationRow> {
        self.operations.iter().find(|row| row.fails())
    }

    fn sentence(&self, verdict: Verdict, others: usize) -> String {
        let judged = |row: &&OperationRow| !matches!(row.outcome, Outcome::NoInput(_));
        let operations = self.operations.iter().filter(judged).count();
        let count = self.records.len();
        let any = |status| self.records.iter().any(|record| record.status == status);
        let which = match others {
            0 => format!("all {count} records agree"),
            _ => format!(
                "{count} of {} records agree, the others are copies or parts of stages",
                count + others
            ),
        };
        match verdict {
            Verdict::Agrees if operations == 0 => format!("{which}; compared with our run"),
            Verdict::Agrees => {
                format!("{which}: {operations} operations reproduced from the engine's own inputs")
            }
            Verdict::Differs => {
                let place = match self.first_failing() {
                    Some(row) => format!("first at {} ({})", row.step, row.record),
                    None => {
                        let differs =
                            |row: &&super::values::RecordRow| row.status == Status::Differs;
                        let first = self.records.iter().filter(differs).min_by_key(|record| {
                            record.capture.steps.first().map(|step| step.order())
                        });
                        first.map_or_else(String::new, |record| {
                            format!("first at {} ({})", record.capture, record.name)
                        })
                    }
                };
                match &self.explanation {
                    Some(explanation) => {
                        let (reproduced, judged) = explanation.reproduced();
                        format!(
                            "{place}; the other engine {}: with these changes our run reproduces {reproduced} of its {judged} operations",
                            explanation.changes.join(", and ")
                        )
                    }
                    None => place,
                }
            }
            _ if self.records.is_empty() => "no record is a stage of this model".to_owned(),
            _ if !any(Status::NotJudged) => {
                format!("{count} of {} records agree", count + others)
            }
            _ => {
                let open = self
                    .records
                    .iter()
                    .filter(|row| row.status == Status::NotJudged);
                format!(
                    "{} of {count} records cannot be judged, since their inputs were not recorded; capture every stage",
                    open.count()
                )
            }
        }
    }
}

impl StatisticsReport {
    fn sentence(&self) -> String {
        let [reproduced, near, off] = self.counts();
        let all = reproduced + near + off;
        let mut text = match (reproduced, near, off) {
            (0, 0, 0) => return "no statistic belongs to a stage of this model".to_owned(),
            (_, 0, 0) => format!("all {all} statistics are reproduced to the printed digits"),
            (_, _, 0) => format!(
                "{reproduced} of {all} statistics are reproduced to the printed digits, {near} within the noise of 8-bit activations"
            ),
            _ => format!("{off} of {all} statistics are not reproduced"),
        };
        if !self.changes.is_empty() {
            let changes = self.changes.join(", and ");
            text = format!("{text}, by a run that {changes}");
        }
        text
    }
}
