//! Traces that hold values: the plain comparison, the sharp one, and what explains a divergence.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    difference::Difference,
    emulate::emulate,
    error::CompareError,
    forced::{OperationRow, Outcome, STORED, inside, judge_layer},
    free::{FreeRun, Plain},
    reference::Reference,
    rounding::Rounding,
    variant::Variant,
    view::View,
};
use crate::format::{Capture, Trace, TraceFormat};
use inference::{Model, NUMERICS, Source, Stage, StageSink, Step, WeightType};
use inference::{Options, forward};
use serde::Serialize;

/// What was found about a trace of values.
#[derive(Debug, Clone, PartialEq)]
pub struct ValuesReport {
    /// The records that are stages of ours, in the order of the trace.
    pub records: Vec<RecordRow>,
    /// The operations, each on the inputs that the engine recorded, in execution order.
    pub operations: Vec<OperationRow>,
    /// The stages that no record is and that operations were judged across, by [`Step::order`].
    pub inside: BTreeSet<(usize, Stage)>,
    /// What the other engine does otherwise.
    pub explanation: Option<Explanation>,
    /// How the engine rounds activations, by the type of the weights, and in how many products.
    pub roundings: Vec<(WeightType, Rounding, usize)>,
    /// What such a rounding does to a whole run of ours, at the last stage that both have.
    pub effect: Option<RoundingEffect>,
}

/// A record that is a stage of ours.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordRow {
    /// The name that the engine gave it.
    pub name: String,
    /// What it is of ours.
    pub capture: Capture,
    /// Beside our run; `None` where the number of values does not fit.
    pub plain: Option<Plain>,
    /// The same under each other meaning that its name allows.
    pub others: Vec<(Capture, Option<Plain>)>,
    /// What all that is known about it comes to.
    pub status: Status,
}

/// What is known about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Within the gates.
    Agrees,
    /// Beyond them.
    Differs,
    /// Its inputs were not recorded, and the engine rounds, so no gate holds for the plain comparison.
    #[serde(rename = "not judged")]
    NotJudged,
}

/// What the other engine does otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The changes, one after the other.
    pub changes: Vec<String>,
    /// The operations of the engine compared with ours under these changes.
    pub operations: Vec<OperationRow>,
}

/// How far a rounding moves our own run.
#[derive(Debug, Clone, PartialEq)]
pub struct RoundingEffect {
    /// The stage.
    pub step: Step,
    /// |theirs - ours| / |ours|.
    pub theirs: f64,
    /// |ours with their rounding - ours| / |ours|.
    pub emulated: f64,
}

impl Explanation {
    /// Returns how many operations ours reproduces with these changes, and how many could be judged.
    pub fn reproduced(&self) -> (usize, usize) {
        let judged = |row: &&OperationRow| !matches!(row.outcome, Outcome::NoInput(_));
        let judged = self.operations.iter().filter(judged).count();
        let failing = self.operations.iter().filter(|row| row.fails()).count();
        (judged - failing, judged)
    }
}

/// Compares a trace of values.
pub(crate) fn judge(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    tokens: &[u32],
    options: &Options,
) -> Result<ValuesReport, CompareError> {
    let mut run = FreeRun::new(trace, model, tokens.len());
    let logits = forward(model, sources, tokens, options, &mut run)?;
    let mut found = run.finish()?;
    let mut view = View::new(trace, model, tokens.len(), &found.chosen);
    let reference = Reference {
        model,
        sources,
        tokens,
    };
    let threads = options.threads;
    let mut operations = all_layers(&view, &reference, threads)?;
    if found.take_the_rest(trace, &inside(&view, &reference, &operations)) {
        view = View::new(trace, model, tokens.len(), &found.chosen);
        operations = all_layers(&view, &reference, threads)?;
    }
    let explanation = match operations.iter().find(|row| row.fails()) {
        Some(first) => {
            let failing = first.step.layer;
            let chosen = &found.chosen;
            explain(model, sources, trace, tokens, chosen, failing, threads)?
        }
        None => None,
    };
    let roundings = roundings(match &explanation {
        Some(explanation) => &explanation.operations,
        None => &operations,
    });
    let mut records = Vec::new();
    for ((record, chosen), captures) in trace.records.iter().zip(&found.chosen).zip(found.captures)
    {
        let Some(chosen) = *chosen else { continue };
        let mut plain = None;
        let mut others = Vec::new();
        let mut capture = None;
        for (index, (meaning, found)) in record.captures.iter().zip(captures).enumerate() {
            if index == chosen {
                (capture, plain) = (Some(meaning.clone()), found);
            } else if meaning.steps.iter().all(|step| view.width(*step).is_some()) {
                others.push((meaning.clone(), found));
            }
        }
        let Some(capture) = capture else { continue };
        let name = match view.same_record(record, &capture)? {
            Some(same) => same,
            None => &record.name,
        };
        let gate = PLAIN_GATE + STORED * record.precision();
        let status = status(
            trace,
            name,
            &capture,
            plain.as_ref(),
            gate,
            &operations,
            &roundings,
        );
        records.push(RecordRow {
            name: record.name.clone(),
            capture,
            plain,
            others,
            status,
        });
    }
    // What a rounding does to a run is of interest where nothing else separates them.
    let effect = if operations.iter().any(OperationRow::fails) {
        None
    } else {
        effect(&reference, &records, &roundings, &logits, threads)?
    };
    Ok(ValuesReport {
        inside: inside(&view, &reference, &operations),
        records,
        operations,
        explanation,
        roundings,
        effect,
    })
}

fn all_layers(
    view: &View<'_>,
    reference: &Reference<'_>,
    threads: usize,
) -> Result<Vec<OperationRow>, CompareError> {
    let layers = (0..reference.model.config.layers).map(Some).chain([None]);
    let mut rows = Vec::new();
    for layer in layers {
        rows.extend(judge_layer(view, reference, layer, threads)?);
    }
    rows.sort_by_key(|row| row.step.order());
    Ok(rows)
}

/// What the operations and the plain comparison say of a record.
fn status(
    trace: &Trace,
    name: &str,
    capture: &Capture,
    plain: Option<&Plain>,
    gate: f64,
    operations: &[OperationRow],
    roundings: &[(WeightType, Rounding, usize)],
) -> Status {
    let Some(plain) = plain else {
        return Status::Differs;
    };
    if is_ours(trace) {
        // The same contract: the bits must be the same.
        let same = plain.difference.relative == 0.0;
        return if same {
            Status::Agrees
        } else {
            Status::Differs
        };
    }
    // Of two records of one stage the operations judge the first.
    let own = |row: &&OperationRow| row.record == name && capture.steps.contains(&row.step);
    let rows = || operations.iter().filter(own);
    if rows().any(OperationRow::fails) {
        return Status::Differs;
    }
    let judged = rows().filter(|row| matches!(row.outcome, Outcome::Judged { .. }));
    if judged.count() == capture.steps.len() {
        return Status::Agrees;
    }
    if plain.difference.relative <= gate {
        return Status::Agrees;
    }
    let rounds = roundings
        .iter()
        .any(|(_, rounding, _)| *rounding != Rounding::None);
    let may_round = matches!(trace.format, TraceFormat::Aprt | TraceFormat::LlamaCpp);
    if rounds || may_round {
        Status::NotJudged
    } else {
        Status::Differs
    }
}

/// Whether the trace is a dump of this program under the same contract.
pub(crate) fn is_ours(trace: &Trace) -> bool {
    let engine = trace.engine.as_deref();
    engine.is_some_and(|engine| engine.starts_with("aprove"))
        && trace.label("numerics") == Some(NUMERICS)
}

/// The roundings that were found, by type and in the order of the types.
fn roundings(operations: &[OperationRow]) -> Vec<(WeightType, Rounding, usize)> {
    let mut counts: BTreeMap<(u32, Rounding), (WeightType, usize)> = BTreeMap::new();
    for row in operations {
        if let Outcome::Judged {
            within: true,
            product: Some(product),
            ..
        } = &row.outcome
        {
            let key = (product.weight_type.ggml_type().id(), product.rounding);
            let (_, count) = counts.entry(key).or_insert((product.weight_type, 0));
            *count += 1;
        }
    }
    let counts = counts.into_iter();
    counts
        .map(|((_, rounding), (weight_type, count))| (weight_type, rounding, count))
        .collect()
}

/// Finds the fewest changes under which the layer of the first divergence is reproduced, then judges everything under them.
fn explain(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    tokens: &[u32],
    chosen: &[Option<usize>],
    layer: Option<usize>,
    threads: usize,
) -> Result<Option<Explanation>, CompareError> {
    for variant in Variant::all() {
        let Some(changed) = variant.apply(model) else {
            continue;
        };
        let view = View::new(trace, &changed, tokens.len(), chosen);
        let reference = Reference {
            model: &changed,
            sources,
            tokens,
        };
        let rows = judge_layer(&view, &reference, layer, threads)?;
        if rows.iter().any(OperationRow::fails) {
            continue;
        }
        return Ok(Some(Explanation {
            changes: variant.describe(model),
            operations: all_layers(&view, &reference, threads)?,
        }));
    }
    Ok(None)
}

/// Runs the model with the roundings that were found, and sees how far that moves the logits.
fn effect(
    reference: &Reference<'_>,
    records: &[RecordRow],
    roundings: &[(WeightType, Rounding, usize)],
    logits: &[f32],
    threads: usize,
) -> Result<Option<RoundingEffect>, CompareError> {
    let step = Step::of_model(Stage::Logits);
    let record = records.iter().find(|record| record.capture.steps == [step]);
    let rounds = roundings
        .iter()
        .any(|(_, rounding, _)| *rounding != Rounding::None);
    let (Some(plain), true) = (record.and_then(|record| record.plain.as_ref()), rounds) else {
        return Ok(None);
    };
    let rounding = |weight_type| {
        let found = roundings
            .iter()
            .filter(|(other, _, _)| *other == weight_type);
        let most = found.max_by_key(|(_, _, count)| *count);
        most.map_or(Rounding::None, |(_, rounding, _)| *rounding)
    };
    let mut last = LastStage::default();
    emulate(reference, &rounding, threads, &mut last)?;
    let width = reference.model.config.vocabulary;
    // Over the tokens that theirs holds.
    let skipped = if plain.last { logits.len() - width } else { 0 };
    let ours: Vec<f64> = logits.iter().skip(skipped).map(|x| f64::from(*x)).collect();
    let emulated: Vec<f32> = last.values.into_iter().skip(skipped).collect();
    let moved = Difference::between(&emulated, &ours, width, 0, 1.0);
    Ok(Some(RoundingEffect {
        step,
        theirs: plain.difference.relative,
        emulated: moved.relative,
    }))
}

/// Keeps the stage that came last.
#[derive(Default)]
struct LastStage {
    values: Vec<f32>,
}

impl StageSink for LastStage {
    fn stage(&mut self, _step: Step, _tokens: usize, values: &[f32]) {
        self.values = values.to_vec();
    }
}

/// |theirs - ours| / |ours| of a whole run under which an f32 engine agrees: it adds in another order, which makes about
/// 3e-6 after a few layers.
pub const PLAIN_GATE: f64 = 1e-5;
