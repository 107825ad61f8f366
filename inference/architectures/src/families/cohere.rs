//! Cohere's Command R.

use super::llama::LAYER_NORM;
use crate::*;

/// Command R: attention and feed-forward beside each other.
pub(super) const COMMAND_R: Architecture = Architecture {
    name: "command-r",
    parallel: Parallel::Yes,
    feed_forward_norm: &["attn_norm"],
    output: Output::Embedding,
    logit_scale: LogitScale::Multiply,
    head_norm: Some(HeadNorm {
        of: HeadNormOf::OwnHead,
        kind: NormKind::Layer,
        optional: true,
        after_rope: false,
    }),
    rope_factors: RopeFactors::All,
    further_biases: &[],
    ..LAYER_NORM
};

/// Command R7B: layers without a window do not rotate.
pub(super) const COHERE2: Architecture = Architecture {
    name: "cohere2",
    head_norm: None,
    dense_factors: true,
    rope_layers: RopeLayers::Window,
    window: Some(Window::every(4)),
    required: &["attention.sliding_window", "logit_scale"],
    ..COMMAND_R
};
