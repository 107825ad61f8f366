//! What a person asks first of a model: what it is, how large, and of which types.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::compare::names::{EMBEDDING, gguf_name};
use crate::decode::apr::{ALIASES, Document};
use crate::decode::container::Tensor;
use crate::decode::decoded::Decoded;
use crate::decode::gguf;
use crate::finding::{counted, escape};
use crate::report::text::grouped;

/// A model in short, as it says of itself. What it does not say is absent.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Summary {
    /// The architecture, escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The elements of all tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
    /// The types of the tensors, that of the most tensors first.
    pub types: Vec<TypeCount>,
    /// Number of layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layers: Option<u64>,
    /// Values of a token between two layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_size: Option<u64>,
    /// Tokens of the longest context that it was made for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// Number of tokens of the vocabulary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vocabulary: Option<u64>,
}

/// How many tensors have a type.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TypeCount {
    /// The type, such as `Q4_K`.
    pub r#type: String,
    /// The number of tensors.
    pub tensors: usize,
}

impl Summary {
    pub(super) fn of(decoded: &Decoded) -> Self {
        let said = match decoded {
            Decoded::Gguf(container) => of_gguf(&container.metadata),
            Decoded::Apr(container) => {
                let document = container.metadata.document.as_ref();
                document.map(of_apr).unwrap_or_default()
            }
            Decoded::Unknown(_) => Self::default(),
        };
        let tensors = decoded.tensors();
        Self {
            parameters: elements(tensors),
            types: types(tensors),
            vocabulary: said.vocabulary.or_else(|| rows_of_embedding(decoded)),
            ..said
        }
    }

    /// One line, or two.
    pub(super) fn text(&self) -> String {
        let tensors: usize = self.types.iter().map(|one| one.tensors).sum();
        let types = self
            .types
            .iter()
            .map(|one| format!("{} {}", one.tensors, one.r#type));
        let types = types.collect::<Vec<_>>().join(", ");
        let size = match (tensors, self.parameters) {
            (0, _) => "no tensors".to_owned(),
            (_, None) => format!("{} ({types})", counted(tensors as u64, "tensor")),
            (_, Some(parameters)) => format!(
                "{} parameters in {} ({types})",
                grouped(parameters),
                counted(tensors as u64, "tensor")
            ),
        };
        let architecture = self.architecture.as_deref();
        let mut text = architecture.map_or_else(String::new, |name| format!("{name}, "));
        let _ = writeln!(text, "{size}");
        let numbers = [
            self.layers.map(|count| counted(count, "layer")),
            sized("hidden size", self.hidden_size),
            sized("context length", self.context_length),
            sized("vocabulary size", self.vocabulary),
        ];
        let numbers: Vec<String> = numbers.into_iter().flatten().collect();
        if !numbers.is_empty() {
            let _ = writeln!(text, "{}", numbers.join(", "));
        }
        text
    }
}

fn sized(what: &str, size: Option<u64>) -> Option<String> {
    Some(format!("{what} {}", grouped(size?)))
}

fn of_gguf(metadata: &gguf::Metadata) -> Summary {
    let number = |ending| metadata.of_architecture(ending)?.as_u64();
    let tokens = metadata.get(b"tokenizer.ggml.tokens");
    let tokens = tokens.and_then(|value| Some(value.as_array()?.count));
    Summary {
        architecture: metadata.architecture().map(escape),
        layers: number("block_count"),
        hidden_size: number("embedding_length"),
        context_length: number("context_length"),
        vocabulary: tokens.or_else(|| number("vocab_size")),
        ..Summary::default()
    }
}

fn of_apr(document: &Document) -> Summary {
    let number = |key: &str| {
        let aliases = ALIASES.iter().find(|(canonical, _)| *canonical == key);
        let aliases = aliases.into_iter().flat_map(|(_, aliases)| aliases.iter());
        let mut keys = [key].into_iter().chain(aliases.copied());
        keys.find_map(|key| document.u64(document.get(key)?))
    };
    let architecture = document.get("architecture");
    let architecture = architecture.and_then(|json| document.string(json));
    Summary {
        architecture: architecture.map(|name| escape(name.as_bytes())),
        layers: number("num_layers"),
        hidden_size: number("hidden_size"),
        context_length: number("max_position_embeddings"),
        vocabulary: number("vocab_size"),
        ..Summary::default()
    }
}

/// None where a file claims more than there can be.
fn elements(tensors: &[Tensor]) -> Option<u64> {
    let mut elements = tensors.iter().map(|tensor| {
        let mut dims = tensor.dims.iter();
        dims.try_fold(1_u64, |product, dim| product.checked_mul(*dim))
    });
    elements.try_fold(0_u64, |sum, elements| sum.checked_add(elements?))
}

fn types(tensors: &[Tensor]) -> Vec<TypeCount> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for tensor in tensors {
        let count = counts.entry(tensor.type_name()).or_default();
        *count += 1;
    }
    let counts = counts.into_iter();
    let mut types: Vec<_> = counts
        .map(|(r#type, tensors)| TypeCount { r#type, tensors })
        .collect();
    types.sort_by_key(|one| std::cmp::Reverse(one.tensors));
    types
}

/// The embedding has a row for each token: the dimensions of APR begin with the rows, those of a GGUF end with them.
fn rows_of_embedding(decoded: &Decoded) -> Option<u64> {
    let mut tensors = decoded.tensors().iter();
    let embedding = tensors.find(|tensor| gguf_name(&tensor.name) == EMBEDDING)?;
    let rows = match decoded {
        Decoded::Apr(_) => embedding.dims.first(),
        Decoded::Gguf(_) | Decoded::Unknown(_) => embedding.dims.get(1),
    };
    rows.copied()
}
