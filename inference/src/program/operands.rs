//! What operations take besides values: their numbers and tensors.

use std::fmt;

use crate::{
    model::{Rope, Tensor},
    program::Slot,
};

/// A norm of rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Norm {
    /// Whether the mean is removed.
    pub centred: bool,
    /// What is added before the square root.
    pub epsilon: f32,
    /// The values of a row.
    pub length: usize,
    /// `[length]`, or `[length, n]`: then row i has the weights i mod n.
    pub weight: Option<Tensor>,
    /// `[length]`.
    pub bias: Option<Tensor>,
}

/// A rotation of heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Rotation {
    /// The angles.
    pub rope: Rope,
    /// The values of a head.
    pub head_dim: usize,
    /// The first value that rotates.
    pub first: usize,
    /// What divides the angle of each pair.
    pub factors: Option<Factors>,
}

/// What divides the angle of each pair: `[dims / 2]`.
#[derive(Debug, Clone, PartialEq)]
pub enum Factors {
    /// These.
    Always(Tensor),
    /// Others where the context of the run is greater than the one that the model was trained with.
    ByContext {
        /// For a context that is not greater.
        short: Tensor,
        /// For a greater one.
        long: Tensor,
        /// The context that the model was trained with.
        original: usize,
    },
}

/// The heads of an attention, and what each token sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key/value heads; each serves `queries / key_values` query heads in a row.
    pub key_values: usize,
    /// Values of a query and of a key.
    pub key_dim: usize,
    /// Values of a value.
    pub value_dim: usize,
    /// The positions that a token sees, up to its own.
    pub reach: Reach,
}

/// The positions that a token sees, up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All.
    All,
    /// The last n.
    Last(usize),
    /// Those since the last multiple of n.
    Chunk(usize),
}

/// The factor of scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ScoreScale {
    /// 1 / sqrt(n): one square root and one division.
    InverseRoot(usize),
    /// A number, rounded once.
    Is(f64),
}

/// How experts are chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The values that are compared.
    pub by: Slot,
    /// What is added for the choice: `[experts]`.
    pub bias: Option<Tensor>,
    /// How many there are.
    pub experts: usize,
    /// How many are chosen.
    pub used: usize,
    /// The number of groups, and how many of them are kept: those whose two best are greatest.
    pub groups: Option<(usize, usize)>,
}

/// How the weights of the chosen experts are found.
#[derive(Debug, Clone, PartialEq)]
pub struct Weighing {
    /// The values of all experts.
    pub of: Slot,
    /// The experts of a token.
    pub used: usize,
    /// Whether softmax is taken over the chosen.
    pub softmax: bool,
    /// Whether they are divided by their sum.
    pub normalised: bool,
    /// What they are multiplied by at the end.
    pub scale: f32,
}

/// The gated delta rule: for each value head a state of `key_dim` by `value_dim`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    /// Queries, keys and values of a token, in this order.
    pub mixed: Slot,
    /// The share of the error that is written, before its sigmoid.
    pub beta: Slot,
    /// The step, before its bias and softplus.
    pub alpha: Slot,
    /// `[value heads]`.
    pub step_bias: Tensor,
    /// The negative rates of decay: `[value heads]`.
    pub rates: Tensor,
    /// Key heads.
    pub key_heads: usize,
    /// Value heads.
    pub value_heads: usize,
    /// Values of a key.
    pub key_dim: usize,
    /// Values of a value.
    pub value_dim: usize,
    /// Whether value head h uses key head h mod `key_heads`, or h div the value heads of each.
    pub modulo: bool,
    /// What is added to the squared length of queries and keys.
    pub epsilon: f32,
}

/// A state space with one decay for each head.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSpace {
    /// Inputs, B and C of a token, in this order.
    pub mixed: Slot,
    /// The step, before its bias and softplus.
    pub step: Slot,
    /// `[heads]`.
    pub step_bias: Tensor,
    /// The negative rates of decay: `[1, heads]`.
    pub rates: Tensor,
    /// What of the input is added to the output: `[1, heads]`.
    pub skip: Tensor,
    /// Heads.
    pub heads: usize,
    /// Groups of heads that share B and C.
    pub groups: usize,
    /// Values of a state.
    pub state: usize,
    /// Values of all heads.
    pub inner: usize,
}

impl Factors {
    /// The factors for a prompt: the context of its run is its length, in whole 256 tokens as llama.cpp has it.
    pub(crate) const fn of(&self, tokens: usize) -> &Tensor {
        match self {
            Self::Always(factors) => factors,
            Self::ByContext {
                short,
                long,
                original,
            } => match tokens.next_multiple_of(256) > *original {
                true => long,
                false => short,
            },
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => formatter.write_str("none"),
            Self::Last(n) => write!(formatter, "{n}"),
            Self::Chunk(n) => write!(formatter, "chunks of {n}"),
        }
    }
}

impl Reach {
    /// The first position that a token sees.
    pub const fn first(self, position: usize) -> usize {
        match self {
            Self::All => 0,
            Self::Last(n) => (position + 1).saturating_sub(n),
            Self::Chunk(n) => position - position % n,
        }
    }
}
