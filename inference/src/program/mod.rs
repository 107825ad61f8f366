//! Programs: the steps that a model takes, and what each step reads and writes.

mod op;
mod operands;
mod stage;

pub use op::{Instruction, Op, Width};
pub use operands::{
    Choice, Delta, Factors, Heads, Norm, Reach, Rotation, ScoreScale, StateSpace, Weighing,
};
pub use stage::{Stage, Step};

use std::ops::{Index, IndexMut};

use crate::model::{Model, Tensor};

/// The id of the numeric contract; results of another contract are never compared with these.
pub const NUMERICS: &str = "f32-fixed-2";

/// Takes the values of every stage, in execution order.
pub trait StageSink<F = f32> {
    /// Takes a stage, the number of tokens and the values, token-major.
    fn stage(&mut self, step: Step, tokens: usize, values: &[F]);
}

/// A value that steps read and write, one per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the instructions say what is kept where")]
pub enum Slot {
    /// The sum that the layers add to.
    Residual,
    /// After a norm.
    Normed,
    Query,
    Key,
    Value,
    /// The gate of an attention or of a recurrent layer.
    QueryGate,
    /// What a recurrent layer, or a latent space, starts with.
    Mixed,
    /// The small values of recurrent layers; the parts that rotate of queries and keys in a latent space.
    Alpha,
    Beta,
    Turned,
    Latent,
    /// Keys and values that later layers read: those of layers with a window, and of the others.
    WindowKey,
    WindowValue,
    FullKey,
    FullValue,
    Scores,
    Probabilities,
    /// The weighted values of an attention.
    Attended,
    /// The result of the attention, or of what stands in its place.
    Branch,
    Gate,
    Up,
    Router,
    RouterInput,
    RouterProbabilities,
    Chosen,
    ExpertWeights,
    ExpertInput,
    Experts,
    SharedGate,
    SharedUp,
    Shared,
    /// What every layer gets besides, all of it and that of one layer.
    LayerInputs,
    LayerInput,
    /// The result of the feed-forward, and the logits.
    Out,
}

/// The tensors and the settings that a step reads.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Feeds<'a> {
    /// The tensors.
    pub tensors: Vec<&'a Tensor>,
    /// The numbers of the model.
    pub settings: Vec<Setting>,
}

/// A number of a model as text, so that two of them compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name: that of the key in APR files.
    pub name: &'static str,
    /// The value; floats as their shortest text that reads back to the same bits.
    pub value: String,
}

impl Model {
    /// Returns the instruction of a step, if the model takes it.
    pub fn instruction(&self, step: Step) -> Option<&Instruction> {
        let found = self
            .program
            .binary_search_by_key(&step.order(), |instruction| instruction.step.order());
        self.program.get(found.ok()?)
    }

    /// Returns what a step reads of the model. Two models with equal feeds and equal earlier stages have an equal stage.
    pub fn feeds(&self, step: Step) -> Feeds<'_> {
        let instruction = self.instruction(step);
        Feeds {
            tensors: instruction.map_or_else(Vec::new, |found| found.op.tensors()),
            settings: instruction.map_or_else(Vec::new, |found| found.settings.clone()),
        }
    }

    /// Returns the instructions whose values an instruction reads, in the order of [`Instruction::inputs`].
    pub fn sources_of(&self, step: Step) -> Vec<Step> {
        let end = self
            .program
            .partition_point(|earlier| earlier.step.order() < step.order());
        let before = self.program.get(..end).unwrap_or_default();
        let slots = self.instruction(step).map(Instruction::inputs);
        let writer = |slot| before.iter().rev().find(|earlier| earlier.to == slot);
        let writers = slots.unwrap_or_default().into_iter().filter_map(writer);
        writers.map(|writer| writer.step).collect()
    }
}

/// Returns the matrices that the products of a model read, in the order of execution.
pub fn matrices(model: &Model) -> impl Iterator<Item = &Tensor> {
    let products = model.program.iter().filter_map(|taken| taken.op.product());
    products.map(|(_, matrix)| matrix)
}

impl Slot {
    /// The number of slots.
    const COUNT: usize = Self::Out as usize + 1;
}

/// Something for each slot.
#[derive(Debug, Clone)]
pub(crate) struct PerSlot<T>([T; Slot::COUNT]);

impl<T: Default> Default for PerSlot<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| T::default()))
    }
}

impl<T> Index<Slot> for PerSlot<T> {
    type Output = T;

    #[expect(
        clippy::indexing_slicing,
        reason = "the number of a slot is below their count"
    )]
    fn index(&self, slot: Slot) -> &T {
        &self.0[slot as usize]
    }
}

impl<T> IndexMut<Slot> for PerSlot<T> {
    #[expect(
        clippy::indexing_slicing,
        reason = "the number of a slot is below their count"
    )]
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        &mut self.0[slot as usize]
    }
}
