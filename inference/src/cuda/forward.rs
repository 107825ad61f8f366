//! The forward on a GPU: the same stages, with the same bits.

use super::{gpu::Gpu, product::Products, state::DeviceState};
use crate::{
    error::Error,
    forward::{Mode, PairSink, StageSink, hand_over, hand_over_pair, merged},
    options::Options,
    program::program,
    side::Side,
    stage::Step,
};

/// Runs several prompts through a model on a GPU, each with its own sink; see [`crate::forward_batch`].
///
/// `options.threads` read the weights, in panels of `options.panel_bytes`; three panels and their copies on the GPU are
/// there at a time.
///
/// # Errors
/// Fails as [`crate::forward()`] does, and with [`Error::Cuda`] when the GPU or its driver fails, which says nothing about
/// the model.
pub fn forward_batch(
    gpu: &Gpu,
    side: Side<'_>,
    prompts: &mut [(&[u32], &mut dyn StageSink)],
    options: &Options,
) -> Result<(), Error> {
    let tokens: Vec<&[u32]> = prompts.iter().map(|(tokens, _)| *tokens).collect();
    let mut state = DeviceState::new(gpu, side, &tokens, options.threads)?;
    let mut products = Products::new(gpu, state.longest_row(), options)?;
    for step in program(side.model) {
        take(gpu, &mut products, step, &mut [&mut state])?;
        state.fetch(step.stage.slot())?;
        hand_over(step, state.host(), prompts);
    }
    Ok(())
}

/// Runs prompts through two models on a GPU in lock step, each with its own sink; see [`crate::forward_pair`].
///
/// # Errors
/// Fails as [`forward_batch`] does, for either model.
pub fn forward_pair(
    gpu: &Gpu,
    a: Side<'_>,
    b: Side<'_>,
    prompts: &mut [(&[u32], &mut dyn PairSink)],
    options: &Options,
    mode: Mode,
) -> Result<(), Error> {
    let tokens: Vec<&[u32]> = prompts.iter().map(|(tokens, _)| *tokens).collect();
    let programs = [program(a.model), program(b.model)];
    let mut states = [
        DeviceState::new(gpu, a, &tokens, options.threads)?,
        DeviceState::new(gpu, b, &tokens, options.threads)?,
    ];
    let rows = states.each_ref().map(DeviceState::longest_row);
    let longest_row = rows.into_iter().max().unwrap_or_default();
    let mut products = Products::new(gpu, longest_row, options)?;
    for (step, takes) in merged(&programs) {
        let taking = states.iter_mut().zip(takes);
        let mut taking: Vec<_> = taking
            .filter_map(|(state, takes)| takes.then_some(state))
            .collect();
        take(gpu, &mut products, step, &mut taking)?;
        let slot = step.stage.slot();
        for state in taking {
            state.fetch(slot)?;
        }
        let [a, b] = &states;
        hand_over_pair((step, takes), [a.host(), b.host()], prompts);
        if mode == Mode::Isolated {
            b.replace(slot, a)?;
        }
    }
    Ok(())
}

/// Takes a step on all sides that have it.
fn take(
    gpu: &Gpu,
    products: &mut Products,
    step: Step,
    states: &mut [&mut DeviceState<'_>],
) -> Result<(), Error> {
    let mut multiplies = false;
    for state in &mut *states {
        if state.prepare_product(step)? {
            multiplies = true;
        } else {
            state.take(step)?;
        }
    }
    if multiplies {
        let all = states.iter().map(|state| state.product(step));
        let all: Vec<_> = all.collect::<Result<Vec<_>, _>>()?;
        products.multiply(gpu, &all.into_iter().flatten().collect::<Vec<_>>())?;
    }
    Ok(())
}
