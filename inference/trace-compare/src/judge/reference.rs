//! Each stage from the stages before it, one operation at a time.
//!
//! The same table serves two purposes: an operation is judged on the inputs that another engine recorded, and a whole run is
//! made of operations that feed each other ([`super::emulate`]).

use super::{
    gelu,
    product::{rounded_products, rounded_products_of_slices},
    rounding::Rounding,
};
use inference::{Activation, Error, Instruction, Model, Op, Slot, Source, Step, Tensor};
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
    /// The activation that it takes as well.
    pub(crate) fused: Option<Step>,
    /// The matrix of a product, or the matrices of experts or heads.
    pub(crate) matrix: Option<&'a Tensor>,
    /// Whether a token's result depends on that token's inputs alone, wherever it stands.
    pub(crate) by_token: bool,
}

impl<'a> Reference<'a> {
    /// Returns the operation that makes a stage; `None` for one that this model does not have.
    pub(crate) fn operation(&self, step: Step) -> Option<Operation<'a>> {
        let instruction = self.model.instruction(step)?;
        let mut inputs = self.model.sources_of(step);
        // The product of gate and up is taken from the gate as it is: engines fuse the activation with it.
        let fused = self.fused(instruction);
        if let Some(activation) = fused {
            let from = self.model.sources_of(activation.step);
            inputs.splice(..1, from);
        }
        Some(Operation {
            inputs,
            fused: fused.map(|activation| activation.step),
            matrix: match &instruction.op {
                Op::Product { matrix, .. }
                | Op::HeadProduct { matrix, .. }
                | Op::ExpertProduct { matrix, .. } => Some(matrix),
                _ => None,
            },
            by_token: !matches!(
                instruction.op,
                Op::AddPositions { .. }
                    | Op::Rotate(_)
                    | Op::Temper { .. }
                    | Op::Scores { .. }
                    | Op::Slope { .. }
                    | Op::Softmax { .. }
                    | Op::Weighted { .. }
                    | Op::Convolve { .. }
                    | Op::Delta(_)
                    | Op::StateSpace(_)
            ),
        })
    }

    /// Computes a product in f64 under several roundings of its activations.
    pub(crate) fn products(
        &self,
        matrix: &Tensor,
        inputs: &[Vec<f32>],
        roundings: &[Rounding],
        threads: usize,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let sources = self.sources;
        let (activations, slices) = match inputs {
            [activations] if matrix.dims.len() < 3 => {
                return rounded_products(matrix, sources, activations, roundings, threads);
            }
            [activations] => {
                let heads = activations.len() / matrix.columns();
                let slices = (0..heads).map(|head| head % matrix.slices());
                (activations, slices.collect())
            }
            [activations, chosen] => (activations, chosen.iter().copied().map(index).collect()),
            _ => unreachable!("a product has one input, that of experts two"),
        };
        let slices: Vec<usize> = slices;
        rounded_products_of_slices(matrix, sources, activations, &slices, roundings, threads)
    }

    /// Computes an operation that is not a product in f64, from inputs of all tokens or, for an operation by token, of some.
    pub(crate) fn compute(&self, step: Step, inputs: &[Vec<f32>]) -> Result<Vec<f64>, Error> {
        let instruction = self.instruction(step);
        let mut slots = instruction.inputs();
        let mut steps = vec![step];
        if let Some(activation) = self.fused(instruction) {
            slots.splice(..1, activation.inputs());
            steps.insert(0, activation.step);
        }
        self.take(slots, inputs, &steps)
    }

    /// The same of an operation with a gelu, which is looked up as ggml does: with the least and the largest result that its
    /// table may hold. `None` for another operation.
    pub(crate) fn compute_by_table(
        &self,
        step: Step,
        inputs: &[Vec<f32>],
    ) -> Result<Option<[Vec<f64>; 2]>, Error> {
        let instruction = self.instruction(step);
        let fused = self.fused(instruction);
        let Op::Activate {
            function: Activation::Gelu,
            ..
        } = fused.unwrap_or(instruction).op
        else {
            return Ok(None);
        };
        let with = |which: fn([f32; 2]) -> f32| {
            let mut inputs = inputs.to_vec();
            for value in inputs.iter_mut().take(1).flatten() {
                *value = which(gelu::looked_up(*value));
            }
            match fused {
                None => Ok(inputs.into_iter().flatten().map(f64::from).collect()),
                Some(_) => self.take(instruction.inputs(), &inputs, &[step]),
            }
        };
        Ok(Some([with(|[low, _]| low)?, with(|[_, high]| high)?]))
    }

    fn instruction(&self, step: Step) -> &'a Instruction {
        let found = self.model.instruction(step);
        found.unwrap_or_else(|| unreachable!("{step} is an operation"))
    }

    /// Takes steps after the slots were given their values.
    fn take(
        &self,
        slots: Vec<Slot>,
        inputs: &[Vec<f32>],
        steps: &[Step],
    ) -> Result<Vec<f64>, Error> {
        let side = Side {
            model: self.model,
            sources: self.sources,
        };
        let inputs = slots.into_iter().zip(inputs.iter().map(Vec::as_slice));
        let inputs: Vec<_> = inputs.collect();
        operation_in_f64(side, self.tokens, &inputs, steps)
    }

    /// Another product of the same matrix and the same values.
    pub(crate) fn twin(&self, step: Step) -> Option<Step> {
        let instruction = self.model.instruction(step)?;
        instruction.op.product()?;
        let same = |other: &&Instruction| {
            other.step != step
                && other.op == instruction.op
                && self.model.sources_of(other.step) == self.model.sources_of(step)
        };
        let mut program = self.model.program.iter();
        program.find(same).map(|other| other.step)
    }

    /// The activation whose result an instruction multiplies.
    fn fused(&self, instruction: &Instruction) -> Option<&'a Instruction> {
        if !matches!(
            instruction.op,
            Op::Multiply { .. } | Op::MultiplyClipped { .. }
        ) {
            return None;
        }
        let writer = self.model.sources_of(instruction.step).into_iter().next()?;
        let writer = self.model.instruction(writer)?;
        matches!(writer.op, Op::Activate { .. }).then_some(writer)
    }
}

/// The number of an expert, which stages hold as a float.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of experts are small integers"
)]
const fn index(value: f32) -> usize {
    value as usize
}
