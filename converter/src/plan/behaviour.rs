//! Keys of the GGUF that change what a model computes and that no loader key of APR carries.
//!
//! An artifact that kept such a key in its record alone would run, and would run wrong: loaders read the top-level keys,
//! and a record stands for none of them. So the model is refused, with every such key, its value and what would go wrong.
//!
//! Sources: for the keys of APR, the loaders of `apr` 0.72.3; for what changes the behaviour, llama.cpp, where each key
//! was changed and the logits compared. The list was held against the keys of gguf-py 0.19: those that are not in it have
//! no rule here. A key of the architecture without a rule is refused as well, since what it does is not known.

use std::{collections::BTreeSet, mem};

use architectures::{RopeLayers, find};
use gguf_file::{SplitSet, Value};

use crate::{
    error::{Error, Problems},
    plan::{
        architecture,
        keys::{ARCHITECTURE, Keys, count, shown},
    },
};

/// What no loader of the artifact could know.
#[derive(Default)]
pub(crate) struct Lost<'a> {
    /// Keys, and tensors that change what others compute, sorted.
    pub(crate) names: Vec<&'a str>,
    /// Their values, and what goes wrong without them.
    pub(crate) consequences: Problems,
    /// Keys that change nothing, since no engine reads them for the architecture.
    pub(crate) unread: Problems,
}

impl<'a> Lost<'a> {
    fn push(&mut self, name: &'a str, consequence: impl FnOnce() -> String) {
        self.names.push(name);
        self.consequences.push_with(consequence);
    }

    /// Refuses a model of which anything would be lost.
    ///
    /// # Errors
    /// Fails with every key and tensor that would be lost.
    pub(crate) fn refuse(&mut self) -> Result<(), Error> {
        let problems = mem::take(&mut self.consequences);
        problems.into_result(|problems| Error::NotCarried { problems })
    }
}

/// Finds what no loader of the artifact could know. `unsaid` is what APR cannot say of the whole architecture.
pub(crate) fn lost<'k>(keys: &'k Keys<'_>, set: &SplitSet<'k>, unsaid: Option<&str>) -> Lost<'k> {
    let mut lost = Lost::default();
    if let Some(reason) = unsaid {
        let architecture = keys.architecture().escape_debug();
        lost.push(ARCHITECTURE, || {
            format!(
                "{ARCHITECTURE} = {architecture}: no key of APR says how it differs from a llama ({reason})"
            )
        });
    }
    let (head_dim, described) = (head_dim(keys), find(keys.architecture()));
    let of_no_architecture = keys.starting_with(String::new());
    let of_no_architecture = of_no_architecture.filter(|(name, ..)| name.starts_with("xielu."));
    for (name, ending, value) in keys.of_architecture().chain(of_no_architecture) {
        let Some(effect) = effect(keys.architecture(), ending, value, head_dim) else {
            continue;
        };
        let shown = || format!("{} = {}", name.escape_debug(), shown(value));
        if described.is_some_and(|described| described.reads(ending) == Some(false)) {
            let architecture = keys.architecture();
            lost.unread.push_with(|| {
                format!(
                    "{}: neither llama.cpp nor a loader of APR reads it for {architecture}; the record keeps it",
                    shown()
                )
            });
        } else {
            lost.push(name, || format!("{}: {effect}", shown()));
        }
    }
    // A name that is not UTF-8 is refused where tensors are planned.
    let tensors = || {
        let tensors = set.tensors();
        tensors.filter_map(|(_, info)| str::from_utf8(info.name).ok())
    };
    let names: BTreeSet<&str> = tensors().collect();
    for name in tensors() {
        let effect = if name.ends_with(".scale") || name.ends_with(".input_scale") {
            "the product would not be multiplied by it"
        } else if LONG_AND_SHORT.contains(&name) {
            "angles would not be divided by it"
        } else if let Some(effect) = left_out(name, &names).filter(|_| unsaid.is_none()) {
            effect
        } else {
            continue;
        };
        lost.push(name, || format!("tensor {}: {effect}", name.escape_debug()));
    }
    lost.names.sort_unstable();
    lost
}

/// Says what becomes of a bias that no loader adds (`load_apr_layer` of `apr` 0.72.3).
fn left_out(name: &str, names: &BTreeSet<&str>) -> Option<&'static str> {
    let three = ["attn_q.bias", "attn_k.bias", "attn_v.bias"];
    let is_there = |layer: &str, part| names.contains(format!("{layer}{part}").as_str());
    if name == "output.bias" || name.ends_with(".ffn_gate.bias") {
        return Some("it would not be added");
    }
    let layer = three.iter().find_map(|part| name.strip_suffix(part))?;
    let has_all = three.iter().all(|part| is_there(layer, part));
    (!has_all).then_some("it would not be added where query, key and value have not all three")
}

/// Factors of positions, for a context beyond that of the training and for one within it.
const LONG_AND_SHORT: [&str; 2] = ["rope_factors_long.weight", "rope_factors_short.weight"];

/// Says what would go wrong without a key; `None` where it is carried, or where its value changes nothing.
fn effect(
    architecture: &str,
    ending: &str,
    value: &Value<'_>,
    head_dim: Option<u64>,
) -> Option<&'static str> {
    if CARRIED.contains(&ending) {
        let is_list = matches!(value, Value::Array(_));
        let differs = is_list && count(ending, value).is_err();
        return differs.then_some("layers have numbers of their own, and loaders read one");
    }
    match ending {
        "rope.dimension_count" => {
            return (value.as_u64() != head_dim)
                .then_some("all values of a head would be rotated, not this part of them");
        }
        "rope.scaling.finetuned" => {
            let reads = find(architecture)
                .is_some_and(|described| described.rope_layers == RopeLayers::Finetuned);
            return (reads && value.as_bool() == Some(false))
                .then_some("positions would be rotated, which this key turns off");
        }
        "attention.sliding_window" if architecture::ignores_window(architecture) => return None,
        _ => {}
    }
    let found = RULES.iter().find(|rule| match rule.key.strip_suffix('*') {
        Some(start) => ending.starts_with(start),
        None => ending == rule.key,
    });
    match found {
        Some(rule) if rule.neutral.is(value) => None,
        Some(rule) => Some(rule.effect),
        None => {
            Some("it is not a known key; if it changes the behaviour, loaders would not know of it")
        }
    }
}

/// Whether a key is known, and its value no list.
pub(crate) fn is_of_one_value(ending: &str) -> bool {
    let is_known = CARRIED.contains(&ending) || RULES.iter().any(|rule| rule.key == ending);
    let others = ["rope.dimension_count", "rope.scaling.finetuned"];
    is_known && ending != "attention.sliding_window_pattern" || others.contains(&ending)
}

fn head_dim(keys: &Keys<'_>) -> Option<u64> {
    let count = |ending| keys.count(&keys.name(ending)).ok().flatten();
    let divided = || count("embedding_length")?.checked_div(count("attention.head_count")?);
    let stated = count("attention.key_length").filter(|length| *length > 0);
    stated.or_else(divided)
}

/// A key of an architecture, what would go wrong without it, and which values change nothing.
struct Rule {
    /// Without the architecture; a `*` at the end stands for any rest.
    key: &'static str,
    neutral: Neutral,
    effect: &'static str,
}

/// Which values of a key change nothing.
#[derive(Clone, Copy)]
enum Neutral {
    /// Every value: the key describes, or repeats what the shapes of the tensors say.
    Any,
    /// None.
    Nothing,
    /// 0 or false.
    Off,
    /// 0, which is off, or 1, which multiplies by nothing.
    OffOrOne,
    /// true.
    On,
}

impl Neutral {
    fn is(self, value: &Value<'_>) -> bool {
        let number = || {
            value.as_f32().map(f64::from).or_else(|| match value {
                Value::F64(number) => Some(*number),
                value => value
                    .as_u64()
                    .and_then(|count| u32::try_from(count).ok())
                    .map(f64::from),
            })
        };
        match self {
            Self::Any => true,
            Self::Nothing => false,
            Self::Off => number() == Some(0.0) || value.as_bool() == Some(false),
            Self::OffOrOne => matches!(number(), Some(0.0 | 1.0)),
            Self::On => value.as_bool() == Some(true),
        }
    }
}

const fn rule(key: &'static str, neutral: Neutral, effect: &'static str) -> Rule {
    Rule {
        key,
        neutral,
        effect,
    }
}

/// Keys that stand at the top level of the artifact.
const CARRIED: [&str; 21] = [
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.value_length",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_count",
    "expert_feed_forward_length",
    "expert_used_count",
    "feed_forward_length",
    "rope.freq_base",
    "rope.scaling.factor",
    "rope.scaling.original_context_length",
    "rope.scaling.type",
    "rope.scaling.yarn_attn_factor",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_ext_factor",
    "vocab_size",
];

/// The first one that fits counts.
const RULES: &[Rule] = &[
    rule(
        "attn_logit_softcapping",
        Neutral::Off,
        "attention scores would not be capped",
    ),
    rule(
        "final_logit_softcapping",
        Neutral::Off,
        "logits would not be capped",
    ),
    rule(
        "router_logit_softcapping",
        Neutral::Off,
        "the router's logits would not be capped",
    ),
    rule(
        "logit_scale",
        Neutral::OffOrOne,
        "logits would not be scaled",
    ),
    rule(
        "residual_scale",
        Neutral::OffOrOne,
        "what layers add would not be scaled",
    ),
    rule(
        "embedding_scale",
        Neutral::OffOrOne,
        "the embedding would not be scaled",
    ),
    rule(
        "attention.scale",
        Neutral::Off,
        "attention scores would be scaled by 1/sqrt(head_dim) instead",
    ),
    rule(
        "attention.output_scale",
        Neutral::OffOrOne,
        "the attention's output would not be scaled",
    ),
    rule(
        "attention.temperature_*",
        Neutral::Off,
        "queries would not be scaled by their position",
    ),
    rule(
        "attention.sliding_window",
        Neutral::Off,
        "every token would see all earlier ones, not a window of them",
    ),
    rule(
        "attention.sliding_window_pattern",
        Neutral::Nothing,
        "every token would see all earlier ones, not a window of them",
    ),
    rule(
        "attention.max_alibi_bias",
        Neutral::Off,
        "attention scores would have no bias by distance",
    ),
    rule(
        "attention.clamp_kqv",
        Neutral::Off,
        "queries, keys and values would not be clamped",
    ),
    rule(
        "attention.causal",
        Neutral::On,
        "tokens would not see later ones",
    ),
    rule(
        "attention.shared_kv_layers",
        Neutral::Off,
        "layers would not share keys and values",
    ),
    rule(
        "attention.layer_norm_epsilon",
        Neutral::Nothing,
        "norms would add another number",
    ),
    rule(
        "attention.*",
        Neutral::Nothing,
        "attention would be computed without it",
    ),
    rule("expert_shared_feed_forward_length", Neutral::Any, ""),
    rule("expert_chunk_feed_forward_length", Neutral::Any, ""),
    rule("expert_shared_count", Neutral::Any, ""),
    rule(
        "expert_group_count",
        Neutral::OffOrOne,
        "experts would be chosen without regard to groups",
    ),
    rule(
        "expert_group_used_count",
        Neutral::OffOrOne,
        "experts would be chosen without regard to groups",
    ),
    // 1 is softmax, in `llama_expert_gating_func_type` of llama.cpp and in loaders of APR.
    rule(
        "expert_gating_func",
        Neutral::OffOrOne,
        "experts would be weighed by softmax",
    ),
    rule(
        "expert_weights_scale",
        Neutral::OffOrOne,
        "the weights of experts would not be scaled",
    ),
    rule(
        "expert_weights_norm",
        Neutral::Off,
        "the weights of experts would not be normalised",
    ),
    rule(
        "expert_*",
        Neutral::Nothing,
        "experts would be computed without it",
    ),
    rule(
        "experts_per_group",
        Neutral::OffOrOne,
        "experts would be chosen without regard to groups",
    ),
    rule(
        "leading_dense_block_count",
        Neutral::Off,
        "layers without experts would be looked for experts",
    ),
    rule(
        "interleave_moe_layer_step",
        Neutral::OffOrOne,
        "layers without experts would be looked for experts",
    ),
    rule(
        "moe_every_n_layers",
        Neutral::OffOrOne,
        "layers without experts would be looked for experts",
    ),
    rule(
        "moe_latent_size",
        Neutral::Off,
        "experts would be computed without it",
    ),
    rule(
        "nextn_predict_layers",
        Neutral::Off,
        "layers that predict later tokens would be run as common layers",
    ),
    rule(
        "rope.scaling.attn_factor",
        Neutral::OffOrOne,
        "rotated queries and keys would not be scaled",
    ),
    rule(
        "rope.scaling.yarn_log_multiplier",
        Neutral::Off,
        "rotated queries and keys would be scaled differently",
    ),
    rule(
        "rope.scaling.alpha",
        Neutral::Off,
        "the rotation's base would not be raised",
    ),
    rule(
        "rope.scale_linear",
        Neutral::OffOrOne,
        "positions would not be divided",
    ),
    rule(
        "rope.freq_base_swa",
        Neutral::Nothing,
        "layers with a window would rotate with the base of the others",
    ),
    rule(
        "rope.*",
        Neutral::Nothing,
        "positions would be rotated without it",
    ),
    rule(
        "use_parallel_residual",
        Neutral::Off,
        "attention and feed-forward would run one after the other",
    ),
    rule("swin_norm", Neutral::Off, "norms would stand elsewhere"),
    rule(
        "pooling_type",
        Neutral::Off,
        "no embedding of the text would be pooled",
    ),
    rule("tensor_data_layout", Neutral::Any, ""),
    rule(
        "full_attention_interval",
        Neutral::Nothing,
        "all layers would be attention layers",
    ),
    rule(
        "hidden_act*",
        Neutral::Nothing,
        "the feed-forward would use the usual activation",
    ),
    rule(
        "activation*",
        Neutral::Nothing,
        "the feed-forward would use the usual activation",
    ),
    rule(
        "swiglu_*",
        Neutral::Nothing,
        "the feed-forward would not be clamped",
    ),
    rule(
        "xielu.*",
        Neutral::Nothing,
        "the feed-forward would use the usual activation",
    ),
    rule(
        "ssm.*",
        Neutral::Nothing,
        "recurrent layers would not be run",
    ),
    rule(
        "shortconv.*",
        Neutral::Nothing,
        "convolutional layers would not be run",
    ),
    rule(
        "wkv.*",
        Neutral::Nothing,
        "recurrent layers would not be run",
    ),
    rule("vision.*", Neutral::Nothing, "images would not be seen"),
    rule("audio.*", Neutral::Nothing, "sound would not be heard"),
];
