//! The numbers of a model.

use std::fmt;

/// The format that a model was loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// GGUF.
    Gguf,
    /// APR v2.
    Apr,
}

/// The architectures that the forward covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Architecture {
    /// NORM rope; biases on query, key and value are optional; `rope_freqs.weight` may divide the angles.
    Llama,
    /// As llama, under its own name.
    Mistral,
    /// NEOX rope; biases on query, key and value.
    Qwen2,
    /// NEOX rope; norms of query and key heads before rope.
    Qwen3,
}

/// The numbers of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The architecture.
    pub architecture: Architecture,
    /// The number of layers.
    pub layers: usize,
    /// The number of query heads.
    pub heads: usize,
    /// The number of key/value heads, which divides the number of query heads.
    pub key_value_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Values of a token between the layers.
    pub hidden: usize,
    /// Values of a token inside the feed-forward.
    pub feed_forward: usize,
    /// What the norms add before the square root.
    pub epsilon: f32,
    /// The rotary positions.
    pub rope: Rope,
    /// The longest prompt.
    pub context: usize,
    /// Tokens that a token sees at most, itself included; longer prompts are not covered.
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
    pub base: f32,
    /// The first values of a head that rotate: an even number, all of them unless the file says otherwise.
    pub dims: usize,
    /// How positions are stretched.
    pub scaling: Scaling,
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

impl Architecture {
    /// Every architecture that the forward covers.
    pub const ALL: [Self; 4] = [Self::Llama, Self::Mistral, Self::Qwen2, Self::Qwen3];

    /// Returns the name in both formats.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }

    /// Returns the pairing that llama.cpp's table gives the architecture.
    pub const fn pairing(self) -> Pairing {
        match self {
            Self::Llama | Self::Mistral => Pairing::Norm,
            Self::Qwen2 | Self::Qwen3 => Pairing::Neox,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.name() == name)
    }

    /// The epsilon that most published models of the architecture have.
    pub(crate) const fn usual_epsilon(self) -> f32 {
        match self {
            Self::Llama | Self::Mistral => 1e-5,
            Self::Qwen2 | Self::Qwen3 => 1e-6,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The facts of llama.cpp itself: the first lines say where they are from.
    const ROPE_TYPES: &str = include_str!("rope_types.tsv");

    #[test]
    fn every_architecture_has_the_rope_type_of_llama_cpp() {
        let rope_type = |architecture: &str| {
            let mut rows = ROPE_TYPES.lines().filter_map(|line| line.split_once('\t'));
            rows.find_map(|(name, rope_type)| (name == architecture).then_some(rope_type))
        };
        for architecture in Architecture::ALL {
            // llama.cpp does not know the name: its converter writes these models as llama.
            let name = match architecture {
                Architecture::Mistral => "llama",
                other => other.name(),
            };
            let expected = match architecture.pairing() {
                Pairing::Norm => "NORM",
                Pairing::Neox => "NEOX",
            };
            assert_eq!(rope_type(name), Some(expected), "{name}");
        }
        for name in ["plamo", "orion"] {
            assert_eq!(rope_type(name), Some("NEOX"), "{name}");
        }
        assert_eq!(
            ROPE_TYPES
                .lines()
                .filter(|line| line.contains('\t'))
                .count(),
            126
        );
    }
}
