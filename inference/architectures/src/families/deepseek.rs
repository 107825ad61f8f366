//! DeepSeek, and experts in its manner.

use super::llama::{BASE, PLAIN};
use crate::*;

const EXPERTS: Experts = Experts {
    gate: Gate::Key(KeyedGate::Softmax),
    normalised: Switch::Key,
    scaled: true,
    choice_bias: true,
    shared: Shared::Plain,
    dense_lead: true,
    ..Experts::SOFTMAX
};

/// DeepSeek 1.
pub(super) const DEEPSEEK: Architecture = Architecture {
    name: "deepseek",
    experts: Some(Experts {
        normalised: Switch::Off,
        scaled: true,
        shared: Shared::Plain,
        dense_lead: true,
        ..Experts::SOFTMAX
    }),
    ..BASE
};

/// DeepSeek 2, 3 and R1, GLM 4.7 flash, Kimi K2.
pub(super) const DEEPSEEK2: Architecture = Architecture {
    name: "deepseek2",
    yarn: YarnKeys::Deepseek,
    latent: true,
    experts: Some(Experts {
        gate: Gate::Key(KeyedGate::SoftmaxButFlash),
        ..EXPERTS
    }),
    ..PLAIN
};

/// dots.llm1.
pub(super) const DOTS1: Architecture = Architecture {
    name: "dots1",
    rope: RopeKind::Neox,
    head_norm: Some(HeadNorm::HEADS),
    output: Output::Own,
    experts: Some(EXPERTS),
    ..PLAIN
};

/// Bailing (Ling).
pub(super) const BAILINGMOE: Architecture = Architecture {
    name: "bailingmoe",
    output: Output::Own,
    experts: Some(Experts {
        normalised: Switch::Key,
        scaled: true,
        shared: Shared::Plain,
        ..Experts::SOFTMAX
    }),
    ..BASE
};

/// GLM 4.5 and later.
pub(super) const OF_GLM: Experts = Experts {
    gate: Gate::Key(KeyedGate::Sigmoid),
    ..EXPERTS
};
