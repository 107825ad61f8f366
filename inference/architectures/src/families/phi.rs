//! Phi 2 to 4.

use super::llama::{LAYER_NORM, LLAMA};
use crate::*;

/// Phi 2.
pub(super) const PHI2: Architecture = Architecture {
    name: "phi2",
    rope: RopeKind::Neox,
    parallel: Parallel::Yes,
    feed_forward_norm: &["attn_norm"],
    activation: Activation::Gelu,
    gated: false,
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
    further_biases: false,
    ..LLAMA
};

/// Phi 3.5 with experts.
pub(super) const PHIMOE: Architecture = Architecture {
    name: "phimoe",
    further_biases: true,
    output: Output::Own,
    ..PHI3
};
