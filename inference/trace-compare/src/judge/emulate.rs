//! A run whose products round activations as another engine does.

use std::collections::BTreeMap;

use super::{product::rounded_products, reference::Reference, rounding::Rounding};
use crate::format::stage_widths;
use inference::{Error, Stage, StageSink, WeightType};

/// Runs the prompt with a rounding for each type of weights and hands out every stage, in execution order.
///
/// It says what a rounding does to a run. Where two runs round a value that lies between two steps to different sides, they
/// part, and each later product widens the gap: single values of such a run are a sample, not a prediction.
pub(crate) fn emulate(
    reference: &Reference<'_>,
    rounding: &dyn Fn(WeightType) -> Rounding,
    threads: usize,
    sink: &mut dyn StageSink,
) -> Result<(), Error> {
    let tokens = reference.tokens.len();
    let mut stages: BTreeMap<(usize, Stage), Vec<f32>> = BTreeMap::new();
    for (step, _) in stage_widths(reference.model, tokens) {
        let Some(operation) = reference.operation(step) else {
            continue;
        };
        let inputs: Vec<Vec<f32>> = operation
            .inputs
            .iter()
            .map(|input| {
                let values = stages.get(&input.order()).cloned();
                values.unwrap_or_else(|| unreachable!("{input} is computed before {step}"))
            })
            .collect();
        let values = match operation.matrix {
            Some(matrix) => {
                let [input] = inputs.as_slice() else {
                    unreachable!("{step} is a product of one input");
                };
                let rounding = [rounding(matrix.weight_type)];
                let sources = reference.sources;
                let mut results = rounded_products(matrix, sources, input, &rounding, threads)?;
                let result = results.pop();
                result.unwrap_or_else(|| unreachable!("a rounding has a result"))
            }
            None => reference.compute(step, &inputs)?,
        };
        let values: Vec<f32> = values.into_iter().map(narrowed).collect();
        sink.stage(step, tokens, &values);
        // A later layer reads its own input only.
        let (layer, _) = step.order();
        if step.layer.is_some()
            && operation
                .inputs
                .iter()
                .any(|input| input.layer != step.layer)
        {
            let entering: Vec<_> = operation.inputs.iter().map(|input| input.order()).collect();
            stages.retain(|kept, _| kept.0 == layer || entering.contains(kept));
        }
        stages.insert(step.order(), values);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "engines keep their stages as f32: one rounding"
)]
pub(crate) const fn narrowed(value: f64) -> f32 {
    value as f32
}
