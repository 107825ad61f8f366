//! GPT-2 and what came of it, and gpt-oss.

use super::llama::{LAYER_NORM, PLAIN};
use crate::*;

const OF_EXPERTS: &[&str] = &[
    "attn_output",
    "ffn_gate_inp",
    "ffn_gate_exps",
    "ffn_up_exps",
    "ffn_down_exps",
];

/// gpt-oss: sinks, windows in turn, experts with biases.
pub(super) const GPT_OSS: Architecture = Architecture {
    name: "gpt-oss",
    rope: RopeKind::Neox,
    output: Output::Own,
    further_biases: OF_EXPERTS,
    needed_biases: OF_EXPERTS,
    feed_forward_norm: &["post_attention_norm"],
    scale: AttentionScale::RopeDims,
    sinks: true,
    required: &["attention.sliding_window"],
    window: Some(Window {
        base: WindowBase::KeyOrSame,
        scaling: WindowScaling::OwnFactor,
        ..Window::every(2)
    }),
    activation: Activation::SwigluOai,
    experts: Some(Experts {
        gate: Gate::SoftmaxOfChosen,
        normalised: Switch::Off,
        ..Experts::SOFTMAX
    }),
    ..PLAIN
};

/// All norms and matrices but query, key and value.
pub(super) const ALL_BIASES: &[&str] = &[
    "attn_norm",
    "attn_output",
    "ffn_norm",
    "ffn_up",
    "ffn_down",
    "output_norm",
];

/// Learned positions, a GELU without a gate.
pub(super) const GPT2: Architecture = Architecture {
    name: "gpt2",
    rope: RopeKind::None,
    learned_positions: true,
    activation: Activation::Gelu,
    gated: false,
    biases: Biases::Required,
    further_biases: ALL_BIASES,
    needed_biases: ALL_BIASES,
    ..LAYER_NORM
};

/// GPT-NeoX and Pythia.
pub(super) const GPTNEOX: Architecture = Architecture {
    name: "gptneox",
    rope: RopeKind::Neox,
    learned_positions: false,
    parallel: Parallel::Key,
    output: Output::Own,
    ..GPT2
};

const OF_BLOOM: &[&str] = &[
    "token_embd_norm",
    "attn_norm",
    "attn_output",
    "ffn_norm",
    "ffn_up",
    "ffn_down",
    "output_norm",
];

/// BLOOM.
pub(super) const BLOOM: Architecture = Architecture {
    name: "bloom",
    learned_positions: false,
    embedding_norm: true,
    further_biases: OF_BLOOM,
    needed_biases: OF_BLOOM,
    alibi: Alibi::Fixed(8.0),
    ..GPT2
};

/// MPT.
pub(super) const MPT: Architecture = Architecture {
    name: "mpt",
    learned_positions: false,
    biases: Biases::Optional,
    needed_biases: &[],
    alibi: Alibi::Key,
    clamp: true,
    ..GPT2
};

/// StarCoder.
pub(super) const STARCODER: Architecture = Architecture {
    name: "starcoder",
    ..GPT2
};

/// StarCoder 2.
pub(super) const STARCODER2: Architecture = Architecture {
    name: "starcoder2",
    rope: RopeKind::Neox,
    learned_positions: false,
    biases: Biases::Optional,
    ..GPT2
};
