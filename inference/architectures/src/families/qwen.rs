//! Qwen 2 and 3, dense, with experts, and the text part of those that see.

use super::llama::PLAIN;
use crate::*;

const EXPERTS: Option<Experts> = Some(Experts::SOFTMAX);

/// Qwen 2 and 2.5.
pub(super) const QWEN2: Architecture = Architecture {
    name: "qwen2",
    usual_epsilon: 1e-6,
    rope: RopeKind::Neox,
    further_biases: &["output"],
    ..PLAIN
};

/// Qwen 2 with experts: one of them is shared, behind a gate.
pub(super) const QWEN2MOE: Architecture = Architecture {
    name: "qwen2moe",
    further_biases: &[],
    output: Output::Own,
    experts: Some(Experts {
        normalised: Switch::Off,
        shared: Shared::Gated,
        ..Experts::SOFTMAX
    }),
    ..QWEN2
};

/// The text part of Qwen 2 VL and 2.5 VL.
pub(super) const QWEN2VL: Architecture = Architecture {
    name: "qwen2vl",
    rope: RopeKind::Sections,
    further_biases: &[],
    ..QWEN2
};

/// Qwen 3.
pub(super) const QWEN3: Architecture = Architecture {
    name: "qwen3",
    further_biases: &[],
    head_norm: Some(HeadNorm::HEADS),
    dense_factors: true,
    ..QWEN2
};

/// Qwen 3 with experts.
pub(super) const QWEN3MOE: Architecture = Architecture {
    name: "qwen3moe",
    dense_factors: false,
    experts: EXPERTS,
    ..QWEN3
};

/// The text part of Qwen 3 VL.
pub(super) const QWEN3VL: Architecture = Architecture {
    name: "qwen3vl",
    rope: RopeKind::InterleavedSections,
    dense_factors: false,
    ..QWEN3
};

/// The text part of Qwen 3 VL with experts.
pub(super) const QWEN3VLMOE: Architecture = Architecture {
    name: "qwen3vlmoe",
    experts: EXPERTS,
    ..QWEN3VL
};
