//! Each stage from the stages before it, one operation at a time.
//!
//! The same table serves two purposes: an operation is judged on the inputs that another engine recorded, and a whole run is
//! made of operations that feed each other ([`super::emulate`]).

use inference::{Error, Instruction, Model, Op, Source, Step, Tensor};
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
        let instruction = self.model.instruction(step)?;
        let mut inputs = self.model.sources_of(step);
        // The product of gate and up is taken from the gate as it is: engines fuse the activation with it.
        if let Some(activation) = self.fused(instruction) {
            let from = self.model.sources_of(activation.step);
            inputs.splice(..1, from);
        }
        Some(Operation {
            inputs,
            matrix: instruction.op.product().map(|(_, matrix)| matrix),
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

    /// Computes an operation that is not a product in f64, from inputs of all tokens or, for an operation by token, of some.
    pub(crate) fn compute(&self, step: Step, inputs: &[Vec<f32>]) -> Result<Vec<f64>, Error> {
        let side = Side {
            model: self.model,
            sources: self.sources,
        };
        let instruction = self.model.instruction(step);
        let instruction = instruction.unwrap_or_else(|| unreachable!("{step} is an operation"));
        let mut slots = instruction.inputs();
        let mut steps = vec![step];
        if let Some(activation) = self.fused(instruction) {
            slots.splice(..1, activation.inputs());
            steps.insert(0, activation.step);
        }
        let inputs = slots.into_iter().zip(inputs.iter().map(Vec::as_slice));
        let inputs: Vec<_> = inputs.collect();
        operation_in_f64(side, self.tokens, &inputs, &steps)
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
