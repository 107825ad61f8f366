//! Layers of two kinds: attention, and something with a state.

use super::llama::PLAIN;
use crate::*;

/// Qwen 3.5 and 3.6.
pub(super) const QWEN35: Architecture = Architecture {
    name: "qwen35",
    usual_epsilon: 1e-6,
    rope: RopeKind::InterleavedSections,
    feed_forward_norm: &["post_attention_norm"],
    head_norm: Some(HeadNorm::HEADS),
    query_gate: true,
    dense_factors: true,
    recurrent: Some(Recurrent::Delta {
        sharing: Sharing::Modulo,
        fused: false,
    }),
    ..PLAIN
};

/// Qwen 3.5 and 3.6 with experts.
pub(super) const QWEN35MOE: Architecture = Architecture {
    name: "qwen35moe",
    dense_factors: false,
    experts: Some(Experts {
        shared: Shared::Gated,
        ..Experts::SOFTMAX
    }),
    ..QWEN35
};

/// Qwen 3 Next.
pub(super) const QWEN3NEXT: Architecture = Architecture {
    name: "qwen3next",
    rope: RopeKind::Neox,
    recurrent: Some(Recurrent::Delta {
        sharing: Sharing::Divided,
        fused: true,
    }),
    ..QWEN35MOE
};

/// LFM 2.
pub(super) const LFM2: Architecture = Architecture {
    name: "lfm2",
    rope: RopeKind::Neox,
    head_norm: Some(HeadNorm::HEADS),
    recurrent: Some(Recurrent::ShortConvolution),
    window: Some(Window::every(0)),
    final_norm: "token_embd_norm",
    ..PLAIN
};

/// LFM 2 with experts.
pub(super) const LFM2MOE: Architecture = Architecture {
    name: "lfm2moe",
    window: None,
    experts: Some(Experts {
        gate: Gate::Key(KeyedGate::Required),
        choice_bias: true,
        dense_lead: true,
        ..Experts::SOFTMAX
    }),
    ..LFM2
};

/// Nemotron-H.
pub(super) const NEMOTRON_H: Architecture = Architecture {
    name: "nemotron_h",
    rope: RopeKind::None,
    feed_forward_norm: &[],
    activation: Activation::ReluSquared,
    gated: false,
    further_biases: &["attn_output", "ffn_up", "ffn_down", "ssm_conv1d"],
    dense_factors: true,
    recurrent: Some(Recurrent::Mamba2),
    one_block: true,
    ..PLAIN
};

/// Nemotron-H with experts.
pub(super) const NEMOTRON_H_MOE: Architecture = Architecture {
    name: "nemotron_h_moe",
    experts: Some(Experts {
        gate: Gate::Sigmoid,
        normalised: Switch::Key,
        used_by_layer: true,
        scaled: true,
        shared: Shared::Plain,
        choice_bias: true,
        latent: true,
        ..Experts::SOFTMAX
    }),
    ..NEMOTRON_H
};
