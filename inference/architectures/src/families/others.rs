//! One or two of a kind.

use super::llama::PLAIN;
use crate::*;

/// EXAONE 3.
pub(super) const EXAONE: Architecture = Architecture {
    name: "exaone",
    rope: RopeKind::Neox,
    rope_factors: RopeFactors::All,
    ..PLAIN
};

/// EXAONE 4: norms behind the branches; the model of 64 layers has windows.
pub(super) const EXAONE4: Architecture = Architecture {
    name: "exaone4",
    attention_norm: &[],
    attention_post_norm: Some("post_attention_norm"),
    feed_forward_norm: &[],
    feed_forward_post_norm: Some("post_ffw_norm"),
    head_norm: Some(HeadNorm::HEADS),
    rope_layers: RopeLayers::WindowIfAny,
    window: Some(Window {
        size: WindowSize::Key(4096),
        only_with_layers: Some(64),
        ..Window::every(4)
    }),
    ..EXAONE
};

/// ERNIE 4.5.
pub(super) const ERNIE4_5: Architecture = Architecture {
    name: "ernie4_5",
    ..PLAIN
};

/// ERNIE 4.5 with experts.
pub(super) const ERNIE4_5_MOE: Architecture = Architecture {
    name: "ernie4_5-moe",
    experts: Some(Experts {
        choice_bias: true,
        shared: Shared::Plain,
        dense_lead: true,
        interleaved: true,
        ..Experts::SOFTMAX
    }),
    ..PLAIN
};

/// Hunyuan: norms of heads after the rotation.
pub(super) const HUNYUAN_DENSE: Architecture = Architecture {
    name: "hunyuan-dense",
    rope: RopeKind::Neox,
    head_norm: Some(HeadNorm {
        after_rope: true,
        ..HeadNorm::HEADS
    }),
    rope_alpha: true,
    rope_factors: RopeFactors::All,
    ..PLAIN
};

/// Hunyuan with experts.
pub(super) const HUNYUAN_MOE: Architecture = Architecture {
    name: "hunyuan-moe",
    rope_alpha: false,
    experts: Some(Experts {
        shared: Shared::Plain,
        size: "feed_forward_length",
        ..Experts::SOFTMAX
    }),
    ..HUNYUAN_DENSE
};

/// MiniMax M2.
pub(super) const MINIMAX_M2: Architecture = Architecture {
    name: "minimax-m2",
    rope: RopeKind::Neox,
    output: Output::Own,
    head_norm: Some(HeadNorm {
        of: HeadNormOf::Row,
        ..HeadNorm::HEADS
    }),
    experts: Some(Experts {
        gate: Gate::Key(KeyedGate::Required),
        choice_bias: true,
        size: "feed_forward_length",
        ..Experts::SOFTMAX
    }),
    ..PLAIN
};

/// Seed-OSS.
pub(super) const SEED_OSS: Architecture = Architecture {
    name: "seed_oss",
    rope: RopeKind::Neox,
    feed_forward_norm: &["post_attention_norm"],
    ..PLAIN
};

/// openPangu Embedded: the graph is that of a llama (src/models/pangu-embed.cpp), which reads no factors of angles.
pub(super) const PANGU_EMBEDDED: Architecture = Architecture {
    name: "pangu-embedded",
    rope: RopeKind::Neox,
    further_biases: &["attn_output"],
    needed_biases: &["attn_output"],
    ..PLAIN
};

/// BitNet b1.58: norms before the output and the down matrix.
pub(super) const BITNET: Architecture = Architecture {
    name: "bitnet",
    rope: RopeKind::Neox,
    output: Output::Embedding,
    biases: Biases::Refused,
    attention_sub_norm: Some("attn_sub_norm"),
    feed_forward_sub_norm: Some("ffn_sub_norm"),
    dense_factors: true,
    ..PLAIN
};
