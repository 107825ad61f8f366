//! Each stage from the stages before it, one operation at a time.
//!
//! The same table serves two purposes: an operation is judged on the inputs that another engine recorded, and a whole run is
//! made of operations that feed each other ([`super::emulate`]).

use inference::{Error, Model, Source, Stage, Step, Tensor};
use inference::{Side, internals::operation_in_f64};

/// A model whose operations can be computed one by one.
pub(crate) struct Reference<'a> {
    pub(crate) model: &'a Model,
    pub(crate) sources: &'a [&'a dyn Source],
    pub(crate) tokens: &'a [u32],
}

/// What an operation takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// The stages that it takes, in the order of [`Reference::compute`].
    pub(crate) inputs: Vec<Step>,
    /// The matrix of a product.
    pub(crate) matrix: Option<&'a Tensor>,
    /// Whether a token's result depends on that token's inputs alone, wherever it stands.
    pub(crate) by_token: bool,
}

impl<'a> Reference<'a> {
    /// Returns the operation that makes a stage; `None` for one that this model does not have.
    pub(crate) fn operation(&self, step: Step) -> Option<Operation<'a>> {
        let Some(index) = step.layer else {
            return Some(match step.stage {
                Stage::Embedding => self.plain(Vec::new()),
                Stage::FinalNorm => self.plain(vec![self.entering(self.model.layers.len())]),
                Stage::Logits => self.product(step, Step::of_model(Stage::FinalNorm)),
                _ => return None,
            });
        };
        let layer = self.model.layers.get(index)?;
        let at = |stage| Step::in_layer(index, stage);
        let biased = layer.biases.is_some();
        let normed = layer.head_norms.is_some();
        // What the head norm or rope takes, and what rope takes.
        let projected = |plain, post| at(if biased { post } else { plain });
        let headed = |plain, post, norm| {
            if normed {
                at(norm)
            } else {
                projected(plain, post)
            }
        };
        let query = headed(Stage::QPreBias, Stage::QPostBias, Stage::QNorm);
        let key = headed(Stage::KPreBias, Stage::KPostBias, Stage::KNorm);
        Some(match step.stage {
            Stage::AttnNorm => self.plain(vec![self.entering(index)]),
            Stage::QPreBias => self.product(step, at(Stage::AttnNorm)),
            Stage::KPreBias => self.product(step, at(Stage::AttnNorm)),
            Stage::VPreBias => self.product(step, at(Stage::AttnNorm)),
            Stage::QPostBias if biased => self.plain(vec![at(Stage::QPreBias)]),
            Stage::KPostBias if biased => self.plain(vec![at(Stage::KPreBias)]),
            Stage::VPostBias if biased => self.plain(vec![at(Stage::VPreBias)]),
            Stage::QNorm if normed => {
                self.plain(vec![projected(Stage::QPreBias, Stage::QPostBias)])
            }
            Stage::KNorm if normed => {
                self.plain(vec![projected(Stage::KPreBias, Stage::KPostBias)])
            }
            Stage::QRope => self.across(vec![query]),
            Stage::KRope => self.across(vec![key]),
            Stage::AttnScores => self.across(vec![at(Stage::QRope), at(Stage::KRope)]),
            Stage::AttnSoftmax => self.across(vec![at(Stage::AttnScores)]),
            Stage::Attention => {
                let value = projected(Stage::VPreBias, Stage::VPostBias);
                self.across(vec![at(Stage::AttnSoftmax), value])
            }
            Stage::AttnOut => self.product(step, at(Stage::Attention)),
            Stage::FfnInp => self.plain(vec![self.entering(index), at(Stage::AttnOut)]),
            Stage::FfnNorm => self.plain(vec![at(Stage::FfnInp)]),
            Stage::FfnGate => self.product(step, at(Stage::FfnNorm)),
            Stage::FfnUp => self.product(step, at(Stage::FfnNorm)),
            Stage::FfnSilu => self.plain(vec![at(Stage::FfnGate)]),
            Stage::FfnSwiglu => self.plain(vec![at(Stage::FfnGate), at(Stage::FfnUp)]),
            Stage::FfnDown => self.product(step, at(Stage::FfnSwiglu)),
            Stage::LayerOut => self.plain(vec![at(Stage::FfnInp), at(Stage::FfnDown)]),
            _ => return None,
        })
    }

    /// Computes an operation that is not a product in f64, from inputs of all tokens or, for an operation by token, of some.
    pub(crate) fn compute(&self, step: Step, inputs: &[Vec<f32>]) -> Result<Vec<f64>, Error> {
        let side = Side {
            model: self.model,
            sources: self.sources,
        };
        let operation = self.operation(step);
        let operation = operation.unwrap_or_else(|| unreachable!("{step} is an operation"));
        let stages = operation.inputs.iter().map(|input| input.stage);
        let inputs: Vec<_> = stages.zip(inputs.iter().map(Vec::as_slice)).collect();
        // The product of gate and up is taken from the gate as it is: engines fuse the activation with it.
        let stage = Stage::FfnSilu;
        let steps = match step.stage {
            Stage::FfnSwiglu => vec![Step { stage, ..step }, step],
            _ => vec![step],
        };
        operation_in_f64(side, self.tokens, &inputs, &steps)
    }

    /// What enters a layer.
    fn entering(&self, layer: usize) -> Step {
        match layer.checked_sub(1) {
            Some(before) => Step::in_layer(before, Stage::LayerOut),
            None => Step::of_model(Stage::Embedding),
        }
    }

    fn product(&self, step: Step, input: Step) -> Operation<'a> {
        Operation {
            inputs: vec![input],
            matrix: self.model.tensor(step),
            by_token: true,
        }
    }

    fn plain(&self, inputs: Vec<Step>) -> Operation<'a> {
        Operation {
            inputs,
            matrix: None,
            by_token: true,
        }
    }

    fn across(&self, inputs: Vec<Step>) -> Operation<'a> {
        Operation {
            inputs,
            matrix: None,
            by_token: false,
        }
    }
}
