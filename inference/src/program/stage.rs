//! Stages: what a forward computes, in which order, and where each value is taken.

use std::fmt;

/// A stage: one value of every token, taken at one capture point.
///
/// The order of the variants is the order in which a layer computes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The rows looked up.
    Embedding,
    /// Norm before the attention.
    AttnNorm,
    /// Query product.
    QPreBias,
    /// Key product.
    KPreBias,
    /// Value product.
    VPreBias,
    /// Query after its bias.
    QPostBias,
    /// Key after its bias.
    KPostBias,
    /// Value after its bias.
    VPostBias,
    /// Query after the norm of each head.
    QNorm,
    /// Key after the norm of each head.
    KNorm,
    /// Query after rope.
    QRope,
    /// Key after rope.
    KRope,
    /// Attention scores after the scale.
    AttnScores,
    /// Attention probabilities.
    AttnSoftmax,
    /// Weighted values, before the output matrix.
    Attention,
    /// Product of the output matrix.
    AttnOut,
    /// Residual after the attention.
    FfnInp,
    /// Norm before the feed-forward.
    FfnNorm,
    /// Gate product.
    FfnGate,
    /// Up product.
    FfnUp,
    /// silu of the gate.
    FfnSilu,
    /// silu of the gate, times up.
    FfnSwiglu,
    /// Down product.
    FfnDown,
    /// Residual after the feed-forward.
    LayerOut,
    /// Norm after the last layer.
    FinalNorm,
    /// Logits of every position.
    Logits,
}

/// A stage of a layer, or of the whole model; shown as its key, `3.ffn_gate` or `logits`.
///
/// The order is that of execution, but for the stages of the whole model: see [`Step::order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step {
    /// The layer; `None` for a stage of the whole model.
    pub layer: Option<usize>,
    /// The stage.
    pub stage: Stage,
}

impl Stage {
    /// Every stage, in the order of execution.
    pub const ALL: [Self; 26] = [
        Self::Embedding,
        Self::AttnNorm,
        Self::QPreBias,
        Self::KPreBias,
        Self::VPreBias,
        Self::QPostBias,
        Self::KPostBias,
        Self::VPostBias,
        Self::QNorm,
        Self::KNorm,
        Self::QRope,
        Self::KRope,
        Self::AttnScores,
        Self::AttnSoftmax,
        Self::Attention,
        Self::AttnOut,
        Self::FfnInp,
        Self::FfnNorm,
        Self::FfnGate,
        Self::FfnUp,
        Self::FfnSilu,
        Self::FfnSwiglu,
        Self::FfnDown,
        Self::LayerOut,
        Self::FinalNorm,
        Self::Logits,
    ];

    /// Returns the name, as in keys and in `CONTRACT.md`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::AttnNorm => "attn_norm",
            Self::QPreBias => "q_pre_bias",
            Self::KPreBias => "k_pre_bias",
            Self::VPreBias => "v_pre_bias",
            Self::QPostBias => "q_post_bias",
            Self::KPostBias => "k_post_bias",
            Self::VPostBias => "v_post_bias",
            Self::QNorm => "q_norm",
            Self::KNorm => "k_norm",
            Self::QRope => "q_rope",
            Self::KRope => "k_rope",
            Self::AttnScores => "attn_scores",
            Self::AttnSoftmax => "attn_softmax",
            Self::Attention => "attention",
            Self::AttnOut => "attn_out",
            Self::FfnInp => "ffn_inp",
            Self::FfnNorm => "ffn_norm",
            Self::FfnGate => "ffn_gate",
            Self::FfnUp => "ffn_up",
            Self::FfnSilu => "ffn_silu",
            Self::FfnSwiglu => "ffn_swiglu",
            Self::FfnDown => "ffn_down",
            Self::LayerOut => "layer_out",
            Self::FinalNorm => "final_norm",
            Self::Logits => "logits",
        }
    }

    /// Returns where the value is taken, in a few words: part of what makes two records comparable.
    pub const fn capture_point(self) -> &'static str {
        match self {
            Self::Embedding => "row looked up",
            Self::AttnNorm | Self::FfnNorm | Self::FinalNorm => "after the norm weight",
            Self::QPreBias | Self::KPreBias | Self::VPreBias => "after the matmul, before bias",
            Self::QPostBias | Self::KPostBias | Self::VPostBias => "after bias, before rope",
            Self::QNorm | Self::KNorm => "after the head norm, before rope",
            Self::QRope | Self::KRope => "after rope",
            Self::AttnScores => "after the scale, before softmax",
            Self::AttnSoftmax => "after softmax",
            Self::Attention => "before the output matrix",
            Self::AttnOut | Self::FfnGate | Self::FfnUp | Self::FfnDown | Self::Logits => {
                "after the matmul"
            }
            Self::FfnInp => "residual after the attention",
            Self::FfnSilu => "after the activation",
            Self::FfnSwiglu => "after the activation times up",
            Self::LayerOut => "residual after the feed-forward",
        }
    }

    /// Returns whether a row of the stage is as long as the prompt: the scores and probabilities of an attention.
    pub const fn is_per_position(self) -> bool {
        matches!(self, Self::AttnScores | Self::AttnSoftmax)
    }

    /// Returns the stage of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl Step {
    /// Makes a step of a layer.
    pub const fn in_layer(layer: usize, stage: Stage) -> Self {
        Self {
            layer: Some(layer),
            stage,
        }
    }

    /// Makes a step of the whole model.
    pub const fn of_model(stage: Stage) -> Self {
        Self { layer: None, stage }
    }

    /// Returns the step of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        match key.split_once('.') {
            Some((layer, name)) => {
                Some(Self::in_layer(layer.parse().ok()?, Stage::from_name(name)?))
            }
            None => Stage::from_name(key).map(Self::of_model),
        }
    }

    /// Returns what to sort by to get the order of execution.
    pub const fn order(self) -> (usize, Stage) {
        match (self.layer, self.stage) {
            (Some(layer), stage) => (layer + 1, stage),
            (None, Stage::Embedding) => (0, Stage::Embedding),
            (None, stage) => (usize::MAX, stage),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(layer) => write!(formatter, "{layer}.{}", self.stage.name()),
            None => formatter.write_str(self.stage.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_name_their_steps_and_back() {
        for stage in Stage::ALL {
            for step in [Step::of_model(stage), Step::in_layer(12, stage)] {
                assert_eq!(Step::from_key(&step.to_string()), Some(step));
            }
        }
        for key in ["", "x", "1.", "x.ffn_gate", "ffn_gate.1"] {
            assert_eq!(Step::from_key(key), None, "{key}");
        }
    }

    #[test]
    fn the_order_is_that_of_execution() {
        assert!(Stage::ALL.is_sorted());
        let steps = [
            "embedding",
            "0.attn_norm",
            "0.layer_out",
            "1.attn_norm",
            "10.q_rope",
            "final_norm",
            "logits",
        ]
        .map(|key| Step::from_key(key).unwrap().order());
        assert!(steps.is_sorted());
    }
}
