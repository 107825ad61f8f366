//! The sharp comparison: every operation on the inputs that the other engine recorded.
//!
//! Earlier operations of the engine cannot blur the result, so the gate is narrow. For a product each rounding of activations
//! that an engine may use is tried; the one that reproduces the result is found, not assumed.

use std::collections::BTreeSet;

use super::{
    difference::Difference,
    emulate::narrowed,
    error::CompareError,
    reference::{Operation, Reference},
    rounding::Rounding,
    view::{Held, Seen, View},
};
use crate::format::stage_widths;
use inference::{Stage, Step, Tensor, WeightType};

/// One operation of the other engine, judged on its own inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationRow {
    /// The stage that the operation makes.
    pub step: Step,
    /// The name of the record that holds the result.
    pub record: String,
    /// The finding.
    pub outcome: Outcome,
}

/// The finding about an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was computed and is within the gates or not.
    Judged {
        /// Whether it is within the gates.
        within: bool,
        /// What separates the result from ours on the same inputs.
        difference: Difference,
        /// For a product, what is known about its rounding.
        product: Option<Product>,
        /// For a gelu that is looked up in ggml's table of f16: |theirs - ours| / |ours| without it.
        without_table: Option<f64>,
    },
    /// The record has a different number of values than the stage.
    Unfit {
        /// The values of the record.
        theirs: usize,
        /// The values of the stage, all tokens.
        ours: usize,
    },
    /// An input was not recorded.
    NoInput(Step),
}

/// A product of the other engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Product {
    /// The type of the weights.
    pub weight_type: WeightType,
    /// The rounding of activations that comes nearest.
    pub rounding: Rounding,
    /// |theirs - ours| / |ours| of the product without any rounding.
    pub unrounded: f64,
}

impl OperationRow {
    /// Whether it was judged and is beyond the gates, or cannot be what its name says.
    pub(crate) const fn fails(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::Judged { within: false, .. } | Outcome::Unfit { .. }
        )
    }
}

/// Judges the operations of a layer, or of the whole model, that the trace recorded, in execution order.
pub(crate) fn judge_layer(
    view: &View<'_>,
    reference: &Reference<'_>,
    layer: Option<usize>,
    threads: usize,
) -> Result<Vec<OperationRow>, CompareError> {
    let mut rows = Vec::new();
    let steps = stage_widths(reference.model, view.tokens);
    for (step, width) in steps.into_iter().filter(|(step, _)| step.layer == layer) {
        let Some(operation) = reference.operation(step) else {
            continue;
        };
        let (record, outcome) = match view.stage(step)? {
            Held::Nothing => continue,
            Held::Unfit(record, theirs) => {
                let ours = width * view.tokens;
                (record, Outcome::Unfit { theirs, ours })
            }
            Held::Values(record, seen) => (
                record,
                judge(view, reference, step, &operation, &seen, threads)?,
            ),
        };
        rows.push(OperationRow {
            step,
            record: record.to_owned(),
            outcome,
        });
    }
    Ok(rows)
}

fn judge(
    view: &View<'_>,
    reference: &Reference<'_>,
    step: Step,
    operation: &Operation<'_>,
    theirs: &Seen,
    threads: usize,
) -> Result<Outcome, CompareError> {
    if theirs.last && !operation.by_token {
        return Ok(Outcome::NoInput(step));
    }
    let mut inputs = Vec::new();
    for input in &operation.inputs {
        match obtain(view, reference, *input, theirs.last)? {
            Some(values) => inputs.push(values),
            None => return Ok(Outcome::NoInput(*input)),
        }
    }
    let skipped = if theirs.last { view.tokens - 1 } else { 0 };
    // What was computed on the way is an operation as well.
    let computed = operation.inputs.iter();
    let computed = computed.filter(|input| view.holder(**input).is_none());
    let operations = super::difference::number(1 + computed.count());
    let gate = operations * gate(step, view.tokens) + STORED * theirs.precision;
    // Where the whole may be off by more, so may a value.
    let element_gate = ELEMENT_GATE * (gate / GATE);
    let compare = |ours: &[f64]| {
        Difference::between(&theirs.values, ours, theirs.width, skipped, element_gate)
    };
    let Some(matrix) = operation.matrix else {
        let mut difference = compare(&reference.compute(step, &inputs)?);
        let mut without_table = None;
        if !difference.within(gate)
            && let Some([low, high]) = reference.compute_by_table(step, &inputs)?
        {
            let each = theirs.values.iter().zip(low.iter().zip(&high));
            let nearest = |(theirs, (a, b)): (&f32, (&f64, &f64))| {
                f64::from(*theirs).clamp(a.min(*b), a.max(*b))
            };
            let looked_up = compare(&each.map(nearest).collect::<Vec<f64>>());
            if looked_up.within(gate) {
                without_table = Some(difference.relative);
                difference = looked_up;
            }
        }
        return Ok(Outcome::Judged {
            within: difference.within(gate),
            difference,
            product: None,
            without_table,
        });
    };
    let (difference, product) = nearest(matrix, reference, &inputs, &compare, gate, threads)?;
    Ok(Outcome::Judged {
        within: difference.within(gate),
        difference,
        product: Some(product),
        without_table: None,
    })
}

/// The values of an input, of all tokens or of the last: as recorded, or computed from what was recorded, as long as no
/// product lies between. An engine that does not record the bias, a norm or an activation is judged across it.
fn obtain(
    view: &View<'_>,
    reference: &Reference<'_>,
    step: Step,
    last: bool,
) -> Result<Option<Vec<f32>>, CompareError> {
    let last_of = |values: Vec<f32>, width: usize| {
        let skipped = values.len() - width;
        values.into_iter().skip(skipped).collect()
    };
    match view.stage(step)? {
        Held::Values(_, seen) if seen.last == last => return Ok(Some(seen.values)),
        Held::Values(_, seen) if last => return Ok(Some(last_of(seen.values, seen.width))),
        Held::Values(..) | Held::Unfit(..) => return Ok(None),
        Held::Nothing => {}
    }
    // Where values are what keys are, an engine multiplies once.
    let twin = reference.twin(step);
    if let Some(twin) = twin.filter(|twin| view.holder(*twin).is_some()) {
        return obtain(view, reference, twin, last);
    }
    let Some(operation) = reference
        .operation(step)
        .filter(|found| found.matrix.is_none())
    else {
        return Ok(None);
    };
    let mut inputs = Vec::new();
    for input in &operation.inputs {
        match obtain(view, reference, *input, false)? {
            Some(values) => inputs.push(values),
            None => return Ok(None),
        }
    }
    let values: Vec<f32> = reference
        .compute(step, &inputs)?
        .into_iter()
        .map(narrowed)
        .collect();
    Ok(Some(match (last, view.width(step)) {
        (true, Some(width)) => last_of(values, width),
        _ => values,
    }))
}

/// The stages that were not recorded and that operations which agree were judged across: those that [`obtain`] computed,
/// and activations that an operation takes as well.
pub(crate) fn inside(
    view: &View<'_>,
    reference: &Reference<'_>,
    rows: &[OperationRow],
) -> BTreeSet<(usize, Stage)> {
    let judged = |row: &&OperationRow| matches!(row.outcome, Outcome::Judged { within: true, .. });
    let mut open: Vec<_> = rows.iter().filter(judged).map(|row| row.step).collect();
    let mut inside = BTreeSet::new();
    while let Some(operation) = open.pop().map(|step| reference.operation(step)) {
        let Some(operation) = operation else { continue };
        for step in operation.inputs.into_iter().chain(operation.fused) {
            if view.holder(step).is_none() && inside.insert(step.order()) {
                open.push(step);
            }
        }
    }
    inside
}

/// The product whose rounding comes nearest; none where that is within the gate already.
fn nearest(
    matrix: &Tensor,
    reference: &Reference<'_>,
    inputs: &[Vec<f32>],
    compare: &dyn Fn(&[f64]) -> Difference,
    gate: f64,
    threads: usize,
) -> Result<(Difference, Product), CompareError> {
    let candidates = Rounding::candidates(matrix.weight_type);
    let mut found: Vec<(Difference, Rounding)> = Vec::new();
    // The likely ones read the weights once; the others are tried when those fail.
    for candidates in candidates.chunks(2) {
        if found.iter().any(|(difference, _)| difference.within(gate)) {
            break;
        }
        let results = reference.products(matrix, inputs, candidates, threads)?;
        let differences = results.iter().map(|ours| compare(ours));
        found.extend(differences.zip(candidates.iter().copied()));
    }
    let unrounded = found
        .first()
        .map_or(f64::INFINITY, |(difference, _)| difference.relative);
    // The first of them that is within the gate, or the nearest.
    let within = found
        .iter()
        .position(|(difference, _)| difference.within(gate));
    let nearest = |(a, _): &(Difference, Rounding), (b, _): &(Difference, Rounding)| {
        a.relative.total_cmp(&b.relative)
    };
    let (best, rounding) = match within {
        Some(index) => found.swap_remove(index),
        None => match found.into_iter().min_by(nearest) {
            Some(nearest) => nearest,
            None => (compare(&[]), Rounding::None),
        },
    };
    let product = Product {
        weight_type: matrix.weight_type,
        rounding,
        unrounded,
    };
    Ok((best, product))
}

/// How far an operation may be off as a whole.
fn gate(step: Step, tokens: usize) -> f64 {
    match step.stage {
        Stage::QRope | Stage::KRope => {
            super::difference::number(tokens).mul_add(ROPE_GATE_PER_POSITION, GATE)
        }
        _ => GATE,
    }
}

/// |theirs - ours| / |ours| of one operation. f32 engines that add in another order, and 8-bit engines under their own
/// rounding, stay at 5e-8 to 3e-7; a rounding that is not theirs is at 5e-3.
pub const GATE: f64 = 1e-6;

/// Engines multiply angles step by step in f32, ours are exact: they part by about 1e-7 for each position.
pub const ROPE_GATE_PER_POSITION: f64 = 2e-7;

/// How many half units of the type that values are stored in an operation may be off: its result was rounded to that type,
/// and so were its inputs.
pub const STORED: f64 = 4.0;

/// How far one value may be off, in root mean squares of the result: single f32 sums stay below 2e-6.
pub const ELEMENT_GATE: f64 = 1e-5;
