//! Phi 2 to 4.

use super::llama::{BASE, LAYER_NORM};
use crate::*;

const OF_PHI2: &[&str] = &[
    "attn_norm",
    "attn_output",
    "ffn_up",
    "ffn_down",
    "output_norm",
    "output",
];

const OF_PHIMOE: &[&str] = &[
    "attn_norm",
    "attn_output",
    "ffn_norm",
    "output_norm",
    "output",
];

/// Phi 2.
pub(super) const PHI2: Architecture = Architecture {
    name: "phi2",
    rope: RopeKind::Neox,
    parallel: Parallel::Yes,
    feed_forward_norm: &["attn_norm"],
    activation: Activation::Gelu,
    gated: false,
    further_biases: OF_PHI2,
    needed_biases: OF_PHI2,
    output: Output::Own,
    ..LAYER_NORM
};

/// Phi 3, 3.5, 4: long and short factors of angles. Its window is not read.
pub(super) const PHI3: Architecture = Architecture {
    name: "phi3",
    factors_by_type: false,
    ignores_window: true,
    fused_gate: true,
    rope: RopeKind::Neox,
    ..BASE
};

/// Phi 3.5 with experts.
pub(super) const PHIMOE: Architecture = Architecture {
    name: "phimoe",
    further_biases: OF_PHIMOE,
    needed_biases: OF_PHIMOE,
    output: Output::Own,
    ..PHI3
};
