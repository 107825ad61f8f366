//! Falcon and others with LayerNorm.

use super::{gpt::ALL_BIASES, llama::LAYER_NORM};
use crate::*;

/// Falcon 7B and 40B.
pub(super) const FALCON: Architecture = Architecture {
    name: "falcon",
    rope: RopeKind::Neox,
    parallel: Parallel::Yes,
    attention_norm: &["attn_norm_2", "attn_norm"],
    feed_forward_norm: &["attn_norm"],
    biases: Biases::Refused,
    further_biases: &["attn_norm", "attn_norm_2", "output_norm"],
    needed_biases: &["attn_norm", "output_norm"],
    activation: Activation::Gelu,
    gated: false,
    ..LAYER_NORM
};

/// StableLM.
pub(super) const STABLELM: Architecture = Architecture {
    name: "stablelm",
    rope: RopeKind::Neox,
    output: Output::Own,
    parallel: Parallel::WithoutNorm,
    needed_biases: &["attn_norm", "output_norm"],
    feed_forward_norm: &["ffn_norm", "attn_norm"],
    head_norm: Some(HeadNorm {
        of: HeadNormOf::OwnHead,
        kind: NormKind::Layer,
        optional: true,
        after_rope: false,
    }),
    ..LAYER_NORM
};

/// Orion.
pub(super) const ORION: Architecture = Architecture {
    name: "orion",
    rope: RopeKind::Neox,
    output: Output::Own,
    needed_biases: LAYER_NORM.further_biases,
    ..LAYER_NORM
};

/// Nemotron: the square of a ReLU, without a gate.
pub(super) const NEMOTRON: Architecture = Architecture {
    name: "nemotron",
    rope: RopeKind::Neox,
    output: Output::Own,
    further_biases: ALL_BIASES,
    needed_biases: LAYER_NORM.further_biases,
    activation: Activation::ReluSquared,
    gated: false,
    ..LAYER_NORM
};

/// DBRX.
pub(super) const DBRX: Architecture = Architecture {
    name: "dbrx",
    rope: RopeKind::Neox,
    clamp: true,
    required: &["attention.clamp_kqv"],
    biases: Biases::Refused,
    further_biases: &[],
    output: Output::Own,
    feed_forward_norm: &["attn_output_norm"],
    experts: Some(Experts::SOFTMAX),
    ..LAYER_NORM
};
