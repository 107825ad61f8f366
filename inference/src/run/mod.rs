//! The forward: a prompt of token ids through all layers of one model or of two, stage by stage.

pub(crate) mod cpu;
mod default_prompts;
mod memory;
mod operation;
pub(crate) mod state;
pub(crate) mod step_loop;

pub use default_prompts::{Prompt, default_prompts};
pub use operation::operation_in_f64;
pub use state::Side;

use crate::{
    arithmetic::number::Real,
    error::Error,
    model::{Model, source::Source},
    options::Options,
    program::{Slot, StageSink, Step},
    record::Comparison,
    run::{
        cpu::{Comparing, Cpu, Sinks},
        state::State,
        step_loop::{merged, run},
    },
};

/// The values that the second model of a pair continues with after each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its own values: the first stage that differs is the finding, later ones show how it propagates.
    Free,
    /// The values of the first model: every stage is judged alone.
    Isolated,
}

/// Runs a prompt and returns the logits of every position, `vocabulary` values each.
///
/// The sources are those that the model was loaded from. Stages and their capture points are listed in `CONTRACT.md`.
///
/// # Errors
/// Fails when the prompt is empty, longer than the context or holds an id outside the vocabulary, when a read fails, and
/// with [`Error::NotCovered`] when it is longer than the window of the attention.
pub fn forward(
    model: &Model,
    sources: &[&dyn Source],
    tokens: &[u32],
    options: &Options,
    sink: &mut dyn StageSink,
) -> Result<Vec<f32>, Error> {
    single(Side { model, sources }, tokens, options, sink)
}

/// Runs several prompts at once, each with its own sink: the weights are read once, and every prompt gets the same bits
/// as alone. `watch` is called with each step before it is taken.
///
/// # Errors
/// Fails as [`forward`] does.
pub fn forward_batch(
    model: &Model,
    sources: &[&dyn Source],
    prompts: &mut [(&[u32], &mut dyn StageSink)],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    batch(Side { model, sources }, prompts, options, watch).map(drop)
}

/// Runs a prompt in f64, with the structure of the contract and the weights as it dequantises them: the truth to judge
/// other arithmetics by. Its values are never compared with those of the contract bit for bit.
///
/// # Errors
/// Fails as [`forward`] does.
pub fn forward_in_f64(
    model: &Model,
    sources: &[&dyn Source],
    tokens: &[u32],
    options: &Options,
    sink: &mut dyn StageSink<f64>,
) -> Result<Vec<f64>, Error> {
    single(Side { model, sources }, tokens, options, sink)
}

/// Runs prompts through two models in lock step, each stage of the first model, then the same stage of the second, and
/// compares them; returns a comparison for each prompt.
///
/// A panel of a matrix is read from both files, used and forgotten. Where the weights and the activations of both sides
/// have the same bits, their product is computed once: it is a function of these bits alone.
///
/// `watch` is called with each step before it is taken.
///
/// # Errors
/// Fails as [`forward`] does, for either model.
pub fn forward_pair(
    a: Side<'_>,
    b: Side<'_>,
    prompts: &[&[u32]],
    options: &Options,
    mode: Mode,
    watch: &mut dyn FnMut(Step),
) -> Result<Vec<Comparison>, Error> {
    let sides = [Some(a), Some(b)];
    let mut states = [
        Some(State::<f32>::new(a, prompts, options)?),
        Some(State::new(b, prompts, options)?),
    ];
    let mut recorder = Comparing {
        prompts,
        comparisons: vec![Comparison::default(); prompts.len()],
    };
    let steps = merged(sides);
    let cpu = &mut Cpu { options };
    run(&steps, &mut states, mode, cpu, &mut recorder, watch)?;
    Ok(recorder.comparisons)
}

fn single<F: Real>(
    side: Side<'_>,
    tokens: &[u32],
    options: &Options,
    sink: &mut dyn StageSink<F>,
) -> Result<Vec<F>, Error> {
    batch(side, &mut [(tokens, sink)], options, &mut |_| {})
}

/// Returns what the last step wrote: the logits of all prompts.
fn batch<F: Real>(
    side: Side<'_>,
    prompts: &mut [(&[u32], &mut dyn StageSink<F>)],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<Vec<F>, Error> {
    let tokens: Vec<&[u32]> = prompts.iter().map(|(tokens, _)| *tokens).collect();
    let mut states = [Some(State::new(side, &tokens, options)?), None];
    let steps = merged([Some(side), None]);
    let cpu = &mut Cpu { options };
    let mut sinks = Sinks { prompts };
    run(&steps, &mut states, Mode::Free, cpu, &mut sinks, watch)?;
    let [state, _] = states;
    Ok(state.map_or_else(Vec::new, |mut state| state.take_value(Slot::Out)))
}
