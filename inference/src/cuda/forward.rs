//! The forward on a GPU: the same stages, with the same bits.

use std::thread;

use crate::cuda::{
    Weight,
    backend::DeviceState,
    driver::gpu::Gpu,
    product::Products,
    record::recorder::Recorder,
    run_error::RunError,
    upload::{
        panel::{self, Matrix, Panel, panels},
        reader::Upload,
        ring::Ring,
        weights::Weights,
    },
};
use crate::{
    options::Options,
    program::{Instruction, Slot, StageSink, Step},
    record::{Comparison, Digests},
    run::{
        Mode, Side,
        cpu::Sinks,
        step_loop::{self, Backend, Merged, StageObserver, merged},
    },
};

/// Runs several prompts through a model on a GPU and hands the values of every stage to the sink of each prompt, which
/// means that all of them are copied to the host; [`digests`] needs no such copies.
///
/// `options.threads` read the weights ahead, in panels of `options.panel_bytes`; a few panels and their copies on the GPU
/// exist at a time. `watch` is called with each step before it is queued.
///
/// # Errors
/// Fails with [`RunError::Model`] as [`crate::forward`](crate::forward()) does, and with [`RunError::Gpu`] when the GPU or its
/// driver fails, which says nothing about the model.
pub fn forward_batch(
    gpu: &Gpu,
    side: Side<'_>,
    prompts: &mut [(&[u32], &mut dyn StageSink)],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<(), RunError> {
    let tokens: Vec<&[u32]> = prompts.iter().map(|(tokens, _)| *tokens).collect();
    let mut values = Values {
        sinks: Sinks { prompts },
    };
    let sides = [Some(side), None];
    let mode = Mode::Free;
    run(gpu, sides, &tokens, options, mode, &mut values, watch).map(drop)
}

/// Runs several prompts through a model on a GPU; returns the digests of all stages for each of them, and those of the
/// weights that were used. `watch` is called with each step before it is queued.
///
/// # Errors
/// Fails as [`forward_batch`] does.
pub fn digests(
    gpu: &Gpu,
    side: Side<'_>,
    prompts: &[&[u32]],
    options: &Options,
    watch: &mut dyn FnMut(Step),
) -> Result<(Vec<Digests>, Vec<Weight>), RunError> {
    let sides = [Some(side), None];
    let steps = merged(sides).len();
    let mut recorder = Recorder::new(gpu, (steps, 1), prompts)?;
    let mode = Mode::Free;
    let [weights, _] = run(gpu, sides, prompts, options, mode, &mut recorder, watch)?;
    let comparisons = recorder.finish()?;
    let digests = comparisons.iter().map(|comparison| comparison.digests(0));
    Ok((digests.collect(), weights))
}

/// Runs prompts through two models on a GPU in lock step and compares them there; returns what [`crate::forward_pair`] returns
/// for each of them, and the digests of the weights that each side has used.
///
/// Where both files have the same bytes, they are copied to the GPU once; where the activations are the same as well, their
/// product is computed once. `watch` is called with each step before it is queued.
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
) -> Result<(Vec<Comparison>, [Vec<Weight>; 2]), RunError> {
    let sides = [Some(a), Some(b)];
    let steps = merged(sides).len();
    let mut recorder = Recorder::new(gpu, (steps, 2), prompts)?;
    let weights = run(gpu, sides, prompts, options, mode, &mut recorder, watch)?;
    Ok((recorder.finish()?, weights))
}

/// Copies every stage of one side to the host.
struct Values<'a, 'b, 'c> {
    sinks: Sinks<'a, 'b, 'c, f32>,
}

impl<'s> StageObserver<DeviceState<'s>, RunError> for Values<'_, '_, '_> {
    fn stage(
        &mut self,
        step: Step,
        slots: [Option<Slot>; 2],
        sides: &mut [Option<DeviceState<'s>>; 2],
    ) -> Result<(), RunError> {
        for (state, slot) in sides.iter_mut().zip(slots) {
            if let (Some(state), Some(slot)) = (state, slot) {
                state.fetch(slot)?;
                self.sinks.take(step, slot, state.host());
            }
        }
        Ok(())
    }

    /// There is one side.
    fn equal(
        &mut self,
        _slot: Slot,
        _sides: &[Option<DeviceState<'s>>; 2],
    ) -> Result<bool, RunError> {
        Ok(false)
    }
}

/// Runs prompts through one model or two; returns the digests of the weights that were used.
fn run<'a>(
    gpu: &'a Gpu,
    sides: [Option<Side<'a>>; 2],
    prompts: &[&[u32]],
    options: &Options,
    mode: Mode,
    recorder: &mut dyn StageObserver<DeviceState<'a>, RunError>,
    watch: &mut dyn FnMut(Step),
) -> Result<[Vec<Weight>; 2], RunError> {
    let steps = merged(sides);
    let mut states = [None, None];
    for (state, side) in states.iter_mut().zip(sides) {
        let new = side.map(|side| DeviceState::new(gpu, side, prompts, options));
        *state = new.transpose()?;
    }
    let products: Vec<_> = steps
        .iter()
        .map(Merged::products)
        .filter(|products| *products != [None, None])
        .map(|products| matrices(products, sides))
        .collect();
    let all = products.iter().flatten().flatten();
    let sizes = all.map(|matrix| panel::largest(matrix.tensor, options.panel_bytes));
    let largest = sizes.max();
    let largest = largest.unwrap_or_else(|| unreachable!("every program has products"));
    let slots = sides.iter().flatten().count() * SLOTS;
    let mut ring = Ring::new(gpu, slots, largest)?;
    let cut = products
        .iter()
        .map(|matrices| panels(*matrices, ring.bytes()));
    let plan = cut.collect::<Result<Vec<_>, _>>()?;
    let mut weights = Weights::new(gpu, products)?;
    let lent = ring.lend(gpu);
    thread::scope(|scope| {
        let upload = Upload::start(scope, plan.iter().flatten(), lent, options.threads);
        let mut backend = GpuBackend {
            gpu,
            upload,
            kernels: Products::default(),
            weights: &mut weights,
            plan: plan.iter().map(Vec::as_slice).enumerate(),
        };
        step_loop::run(&steps, &mut states, mode, &mut backend, recorder, watch)
    })?;
    let mut used = weights.finish()?;
    for (used, state) in used.iter_mut().zip(states) {
        used.extend(state.map_or_else(Vec::new, DeviceState::into_vectors));
    }
    Ok(used)
}

/// The matrices of a product.
fn matrices<'a>(
    products: [Option<&'a Instruction>; 2],
    sides: [Option<Side<'a>>; 2],
) -> [Option<Matrix<'a>>; 2] {
    let [a, b] = sides;
    let matrix = |side: Option<Side<'a>>, product: Option<&'a Instruction>| {
        let (_, tensor) = product?.op.product()?;
        Some(Matrix {
            tensor,
            sources: side?.sources,
        })
    };
    [matrix(a, products[0]), matrix(b, products[1])]
}

/// Computes on a GPU, from weights that are uploaded ahead of the steps.
struct GpuBackend<'a, 'w, P> {
    gpu: &'a Gpu,
    upload: Upload<'a>,
    kernels: Products,
    weights: &'a mut Weights<'w>,
    /// The number and the panels of each product, in the order of the steps.
    plan: P,
}

impl<'s, 'p, P> Backend<'s, DeviceState<'s>, RunError> for GpuBackend<'_, '_, P>
where
    P: Iterator<Item = (usize, &'p [Panel<'p>])>,
{
    fn step(
        &mut self,
        instruction: &'s Instruction,
        side: &mut DeviceState<'s>,
    ) -> Result<(), RunError> {
        side.take(instruction)
    }

    /// Multiplies panel by panel as they arrive.
    fn product(
        &mut self,
        products: [Option<&'s Instruction>; 2],
        same: bool,
        sides: &mut [Option<DeviceState<'s>>; 2],
    ) -> Result<(), RunError> {
        let Self {
            gpu,
            upload,
            kernels,
            weights,
            plan,
        } = self;
        let planned = plan.next();
        let (index, panels) =
            planned.unwrap_or_else(|| unreachable!("every product is in the plan of the upload"));
        let mut operands = [None, None];
        for ((operand, state), product) in operands.iter_mut().zip(sides).zip(products) {
            if let (Some(state), Some(product)) = (state, product)
                && let (to, Some((from, matrix))) = (product.to, product.op.product())
            {
                state.prepare_product(matrix, to)?;
                *operand = Some(state.product(matrix, from, to));
            }
        }
        let [first, _] = operands;
        for panel in panels {
            let rows = (panel.first, panel.rows);
            upload.take(|arrived| {
                for (side, (bytes, operand)) in
                    arrived.buffers.into_iter().zip(operands).enumerate()
                {
                    // A panel that only the other side has.
                    let Some(bytes) = bytes else { continue };
                    let operand = operand
                        .unwrap_or_else(|| unreachable!("a panel of a side without a product"));
                    weights.add((index, side), rows, bytes)?;
                    match first.filter(|_| side > 0 && same && arrived.same) {
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

    fn replace(
        &mut self,
        slot: Slot,
        from: &DeviceState<'s>,
        to: &mut DeviceState<'s>,
    ) -> Result<bool, RunError> {
        to.replace(slot, from)
    }
}

/// One is read into, one copied, one used.
const SLOTS: usize = 3;
