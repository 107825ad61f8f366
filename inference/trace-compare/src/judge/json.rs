//! A comparison as a document for programs: everything that was found. Numbers that are not finite are `null`.

use inference::{NUMERICS, WeightType};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    difference::Difference,
    forced::{ELEMENT_GATE, GATE, OperationRow, Outcome, Product},
    free::Plain,
    moments::Moments,
    report::{Comparison, Findings, Mismatch, TraceReport},
    rounding::Rounding,
    statistics::{Candidate, Fit, StatisticsReport, StatisticsRow},
    values::{Explanation, PLAIN_GATE, RecordRow, Status, ValuesReport},
};
use crate::format::{Printed, Statistics};

/// Traces of other engines against our run of a model, for a program.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ComparedTraces<'a> {
    /// `agrees`, `differs`, or that nothing could be judged.
    verdict: &'static str,
    /// One sentence.
    summary: &'a str,
    /// The arithmetic of our run.
    numerics: &'static str,
    /// What a difference is held against.
    gates: Gates,
    /// Traces whose records are of other capture points or tokens.
    mismatches: &'a [Mismatch],
    traces: Vec<TraceOut<'a>>,
}

/// Relative differences up to which values agree.
#[derive(Debug, Serialize, JsonSchema)]
struct Gates {
    /// Of an operation on the inputs that the other engine recorded, in L2.
    operation: f64,
    /// Of one element of it.
    element: f64,
    /// Of a record with our run as a whole, in L2.
    plain: f64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Trace")]
struct TraceOut<'a> {
    name: &'a str,
    format: &'static str,
    /// The engine that the trace names.
    engine: Option<&'a str>,
    /// The ids that were run.
    tokens: &'a [u32],
    /// Where they come from.
    tokens_from: &'static str,
    verdict: &'static str,
    sentence: String,
    /// Records that are no stage of ours.
    theirs_only: &'a [String],
    /// Stages that were not recorded and are judged inside of others.
    inside: Vec<String>,
    /// Other stages that were not recorded.
    ours_only: Vec<String>,
    /// Of a trace of values.
    values: Option<ValuesOut<'a>>,
    /// Of a trace of statistics.
    statistics: Option<StatisticsOut<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TraceValues")]
struct ValuesOut<'a> {
    /// Each operation on the inputs that the other engine recorded.
    operations: Vec<OperationOut<'a>>,
    /// Each record beside our run as a whole.
    records: Vec<RecordOut<'a>>,
    /// How the other engine rounds activations before products.
    roundings: Vec<RoundingOut>,
    /// What the other engine does differently.
    explanation: Option<ExplanationOut<'a>>,
    /// What rounding alone makes of the last stage.
    rounding_effect: Option<EffectOut>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RoundingOut {
    /// The type of the weights.
    weights: &'static str,
    rounding: &'static str,
    /// In how many products.
    products: usize,
    /// The least part of the distance from exact products that it explains.
    explained: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ExplanationOut<'a> {
    changes: &'a [String],
    /// How many operations are as recorded with these changes.
    reproduced: usize,
    /// Of how many.
    of: usize,
    operations: Vec<OperationOut<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct EffectOut {
    stage: String,
    /// The relative difference of the other engine.
    theirs: Option<f64>,
    /// That of our run with its rounding.
    emulated: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TraceOperation")]
struct OperationOut<'a> {
    stage: String,
    capture_point: &'static str,
    /// The name of the record.
    record: &'a str,
    #[serde(flatten)]
    outcome: OutcomeOut<'a>,
}

/// How an operation came out.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "result", content = "details")]
enum OutcomeOut<'a> {
    /// Within the gates.
    #[serde(rename = "within")]
    Within(JudgedOut<'a>),
    /// Beyond them.
    #[serde(rename = "beyond")]
    Beyond(JudgedOut<'a>),
    /// Of another size than ours.
    #[serde(rename = "unfit")]
    Unfit { theirs: usize, ours: usize },
    /// An input of it was not recorded.
    #[serde(rename = "no input")]
    NoInput { missing: String },
}

#[derive(Debug, Serialize, JsonSchema)]
struct JudgedOut<'a> {
    difference: &'a Difference,
    /// Of a product with a matrix.
    product: Option<ProductOut>,
    /// Of a gelu that is looked up in a table of f16: the relative difference without it.
    without_table: Option<f64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ProductOut {
    /// The type of the weights.
    weights: &'static str,
    rounding: &'static str,
    /// The relative difference without rounding.
    unrounded: Option<f64>,
    rounded: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TraceRecord")]
struct RecordOut<'a> {
    name: &'a str,
    /// The stage that it was matched with.
    stage: String,
    plain: Option<PlainOut<'a>>,
    /// Other stages that its name allows.
    others: Vec<OtherOut<'a>>,
    /// `agrees`, `differs` or `not judged`.
    #[schemars(with = "String")]
    status: Status,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OtherOut<'a> {
    stage: String,
    plain: Option<PlainOut<'a>>,
}

/// A record beside our run as a whole.
#[derive(Debug, Serialize, JsonSchema)]
struct PlainOut<'a> {
    /// `all` or `last`.
    tokens: &'static str,
    difference: &'a Difference,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TraceStatistics")]
struct StatisticsOut<'a> {
    /// The types of weights whose activations are rounded.
    rounded: Vec<&'static str>,
    /// Whether deviations are of a sample or of a population.
    deviation_of: &'static str,
    /// What the other engine does differently.
    changes: &'a [String],
    records: Vec<StatisticsRowOut<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct StatisticsRowOut<'a> {
    name: &'a str,
    theirs: PrintedOut,
    /// The stages that its name allows, the nearest first.
    candidates: Vec<CandidateOut>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CandidateOut {
    stage: String,
    tokens: &'static str,
    ours: MomentsOut,
    /// `reproduced`, `near` or `off`.
    #[schemars(with = "String")]
    fit: Fit,
}

/// What was printed.
#[derive(Debug, Serialize, JsonSchema)]
struct PrintedOut {
    count: Option<usize>,
    mean: Option<f64>,
    std: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    norm: Option<f64>,
}

/// Statistics of a stage of ours.
#[derive(Debug, Serialize, JsonSchema)]
struct MomentsOut {
    count: usize,
    mean: Option<f64>,
    std_sample: Option<f64>,
    std_population: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
    norm: Option<f64>,
}

impl Comparison {
    /// Returns everything for a program.
    #[must_use]
    pub fn document(&self) -> ComparedTraces<'_> {
        ComparedTraces {
            verdict: self.verdict.name(),
            summary: &self.summary,
            numerics: NUMERICS,
            gates: Gates {
                operation: GATE,
                element: ELEMENT_GATE,
                plain: PLAIN_GATE,
            },
            mismatches: &self.mismatches,
            traces: all(&self.traces),
        }
    }
}

impl<'a> From<&'a TraceReport> for TraceOut<'a> {
    fn from(report: &'a TraceReport) -> Self {
        let (values, statistics) = match &report.findings {
            Findings::Values(found) => (Some(found.into()), None),
            Findings::Statistics(found) => (None, Some(found.into())),
        };
        Self {
            name: &report.name,
            format: report.format.name(),
            engine: report.engine.as_deref(),
            tokens: &report.tokens,
            tokens_from: report.tokens_from.name(),
            verdict: report.verdict().name(),
            sentence: report.sentence(),
            theirs_only: &report.theirs_only,
            inside: report.inside.iter().map(ToString::to_string).collect(),
            ours_only: report.ours_only.iter().map(ToString::to_string).collect(),
            values,
            statistics,
        }
    }
}

impl<'a> From<&'a ValuesReport> for ValuesOut<'a> {
    fn from(found: &'a ValuesReport) -> Self {
        let roundings = found.roundings.iter();
        let roundings = roundings.map(|&(weight_type, rounding, products)| RoundingOut {
            weights: name(weight_type),
            rounding: rounding.name(),
            products,
            explained: found.explained(weight_type, rounding).and_then(finite),
        });
        Self {
            operations: all(&found.operations),
            records: all(&found.records),
            roundings: roundings.collect(),
            explanation: found.explanation.as_ref().map(Into::into),
            rounding_effect: found.effect.as_ref().map(|effect| EffectOut {
                stage: effect.step.to_string(),
                theirs: finite(effect.theirs),
                emulated: finite(effect.emulated),
            }),
        }
    }
}

impl<'a> From<&'a Explanation> for ExplanationOut<'a> {
    fn from(found: &'a Explanation) -> Self {
        let (reproduced, of) = found.reproduced();
        Self {
            changes: &found.changes,
            reproduced,
            of,
            operations: all(&found.operations),
        }
    }
}

impl<'a> From<&'a OperationRow> for OperationOut<'a> {
    fn from(row: &'a OperationRow) -> Self {
        Self {
            stage: row.step.to_string(),
            capture_point: row.step.stage.capture_point(),
            record: &row.record,
            outcome: (&row.outcome).into(),
        }
    }
}

impl<'a> From<&'a Outcome> for OutcomeOut<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        match outcome {
            Outcome::Judged {
                within,
                difference,
                product,
                without_table,
            } => {
                let judged = JudgedOut {
                    difference,
                    product: product.as_ref().map(Into::into),
                    without_table: *without_table,
                };
                if *within {
                    Self::Within(judged)
                } else {
                    Self::Beyond(judged)
                }
            }
            Outcome::Unfit { theirs, ours } => Self::Unfit {
                theirs: *theirs,
                ours: *ours,
            },
            Outcome::NoInput(step) => Self::NoInput {
                missing: step.to_string(),
            },
        }
    }
}

impl From<&Product> for ProductOut {
    fn from(product: &Product) -> Self {
        Self {
            weights: name(product.weight_type),
            rounding: product.rounding.name(),
            unrounded: finite(product.unrounded),
            rounded: product.rounding != Rounding::None,
        }
    }
}

impl<'a> From<&'a RecordRow> for RecordOut<'a> {
    fn from(row: &'a RecordRow) -> Self {
        let others = row.others.iter().map(|(capture, found)| OtherOut {
            stage: capture.to_string(),
            plain: found.as_ref().map(Into::into),
        });
        Self {
            name: &row.name,
            stage: row.capture.to_string(),
            plain: row.plain.as_ref().map(Into::into),
            others: others.collect(),
            status: row.status,
        }
    }
}

impl<'a> From<&'a Plain> for PlainOut<'a> {
    fn from(found: &'a Plain) -> Self {
        Self {
            tokens: if found.last { "last" } else { "all" },
            difference: &found.difference,
        }
    }
}

impl<'a> From<&'a StatisticsReport> for StatisticsOut<'a> {
    fn from(found: &'a StatisticsReport) -> Self {
        Self {
            rounded: found.rounded.iter().map(|one| name(*one)).collect(),
            deviation_of: found.estimator.name(),
            changes: &found.changes,
            records: all(&found.rows),
        }
    }
}

impl<'a> From<&'a StatisticsRow> for StatisticsRowOut<'a> {
    fn from(row: &'a StatisticsRow) -> Self {
        Self {
            name: &row.name,
            theirs: (&row.theirs).into(),
            candidates: all(&row.candidates),
        }
    }
}

impl From<&Candidate> for CandidateOut {
    fn from(found: &Candidate) -> Self {
        Self {
            stage: found.capture.to_string(),
            tokens: found.set.name(),
            ours: (&found.ours).into(),
            fit: found.fit,
        }
    }
}

impl From<&Statistics> for PrintedOut {
    fn from(found: &Statistics) -> Self {
        let value = |number: Option<Printed>| finite(number?.value);
        Self {
            count: found.count,
            mean: value(found.mean),
            std: value(found.deviation),
            min: value(found.least),
            max: value(found.greatest),
            norm: value(found.norm),
        }
    }
}

impl From<&Moments> for MomentsOut {
    fn from(found: &Moments) -> Self {
        Self {
            count: found.count,
            mean: finite(found.mean()),
            std_sample: finite(found.sample_deviation()),
            std_population: finite(found.population_deviation()),
            min: finite(found.least),
            max: finite(found.greatest),
            norm: finite(found.norm()),
        }
    }
}

fn all<'a, T, O: From<&'a T>>(items: &'a [T]) -> Vec<O> {
    items.iter().map(O::from).collect()
}

fn finite(number: f64) -> Option<f64> {
    number.is_finite().then_some(number)
}

fn name(weight_type: WeightType) -> &'static str {
    weight_type.ggml_type().name()
}
