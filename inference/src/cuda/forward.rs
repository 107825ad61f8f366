//! The forward on a GPU: the same stages, with the same bits.

use std::thread;

use crate::cuda::{
    backend::DeviceState,
    driver::gpu::Gpu,
    product::Products,
    record::recorder::Recorder,
    upload::{
        panel::{self, Matrix, Panel, panels},
        reader::Upload,
        ring::Ring,
        weights::{Weight, Weights},
    },
};
use crate::{
    error::Error,
    program::{Slot, StageSink, Step, program},
    record::{Comparison, Digests},
    run::{Mode, Options, Side, hand_over, merged},
};

/// Runs several prompts through a model on a GPU and hands the values of every stage to the sink of each prompt, which
/// means that all of them are copied to the host; [`digests`] needs no such copies.
///
/// `options.threads` read the weights ahead, in panels of `options.panel_bytes`; a few panels and their copies on the GPU
/// are there at a time. `watch` is told each step before it is asked for.
///
/// # Errors
/// Fails as [`crate::forward`](crate::forward()) does, and with [`Error::Cuda`] when the GPU or its driver fails, which says nothing about
/// the model.
pub fn forward_batch(
    gpu: &Gpu,
    side: Side<'_>,
    prompts: &mut [(&[u32], &mut dyn StageSink)],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<(), Error> {
    let tokens: Vec<&[u32]> = prompts.iter().map(|(tokens, _)| *tokens).collect();
    let mut values = Values { prompts };
    let sides = [Some(side), None];
    run(gpu, sides, &tokens, options, &mut values, watch).map(drop)
}

/// Runs several prompts through a model on a GPU; returns the digests of all stages for each of them, and those of the
/// weights that were used. `watch` is told each step before it is asked for.
///
/// # Errors
/// Fails as [`forward_batch`] does.
pub fn digests(
    gpu: &Gpu,
    side: Side<'_>,
    prompts: &[&[u32]],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<(Vec<Digests>, Vec<Weight>), Error> {
    let sides = [Some(side), None];
    let steps = merged(&programs(sides)).len();
    let mut recorder = Recorder::new(gpu, (steps, 1), prompts, Mode::Free)?;
    let [weights, _] = run(gpu, sides, prompts, options, &mut recorder, watch)?;
    let comparisons = recorder.finish()?;
    let digests = comparisons.iter().map(|comparison| comparison.digests(0));
    Ok((digests.collect(), weights))
}

/// Runs prompts through two models on a GPU in lock step and compares them there; returns what [`crate::forward_pair`] returns
/// for each of them, and the digests of the weights that each side has used.
///
/// Where both files have the same bytes, they are copied to the GPU once; where the activations are the same as well, their
/// product is computed once. `watch` is told each step before it is asked for.
///
/// # Errors
/// Fails as [`forward_batch`] does, for either model.
pub fn forward_pair(
    gpu: &Gpu,
    a: Side<'_>,
    b: Side<'_>,
    prompts: &[&[u32]],
    options: &Options,
    mode: Mode,
    watch: &mut dyn FnMut(Step),
) -> Result<(Vec<Comparison>, [Vec<Weight>; 2]), Error> {
    let sides = [Some(a), Some(b)];
    let steps = merged(&programs(sides)).len();
    let mut recorder = Recorder::new(gpu, (steps, 2), prompts, mode)?;
    let weights = run(gpu, sides, prompts, options, &mut recorder, watch)?;
    Ok((recorder.finish()?, weights))
}

/// What looks at the stages of a run.
pub(crate) trait Observer {
    /// Takes what a step wrote on the sides that have it.
    fn stage(
        &mut self,
        step: Step,
        takes: [bool; 2],
        states: &mut [Option<DeviceState<'_>>; 2],
    ) -> Result<(), Error>;

    /// Whether both sides hold the same bits there.
    fn equal(&mut self, slot: Slot) -> Result<bool, Error>;
}

/// Copies every stage to the host.
struct Values<'a, 'b, 'c> {
    prompts: &'a mut [(&'b [u32], &'c mut dyn StageSink)],
}

impl Observer for Values<'_, '_, '_> {
    fn stage(
        &mut self,
        step: Step,
        _takes: [bool; 2],
        [state, _]: &mut [Option<DeviceState<'_>>; 2],
    ) -> Result<(), Error> {
        if let Some(state) = state {
            state.fetch(step.stage.slot())?;
            hand_over(step, state.host(), self.prompts);
        }
        Ok(())
    }

    fn equal(&mut self, _slot: Slot) -> Result<bool, Error> {
        Ok(false)
    }
}

/// The steps of each side.
fn programs(sides: [Option<Side<'_>>; 2]) -> [Vec<Step>; 2] {
    sides.map(|side| side.map_or_else(Vec::new, |side| program(side.model)))
}

/// Runs prompts through one model or two; returns the digests of the weights that were used.
fn run(
    gpu: &Gpu,
    sides: [Option<Side<'_>>; 2],
    prompts: &[&[u32]],
    options: &Options,
    observer: &mut dyn Observer,
    watch: &mut dyn FnMut(Step),
) -> Result<[Vec<Weight>; 2], Error> {
    let steps = merged(&programs(sides));
    let mut states = [None, None];
    for (state, side) in states.iter_mut().zip(sides) {
        let new = side.map(|side| DeviceState::new(gpu, side, prompts, options.threads));
        *state = new.transpose()?;
    }
    let products: Vec<_> = steps
        .iter()
        .filter(|(step, _)| step.stage.activations().is_some())
        .map(|(step, takes)| matrices(*step, *takes, sides))
        .collect();
    let all = products.iter().flatten().flatten();
    let rooms = all.map(|matrix| panel::room(matrix.tensor, options.panel_bytes));
    let most = rooms.max().unwrap_or_default();
    let places = sides.iter().flatten().count().saturating_mul(PLACES);
    let mut ring = Ring::new(gpu, places, most)?;
    let cut = products
        .iter()
        .map(|matrices| panels(*matrices, ring.bytes()));
    let plan = cut.collect::<Result<Vec<_>, _>>()?;
    let mut weights = Weights::new(gpu, products)?;
    let lent = ring.lend(gpu);
    thread::scope(|scope| {
        let upload = Upload::start(scope, plan.iter().flatten(), lent, options.threads);
        let mut run = Run {
            gpu,
            upload,
            kernels: Products::default(),
            weights: &mut weights,
        };
        let mut plan = plan.iter().enumerate();
        for (step, takes) in steps {
            watch(step);
            match step.stage.activations() {
                None => taking(&mut states, takes).try_for_each(|state| state.take(step))?,
                Some(x) => {
                    taking(&mut states, takes).try_for_each(|state| state.prepare_product(step))?;
                    let equal = takes == [true, true] && observer.equal(x)?;
                    if let Some((index, panels)) = plan.next() {
                        run.multiply((index, panels), step, &states, equal)?;
                    }
                }
            }
            observer.stage(step, takes, &mut states)?;
        }
        Ok::<(), Error>(())
    })?;
    let mut used = weights.finish()?;
    for (used, state) in used.iter_mut().zip(states) {
        used.extend(state.map_or_else(Vec::new, DeviceState::into_vectors));
    }
    Ok(used)
}

/// The matrices of a product.
fn matrices<'a>(
    step: Step,
    takes: [bool; 2],
    sides: [Option<Side<'a>>; 2],
) -> [Option<Matrix<'a>>; 2] {
    let [a, b] = sides;
    let matrix = |side: Option<Side<'a>>, takes: bool| {
        let side = side.filter(|_| takes)?;
        Some(Matrix {
            tensor: side.model.tensor(step)?,
            sources: side.sources,
        })
    };
    [matrix(a, takes[0]), matrix(b, takes[1])]
}

/// The sides that have a step.
fn taking<'a, 'b>(
    states: &'a mut [Option<DeviceState<'b>>; 2],
    takes: [bool; 2],
) -> impl Iterator<Item = &'a mut DeviceState<'b>> {
    let states = states.iter_mut().zip(takes);
    states.filter_map(|(state, takes)| state.as_mut().filter(|_| takes))
}

/// What products share.
struct Run<'a, 'b> {
    gpu: &'a Gpu,
    upload: Upload<'a>,
    kernels: Products,
    weights: &'a mut Weights<'b>,
}

impl Run<'_, '_> {
    /// Multiplies the activations of each side by its matrix, panel by panel as they arrive.
    fn multiply(
        &mut self,
        (index, panels): (usize, &[Panel<'_>]),
        step: Step,
        states: &[Option<DeviceState<'_>>; 2],
        equal: bool,
    ) -> Result<(), Error> {
        let Self {
            gpu,
            upload,
            kernels,
            weights,
        } = self;
        let mut operands = [None, None];
        for (operand, state) in operands.iter_mut().zip(states) {
            let product = state.as_ref().map(|state| state.product(step));
            *operand = product.transpose()?.flatten();
        }
        let [first, _] = operands;
        for panel in panels {
            let rows = (panel.first, panel.rows);
            upload.take(|arrived| {
                let sides = arrived.buffers.into_iter().zip(operands).enumerate();
                for (side, (bytes, operand)) in sides {
                    let (Some(bytes), Some(operand)) = (bytes, operand) else {
                        continue;
                    };
                    weights.add((index, side), rows, bytes)?;
                    match first.filter(|_| side > 0 && equal && arrived.same) {
                        // Equal bits in, equal bits out.
                        Some(first) => operand.take_rows(gpu, first, rows)?,
                        None => kernels.multiply(gpu, operand, bytes, rows)?,
                    }
                }
                Ok(())
            })?;
        }
        weights.end(index)?;
        Ok(())
    }
}

/// One is read into, one copied, one used.
const PLACES: usize = 3;
