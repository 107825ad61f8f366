//! One operation alone, in f64, from inputs that come from elsewhere: how another engine is judged.

use crate::{
    arithmetic::attention::scale,
    error::Error,
    model::Config,
    program::{Stage, Step},
    run::state::{Side, State},
};

/// Takes `steps`, none of them a product, after the stages of `inputs` were given their values, token-major; returns what
/// the last step gave.
///
/// # Errors
/// Fails when the prompt cannot be run or a read fails.
pub fn operation_in_f64(
    side: Side<'_>,
    tokens: &[u32],
    inputs: &[(Stage, &[f32])],
    steps: &[Step],
) -> Result<Vec<f64>, Error> {
    let mut state = State::<f64>::new(side, &[tokens], 1)?;
    for (stage, values) in inputs {
        state.set(
            stage.slot(),
            values.iter().copied().map(f64::from).collect(),
        );
    }
    for step in steps {
        state.take(*step)?;
    }
    let last = steps.last().map(|step| state.value(step.stage.slot()));
    Ok(last.unwrap_or_default().to_vec())
}

/// What attention scores are multiplied by.
pub fn attention_scale(config: &Config) -> f32 {
    scale(config)
}
