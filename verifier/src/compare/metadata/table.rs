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

macro_rules! rules {
    ($($gguf:literal [$($apr:literal),+] $code:ident $changed:ident $lost:ident;)*) => {
        pub(super) const RULES: &[Rule] = &[$(Rule {
            gguf: $gguf,
            apr: &[$($apr),+],
            code: Code::$code,
            changed: Effect::$changed,
            lost: Effect::$lost,
        }),*];
    };
}

// The GGUF key, the keys of the APR file, the code, and what it means when the value is another one or is missing.
rules! {
    "general.architecture" ["architecture"] MetaArchitecture Different Different;
    "general.name" ["name"] MetaName Warning Warning;
    "general.description" ["description"] MetaDescription Warning Warning;
    "general.author" ["author"] MetaAuthor Warning Warning;
    "general.version" ["version"] MetaVersion Warning Warning;
    "general.license" ["license"] MetaLicense Warning Warning;
    ".embedding_length" ["hidden_size"] MetaHiddenSize Different Different;
    ".block_count" ["num_layers"] MetaNumLayers Different Different;
    ".attention.head_count" ["num_heads"] MetaNumHeads Different Different;
    ".attention.head_count_kv" ["num_kv_heads"] MetaNumKvHeads Different Different;
    ".feed_forward_length" ["intermediate_size"] MetaIntermediateSize Different Different;
    ".context_length" ["max_position_embeddings"] MetaMaxPositionEmbeddings Different Different;
    ".rope.freq_base" ["rope_theta"] MetaRopeTheta Different Different;
    ".attention.layer_norm_rms_epsilon" ["rms_norm_eps"] MetaRmsNormEps Different Different;
    ".attention.key_length" ["head_dim", "key_length"] MetaHeadDim Different Different;
    ".attention.value_length" ["value_length"] MetaValueLength Different Different;
    ".rope.dimension_count" ["rope_dimension_count"] MetaRopeDimensionCount Different Different;
    ".attention.scale" ["attention_scale"] MetaAttentionScale Different Different;
    ".attention.sliding_window" ["sliding_window"] MetaSlidingWindow Different Different;
    ".expert_count" ["num_experts"] MetaNumExperts Different Different;
    ".expert_used_count" ["num_experts_per_tok"] MetaNumExpertsPerTok Different Different;
    ".expert_feed_forward_length" ["moe_intermediate_size"] MetaMoeIntermediateSize Different Different;
    ".vocab_size" ["vocab_size"] MetaVocabSize Different Warning;
    "tokenizer.ggml.tokens" ["tokenizer.vocabulary"] MetaTokenizerVocabulary Different Different;
    "tokenizer.ggml.merges" ["tokenizer.merges"] MetaTokenizerMerges Different Different;
    "tokenizer.ggml.scores" ["tokenizer.scores"] MetaTokenizerScores Different Different;
    "tokenizer.ggml.token_type" ["tokenizer.token_type"] MetaTokenizerTokenType Different Warning;
    "tokenizer.ggml.model" ["tokenizer.model"] MetaTokenizerModel Different Different;
    "tokenizer.ggml.pre" ["tokenizer.pre_type"] MetaTokenizerPreType Different Warning;
    "tokenizer.ggml.bos_token_id" ["tokenizer.bos_token_id"] MetaTokenizerToken Different Different;
    "tokenizer.ggml.eos_token_id" ["tokenizer.eos_token_id"] MetaTokenizerToken Different Different;
    "tokenizer.ggml.padding_token_id" ["tokenizer.padding_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.unknown_token_id" ["tokenizer.unknown_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.seperator_token_id" ["tokenizer.seperator_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.mask_token_id" ["tokenizer.mask_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.eot_token_id" ["tokenizer.eot_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.eom_token_id" ["tokenizer.eom_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.cls_token_id" ["tokenizer.cls_token_id"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.add_bos_token" ["tokenizer.add_bos_token"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.add_eos_token" ["tokenizer.add_eos_token"] MetaTokenizerToken Different Warning;
    "tokenizer.ggml.add_space_prefix" ["tokenizer.add_space_prefix"] MetaTokenizerToken Different Warning;
    "tokenizer.chat_template" ["chat_template", "tokenizer.chat_template"] MetaChatTemplate Different Different;
}

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
