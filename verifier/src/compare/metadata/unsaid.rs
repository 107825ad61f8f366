//! Keys that an APR file may hold at its top level, and that no loader reads there: a copy helps nobody.
//!
//! Two sources: what loaders read of an .apr file is in `apr-format.md`, from the loaders of `apr` 0.72.3; what llama.cpp
//! does with each key, and which graph each architecture has, is in its own source (`load_arch_hparams` and the graphs of
//! `src/models`).

use std::collections::BTreeSet;

use super::behaviour::Neutral;
use super::{expected, rope};
use crate::decode::container::Tensor;
use crate::decode::gguf::{Metadata, Value};

/// Whether an architecture that llama.cpp knows computes something else than a llama, whatever its keys: loaders of APR compute
/// that, and what the keys of APR and the names of tensors add to it.
pub(super) fn computes_otherwise(metadata: &Metadata) -> bool {
    let architecture = metadata.architecture().unwrap_or_default();
    !is_llama(architecture) && is_known(architecture)
}

/// Whether llama.cpp knows an architecture, or loaders of APR run it as one that it knows.
pub(super) fn is_known(architecture: &[u8]) -> bool {
    is_llama(architecture) || rope::names().any(|name| name.as_bytes() == architecture)
}

/// Whether what an architecture computes is a llama.
pub(super) fn is_llama(architecture: &[u8]) -> bool {
    LLAMAS.iter().any(|name| name.as_bytes() == architecture)
}

/// The tensors of a model that change what the steps of others compute, and that no loader reads: factors of products and of
/// positions; of a llama, biases of the gate, of the output matrix, and of query, key and value in a layer that has not all three.
pub(super) fn left_out<'t>(metadata: &Metadata, tensors: &'t [Tensor]) -> Vec<&'t [u8]> {
    let is_llama = is_llama(metadata.architecture().unwrap_or_default());
    let names: BTreeSet<&[u8]> = tensors.iter().map(|one| one.name.as_slice()).collect();
    let is_lone = |name: &[u8]| {
        let layer = OF_ATTENTION
            .iter()
            .find_map(|part| name.strip_suffix(*part));
        layer.is_some_and(|layer| {
            let whole = |part: &[u8]| [layer, part].concat();
            !OF_ATTENTION
                .iter()
                .all(|part| names.contains(whole(part).as_slice()))
        })
    };
    let is_bias =
        |name: &[u8]| name == b"output.bias" || name.ends_with(b".ffn_gate.bias") || is_lone(name);
    let all = names.iter().copied();
    all.filter(|name| is_factor(name) || is_llama && is_bias(name))
        .collect()
}

const OF_ATTENTION: [&[u8]; 3] = [b"attn_q.bias", b"attn_k.bias", b"attn_v.bias"];

fn is_factor(tensor: &[u8]) -> bool {
    tensor.ends_with(b".scale")
        || tensor.ends_with(b".input_scale")
        || matches!(
            tensor,
            b"rope_factors_long.weight" | b"rope_factors_short.weight"
        )
}

/// Whether a key of the architecture, by what follows its dot, changes what the model computes with this value and has no
/// loader that reads it.
///
/// A key that no table knows is taken for one that does: `rope_scaling` holds all of its part, and loaders read those below.
pub(super) fn is_unread(metadata: &Metadata, ending: &str, value: Value<'_>) -> bool {
    let of_scaling = ending.strip_prefix("rope.scaling.");
    if of_scaling.is_some_and(|part| !OF_SCALING.contains(&part)) {
        return true;
    }
    if value.as_array().is_some() {
        // Layers with numbers of their own, where loaders read one.
        return OF_LAYERS.contains(&ending) && expected::count(ending, value).is_none();
    }
    match ending {
        "rope.dimension_count" => expected::count(ending, value) != head_dim(metadata),
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
    expected::count(ending, metadata.of_architecture(ending)?)
}

/// Of which llama.cpp reads one number or one for each layer (`get_key_or_arr` in src/llama-model.cpp and src/models), of those with
/// a place in APR; of all others a list keeps it from loading.
pub(super) const OF_LAYERS: [&str; 5] = [
    "attention.head_count",
    "attention.head_count_kv",
    "expert_feed_forward_length",
    "expert_used_count",
    "feed_forward_length",
];

/// What llama.cpp reads at `rope.scaling.` (`LLM_KV_NAMES`), and `alpha`, which gguf-py has beside it.
const OF_SCALING: [&str; 11] = [
    "alpha",
    "attn_factor",
    "factor",
    "finetuned",
    "original_context_length",
    "type",
    "yarn_attn_factor",
    "yarn_beta_fast",
    "yarn_beta_slow",
    "yarn_ext_factor",
    "yarn_log_multiplier",
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

/// Those whose graphs in `src/models` differ from that of a llama only in which elements rotate together, which matrices are
/// one tensor, and which tensors are there: an output matrix, biases of matrices, norms of heads, plain experts.
const LLAMAS: [&str; 14] = [
    "chatglm",
    "ernie4_5",
    "exaone",
    "internlm2",
    "llama",
    "mistral",
    "mistral3",
    "pangu-embedded",
    "phi3",
    "qwen2",
    "qwen3",
    "qwen3moe",
    "seed_oss",
    "xverse",
];
