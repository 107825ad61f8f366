//! Which GGUF key stands where in the metadata of an APR file, and how bad it is when it does not.

use crate::code::Code;
use crate::finding::Effect;

/// A rule for one GGUF key.
pub(super) struct Rule {
    /// The GGUF key, without `general.architecture` and its dot when it begins with a dot.
    pub(super) gguf: &'static str,
    /// The top-level keys of the APR file; the first is the one that loaders need most.
    pub(super) apr: &'static [&'static str],
    /// The code when the value is another one.
    pub(super) code: Code,
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
pub(super) fn code_of(apr_key: &str) -> Code {
    let rule = RULES.iter().find(|rule| rule.apr.contains(&apr_key));
    rule.map_or(Code::MetaChanged, |rule| rule.code)
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
        Code::MetaArchitecture,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of("general.name", &["name"], Code::MetaName, WARNING, WARNING),
    rule_of(
        "general.description",
        &["description"],
        Code::MetaDescription,
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.author",
        &["author"],
        Code::MetaAuthor,
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.version",
        &["version"],
        Code::MetaVersion,
        WARNING,
        WARNING,
    ),
    rule_of(
        "general.license",
        &["license"],
        Code::MetaLicense,
        WARNING,
        WARNING,
    ),
    rule_of(
        ".embedding_length",
        &["hidden_size"],
        Code::MetaHiddenSize,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".block_count",
        &["num_layers"],
        Code::MetaNumLayers,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.head_count",
        &["num_heads"],
        Code::MetaNumHeads,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.head_count_kv",
        &["num_kv_heads"],
        Code::MetaNumKvHeads,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".feed_forward_length",
        &["intermediate_size"],
        Code::MetaIntermediateSize,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".context_length",
        &["max_position_embeddings"],
        Code::MetaMaxPositionEmbeddings,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".rope.freq_base",
        &["rope_theta"],
        Code::MetaRopeTheta,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.layer_norm_rms_epsilon",
        &["rms_norm_eps"],
        Code::MetaRmsNormEps,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.key_length",
        &["head_dim", "key_length"],
        Code::MetaHeadDim,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.value_length",
        &["value_length"],
        Code::MetaValueLength,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".rope.dimension_count",
        &["rope_dimension_count"],
        Code::MetaRopeDimensionCount,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.scale",
        &["attention_scale"],
        Code::MetaAttentionScale,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".attention.sliding_window",
        &["sliding_window"],
        Code::MetaSlidingWindow,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_count",
        &["num_experts"],
        Code::MetaNumExperts,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_used_count",
        &["num_experts_per_tok"],
        Code::MetaNumExpertsPerTok,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".expert_feed_forward_length",
        &["moe_intermediate_size"],
        Code::MetaMoeIntermediateSize,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        ".vocab_size",
        &["vocab_size"],
        Code::MetaVocabSize,
        DIFFERENT,
        WARNING,
    ),
    rule_of(
        "tokenizer.ggml.tokens",
        &["tokenizer.vocabulary"],
        Code::MetaTokenizerVocabulary,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.merges",
        &["tokenizer.merges"],
        Code::MetaTokenizerMerges,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        SCORES,
        &["tokenizer.scores"],
        Code::MetaTokenizerScores,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.token_type",
        &["tokenizer.token_type"],
        Code::MetaTokenizerTokenType,
        DIFFERENT,
        WARNING,
    ),
    rule_of(
        "tokenizer.ggml.model",
        &["tokenizer.model"],
        Code::MetaTokenizerModel,
        DIFFERENT,
        DIFFERENT,
    ),
    rule_of(
        "tokenizer.ggml.pre",
        &["tokenizer.pre_type"],
        Code::MetaTokenizerPreType,
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
        Code::MetaChatTemplate,
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
    code: Code,
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
    rule_of(gguf, apr, Code::MetaTokenizerToken, DIFFERENT, lost)
}
