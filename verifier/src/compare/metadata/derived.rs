//! Keys of an APR file that no single key of the GGUF holds, and GGUF keys that the tensors say as well.

use super::{Comparison, rope, unsaid};
use crate::code::Code;
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::decode::apr::{Json, Kind};
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::decode::gguf::{self, Value};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// Top-level keys that are checked here, or that belong to a key of the table.
pub(super) const KEYS: &[&str] = &[
    "rope_type",
    "tied_embeddings",
    "tokenizer.vocab_size",
    "rope_scaling",
];

/// Checks the keys that follow from the architecture and from the tensors.
pub(super) fn check(comparison: &Comparison<'_>, findings: &mut Findings) {
    check_rope_type(comparison, findings);
    check_tied(comparison, findings);
    check_vocabulary_size(comparison, findings);
    check_rope_scaling(comparison, findings);
}

/// Tells whether a key that the GGUF does not have follows from what it has.
pub(super) fn explains(comparison: &Comparison<'_>, key: &str, json: &Json) -> bool {
    let metadata = &comparison.gguf.metadata;
    let expected = match key {
        "num_kv_heads" => unsaid::count(metadata, "attention.head_count"),
        "head_dim" => unsaid::head_dim(metadata),
        "vocab_size" => vocabulary_size(comparison.gguf, unsaid::count(metadata, "vocab_size")),
        _ => None,
    };
    expected.is_some() && comparison.document.u64(json) == expected
}

/// Tells whether the value of an architecture key can be read off the shapes of the tensors, so that its loss does no harm.
pub(super) fn is_implied(gguf: &Container<gguf::Metadata>, suffix: &str, value: Value<'_>) -> bool {
    let metadata = &gguf.metadata;
    let number = |name: &str| {
        metadata
            .of_architecture(name)
            .and_then(|value| value.as_u64())
    };
    let heads = number("attention.head_count");
    let kv_heads = number("attention.head_count_kv").or(heads);
    let rows = |name: &[u8]| {
        let tensor = gguf.tensors.iter().find(|tensor| tensor.name == name)?;
        tensor.dims.get(1).copied()
    };
    let per_head = |rows: Option<u64>, heads: Option<u64>| {
        rows.zip(heads)
            .and_then(|(rows, heads)| rows.checked_div(heads))
    };
    let head_dim = per_head(rows(b"blk.0.attn_q.weight"), heads);
    let implied = match suffix {
        ".attention.key_length" | ".rope.dimension_count" => head_dim,
        ".attention.value_length" => per_head(rows(b"blk.0.attn_v.weight"), kv_heads),
        ".rope.scaling.type" => return value.as_string() == Some(b"none"),
        _ => None,
    };
    implied.is_some() && value.as_u64() == implied
}

fn check_rope_type(comparison: &Comparison<'_>, findings: &mut Findings) {
    let architecture = comparison
        .architecture
        .and_then(|name| std::str::from_utf8(name).ok())
        .unwrap_or_default();
    let expected = rope::rope_type(architecture);
    let Some(json) = comparison.value("rope_type") else {
        // A conversion that cannot say it says so of the architecture.
        if expected.is_none() && comparison.is_record_only(super::ARCHITECTURE) {
            return;
        }
        findings.push(
            Finding::new(
                Code::MetaLost,
                Effect::Warning,
                "rope_type is not in the APR file: its loader will guess",
            )
            .at(place("rope_type")),
        );
        return;
    };
    let found = comparison.document.u64(json);
    let Some(expected) = expected else {
        findings.push(
            Finding::new(
                Code::MetaRopeType,
                Effect::Undecided,
                format!(
                    "the rope type of the architecture \"{}\" is not known here",
                    escape(architecture.as_bytes())
                ),
            )
            .at(comparison.apr_place("rope_type", json, None)),
        );
        return;
    };
    if found != Some(expected) {
        let name = |value| match value {
            rope::NORM => "0 (NORM)".to_owned(),
            rope::NEOX => "2 (NEOX)".to_owned(),
            other => other.to_string(),
        };
        let found = found.map_or_else(|| comparison.document.text(json).to_owned(), name);
        let expected = name(expected);
        findings.push(
            Finding::new(
                Code::MetaRopeType,
                Effect::Different,
                format!(
                    "the APR file says rope_type {found}, and {architecture} uses {expected}: RoPE pairs the wrong dimensions in every head"
                ),
            )
            .at(comparison.apr_place("rope_type", json, None))
            .at(Place::new(Side::Gguf, 0)
                .region(RegionKind::KeyValue)
                .name("general.architecture"))
            .expected_found(expected, found)
            .hint(
                "the reference importer writes 0 for every architecture but qwen2: convert again",
            ),
        );
    }
}

/// The output matrix is tied to the embedding when the GGUF has none.
fn check_tied(comparison: &Comparison<'_>, findings: &mut Findings) {
    let has = |name: &[u8]| {
        comparison
            .gguf
            .tensors
            .iter()
            .any(|tensor| tensor.name == name)
    };
    if !has(EMBEDDING) {
        return;
    }
    let tied = !has(OUTPUT);
    let stored = comparison
        .apr
        .tensors
        .iter()
        .any(|tensor| gguf_name(&tensor.name) == OUTPUT);
    match comparison.value("tied_embeddings") {
        Some(json) if !matches!(json.kind, Kind::Bool(found) if found == tied) => findings.push(
            Finding::new(
                Code::MetaTiedEmbeddings,
                Effect::Different,
                "tied_embeddings is wrong",
            )
            .at(comparison.apr_place("tied_embeddings", json, None))
            .expected_found(tied.to_string(), comparison.document.text(json)),
        ),
        None if tied && !stored => findings.push(
            Finding::new(
                Code::MetaTiedEmbeddings,
                Effect::Warning,
                "the output is tied to the embedding, and the APR file does not say so",
            )
            .at(place("tied_embeddings")),
        ),
        _ => {}
    }
}

fn check_vocabulary_size(comparison: &Comparison<'_>, findings: &mut Findings) {
    let tokens = comparison
        .gguf
        .metadata
        .get(b"tokenizer.ggml.tokens")
        .and_then(|value| value.as_array());
    let (Some(tokens), Some(json)) = (tokens, comparison.value("tokenizer.vocab_size")) else {
        return;
    };
    if comparison.document.u64(json) != Some(tokens.count) {
        findings.push(
            Finding::new(
                Code::MetaChanged,
                Effect::Different,
                "tokenizer.vocab_size is not the length of the vocabulary",
            )
            .at(comparison.apr_place("tokenizer.vocab_size", json, None))
            .expected_found(tokens.count.to_string(), comparison.document.text(json)),
        );
    }
}

/// Parts of `rope_scaling` that no key of the GGUF holds.
fn check_rope_scaling(comparison: &Comparison<'_>, findings: &mut Findings) {
    let Some(Kind::Object(members)) = comparison.value("rope_scaling").map(|json| &json.kind)
    else {
        return;
    };
    for (key, json) in members {
        let name = comparison.document.name(key);
        let source = format!("rope.scaling.{name}");
        if comparison.gguf.metadata.of_architecture(&source).is_none() {
            findings.push(
                Finding::new(
                    Code::MetaInvented,
                    Effect::Different,
                    format!(
                        "rope_scaling.{} comes from no key of the GGUF",
                        escape(name.as_bytes())
                    ),
                )
                .at(comparison.apr_place("rope_scaling", json, None)),
            );
        }
    }
}

/// What the GGUF states, or the tokens where they are more: llama.cpp counts these, and reads the key where it has no tokenizer
/// alone (`llama_vocab::impl::load`).
pub(super) fn vocabulary_size(
    gguf: &Container<gguf::Metadata>,
    stated: Option<u64>,
) -> Option<u64> {
    let tokens = gguf.metadata.get(b"tokenizer.ggml.tokens");
    let tokens = tokens.and_then(|tokens| Some(tokens.as_array()?.count));
    stated.max(tokens).or_else(|| {
        let mut tensors = gguf.tensors.iter();
        let embedding = tensors.find(|tensor| tensor.name == EMBEDDING)?;
        embedding.dims.get(1).copied()
    })
}

fn place(key: &str) -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .name(key)
}
