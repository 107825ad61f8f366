//! What a step computes: an operation with its tensors and its numbers.

use architectures::Activation;

use super::operands::{
    Choice, Delta, Factors, Heads, Norm, Rotation, ScoreScale, StateSpace, Weighing,
};
use crate::{
    model::Tensor,
    program::{Setting, Slot, Step},
};

/// A step of a program: what is computed, where its inputs are and where its value goes.
#[derive(Debug, Clone, PartialEq)]
pub struct Instruction {
    /// The step, which names the capture point.
    pub step: Step,
    /// What is computed.
    pub op: Op,
    /// Where the value goes; where an operation changes a value, where it is.
    pub to: Slot,
    /// The length of the value.
    pub width: Width,
    /// The numbers of the model that the step depends on, by the names of their keys.
    pub settings: Vec<Setting>,
}

/// The length of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Values of a token.
    Token(usize),
    /// Heads, each with a value for every position of the prompt.
    Positions(usize),
}

/// An operation. `to` is the slot of the instruction; operations that read it change what is there.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The rows of the tokens.
    Lookup {
        /// `[width, vocabulary]`.
        table: Tensor,
    },
    /// `to` plus the rows of the positions.
    AddPositions {
        /// `[width, context]`.
        table: Tensor,
    },
    /// `to` times a factor, which is rounded once.
    Scale {
        /// The factor.
        factor: f64,
    },
    /// A value as it is.
    Copy {
        /// The value.
        from: Slot,
    },
    /// A norm of each row.
    Norm {
        /// The values.
        from: Slot,
        /// The norm.
        norm: Norm,
    },
    /// A matrix times the values of each token.
    Product {
        /// The values.
        from: Slot,
        /// `[values, width]`.
        matrix: Tensor,
    },
    /// For each head its own matrix times its own values.
    HeadProduct {
        /// The values.
        from: Slot,
        /// `[values of a head, results of a head, heads]`.
        matrix: Tensor,
    },
    /// `to` plus a vector.
    AddVector {
        /// `[width]`, or shorter: then it is repeated.
        vector: Tensor,
    },
    /// `to` times a vector.
    MultiplyVector {
        /// `[width]`, or shorter: then it is repeated.
        vector: Tensor,
    },
    /// `to` clipped to +-limit.
    Clamp {
        /// The limit.
        limit: f32,
    },
    /// `to` as limit * tanh(x / limit).
    Cap {
        /// The limit.
        limit: f32,
    },
    /// Some of each chunk of values.
    Pick {
        /// The values.
        from: Slot,
        /// The values of a chunk.
        chunk: usize,
        /// The first that is taken.
        first: usize,
        /// How many are taken.
        count: usize,
    },
    /// Each chunk of `a` followed by a chunk of `b`; where `b` has fewer, each of its chunks follows several in turn.
    Join {
        /// The values, and the length of a chunk.
        a: (Slot, usize),
        /// The values, and the length of a chunk.
        b: (Slot, usize),
    },
    /// `to` with its heads rotated by position.
    Rotate(Rotation),
    /// `to` times 1 + scale * ln(floor((position + offset) / length) + 1).
    Temper {
        /// The scale.
        scale: f32,
        /// The length.
        length: usize,
        /// The offset.
        offset: usize,
    },
    /// The scores of each token for those that it sees.
    Scores {
        /// Queries.
        query: Slot,
        /// Keys.
        key: Slot,
        /// The heads.
        heads: Heads,
        /// The factor.
        scale: ScoreScale,
    },
    /// `to`, which are scores, minus a slope of the head times the distance.
    Slope {
        /// The heads.
        heads: Heads,
        /// The largest exponent.
        largest: f32,
    },
    /// Scores as probabilities.
    Softmax {
        /// The heads.
        heads: Heads,
        /// One more score for each head, without a value: `[heads]`.
        sinks: Option<Tensor>,
    },
    /// The values by their probabilities.
    Weighted {
        /// Values.
        value: Slot,
        /// The heads.
        heads: Heads,
    },
    /// `to` times the sigmoid of a value; where that has one for each token, all values of the token.
    Gate {
        /// The value.
        by: Slot,
    },
    /// `to` plus a value.
    Add {
        /// The value.
        from: Slot,
    },
    /// `to` times a value.
    Multiply {
        /// The value.
        from: Slot,
    },
    /// A function of each value.
    Activate {
        /// The values.
        from: Slot,
        /// The function.
        function: Activation,
    },
    /// `to` times (a value clipped to +-7, plus 1): what gpt-oss makes of up.
    MultiplyClipped {
        /// The value.
        from: Slot,
    },
    /// The logits of a router as probabilities.
    RouterProbabilities {
        /// The logits.
        from: Slot,
        /// Softmax, or a sigmoid of each.
        softmax: bool,
    },
    /// The numbers of the experts of each token, the best first.
    Choose(Choice),
    /// The weights of the chosen experts.
    ExpertWeights(Weighing),
    /// For each token its chosen experts' matrices times its values: `rows` for each of them.
    ExpertProduct {
        /// The values: of a token, or of each of its experts.
        from: Slot,
        /// `[values, rows, experts]`.
        matrix: Tensor,
        /// The experts of a token.
        used: usize,
    },
    /// `to`, a value of each chosen expert, plus the expert's bias.
    ExpertBias {
        /// `[rows, experts]`.
        bias: Tensor,
    },
    /// The values of a token, once for each of its experts, times the expert's weight.
    Spread {
        /// The values.
        from: Slot,
        /// The experts of a token.
        used: usize,
    },
    /// The sum of what the experts of a token gave, in the order of their rank, each times its weight.
    ExpertSum {
        /// What they gave.
        from: Slot,
        /// The experts of a token.
        used: usize,
        /// Whether the weights are applied here.
        weighted: bool,
    },
    /// `to` with each channel convolved over the positions so far.
    Convolve {
        /// `[taps, channels]`, the last tap being the token itself.
        weight: Tensor,
        /// `[channels]`.
        bias: Option<Tensor>,
    },
    /// The gated delta rule.
    Delta(Delta),
    /// The state space of Mamba 2.
    StateSpace(StateSpace),
}

impl Op {
    /// Where the activations of a product are, and its matrix; `None` for an operation that is not a product.
    pub const fn product(&self) -> Option<(Slot, &Tensor)> {
        match self {
            Self::Product { from, matrix } => Some((*from, matrix)),
            _ => None,
        }
    }

    /// The tensors that are read.
    pub fn tensors(&self) -> Vec<&Tensor> {
        match self {
            Self::Lookup { table: tensor }
            | Self::AddPositions { table: tensor }
            | Self::Product { matrix: tensor, .. }
            | Self::HeadProduct { matrix: tensor, .. }
            | Self::AddVector { vector: tensor }
            | Self::MultiplyVector { vector: tensor }
            | Self::ExpertProduct { matrix: tensor, .. }
            | Self::ExpertBias { bias: tensor } => vec![tensor],
            Self::Norm { norm, .. } => norm.weight.iter().chain(&norm.bias).collect(),
            Self::Rotate(rotation) => match &rotation.factors {
                None => Vec::new(),
                Some(Factors::Always(factors)) => vec![factors],
                Some(Factors::ByContext { short, long, .. }) => vec![short, long],
            },
            Self::Softmax { sinks, .. } => sinks.iter().collect(),
            Self::Choose(choice) => choice.bias.iter().collect(),
            Self::Convolve { weight, bias } => std::iter::once(weight).chain(bias).collect(),
            Self::Delta(delta) => vec![&delta.step_bias, &delta.rates],
            Self::StateSpace(space) => vec![&space.step_bias, &space.rates, &space.skip],
            Self::Scale { .. }
            | Self::Copy { .. }
            | Self::Clamp { .. }
            | Self::Cap { .. }
            | Self::Pick { .. }
            | Self::Join { .. }
            | Self::Temper { .. }
            | Self::Scores { .. }
            | Self::Slope { .. }
            | Self::Weighted { .. }
            | Self::Gate { .. }
            | Self::Add { .. }
            | Self::Multiply { .. }
            | Self::Activate { .. }
            | Self::MultiplyClipped { .. }
            | Self::RouterProbabilities { .. }
            | Self::ExpertWeights(_)
            | Self::Spread { .. }
            | Self::ExpertSum { .. } => Vec::new(),
        }
    }
}

impl Instruction {
    /// The values that are read, in the order in which they are named.
    pub fn inputs(&self) -> Vec<Slot> {
        let to = self.to;
        match &self.op {
            Op::Lookup { .. } => Vec::new(),
            Op::AddPositions { .. }
            | Op::Scale { .. }
            | Op::AddVector { .. }
            | Op::MultiplyVector { .. }
            | Op::Clamp { .. }
            | Op::Cap { .. }
            | Op::Rotate(_)
            | Op::Temper { .. }
            | Op::Slope { .. }
            | Op::Convolve { .. } => vec![to],
            Op::ExpertBias { .. } => vec![to, Slot::Chosen],
            Op::Copy { from }
            | Op::Norm { from, .. }
            | Op::Product { from, .. }
            | Op::HeadProduct { from, .. }
            | Op::Pick { from, .. }
            | Op::Activate { from, .. }
            | Op::RouterProbabilities { from, .. } => vec![*from],
            Op::Join { a, b } => vec![a.0, b.0],
            Op::Scores { query, key, .. } => vec![*query, *key],
            Op::Softmax { .. } => vec![Slot::Scores],
            Op::Weighted { value, .. } => vec![Slot::Probabilities, *value],
            Op::Gate { by } => vec![to, *by],
            Op::Add { from } | Op::Multiply { from } | Op::MultiplyClipped { from } => {
                vec![to, *from]
            }
            Op::Choose(choice) => vec![choice.by],
            Op::ExpertWeights(weighing) => vec![weighing.of, Slot::Chosen],
            Op::ExpertProduct { from, .. } => vec![*from, Slot::Chosen],
            Op::Spread { from, .. } => vec![*from, Slot::ExpertWeights],
            Op::ExpertSum { from, weighted, .. } => match weighted {
                true => vec![*from, Slot::ExpertWeights],
                false => vec![*from],
            },
            Op::Delta(delta) => vec![delta.mixed, delta.beta, delta.alpha],
            Op::StateSpace(space) => vec![space.mixed, space.step],
        }
    }
}
