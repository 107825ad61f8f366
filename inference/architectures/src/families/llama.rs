//! Llama, and what differs from it in little.

use crate::*;

/// All matrices of a dense layer but query, key and value.
pub(super) const DENSE_BIASES: &[&str] = &["attn_output", "ffn_gate", "ffn_up", "ffn_down"];

/// What is alike in llama and in all that is described by what it does otherwise.
pub(super) const BASE: Architecture = Architecture {
    name: "",
    norm: NormKind::Rms,
    usual_epsilon: 1e-5,
    embedding_scale: Factor::One,
    learned_positions: false,
    embedding_norm: false,
    output: Output::OwnOrEmbedding,
    attention_norm: &["attn_norm"],
    attention_post_norm: None,
    attention_sub_norm: None,
    feed_forward_norm: &["ffn_norm"],
    feed_forward_post_norm: None,
    feed_forward_sub_norm: None,
    parallel: Parallel::No,
    rope: RopeKind::Norm,
    rope_layers: RopeLayers::All,
    rope_factors: RopeFactors::All,
    factors_by_type: true,
    yarn: YarnKeys::Plain,
    rope_alpha: false,
    window: None,
    ignores_window: false,
    head_norm: None,
    scale: AttentionScale::HeadDim,
    score_cap: None,
    logit_cap: None,
    temperature: Temperature::None,
    sinks: false,
    alibi: Alibi::None,
    clamp: false,
    query_gate: false,
    value_norm: false,
    biases: Biases::Optional,
    further_biases: &[],
    needed_biases: &[],
    activation: Activation::Silu,
    gated: true,
    fused_gate: false,
    dense_factors: false,
    experts: Some(Experts {
        size: "feed_forward_length",
        ..Experts::SOFTMAX
    }),
    residual_scale: Factor::One,
    final_scale: Factor::One,
    logit_scale: LogitScale::None,
    latent: false,
    recurrent: None,
    one_block: false,
    shared_keys: false,
    layer_inputs: false,
    layer_scale: false,
    required: &[],
    final_norm: "output_norm",
};

/// Llama 1 to 3 and all that converters write as it; mixtures of experts such as Mixtral.
pub(super) const LLAMA: Architecture = Architecture {
    name: "llama",
    further_biases: DENSE_BIASES,
    dense_factors: true,
    ..BASE
};

/// Dense, without factors of angles: where most others start.
pub(super) const PLAIN: Architecture = Architecture {
    rope_factors: RopeFactors::None,
    experts: None,
    ..BASE
};

/// With LayerNorm, and its biases.
pub(super) const LAYER_NORM: Architecture = Architecture {
    norm: NormKind::Layer,
    further_biases: &["attn_norm", "ffn_norm", "output_norm"],
    ..PLAIN
};

/// Mistral under its own name, which no converter of llama.cpp writes.
pub(super) const MISTRAL: Architecture = Architecture {
    name: "mistral",
    ..LLAMA
};

/// Ministral 3: YaRN with all its keys, and a temperature.
pub(super) const MISTRAL3: Architecture = Architecture {
    name: "mistral3",
    yarn: YarnKeys::Betas,
    temperature: Temperature::Key,
    ..LLAMA
};

/// Llama 4: chunks, layers without rope, experts that weigh their input.
pub(super) const LLAMA4: Architecture = Architecture {
    name: "llama4",
    rope_layers: RopeLayers::AllButEvery(4),
    window: Some(Window {
        kind: WindowKind::Chunked,
        size: WindowSize::Fixed(8192),
        base: WindowBase::KeyOrSame,
        scaling: WindowScaling::OwnFactor,
        ..Window::every(4)
    }),
    head_norm: Some(HeadNorm {
        of: HeadNormOf::Unit,
        after_rope: true,
        ..HeadNorm::HEADS
    }),
    temperature: Temperature::Unrotated,
    experts: Some(Experts {
        gate: Gate::Sigmoid,
        normalised: Switch::Off,
        shared: Shared::Plain,
        interleaved: true,
        weight_first: true,
        ..Experts::SOFTMAX
    }),
    ..BASE
};

/// SmolLM 3: every fourth layer does not rotate.
pub(super) const SMOLLM3: Architecture = Architecture {
    name: "smollm3",
    rope_layers: RopeLayers::AllButEvery(4),
    ..PLAIN
};

/// Arcee: the square of a ReLU, without a gate.
pub(super) const ARCEE: Architecture = Architecture {
    name: "arcee",
    activation: Activation::ReluSquared,
    gated: false,
    experts: None,
    ..BASE
};

/// InternLM 2.
pub(super) const INTERNLM2: Architecture = Architecture {
    name: "internlm2",
    output: Output::Own,
    ..PLAIN
};

/// XVERSE.
pub(super) const XVERSE: Architecture = Architecture {
    name: "xverse",
    output: Output::Own,
    ..PLAIN
};
