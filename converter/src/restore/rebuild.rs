//! A GGUF of what an artifact without a record holds: its tensors byte for byte, and the key/values that its keys say.
//!
//! Nothing is invented: a key of the GGUF comes from a key of the artifact, or from the shapes of its tensors. What the
//! artifact does not say is listed as lost. The names of the keys are those of llama.cpp (`gguf-py/gguf/constants.py`), read
//! the other way round than by [`crate::plan`].

use std::collections::BTreeSet;

use apr_file::{Encoding, Tensor as AprTensor};
use gguf_file::{GgmlType, ValueType};
use serde_json::{Map, Value as Json, json};

use crate::{
    plan::{
        json::f32_number,
        names::{OUTPUT, to_gguf},
        rope::rope_type,
    },
    restore::{
        Planned,
        artifact::Artifact,
        copies::Copy,
        record::{Contents, Malformed, Pair, Tensor},
    },
};

/// What is written, and what is not.
pub(super) struct Rebuilt {
    keys: Vec<Key>,
    /// Each with the place of its data in the artifact.
    tensors: Vec<(Tensor, u64)>,
    /// What the GGUF that the artifact was made from may have had besides.
    pub(super) losses: Vec<String>,
}

/// A key/value pair as a record has it.
struct Key {
    name: String,
    value_type: ValueType,
    value: Json,
}

impl Rebuilt {
    /// Reads the keys and the tensors of an artifact.
    pub(super) fn of(artifact: &Artifact) -> Result<Self, Malformed> {
        let mut keys = Keys::of(&artifact.metadata)?;
        keys.describe();
        keys.configure(artifact)?;
        keys.scale_positions()?;
        keys.tokenize()?;
        let mut offset = 0_u64;
        let mut tensors = Vec::new();
        for tensor in keys.tensors(&artifact.tensors) {
            tensors.push((at(tensor, offset)?, tensor.span.offset));
            let end = offset.checked_add(tensor.entry.size);
            let next = end.and_then(|end| end.checked_next_multiple_of(ALIGNMENT));
            offset = next.ok_or("the tensors are longer than a file")?;
        }
        let losses = keys.losses();
        Ok(Self {
            keys: keys.written,
            tensors,
            losses,
        })
    }

    /// The file that is to be written.
    pub(super) fn planned(&self, artifact: &Artifact) -> Result<Planned, Malformed> {
        let pairs = self.keys.iter().map(|key| Pair {
            key: key.name.clone().into_bytes(),
            value_type: key.value_type,
            value: &key.value,
        });
        let contents = Contents {
            version: 3,
            pairs: pairs.collect(),
            tensors: self
                .tensors
                .iter()
                .map(|(tensor, _)| tensor.clone())
                .collect(),
        };
        let mut head = contents.unpadded_head(&artifact.metadata, usize::MAX)?;
        let data = (head.len() as u64).next_multiple_of(ALIGNMENT);
        let length = usize::try_from(data).map_err(|_| "the head is too large")?;
        head.resize(length, 0);
        let copies = self.tensors.iter().map(|(tensor, from)| Copy {
            from: *from,
            to: data + tensor.offset,
            length: tensor.size,
        });
        let last = self.tensors.last();
        let end = last.map_or(0, |(last, _)| last.offset + last.size);
        Ok(Planned {
            copies: copies.collect(),
            head,
            size: data + end.next_multiple_of(ALIGNMENT),
            blake3: None,
        })
    }
}

/// A tensor of the index as a GGUF describes it, with its data at an offset.
fn at(tensor: &AprTensor, offset: u64) -> Result<Tensor, Malformed> {
    let entry = &tensor.entry;
    let encoding = tensor.encoding();
    let ggml_type = encoding.and_then(ggml_type).ok_or_else(|| {
        let found = encoding.map_or("an unknown type", Encoding::name);
        let name = entry.name.escape_debug();
        format!("tensor \"{name}\" is stored as {found}, which a GGUF cannot hold as these bytes")
    })?;
    Ok(Tensor {
        name: to_gguf(&entry.name).into_bytes(),
        ggml_type,
        // The contiguous dimension is the first one in a GGUF and the last one in an index.
        dims: entry.dims.iter().rev().copied().collect(),
        offset,
        size: entry.size,
    })
}

/// The type of ggml with these bytes. The two that only APR has have none.
fn ggml_type(encoding: Encoding) -> Option<GgmlType> {
    GgmlType::ALL
        .into_iter()
        .find(|ggml_type| ggml_type.name() == encoding.name())
}

/// The keys of an artifact while they are carried over.
struct Keys<'a> {
    metadata: &'a Map<String, Json>,
    architecture: &'a str,
    written: Vec<Key>,
    /// Keys of the artifact that were carried over.
    used: BTreeSet<&'a str>,
    /// Keys of the artifact that are absent, and what a reader of the GGUF takes instead.
    absent: Vec<String>,
}

impl<'a> Keys<'a> {
    fn of(metadata: &'a Map<String, Json>) -> Result<Self, Malformed> {
        let architecture = metadata.get("architecture").and_then(Json::as_str);
        let architecture = architecture.ok_or("it does not name its architecture")?;
        Ok(Self {
            metadata,
            architecture,
            written: Vec::new(),
            used: BTreeSet::from(["architecture"]),
            absent: Vec::new(),
        })
    }

    /// The tensors that are written: not the output matrix, where it is said to be a copy of the embedding. A GGUF says so by
    /// its absence.
    fn tensors<'t>(
        &self,
        tensors: &'t [AprTensor],
    ) -> impl Iterator<Item = &'t AprTensor> + use<'t> {
        let is_tied = self.metadata.get("tied_embeddings") == Some(&Json::Bool(true));
        let tensors = tensors.iter();
        tensors.filter(move |tensor| !is_tied || to_gguf(&tensor.entry.name) != OUTPUT)
    }

    /// The value of the first of these keys that the artifact has.
    fn take(&mut self, names: &[&str]) -> Option<(&'a str, &'a Json)> {
        let metadata = self.metadata;
        let present = names
            .iter()
            .filter_map(|name| metadata.get_key_value(*name));
        let present = present.map(|(key, value)| (key.as_str(), value));
        let found = present.clone().find(|(_, value)| !value.is_null())?;
        self.used.extend(present.map(|(key, _)| key));
        Some(found)
    }

    fn put(&mut self, name: impl Into<String>, value_type: ValueType, value: Json) {
        self.written.push(Key {
            name: name.into(),
            value_type,
            value,
        });
    }

    fn count(&mut self, names: &[&str]) -> Result<Option<u64>, Malformed> {
        let Some((name, value)) = self.take(names) else {
            return Ok(None);
        };
        let count = value.as_u64().filter(|count| *count <= u32::MAX.into());
        count
            .map(Some)
            .ok_or_else(|| wrong(name, "a count that fits 32 bits", value))
    }

    fn put_count(&mut self, key: &str, names: &[&str]) -> Result<Option<u64>, Malformed> {
        let count = self.count(names)?;
        if let Some(count) = count {
            self.put(
                format!("{}.{key}", self.architecture),
                ValueType::U32,
                json!(count),
            );
        }
        Ok(count)
    }

    fn put_float(&mut self, key: &str, name: &str) -> Result<(), Malformed> {
        let (name, value) = self.take(&[name]).ok_or_else(|| missing(name))?;
        let number = f32_of(value).ok_or_else(|| wrong(name, "a number that f32 holds", value))?;
        self.put(
            format!("{}.{key}", self.architecture),
            ValueType::F32,
            number,
        );
        Ok(())
    }

    fn put_text(&mut self, key: &str, names: &[&str]) -> Result<bool, Malformed> {
        let Some((name, value)) = self.take(names) else {
            return Ok(false);
        };
        if !value.is_string() {
            return Err(wrong(name, "a string", value));
        }
        self.put(key, ValueType::String, value.clone());
        Ok(true)
    }

    fn describe(&mut self) {
        self.put(
            "general.architecture",
            ValueType::String,
            json!(self.architecture),
        );
        for name in ["author", "description", "license", "name", "version"] {
            // What describes the model and is no string stays behind, and is listed.
            if let Some(text @ Json::String(_)) = self.metadata.get(name) {
                self.used.insert(name);
                self.put(format!("general.{name}"), ValueType::String, text.clone());
            }
        }
    }

    fn configure(&mut self, artifact: &Artifact) -> Result<(), Malformed> {
        let mut needed = |key: &str, names: &[&str]| {
            let count = self.put_count(key, names)?;
            count.ok_or_else(|| missing(names.first().copied().unwrap_or(key)))
        };
        let hidden_size = needed("embedding_length", &["hidden_size"])?;
        needed("block_count", &["num_layers", "num_hidden_layers"])?;
        let heads = needed(
            "attention.head_count",
            &["num_heads", "num_attention_heads"],
        )?;
        needed("feed_forward_length", &["intermediate_size"])?;
        needed("context_length", &["max_position_embeddings"])?;
        let groups = self.put_count(
            "attention.head_count_kv",
            &["num_kv_heads", "num_key_value_heads"],
        )?;
        for (key, name) in [
            ("vocab_size", "vocab_size"),
            ("attention.sliding_window", "sliding_window"),
            ("expert_count", "num_experts"),
            ("expert_used_count", "num_experts_per_tok"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("rope.dimension_count", "rope_dimension_count"),
        ] {
            self.put_count(key, &[name])?;
        }
        self.head_sizes(artifact, hidden_size, [heads, groups.unwrap_or(heads)])?;
        self.put_float("attention.layer_norm_rms_epsilon", "rms_norm_eps")?;
        self.put_float("rope.freq_base", "rope_theta")?;
        self.check_rope_type()
    }

    /// The sizes of a head, where they are not the hidden size over the heads: what a key says, or else what the rows of the
    /// projections say.
    fn head_sizes(
        &mut self,
        artifact: &Artifact,
        hidden_size: u64,
        [heads, groups]: [u64; 2],
    ) -> Result<(), Malformed> {
        let of_rows = |name: &str, heads: u64| {
            let is_it = |tensor: &&AprTensor| to_gguf(&tensor.entry.name) == name;
            let rows = artifact.tensors.iter().find(is_it)?.entry.dims.first()?;
            rows.is_multiple_of(heads)
                .then(|| rows.checked_div(heads))?
        };
        let head_dim = self.count(&["head_dim"])?;
        let usual = hidden_size.checked_div(heads);
        for (key, name, tensor, heads) in [
            (
                "attention.key_length",
                "key_length",
                "blk.0.attn_q.weight",
                heads,
            ),
            (
                "attention.value_length",
                "value_length",
                "blk.0.attn_v.weight",
                groups,
            ),
        ] {
            let said = self.count(&[name])?;
            let size = said.or(head_dim).or_else(|| of_rows(tensor, heads));
            if let Some(size) = size.filter(|size| said.is_some() || Some(*size) != usual) {
                self.put(
                    format!("{}.{key}", self.architecture),
                    ValueType::U32,
                    json!(size),
                );
            }
        }
        Ok(())
    }

    /// Which elements a head rotates in pairs is no key of a GGUF: its readers take it from the architecture.
    fn check_rope_type(&mut self) -> Result<(), Malformed> {
        let usual = rope_type(self.architecture).ok_or_else(|| {
            format!(
                "the rope_type of architecture \"{}\" is not known",
                self.architecture.escape_debug()
            )
        })?;
        match self.count(&["rope_type"])? {
            Some(found) if found != u64::from(usual) => Err(format!(
                "rope_type is {found}, and every reader of a GGUF takes {usual} for {}: no GGUF behaves as this artifact does",
                self.architecture.escape_debug()
            )),
            _ => Ok(()),
        }
    }

    fn scale_positions(&mut self) -> Result<(), Malformed> {
        let Some((name, value)) = self.take(&["rope_scaling"]) else {
            return Ok(());
        };
        let scaling = value
            .as_object()
            .ok_or_else(|| wrong(name, "an object", value))?;
        for (ending, value) in scaling {
            let is_known = SCALING.contains(&ending.as_str());
            let (value_type, value) = match value {
                Json::String(_) if is_known => (ValueType::String, value.clone()),
                Json::Bool(_) if is_known => (ValueType::Bool, value.clone()),
                Json::Number(number) if is_known && ending == "original_context_length" => {
                    let count = number.as_u64().filter(|count| *count <= u32::MAX.into());
                    let name = "rope_scaling.original_context_length";
                    (
                        ValueType::U32,
                        json!(count.ok_or_else(|| wrong(name, "a count", value))?),
                    )
                }
                Json::Number(_) if is_known => {
                    let number = f32_of(value);
                    (
                        ValueType::F32,
                        number.ok_or_else(|| wrong(ending, "an f32", value))?,
                    )
                }
                _ => {
                    return Err(format!(
                        "rope_scaling.{} changes how the model behaves, and a GGUF has no key for it",
                        ending.escape_debug()
                    ));
                }
            };
            let key = format!("{}.rope.scaling.{ending}", self.architecture);
            self.put(key, value_type, value);
        }
        Ok(())
    }

    fn tokenize(&mut self) -> Result<(), Malformed> {
        for (key, name, of, instead) in [
            (
                "tokenizer.ggml.tokens",
                "tokenizer.vocabulary",
                ValueType::String,
                "no text can be run",
            ),
            (
                "tokenizer.ggml.merges",
                "tokenizer.merges",
                ValueType::String,
                "",
            ),
            (
                "tokenizer.ggml.token_type",
                "tokenizer.token_type",
                ValueType::I32,
                "every token is a normal one, so special tokens in a text are not recognised",
            ),
            (
                "tokenizer.ggml.scores",
                "tokenizer.scores",
                ValueType::F32,
                "",
            ),
        ] {
            match self.take(&[name]) {
                Some((_, Json::Array(_))) => {
                    let items = json!({"of": of.name(), "ref": name});
                    self.put(key, ValueType::Array, items);
                }
                Some((_, other)) => return Err(wrong(name, "an array", other)),
                None => self.miss(name, instead),
            }
        }
        if !self.put_text("tokenizer.ggml.model", &["tokenizer.model"])? {
            self.miss("tokenizer.model", "no text can be run");
        }
        if !self.put_text("tokenizer.ggml.pre", &["tokenizer.pre_type"])? {
            self.miss("tokenizer.pre_type", "texts are cut by the default pattern");
        }
        self.put_text(
            "tokenizer.chat_template",
            &["tokenizer.chat_template", "chat_template"],
        )?;
        for (key, value) in self.metadata {
            let Some(name) = key.strip_prefix("tokenizer.") else {
                continue;
            };
            let (value_type, value) = match value {
                Json::Number(_) if name.ends_with("_token_id") => {
                    let id = self.count(&[key])?;
                    (ValueType::U32, json!(id))
                }
                Json::Bool(flag) if name.starts_with("add_") => (ValueType::Bool, json!(flag)),
                _ => continue,
            };
            self.used.insert(key);
            self.put(format!("tokenizer.ggml.{name}"), value_type, value);
        }
        Ok(())
    }

    fn miss(&mut self, name: &str, instead: &str) {
        if !instead.is_empty() {
            self.absent
                .push(format!("{name} is not in the artifact: {instead}"));
        }
    }

    /// What the GGUF that the artifact was made from may have had besides, or the artifact has and a GGUF has not.
    fn losses(&self) -> Vec<String> {
        let mut losses = vec![
            "the types and the order of the key/values, the keys that APR has no name for, and the padding of the GGUF that it was made from".to_owned(),
        ];
        losses.extend(self.absent.iter().cloned());
        let left = self.metadata.iter().filter(|(key, value)| {
            let is_copy = key
                .strip_prefix("model.")
                .is_some_and(|of| self.used.contains(of));
            !self.used.contains(key.as_str())
                && !value.is_null()
                && !is_copy
                && !DERIVED.contains(&key.as_str())
        });
        losses.extend(left.map(|(key, _)| {
            format!(
                "{} of the artifact has no key in a GGUF",
                key.escape_debug()
            )
        }));
        losses
    }
}

fn f32_of(value: &Json) -> Option<Json> {
    // As loaders read it, by way of f64.
    #[expect(clippy::cast_possible_truncation, reason = "rounding is meant")]
    let number = value.as_f64()? as f32;
    f32_number(number).map(Json::Number)
}

fn missing(name: &str) -> Malformed {
    format!("{name} is missing, without which no reader loads a GGUF")
}

fn wrong(name: &str, expected: &str, found: &Json) -> Malformed {
    let found: String = found.to_string().chars().take(40).collect();
    format!(
        "{}: expected {expected}, found {}",
        name.escape_debug(),
        found.escape_debug()
    )
}

/// The usual alignment of tensor data in a GGUF, in bytes.
const ALIGNMENT: u64 = 32;
/// Keys of `rope_scaling` that are keys of a GGUF as well.
const SCALING: [&str; 9] = [
    "type",
    "factor",
    "attn_factor",
    "original_context_length",
    "finetuned",
    "yarn_ext_factor",
    "yarn_attn_factor",
    "yarn_beta_fast",
    "yarn_beta_slow",
];
/// Keys that say again what the tensors or other keys say, or how the artifact was made.
const DERIVED: [&str; 14] = [
    "chat_template",
    "data_license",
    "data_source",
    "head_dim",
    "hf_architecture",
    "hf_model_type",
    "model_type",
    "original_format",
    "param_count",
    "quantization",
    "tensor_shapes",
    "tied_embeddings",
    "tokenizer.vocab_size",
    "total_size",
];
