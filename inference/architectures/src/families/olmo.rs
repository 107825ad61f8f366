//! OLMo.

use super::llama::{LAYER_NORM, PLAIN};
use crate::*;

/// OLMo: norms without weights.
pub(super) const OLMO: Architecture = Architecture {
    name: "olmo",
    norm: NormKind::LayerWithoutWeight,
    clamp: true,
    further_biases: &[],
    ..LAYER_NORM
};

/// OLMo 2 and 3: norms behind the branches.
pub(super) const OLMO2: Architecture = Architecture {
    name: "olmo2",
    rope: RopeKind::Neox,
    output: Output::Own,
    attention_norm: &[],
    attention_post_norm: Some("post_attention_norm"),
    feed_forward_norm: &[],
    feed_forward_post_norm: Some("post_ffw_norm"),
    head_norm: Some(HeadNorm {
        of: HeadNormOf::Row,
        ..HeadNorm::HEADS
    }),
    window: Some(Window {
        scaling: WindowScaling::None,
        ..Window::every(4)
    }),
    ..PLAIN
};

/// OLMoE.
pub(super) const OLMOE: Architecture = Architecture {
    name: "olmoe",
    rope: RopeKind::Neox,
    output: Output::Own,
    head_norm: OLMO2.head_norm,
    experts: Some(Experts {
        normalised: Switch::Off,
        size: "feed_forward_length",
        ..Experts::SOFTMAX
    }),
    ..PLAIN
};
