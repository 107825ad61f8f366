//! Granite: four scales.

use super::llama::{BASE, DENSE_BIASES};
use crate::*;

/// Granite 3.
pub(super) const GRANITE: Architecture = Architecture {
    name: "granite",
    scale: AttentionScale::Key,
    rope_layers: RopeLayers::Finetuned,
    embedding_scale: Factor::Key("embedding_scale", Number::Is(0.0)),
    residual_scale: Factor::Key("residual_scale", Number::Is(0.0)),
    logit_scale: LogitScale::Divide(None),
    further_biases: DENSE_BIASES,
    experts: Some(Experts {
        shared: Shared::Plain,
        size: "feed_forward_length",
        ..Experts::SOFTMAX
    }),
    ..BASE
};

/// Granite 3 with experts.
pub(super) const GRANITEMOE: Architecture = Architecture {
    name: "granitemoe",
    rope_layers: RopeLayers::All,
    ..GRANITE
};

/// Granite 4: state spaces in most layers.
pub(super) const GRANITEHYBRID: Architecture = Architecture {
    name: "granitehybrid",
    logit_scale: LogitScale::Divide(Some(Number::Is(1.0))),
    recurrent: Some(Recurrent::Mamba2),
    further_biases: &[
        "attn_output",
        "ffn_gate",
        "ffn_up",
        "ffn_down",
        "ssm_conv1d",
    ],
    ..GRANITE
};
