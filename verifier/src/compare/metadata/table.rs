//! Which GGUF key stands where in the metadata of an APR file, and how bad it is when it does not.

use crate::finding::Effect;

/// A rule for one GGUF key.
pub(super) struct Rule {
    /// The GGUF key, without `general.architecture` and its dot when it begins with a dot.
    pub(super) gguf: &'static str,
    /// The top-level keys of the APR file; the first is the one that loaders need most.
    pub(super) apr: &'static [&'static str],
    /// The code when the value is another one.
    pub(super) code: &'static str,
    /// What it means when the value is another one.
    pub(super) changed: Effect,
    /// What it means when the key is missing.
    pub(super) lost: Effect,
}

/// Loaders want floats there, and some files have whole numbers.
pub(super) const SCORES: &str = "tokenizer.ggml.scores";

/// Finds the rule of a key: `suffix` is what follows `ARCHITECTURE` for keys of the architecture.
pub(super) fn rule(key: &str, suffix: Option<&str>) -> Option<&'static Rule> {
    let wanted = suffix.unwrap_or(key);
    RULES.iter().find(|rule| rule.gguf == wanted)
}

/// The code for a wrong value at a top-level key.
pub(super) fn code_of(apr_key: &str) -> &'static str {
    let rule = RULES.iter().find(|rule| rule.apr.contains(&apr_key));
    rule.map_or("meta.changed", |rule| rule.code)
}

/// What the loss of a key means that has no rule.
///
/// An architecture key that is not known here may change the behaviour, so its loss is an error; descriptions are not.
pub(super) fn lost_without_rule(key: &str, suffix: Option<&str>) -> Effect {
    if suffix.is_some() {
        Effect::Different
    } else if key.starts_with("split.") || key == "general.alignment" {
        // The layout of the GGUF, not of the model.
        Effect::Note
    } else {
        Effect::Warning
    }
}

pub(super) const RULES: &[Rule] = &[
    rule_of(
        "general.architecture",
        &["architecture"],
        "meta.architecture",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of("general.name", &["name"], "meta.name", WARNING, WARNING),
    rule_of(
        "general.description",
        &["description"],
        "meta.description",
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.author",
        &["author"],
        "meta.author",
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.version",
        &["version"],
        "meta.version",
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.license",
        &["license"],
        "meta.license",
        WARNING,
        WARNING,
    ),
    rule_of(
        ".embedding_length",
        &["hidden_size"],
        "meta.hidden_size",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".block_count",
        &["num_layers"],
        "meta.num_layers",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.head_count",
        &["num_heads"],
        "meta.num_heads",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.head_count_kv",
        &["num_kv_heads"],
        "meta.num_kv_heads",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".feed_forward_length",
        &["intermediate_size"],
        "meta.intermediate_size",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".context_length",
        &["max_position_embeddings"],
        "meta.max_position_embeddings",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".rope.freq_base",
        &["rope_theta"],
        "meta.rope_theta",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.layer_norm_rms_epsilon",
        &["rms_norm_eps"],
        "meta.rms_norm_eps",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.key_length",
        &["head_dim", "key_length"],
        "meta.head_dim",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.value_length",
        &["value_length"],
        "meta.value_length",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".rope.dimension_count",
        &["rope_dimension_count"],
        "meta.rope_dimension_count",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.scale",
        &["attention_scale"],
        "meta.attention_scale",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.sliding_window",
        &["sliding_window"],
        "meta.sliding_window",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_count",
        &["num_experts"],
        "meta.num_experts",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_used_count",
        &["num_experts_per_tok"],
        "meta.num_experts_per_tok",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_feed_forward_length",
        &["moe_intermediate_size"],
        "meta.moe_intermediate_size",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".vocab_size",
        &["vocab_size"],
        "meta.vocab_size",
        DIFFERENT,
        WARNING,
    ),
    rule_of(
        "tokenizer.ggml.tokens",
        &["tokenizer.vocabulary"],
        "meta.tokenizer.vocabulary",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.merges",
        &["tokenizer.merges"],
        "meta.tokenizer.merges",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        SCORES,
        &["tokenizer.scores"],
        "meta.tokenizer.scores",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.token_type",
        &["tokenizer.token_type"],
        "meta.tokenizer.token_type",
        DIFFERENT,
        WARNING,
    ),
    rule_of(
        "tokenizer.ggml.model",
        &["tokenizer.model"],
        "meta.tokenizer.model",
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.pre",
        &["tokenizer.pre_type"],
        "meta.tokenizer.pre_type",
        DIFFERENT,
        WARNING,
    ),
    token(
        "tokenizer.ggml.bos_token_id",
        &["tokenizer.bos_token_id"],
        DIFFERENT,
    ),
    token(
        "tokenizer.ggml.eos_token_id",
        &["tokenizer.eos_token_id"],
        DIFFERENT,
    ),
    token(
        "tokenizer.ggml.padding_token_id",
        &["tokenizer.padding_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.unknown_token_id",
        &["tokenizer.unknown_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.seperator_token_id",
        &["tokenizer.seperator_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.mask_token_id",
        &["tokenizer.mask_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.eot_token_id",
        &["tokenizer.eot_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.eom_token_id",
        &["tokenizer.eom_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.cls_token_id",
        &["tokenizer.cls_token_id"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.add_bos_token",
        &["tokenizer.add_bos_token"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.add_eos_token",
        &["tokenizer.add_eos_token"],
        WARNING,
    ),
    token(
        "tokenizer.ggml.add_space_prefix",
        &["tokenizer.add_space_prefix"],
        WARNING,
    ),
    rule_of(
        "tokenizer.chat_template",
        &["chat_template", "tokenizer.chat_template"],
        "meta.chat_template",
        DIFFERENT,
        DIFFERENT,
    ),
];

/// Top-level keys that say something about the file or its making, not about the model.
pub(super) const BOOKKEEPING: &[&str] = &[
    "model_type",
    "name",
    "description",
    "data_source",
    "data_license",
    "version",
    "source",
    "original_format",
    "created_at",
    "total_size",
    "param_count",
    "quantization",
    "sharding",
    "chat_format",
    "special_tokens",
    "hf_architecture",
    "hf_model_type",
    "tensor_shapes",
    "aprove",
];

const DIFFERENT: Effect = Effect::Different;
const WARNING: Effect = Effect::Warning;

const fn rule_of(
    gguf: &'static str,
    apr: &'static [&'static str],
    code: &'static str,
    changed: Effect,
    lost: Effect,
) -> Rule {
    Rule {
        gguf,
        apr,
        code,
        changed,
        lost,
    }
}

const fn token(gguf: &'static str, apr: &'static [&'static str], lost: Effect) -> Rule {
    rule_of(gguf, apr, "meta.tokenizer.token", DIFFERENT, lost)
}
