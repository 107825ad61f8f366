//! Keys that producers write about a file, held against their types and against the file.
//!
//! The keys and types are those of the library's metadata (`AprV2Metadata` of the reference tool, section 4.1 of its
//! format page): a value of another type makes a loader drop all metadata.

use super::equal::shorten;
use super::{Comparison, members_of};
use crate::code::Code;
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::RegionKind;

/// What a loader takes at a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Count,
    Byte,
    Object,
    Number,
    Bool,
    List,
}

/// Whether a loader also takes `null`, or no such key at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Optional,
    /// There is a default where the key is absent, and none for `null`.
    NotNull,
    Required,
}

/// A key, and what a loader takes at it.
type Known = (&'static str, Type, Need);

/// Checks the types of the known keys, and what can be computed of them.
pub(super) fn check(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    for (key, wanted, need) in KEYS {
        if let Some(json) = document.get(key)
            && !fits(document, json, *wanted, *need)
        {
            findings.push(wrong_type(comparison, key, key, json, *wanted));
        }
    }
    for (key, members) in PARTS {
        if document
            .get(key)
            .is_some_and(|json| matches!(json.kind, Kind::Object(_)))
        {
            check_members(comparison, key, members, findings);
        }
    }
    check_sharding(comparison, findings);
    check_special_tokens(comparison, findings);
    check_origin(comparison, findings);
}

fn check_members(
    comparison: &Comparison<'_>,
    key: &str,
    members: &[Known],
    findings: &mut Findings,
) {
    let found = members_of(comparison.document, key);
    for (member, wanted, need) in members {
        let name = format!("{key}.{member}");
        match found.get(*member) {
            Some(json) if fits(comparison.document, json, *wanted, *need) => {}
            Some(json) => findings.push(wrong_type(comparison, key, &name, json, *wanted)),
            None if *need != Need::Required => {}
            None => findings.push(
                Finding::new(
                    Code::MetaType,
                    Effect::Different,
                    format!("{name} is missing: loaders drop all metadata then"),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Metadata)
                    .name(key))
                .expected_found(word(*wanted), "nothing"),
            ),
        }
    }
}

/// The finding for a value at `key`, or at a member of it, which `name` says in full.
fn wrong_type(
    comparison: &Comparison<'_>,
    key: &str,
    name: &str,
    json: &Json,
    wanted: Type,
) -> Finding {
    Finding::new(
        Code::MetaType,
        Effect::Different,
        format!(
            "{name} has a value of a type that loaders do not take: they drop all metadata then"
        ),
    )
    .at(comparison.apr_place(key, json, None))
    .expected_found(word(wanted), shorten(comparison.document.text(json)))
}

fn fits(document: &Document, json: &Json, wanted: Type, need: Need) -> bool {
    match (&json.kind, wanted) {
        (Kind::Null, _) => need == Need::Optional,
        (Kind::String, Type::Text)
        | (Kind::Object(_), Type::Object)
        | (Kind::Bool(_), Type::Bool)
        | (Kind::Array(_), Type::List) => true,
        (Kind::Number, Type::Count) => document.u64(json).is_some(),
        (Kind::Number, Type::Byte) => document.u64(json).is_some_and(|value| value <= 255),
        (Kind::Number, Type::Number) => document.f32(json).is_some(),
        _ => false,
    }
}

const fn word(wanted: Type) -> &'static str {
    match wanted {
        Type::Text => "a string",
        Type::Count => "a whole number from 0 on",
        Type::Byte => "a whole number from 0 to 255",
        Type::Object => "an object",
        Type::Number => "a number that all readers round to the same f32",
        Type::Bool => "true or false",
        Type::List => "a list",
    }
}

/// `sharding` is for a file that holds a part of a model; what is compared here holds all of it.
fn check_sharding(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    let members = members_of(document, "sharding");
    let Some(json) = members.get("shard_count") else {
        return;
    };
    if document.u64(json) != Some(1) {
        findings.push(
            Finding::new(
                Code::MetaSharding,
                Effect::Different,
                "sharding says that this file is one of several, and it is a whole model",
            )
            .at(comparison.apr_place("sharding", json, Some("shard_count".to_owned())))
            .expected_found("1", shorten(document.text(json))),
        );
    }
}

/// `special_tokens` repeats tokens of the vocabulary, which the GGUF names by their ids.
fn check_special_tokens(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    let vocabulary = match comparison
        .value("tokenizer.vocabulary")
        .map(|json| &json.kind)
    {
        Some(Kind::Array(items)) => items.as_slice(),
        _ => &[],
    };
    let members = members_of(document, "special_tokens");
    for (member, id) in [
        ("bos_token", "bos_token_id"),
        ("eos_token", "eos_token_id"),
        ("unk_token", "unknown_token_id"),
        ("pad_token", "padding_token_id"),
    ] {
        let Some(json) = members
            .get(member)
            .filter(|json| matches!(json.kind, Kind::String))
        else {
            continue;
        };
        let key = format!("tokenizer.ggml.{id}");
        let id = comparison.gguf.metadata.get(key.as_bytes());
        let token = id
            .and_then(|id| vocabulary.get(usize::try_from(id.as_u64()?).ok()?))
            .and_then(|token| document.string(token));
        if token != document.string(json) {
            findings.push(
                Finding::new(
                    Code::MetaSpecialTokens,
                    Effect::Different,
                    format!("special_tokens.{member} is not the token of {key}"),
                )
                .at(comparison.apr_place("special_tokens", json, Some(member.to_owned())))
                .expected_found(
                    token.map_or_else(|| "nothing".to_owned(), |token| shorten(&token)),
                    shorten(document.text(json)),
                ),
            );
        }
    }
}

/// `original_format` says what the file was made from.
fn check_origin(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    let json = comparison.value("original_format");
    if let Some(json) = json.filter(|json| document.string(json).as_deref() != Some("gguf")) {
        findings.push(
            Finding::new(
                Code::MetaChanged,
                Effect::Warning,
                "original_format says that this file was not made from a GGUF",
            )
            .at(comparison.apr_place("original_format", json, None))
            .expected_found("\"gguf\"", shorten(document.text(json))),
        );
    }
}

/// Top-level keys.
const KEYS: &[Known] = &[
    ("model_type", Type::Text, Need::NotNull),
    ("name", Type::Text, Need::Optional),
    ("description", Type::Text, Need::Optional),
    ("author", Type::Text, Need::Optional),
    ("license", Type::Text, Need::Optional),
    ("data_source", Type::Text, Need::Optional),
    ("data_license", Type::Text, Need::Optional),
    ("version", Type::Text, Need::Optional),
    ("source", Type::Text, Need::Optional),
    ("original_format", Type::Text, Need::Optional),
    ("created_at", Type::Text, Need::Optional),
    ("total_size", Type::Count, Need::NotNull),
    ("param_count", Type::Count, Need::NotNull),
    ("quantization", Type::Object, Need::Optional),
    ("sharding", Type::Object, Need::Optional),
    ("chat_template", Type::Text, Need::Optional),
    ("chat_format", Type::Text, Need::Optional),
    ("special_tokens", Type::Object, Need::Optional),
    ("architecture", Type::Text, Need::Optional),
    ("hf_architecture", Type::Text, Need::Optional),
    ("hf_model_type", Type::Text, Need::Optional),
    ("hidden_size", Type::Count, Need::Optional),
    ("num_layers", Type::Count, Need::Optional),
    ("num_heads", Type::Count, Need::Optional),
    ("num_kv_heads", Type::Count, Need::Optional),
    ("vocab_size", Type::Count, Need::Optional),
    ("intermediate_size", Type::Count, Need::Optional),
    ("max_position_embeddings", Type::Count, Need::Optional),
    ("rope_type", Type::Count, Need::Optional),
    ("head_dim", Type::Count, Need::Optional),
    ("num_experts", Type::Count, Need::Optional),
    ("num_experts_per_tok", Type::Count, Need::Optional),
    ("moe_intermediate_size", Type::Count, Need::Optional),
    ("sliding_window", Type::Count, Need::Optional),
    ("rope_dimension_count", Type::Count, Need::Optional),
    ("key_length", Type::Count, Need::Optional),
    ("value_length", Type::Count, Need::Optional),
    ("rope_theta", Type::Number, Need::Optional),
    ("rms_norm_eps", Type::Number, Need::Optional),
    ("attention_scale", Type::Number, Need::Optional),
    ("rope_scaling", Type::Object, Need::Optional),
    ("tied_embeddings", Type::Bool, Need::Optional),
    ("tensor_shapes", Type::Object, Need::Optional),
    ("tokenizer.vocabulary", Type::List, Need::Optional),
    ("tokenizer.merges", Type::List, Need::Optional),
    ("tokenizer.token_type", Type::List, Need::Optional),
    ("tokenizer.scores", Type::List, Need::Optional),
];

/// Members of the objects at top-level keys: of `rope_scaling` the types are those that llama.cpp reads at the keys of the
/// GGUF, of the others those of the library.
const PARTS: &[(&str, &[Known])] = &[
    (
        "quantization",
        &[
            ("quant_type", Type::Text, Need::Required),
            ("bits", Type::Byte, Need::Required),
            ("block_size", Type::Count, Need::Optional),
            ("symmetric", Type::Bool, Need::Required),
        ],
    ),
    (
        "sharding",
        &[
            ("shard_count", Type::Count, Need::Required),
            ("shard_index", Type::Count, Need::Required),
            ("total_size", Type::Count, Need::Required),
            ("pattern", Type::Text, Need::Optional),
        ],
    ),
    (
        "special_tokens",
        &[
            ("bos_token", Type::Text, Need::Optional),
            ("eos_token", Type::Text, Need::Optional),
            ("unk_token", Type::Text, Need::Optional),
            ("pad_token", Type::Text, Need::Optional),
            ("im_start_token", Type::Text, Need::Optional),
            ("im_end_token", Type::Text, Need::Optional),
        ],
    ),
    (
        "rope_scaling",
        &[
            ("type", Type::Text, Need::Optional),
            ("factor", Type::Number, Need::Optional),
            ("attn_factor", Type::Number, Need::Optional),
            ("original_context_length", Type::Count, Need::Optional),
            ("finetuned", Type::Bool, Need::Optional),
            ("yarn_ext_factor", Type::Number, Need::Optional),
            ("yarn_attn_factor", Type::Number, Need::Optional),
            ("yarn_beta_fast", Type::Number, Need::Optional),
            ("yarn_beta_slow", Type::Number, Need::Optional),
            ("yarn_log_multiplier", Type::Number, Need::Optional),
        ],
    ),
];
