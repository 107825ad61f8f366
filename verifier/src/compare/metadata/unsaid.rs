//! Keys that an APR file may hold at its top level, and that no loader reads there: a copy helps nobody.
//!
//! Two sources: what loaders read of an .apr file is in `apr-format.md`, from the loaders of `apr` 0.72.3; what llama.cpp
//! does with each key, and which graph each architecture has, is in its own source (`load_arch_hparams` and the graphs of
//! `src/models`, `llm_arch_is_recurrent`, `llm_arch_is_hybrid` and `llm_arch_is_diffusion` of `src/llama-arch.cpp`).

use super::behaviour::Neutral;
use super::expected;
use crate::decode::gguf::{Metadata, Value};

/// Whether loaders of APR compute something else than the architecture of a model does, whatever its keys: a norm that
/// subtracts a mean, layers with a state, attention that looks ahead; or where it leaves out a key that then has a number of
/// the architecture.
pub(super) fn computes_otherwise(metadata: &Metadata) -> bool {
    let architecture = metadata.architecture().unwrap_or_default();
    let is_absent = |keys: &[&str]| {
        let mut keys = keys.iter();
        keys.any(|key| metadata.of_architecture(key).is_none())
    };
    let is_other = |name: &&str| name.as_bytes() == architecture;
    OTHER_GRAPHS.iter().any(is_other)
        || match architecture {
            b"gemma2" => is_absent(&[
                "attention.sliding_window",
                "attn_logit_softcapping",
                "final_logit_softcapping",
            ]),
            b"gemma4" => is_absent(&["final_logit_softcapping"]),
            b"minicpm" => is_absent(&["embedding_scale", "residual_scale", "logit_scale"]),
            // Only the model of 64 layers has windows.
            b"exaone4" => {
                count(metadata, "block_count") == Some(64)
                    && is_absent(&["attention.sliding_window"])
            }
            _ => false,
        }
}

/// Whether a tensor changes what the steps of others compute, and no loader reads it: a factor of a product, or of
/// positions.
pub(super) fn is_factor(tensor: &[u8]) -> bool {
    tensor.ends_with(b".scale")
        || tensor.ends_with(b".input_scale")
        || matches!(
            tensor,
            b"rope_factors_long.weight" | b"rope_factors_short.weight"
        )
}

/// Whether a key of the architecture, by what follows its dot, changes what the model computes with this value and has no
/// loader that reads it.
pub(super) fn is_unread(metadata: &Metadata, ending: &str, value: Value<'_>) -> bool {
    if value.as_array().is_some() {
        // Layers with numbers of their own, where loaders read one.
        return OF_LAYERS.contains(&ending) && expected::count(value).is_none();
    }
    match ending {
        "rope.dimension_count" => expected::count(value) != head_dim(metadata),
        "attention.sliding_window" => !Neutral::Zero.is(value) && has_windows(metadata),
        "rope.scaling.attn_factor" => !Neutral::ZeroOrOne.is(value),
        "rope.scaling.alpha" | "rope.scaling.yarn_log_multiplier" => !Neutral::Zero.is(value),
        _ => false,
    }
}

fn has_windows(metadata: &Metadata) -> bool {
    let architecture = metadata.architecture().unwrap_or_default();
    WITH_WINDOWS
        .iter()
        .any(|name| name.as_bytes() == architecture)
}

/// The values of a head.
pub(super) fn head_dim(metadata: &Metadata) -> Option<u64> {
    let number = |ending| count(metadata, ending);
    let divided = || number("embedding_length")?.checked_div(number("attention.head_count")?);
    number("attention.key_length").or_else(divided)
}

/// The count at a key of the architecture, or the one that its list says for every layer.
pub(super) fn count(metadata: &Metadata, ending: &str) -> Option<u64> {
    expected::count(metadata.of_architecture(ending)?)
}

const OF_LAYERS: [&str; 5] = [
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "feed_forward_length",
];

/// Those that read `attention.sliding_window` and mask by it.
const WITH_WINDOWS: [&str; 15] = [
    "afmoe",
    "cohere2",
    "exaone-moe",
    "exaone4",
    "gemma2",
    "gemma3",
    "gemma3n",
    "gemma4",
    "gpt-oss",
    "lfm2",
    "llama4",
    "mimo2",
    "olmo2",
    "plamo3",
    "smallthinker",
];

const OTHER_GRAPHS: [&str; 43] = [
    // LayerNorm.
    "bloom",
    "codeshell",
    "cohere2",
    "command-r",
    "dbrx",
    "falcon",
    "gpt2",
    "gptneox",
    "jais",
    "jais2",
    "mpt",
    "nemotron",
    "olmo",
    "orion",
    "phi2",
    "stablelm",
    "starcoder",
    "starcoder2",
    // Layers with a state, or with a convolution.
    "arwkv7",
    "falcon-h1",
    "granitehybrid",
    "jamba",
    "kimi-linear",
    "lfm2",
    "lfm2moe",
    "mamba",
    "mamba2",
    "nemotron_h",
    "nemotron_h_moe",
    "plamo2",
    "qwen35",
    "qwen35moe",
    "qwen3next",
    "rwkv6",
    "rwkv6qwen2",
    "rwkv7",
    // Attention that looks ahead.
    "dream",
    "llada",
    "llada-moe",
    "rnd1",
    // Encoders, whose result is no token.
    "bert",
    "modern-bert",
    "nomic-bert",
];
