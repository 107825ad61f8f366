//! The forward: a prompt of token ids through all layers of one model or of two, stage by stage.

pub(crate) mod cpu;
mod default_prompts;
mod operation;
mod options;

pub use cpu::Side;
pub use default_prompts::{Prompt, default_prompts};
pub use operation::{attention_scale, operation_in_f64};
pub use options::Options;

use crate::{
    arithmetic::number::Real,
    error::Error,
    model::{Model, source::Source},
    program::{Slot, StageSink, Step, program},
    record::Comparison,
    run::cpu::State,
};

/// What the second model of a pair goes on with after each stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Its own values: the first stage that differs is the finding, later ones show how it spreads.
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
    run(Side { model, sources }, tokens, options, sink)
}

/// Runs several prompts at once, each with its own sink: the weights are read once, and every prompt gets the bits that
/// it gets alone. `watch` is told each step before it is taken.
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
    run(Side { model, sources }, tokens, options, sink)
}

/// Runs prompts through two models in lock step, each stage of the first model, then the same stage of the second, and
/// compares them; returns a comparison for each prompt.
///
/// A panel of a matrix is read from both files, used and forgotten. Where the weights and the activations of both sides
/// have the same bits, their product is computed once: it is a function of these bits alone.
///
/// `watch` is told each step before it is taken.
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
    let (programs, mut states) = (
        [program(a.model), program(b.model)],
        [
            State::<f32>::new(a, prompts, options.threads)?,
            State::new(b, prompts, options.threads)?,
        ],
    );
    let mut comparisons = vec![Comparison::default(); prompts.len()];
    for (step, takes) in merged(&programs) {
        watch(step);
        let mut taking: Vec<_> = states
            .iter_mut()
            .zip(takes)
            .filter_map(|(state, takes)| takes.then_some(state))
            .collect();
        take(step, &mut taking, options)?;
        let [a, b] = &mut states;
        let slot = step.stage.slot();
        let pieces = a.pieces(slot).into_iter().zip(b.pieces(slot));
        for ((tokens, comparison), (of_a, of_b)) in prompts.iter().zip(&mut comparisons).zip(pieces)
        {
            let values = [takes[0].then_some(of_a), takes[1].then_some(of_b)];
            comparison.stage(step, tokens.len(), values);
        }
        if mode == Mode::Isolated && a.value(slot).len() == b.value(slot).len() {
            b.set(slot, a.value(slot).to_vec());
        }
    }
    Ok(comparisons)
}

/// Gives what a step wrote to the sink of each prompt.
pub(crate) fn hand_over<F: Real>(
    step: Step,
    state: &State<'_, F>,
    prompts: &mut [(&[u32], &mut dyn StageSink<F>)],
) {
    let pieces = state.pieces(step.stage.slot());
    for ((tokens, sink), values) in prompts.iter_mut().zip(pieces) {
        sink.stage(step, tokens.len(), values);
    }
}

fn run<F: Real>(
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
    let mut state = State::new(side, &tokens, options.threads)?;
    for step in program(side.model) {
        watch(step);
        take(step, &mut [&mut state], options)?;
        hand_over(step, &state, prompts);
    }
    Ok(state.value(Slot::Out).to_vec())
}

/// Takes a step on all sides that have it.
fn take<F: Real>(
    step: Step,
    states: &mut [&mut State<'_, F>],
    options: &Options,
) -> Result<(), Error> {
    let factors: Vec<_> = states
        .iter()
        .filter_map(|state| state.factor(step))
        .collect();
    if factors.is_empty() {
        return states.iter_mut().try_for_each(|state| state.take(step));
    }
    let products = F::products(&factors, options)?;
    for (state, product) in states.iter_mut().zip(products) {
        state.set(step.stage.slot(), product);
    }
    Ok(())
}

/// The steps of two programs in the order of execution, and which of the two has each.
pub(crate) fn merged(programs: &[Vec<Step>; 2]) -> Vec<(Step, [bool; 2])> {
    let [mut a, mut b] = programs
        .each_ref()
        .map(|steps| steps.iter().copied().peekable());
    let mut steps = Vec::new();
    loop {
        let takes = match (a.peek(), b.peek()) {
            (None, None) => return steps,
            (Some(_), None) => [true, false],
            (None, Some(_)) => [false, true],
            (Some(a), Some(b)) => [a.order() <= b.order(), b.order() <= a.order()],
        };
        let next = [
            takes[0].then(|| a.next()).flatten(),
            takes[1].then(|| b.next()).flatten(),
        ];
        let [of_a, of_b] = next;
        if let Some(step) = of_a.or(of_b) {
            steps.push((step, takes));
        }
    }
}
