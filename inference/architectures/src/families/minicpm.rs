//! MiniCPM: scales by the shape of the model.

use super::llama::{BASE, DENSE_BIASES};
use crate::*;

/// MiniCPM.
pub(super) const MINICPM: Architecture = Architecture {
    name: "minicpm",
    embedding_scale: Factor::Key("embedding_scale", Number::Is(12.0)),
    residual_scale: Factor::Key("residual_scale", Number::ByDepth),
    logit_scale: LogitScale::Divide(Some(Number::ByWidth)),
    further_biases: DENSE_BIASES,
    ..BASE
};

/// MiniCPM 3: keys and values through a latent space; its scales are no keys.
pub(super) const MINICPM3: Architecture = Architecture {
    name: "minicpm3",
    factors_by_type: false,
    rope: RopeKind::Neox,
    embedding_scale: Factor::Fixed(Number::Is(12.0)),
    residual_scale: Factor::Fixed(Number::ByDepth),
    final_scale: Factor::Fixed(Number::ByWidth),
    latent: true,
    experts: None,
    ..BASE
};
