//! Keys that producers write about a file, held against their types and against the file.
//!
//! The keys and types are those of the library's metadata (`AprV2Metadata` of the reference tool, section 4.1 of its
//! format page): a value of another type makes a loader drop all metadata.

use super::Comparison;
use super::equal::shorten;
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::container::Tensor;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding};

/// What a loader takes at a key, besides `null`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Count,
    Object,
    Number,
    Bool,
    List,
}

/// Checks the types of the known keys, and what can be computed of them.
pub(super) fn check(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    for (key, wanted) in KEYS {
        if let Some(json) = document.get(key)
            && !fits(document, json, *wanted)
        {
            findings.push(
                Finding::new(
                    "meta.type",
                    Effect::Different,
                    format!("{key} has a value of a type that loaders do not take: they drop all metadata then"),
                )
                .at(comparison.apr_place(key, json, None))
                .expected_found(word(*wanted), shorten(document.text(json))),
            );
        }
    }
    check_count(comparison, findings);
    check_shapes(comparison, findings);
}

fn fits(document: &Document, json: &Json, wanted: Type) -> bool {
    match (&json.kind, wanted) {
        (Kind::Null, _)
        | (Kind::String, Type::Text)
        | (Kind::Object(_), Type::Object)
        | (Kind::Bool(_), Type::Bool)
        | (Kind::Array(_), Type::List) => true,
        (Kind::Number, Type::Count) => document.u64(json).is_some(),
        (Kind::Number, Type::Number) => document.f32(json).is_some(),
        _ => false,
    }
}

const fn word(wanted: Type) -> &'static str {
    match wanted {
        Type::Text => "a string",
        Type::Count => "a whole number from 0 on",
        Type::Object => "an object",
        Type::Number => "a number that all readers round to the same f32",
        Type::Bool => "true or false",
        Type::List => "a list",
    }
}

/// `param_count` counts the elements; of a tied model, some producers count the copy of the embedding as well.
fn check_count(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    let Some((json, found)) = document
        .get("param_count")
        .and_then(|json| Some((json, document.u64(json)?)))
    else {
        return;
    };
    let elements = |dims: &[u64]| {
        dims.iter()
            .try_fold(1_u64, |product, extent| product.checked_mul(*extent))
    };
    let sum = |tensors: &[Tensor]| {
        tensors.iter().try_fold(0_u64, |sum, tensor| {
            sum.checked_add(elements(&tensor.dims)?)
        })
    };
    let stored = sum(&comparison.apr.tensors);
    let source = sum(&comparison.gguf.tensors);
    // Some writers leave it at zero.
    if found != 0 && Some(found) != stored && Some(found) != source {
        findings.push(
            Finding::new(
                "meta.param_count",
                Effect::Warning,
                "param_count is not the number of elements of the tensors",
            )
            .at(comparison.apr_place("param_count", json, None))
            .expected_found(
                stored.map_or_else(|| "a sum".to_owned(), |sum| sum.to_string()),
                found.to_string(),
            ),
        );
    }
}

/// `tensor_shapes` repeats the dims of the index.
fn check_shapes(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    let Some(Kind::Object(shapes)) = document.get("tensor_shapes").map(|json| &json.kind) else {
        return;
    };
    let index: std::collections::BTreeMap<&[u8], &[u64]> = comparison
        .apr
        .tensors
        .iter()
        .map(|tensor| (tensor.name.as_slice(), tensor.dims.as_slice()))
        .collect();
    for (key, shape) in shapes {
        let name = document.string(key).unwrap_or_default();
        let Some(dims) = index.get(name.as_bytes()) else {
            continue;
        };
        let same = match &shape.kind {
            Kind::Array(extents) => {
                extents.len() == dims.len()
                    && extents
                        .iter()
                        .zip(*dims)
                        .all(|(json, extent)| document.u64(json) == Some(*extent))
            }
            _ => false,
        };
        if !same {
            findings.push(
                Finding::new(
                    "meta.tensor_shapes",
                    Effect::Different,
                    "tensor_shapes does not repeat the dims of the index",
                )
                .at(comparison.apr_place("tensor_shapes", shape, Some(shorten(&name))))
                .expected_found(format!("{dims:?}"), shorten(document.text(shape))),
            );
        }
    }
}

const KEYS: &[(&str, Type)] = &[
    ("model_type", Type::Text),
    ("name", Type::Text),
    ("description", Type::Text),
    ("author", Type::Text),
    ("license", Type::Text),
    ("data_source", Type::Text),
    ("data_license", Type::Text),
    ("version", Type::Text),
    ("source", Type::Text),
    ("original_format", Type::Text),
    ("created_at", Type::Text),
    ("total_size", Type::Count),
    ("param_count", Type::Count),
    ("quantization", Type::Object),
    ("sharding", Type::Object),
    ("chat_template", Type::Text),
    ("chat_format", Type::Text),
    ("special_tokens", Type::Object),
    ("architecture", Type::Text),
    ("hf_architecture", Type::Text),
    ("hf_model_type", Type::Text),
    ("hidden_size", Type::Count),
    ("num_layers", Type::Count),
    ("num_heads", Type::Count),
    ("num_kv_heads", Type::Count),
    ("vocab_size", Type::Count),
    ("intermediate_size", Type::Count),
    ("max_position_embeddings", Type::Count),
    ("rope_type", Type::Count),
    ("head_dim", Type::Count),
    ("num_experts", Type::Count),
    ("num_experts_per_tok", Type::Count),
    ("moe_intermediate_size", Type::Count),
    ("sliding_window", Type::Count),
    ("rope_dimension_count", Type::Count),
    ("key_length", Type::Count),
    ("value_length", Type::Count),
    ("rope_theta", Type::Number),
    ("rms_norm_eps", Type::Number),
    ("attention_scale", Type::Number),
    ("rope_scaling", Type::Object),
    ("tied_embeddings", Type::Bool),
    ("tensor_shapes", Type::Object),
    ("tokenizer.vocabulary", Type::List),
    ("tokenizer.merges", Type::List),
    ("tokenizer.token_type", Type::List),
    ("tokenizer.scores", Type::List),
];
