//! A run whose products round activations as another engine does.

use std::collections::BTreeMap;

use super::{reference::Reference, rounding::Rounding};
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
    let mut last_use = BTreeMap::new();
    for (step, _) in stage_widths(reference.model, tokens) {
        for input in reference
            .operation(step)
            .into_iter()
            .flat_map(|found| found.inputs)
        {
            last_use.insert(input.order(), step.order());
        }
    }
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
                let rounding = [rounding(matrix.weight_type)];
                let mut results = reference.products(matrix, &inputs, &rounding, threads)?;
                let result = results.pop();
                result.unwrap_or_else(|| unreachable!("a rounding has a result"))
            }
            None => reference.compute(step, &inputs)?,
        };
        let values: Vec<f32> = values.into_iter().map(narrowed).collect();
        sink.stage(step, tokens, &values);
        stages.retain(|kept, _| last_use.get(kept).is_some_and(|last| *last > step.order()));
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

#[cfg(test)]
mod tests {
    use inference::{Options, Step, forward_in_f64};

    use super::*;

    /// The logits.
    #[derive(Default)]
    struct Last<F>(Vec<F>);

    impl<F: Copy> StageSink<F> for Last<F> {
        fn stage(&mut self, _step: Step, _tokens: usize, values: &[F]) {
            self.0 = values.to_vec();
        }
    }

    #[needs::data("arch/gemma4.f32.gguf")]
    #[test]
    fn what_later_layers_read_is_kept() {
        let bytes = fixtures::shared::read("arch/gemma4.f32.gguf");
        let model = &inference::load(&[&bytes]).unwrap();
        let sources: &[&dyn inference::Source] = &[&bytes];
        let tokens = &[7, 300, 0];
        let reference = Reference {
            model,
            sources,
            tokens,
        };
        let (mut found, mut expected) = (Last::default(), Last::default());
        emulate(&reference, &|_| Rounding::None, 1, &mut found).unwrap();
        let options = Options::default();
        forward_in_f64(model, sources, tokens, &options, &mut expected).unwrap();
        for (found, expected) in found.0.iter().zip(&expected.0) {
            let expected: f64 = *expected;
            assert!((f64::from(*found) - expected).abs() < 1e-4 * expected.abs().max(1.0));
        }
    }
}
