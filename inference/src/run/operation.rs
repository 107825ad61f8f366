//! One operation alone, in f64, from given inputs: how another engine is judged.

use crate::{
    error::Error,
    program::{Slot, Step},
    run::{
        Options,
        state::{Side, State},
    },
};

/// Takes `steps`, none of them a product, after the slots of `inputs` were given their values, token-major; returns what
/// the last step gave.
///
/// # Errors
/// Fails when the prompt cannot be run or a read fails.
pub fn operation_in_f64(
    side: Side<'_>,
    tokens: &[u32],
    inputs: &[(Slot, &[f32])],
    steps: &[Step],
) -> Result<Vec<f64>, Error> {
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    let mut state = State::<f64>::new(side, &[tokens], &options)?;
    for (slot, values) in inputs {
        state.set(*slot, values.iter().copied().map(f64::from).collect());
    }
    let mut last = None;
    for step in steps {
        let instruction = side.model.instruction(*step);
        let instruction = instruction.unwrap_or_else(|| unreachable!("{step} is a step"));
        state.take(instruction)?;
        last = Some(instruction.to);
    }
    let last = last.unwrap_or_else(|| unreachable!("an operation has at least one step"));
    Ok(state.take_value(last))
}
