//! Programs: the steps that a model takes, and what each step reads and writes.

mod inputs;
mod stage;

pub use inputs::{Feeds, Setting};
pub use stage::{Stage, Step};

use std::ops::{Index, IndexMut};

use crate::model::{Model, Tensor};

/// The id of the numeric contract; results of another contract are never compared with these.
pub const NUMERICS: &str = "f32-fixed-1";

/// Takes the values of every stage, in execution order.
pub trait StageSink<F = f32> {
    /// Takes a stage, the number of tokens and the values, token-major.
    fn stage(&mut self, step: Step, tokens: usize, values: &[F]);
}

/// A value that steps read and write, one per token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// What the layers add to.
    Residual,
    /// After a norm.
    Normed,
    Query,
    Key,
    Value,
    Scores,
    Probabilities,
    /// The weighted values of an attention.
    Attended,
    Gate,
    Up,
    /// What a layer adds to the residual, and the logits.
    Out,
}

/// Returns the steps of a model in the order of execution.
pub fn program(model: &Model) -> Vec<Step> {
    let mut steps = vec![Step::of_model(Stage::Embedding)];
    for (index, layer) in model.layers.iter().enumerate() {
        let has = |stage| match stage {
            Stage::Embedding | Stage::FinalNorm | Stage::Logits => false,
            Stage::QPostBias | Stage::KPostBias | Stage::VPostBias => layer.biases.is_some(),
            Stage::QNorm | Stage::KNorm => layer.head_norms.is_some(),
            _ => true,
        };
        let stages = Stage::ALL.into_iter().filter(|stage| has(*stage));
        steps.extend(stages.map(|stage| Step::in_layer(index, stage)));
    }
    steps.push(Step::of_model(Stage::FinalNorm));
    steps.push(Step::of_model(Stage::Logits));
    steps
}

/// Returns the matrices that the products of a model read, in the order of execution.
pub fn matrices(model: &Model) -> impl Iterator<Item = &Tensor> {
    let products = program(model).into_iter();
    products
        .filter(|step| step.stage.activations().is_some())
        .filter_map(|step| model.tensor(step))
}

impl Stage {
    /// Where the value of the stage is kept.
    pub(crate) const fn slot(self) -> Slot {
        match self {
            Self::Embedding | Self::FfnInp | Self::LayerOut => Slot::Residual,
            Self::AttnNorm | Self::FfnNorm | Self::FinalNorm => Slot::Normed,
            Self::QPreBias | Self::QPostBias | Self::QNorm | Self::QRope => Slot::Query,
            Self::KPreBias | Self::KPostBias | Self::KNorm | Self::KRope => Slot::Key,
            Self::VPreBias | Self::VPostBias => Slot::Value,
            Self::AttnScores => Slot::Scores,
            Self::AttnSoftmax => Slot::Probabilities,
            Self::Attention => Slot::Attended,
            Self::FfnGate | Self::FfnSilu | Self::FfnSwiglu => Slot::Gate,
            Self::FfnUp => Slot::Up,
            Self::AttnOut | Self::FfnDown | Self::Logits => Slot::Out,
        }
    }

    /// Where the activations of a product are; `None` for a stage that is no product.
    pub(crate) const fn activations(self) -> Option<Slot> {
        match self {
            Self::QPreBias
            | Self::KPreBias
            | Self::VPreBias
            | Self::FfnGate
            | Self::FfnUp
            | Self::Logits => Some(Slot::Normed),
            Self::AttnOut => Some(Slot::Attended),
            Self::FfnDown => Some(Slot::Gate),
            _ => None,
        }
    }
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
