//! Keys of an architecture that change what a model computes and that no key of APR can carry.
//!
//! A model with one of them computes something else as an APR file, and a record of the key helps nobody: loaders do not
//! read records. Two sources: the table of key names in llama.cpp (`LLM_KV_NAMES` of `src/llama-arch.cpp`), which says
//! which keys an engine reads at all; and the table of architectures in `architectures.md` with its float64 oracle,
//! which says what each one does and with which value it does nothing. A key of the architecture that is in neither
//! table is taken for one that changes the behaviour.

use super::unsaid;
use crate::decode::gguf::Value;

/// What a key without a place in APR means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It changes what is computed, unless it has this value.
    Changes(Neutral),
    /// It says something about the file.
    Label,
}

/// The value with which a key does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Neutral {
    Zero,
    ZeroOrOne,
    False,
    True,
    Never,
}

impl Neutral {
    pub(super) fn is(self, value: Value<'_>) -> bool {
        let number = value
            .as_f32()
            .map(f64::from)
            .or_else(|| value.as_f64())
            .or_else(|| {
                value
                    .as_u64()
                    .and_then(|number| u32::try_from(number).ok())
                    .map(f64::from)
            });
        match self {
            Self::Zero => number == Some(0.0),
            Self::ZeroOrOne => number == Some(0.0) || number == Some(1.0),
            Self::False => value.as_bool() == Some(false),
            Self::True => value.as_bool() == Some(true),
            Self::Never => false,
        }
    }
}

/// Tells whether a key of an architecture (without its name and dot) that APR has no place for changes what the model
/// computes.
pub(super) fn changes(architecture: &[u8], ending: &str, value: Value<'_>) -> bool {
    if is_read_by_none(architecture, ending) {
        return false;
    }
    match meaning(ending) {
        Some(Meaning::Changes(neutral)) => !neutral.is(value),
        Some(Meaning::Label) => false,
        None => true,
    }
}

/// Whether no engine reads a key for an architecture, although one reads it for others.
pub(super) fn is_read_by_none(architecture: &[u8], ending: &str) -> bool {
    let is = |name: &&str| name.as_bytes() == architecture;
    let of_some = READERS.iter().find(|(key, _)| *key == ending);
    of_some.is_some_and(|(_, readers)| !readers.iter().any(is)) && unsaid::is_known(architecture)
}

/// The meaning of a key; none when it is not in the table.
pub(super) fn meaning(ending: &str) -> Option<Meaning> {
    let known = TABLE.iter().find(|(key, _)| *key == ending);
    known.map(|(_, meaning)| *meaning)
}

/// Keys that change what is computed and do not begin with the architecture.
pub(super) const GLOBAL: [&str; 4] = ["xielu.alpha_n", "xielu.alpha_p", "xielu.beta", "xielu.eps"];

/// Keys that llama.cpp reads for some architectures alone, and those: in whose `load_arch_hparams` each stands (src/models/*.cpp
/// at 0c1e57098).
#[rustfmt::skip]
const READERS: &[(&str, &[&str])] = &[
    ("attention.clamp_kqv", &["dbrx", "mpt", "olmo"]),
    ("attention.layer_norm_epsilon", &["arwkv7", "bert", "bloom", "codeshell", "cohere2", "cohere2moe", "command-r", "dbrx", "falcon", "glm5-next", "gpt2", "gptneox", "jais", "jais2", "jina-bert-v2", "jina-bert-v3", "modern-bert", "mpt", "nemotron", "nemotron_h", "nemotron_h_moe", "nomic-bert", "nomic-bert-moe", "olmo", "orion", "phi2", "pockettts", "rwkv6", "rwkv6qwen2", "rwkv7", "stablelm", "starcoder", "starcoder2", "wavtokenizer-dec"]),
    ("attention.max_alibi_bias", &["jais", "mpt"]),
    ("attention.output_scale", &["grok"]),
    ("attention.scale", &["dflash", "granite", "granite_swa", "granitehybrid", "granitemoe", "graniteswitch"]),
    ("attention.shared_kv_layers", &["gemma4", "gemma4-assistant"]),
    ("attention.sliding_window_pattern", &["afmoe", "cohere2", "cohere2moe", "dflash", "dots3note", "exaone-moe", "exaone4", "gemma-embedding", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma4-assistant", "gpt-oss", "granite_swa", "laguna", "llama4", "maple", "mellum", "mimo2", "modern-bert", "muse-glimmer", "olmo2", "plamo3", "smallthinker", "spark2_5", "step35"]),
    ("attn_logit_softcapping", &["gemma2", "grok"]),
    ("embedding_scale", &["dflash", "granite", "granite_swa", "granitehybrid", "granitemoe", "graniteswitch", "grok", "hrm_text", "minicpm"]),
    ("final_logit_softcapping", &["dflash", "gemma2", "gemma3", "gemma4", "grok", "muse-glimmer"]),
    ("logit_scale", &["cohere2", "cohere2moe", "command-r", "dflash", "granite", "granite_swa", "granitehybrid", "granitemoe", "graniteswitch", "grok", "minicpm", "muse-glimmer", "talkie"]),
    ("residual_scale", &["granite", "granite_swa", "granitehybrid", "granitemoe", "graniteswitch", "minicpm", "minimax-01"]),
    ("rope.freq_base_swa", &["afmoe", "cohere2", "cohere2moe", "dots3note", "exaone-moe", "exaone4", "gemma-embedding", "gemma2", "gemma3", "gemma3n", "gemma4", "gemma4-assistant", "gpt-oss", "laguna", "llama4", "maple", "mellum", "mimo2", "modern-bert", "muse-glimmer", "olmo2", "plamo3", "smallthinker", "spark2_5", "step35"]),
    ("router_logit_softcapping", &["grok"]),
    ("swin_norm", &["chameleon"]),
    ("use_parallel_residual", &["gptneox"]),
];

const ZERO: Meaning = Meaning::Changes(Neutral::Zero);
const ZERO_OR_ONE: Meaning = Meaning::Changes(Neutral::ZeroOrOne);
const FALSE: Meaning = Meaning::Changes(Neutral::False);
const TRUE: Meaning = Meaning::Changes(Neutral::True);
const NEVER: Meaning = Meaning::Changes(Neutral::Never);
const LABEL: Meaning = Meaning::Label;

const TABLE: &[(&str, Meaning)] = &[
    // The size of what a layer computes.
    ("attn_logit_softcapping", ZERO),
    ("final_logit_softcapping", ZERO),
    ("router_logit_softcapping", ZERO),
    ("logit_scale", ZERO_OR_ONE),
    ("residual_scale", ZERO_OR_ONE),
    ("embedding_scale", ZERO_OR_ONE),
    ("swiglu_clamp_exp", ZERO),
    ("swiglu_clamp_shexp", ZERO),
    ("hidden_activation", NEVER),
    ("use_parallel_residual", FALSE),
    ("norm_before_residual", FALSE),
    ("swin_norm", FALSE),
    ("rescale_every_n_layers", ZERO),
    // Attention.
    // Loaders of `apr` read no scale of scores from an .apr file.
    ("attention.scale", ZERO),
    ("attention.output_scale", ZERO_OR_ONE),
    ("attention.value_scale", ZERO_OR_ONE),
    ("attention.temperature_length", ZERO),
    ("attention.temperature_scale", ZERO),
    ("attention.clamp_kqv", ZERO),
    ("attention.max_alibi_bias", ZERO),
    ("attention.causal", TRUE),
    ("attention.layer_norm_epsilon", NEVER),
    ("attention.group_norm_epsilon", NEVER),
    ("attention.group_norm_groups", NEVER),
    ("attention.relative_buckets_count", ZERO),
    ("attention.sliding_window_pattern", NEVER),
    ("attention.shared_kv_layers", ZERO),
    ("attention.recurrent_layers", NEVER),
    ("attention.key_length_mla", NEVER),
    ("attention.value_length_mla", NEVER),
    ("attention.key_length_swa", NEVER),
    ("attention.value_length_swa", NEVER),
    ("attention.q_lora_rank", ZERO),
    ("attention.kv_lora_rank", ZERO),
    ("attention.decay_lora_rank", ZERO),
    ("attention.iclr_lora_rank", ZERO),
    ("attention.value_residual_mix_lora_rank", ZERO),
    ("attention.gate_lora_rank", ZERO),
    ("attention.output_group_count", ZERO),
    ("attention.output_lora_rank", ZERO),
    ("attention.indexer.head_count", ZERO),
    ("attention.indexer.key_length", ZERO),
    ("attention.indexer.top_k", ZERO),
    ("attention.compress_rope_freq_base", ZERO),
    ("attention.compress_ratios", NEVER),
    ("full_attention_interval", ZERO),
    // Positions.
    ("rope.dimension_count_swa", NEVER),
    ("rope.dimension_sections", NEVER),
    ("rope.freq_base_swa", NEVER),
    ("rope.scale_linear", ZERO_OR_ONE),
    // Experts.
    // The shapes of the tensors say these sizes as well: the oracle computes the same whatever the keys say.
    ("expert_shared_count", LABEL),
    ("expert_shared_feed_forward_length", LABEL),
    ("expert_chunk_feed_forward_length", LABEL),
    ("expert_group_count", ZERO_OR_ONE),
    ("expert_group_used_count", ZERO_OR_ONE),
    ("expert_group_scale", ZERO_OR_ONE),
    // 1 is softmax: llama.cpp's logits of a mixtral and a qwen3moe are the same with the key and without it.
    ("expert_gating_func", ZERO_OR_ONE),
    ("expert_weights_norm", FALSE),
    ("expert_weights_scale", ZERO_OR_ONE),
    ("experts_per_group", ZERO),
    ("leading_dense_block_count", ZERO),
    ("interleave_moe_layer_step", ZERO_OR_ONE),
    ("moe_every_n_layers", ZERO),
    ("moe_latent_size", ZERO),
    // Other kinds of layers and of models.
    ("hash_layer_count", ZERO),
    ("hyper_connection.count", ZERO),
    ("hyper_connection.epsilon", NEVER),
    ("hyper_connection.sinkhorn_iterations", ZERO),
    ("nextn_predict_layers", ZERO),
    ("n_deepstack_layers", ZERO),
    ("deepstack_mapping", NEVER),
    ("ssm.conv_kernel", ZERO),
    ("ssm.inner_size", ZERO),
    ("ssm.state_size", ZERO),
    ("ssm.time_step_rank", ZERO),
    ("ssm.group_count", ZERO),
    ("ssm.dt_b_c_rms", FALSE),
    ("kda.head_dim", ZERO),
    ("wkv.head_size", ZERO),
    ("shortconv.l_cache", ZERO),
    ("time_mix_extra_dim", ZERO),
    ("time_decay_extra_dim", ZERO),
    ("token_shift_count", ZERO),
    ("embedding_length_out", NEVER),
    ("embedding_length_per_layer_input", ZERO),
    ("features_length", ZERO),
    ("posnet.embedding_length", ZERO),
    ("posnet.block_count", ZERO),
    ("convnext.embedding_length", ZERO),
    ("convnext.block_count", ZERO),
    ("decoder_start_token_id", NEVER),
    ("decoder_block_count", ZERO),
    ("pooling_type", ZERO),
    ("classifier.output_labels", NEVER),
    ("dense_2_feat_in", ZERO),
    ("dense_2_feat_out", ZERO),
    ("dense_3_feat_in", ZERO),
    ("dense_3_feat_out", ZERO),
    ("target_layers", NEVER),
    ("target_hidden_size", ZERO),
    // How the weights were laid out where they came from.
    ("tensor_data_layout", Meaning::Label),
];
