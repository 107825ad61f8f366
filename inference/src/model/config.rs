//! The numbers of a model.

use std::fmt;

use architectures::Architecture;

/// The format that a model was loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GGUF.
    Gguf,
    /// APR v2.
    Apr,
}

/// The numbers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The architecture.
    pub architecture: &'static Architecture,
    /// The number of layers.
    pub layers: usize,
    /// The layers behind them that draft later tokens (`nextn_predict_layers`): no logits come from them, and they are not run.
    pub drafts: usize,
    /// Values of a token between the layers.
    pub hidden: usize,
    /// What the norms add before the square root.
    pub epsilon: f32,
    /// The longest prompt.
    pub context: usize,
    /// Tokens that a token sees at most, itself included, where engines disagree about it: longer prompts are not covered.
    pub window: Option<usize>,
    /// The number of tokens: the rows of the embedding.
    pub vocabulary: usize,
    /// Whether the embedding is the output matrix.
    pub tied: bool,
}

/// The rotary positions of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Which values make a pair.
    pub pairing: Pairing,
    /// The base of the frequencies.
    pub base: f64,
    /// The first values of a head that rotate: an even number, all of them unless the file says otherwise.
    pub dims: usize,
    /// How positions are stretched.
    pub scaling: Scaling,
    /// What cosines and sines are multiplied by.
    pub magnitude: f64,
    /// The pairs that do not turn: those of the fourth section of a rope in sections, whose position is 0 in a text.
    pub still: Vec<usize>,
}

/// Which values of a head rotate together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// 2i and 2i + 1: `rope_type` 0.
    Norm,
    /// i and i + dims / 2: `rope_type` 2.
    Neox,
}

/// How positions are stretched beyond the length that a model was trained with.
#[derive(Debug, Clone, PartialEq)]
pub enum Scaling {
    /// Not at all.
    None,
    /// Every angle is divided.
    Linear {
        /// The divisor.
        factor: f32,
    },
    /// Slow pairs are stretched, fast ones are kept.
    Yarn(Yarn),
}

/// The numbers of YaRN.
#[derive(Debug, Clone, PartialEq)]
pub struct Yarn {
    /// What slow angles are divided by.
    pub factor: f32,
    /// The context that the model was trained with.
    pub original_context: usize,
    /// How much of the fast pairs is kept: 1 unless the file says otherwise.
    pub extrapolation: f32,
    /// What cosines and sines are multiplied by, besides 1 + 0.1 ln(factor).
    pub attention: f32,
    /// Turns within the original context above which a pair is fast.
    pub beta_fast: f32,
    /// Turns within the original context below which a pair is slow.
    pub beta_slow: f32,
}

/// Something that a file does not say and the forward assumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assumption {
    /// What is missing, such as `rope_theta`.
    pub what: String,
    /// The value that was taken.
    pub value: String,
    /// Why this value.
    pub why: &'static str,
}

impl Pairing {
    /// Returns the number that the formats use: 0 or 2.
    pub const fn id(self) -> u64 {
        match self {
            Self::Norm => 0,
            Self::Neox => 2,
        }
    }

    pub(crate) fn from_id(id: u64) -> Option<Self> {
        [Self::Norm, Self::Neox]
            .into_iter()
            .find(|pairing| pairing.id() == id)
    }
}

impl fmt::Display for Assumption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, value, why } = self;
        write!(formatter, "{what} is missing: {value} assumed, {why}")
    }
}
