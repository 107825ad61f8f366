//! Gemma 1 to 4.

use super::llama::PLAIN;
use crate::*;

/// Gemma.
pub(super) const GEMMA: Architecture = Architecture {
    name: "gemma",
    usual_epsilon: 1e-6,
    rope: RopeKind::Neox,
    embedding_scale: Factor::RootOfHidden,
    output: Output::Embedding,
    activation: Activation::Gelu,
    ..PLAIN
};

/// Gemma 2: windows in turn, caps of scores and logits.
pub(super) const GEMMA2: Architecture = Architecture {
    name: "gemma2",
    attention_post_norm: Some("post_attention_norm"),
    feed_forward_post_norm: Some("post_ffw_norm"),
    score_cap: Some(50.0),
    logit_cap: Some(30.0),
    scale: AttentionScale::ByDepth(46),
    window: Some(Window {
        size: WindowSize::Key(4096),
        base: WindowBase::KeyOrSame,
        scaling: WindowScaling::OwnFactor,
        ..Window::every(2)
    }),
    ..GEMMA
};

/// Gemma 3: norms of heads, and another base in layers with a window.
pub(super) const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    output: Output::OwnOrEmbedding,
    head_norm: Some(HeadNorm::HEADS),
    score_cap: None,
    logit_cap: Some(0.0),
    scale: AttentionScale::ByDepth(62),
    window: Some(Window {
        base: WindowBase::KeyOr(10_000.0),
        scaling: WindowScaling::Unstretched,
        ..Window::every(6)
    }),
    ..GEMMA2
};

/// Gemma 4: shared keys, an embedding for each layer, experts beside the dense feed-forward.
pub(super) const GEMMA4: Architecture = Architecture {
    name: "gemma4",
    required: &["attention.sliding_window"],
    value_norm: true,
    logit_cap: Some(30.0),
    scale: AttentionScale::One,
    rope_factors: RopeFactors::WithoutWindow,
    window: Some(Window {
        base: WindowBase::KeyOr(10_000.0),
        scaling: WindowScaling::Unstretched,
        pattern: None,
        ..Window::every(1)
    }),
    layer_inputs: true,
    shared_keys: true,
    layer_scale: true,
    biases: Biases::Refused,
    dense_factors: true,
    experts: Some(Experts {
        beside_dense: true,
        ..Experts::SOFTMAX
    }),
    ..GEMMA3
};
