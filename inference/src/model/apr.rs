//! Models from APR: canonical keys or their aliases, names of Hugging Face or of GGUF.

use std::{collections::BTreeMap, io};

use apr_file::{DType, Encoding, Head, ReadAt, read_header};
use serde_json::{Map, Value};

use super::{
    Model,
    build::{TIED, build},
    config::{Format, Pairing},
    gguf,
    keys::{PerLayer, Stated},
    tensor::WeightType,
    tensors::{Place, RawTensor, Tensors},
    unhonoured::{self, Said},
};
use crate::{error::Error, model::source::Source};

/// Loads a model from an APR file.
///
/// # Errors
/// Fails when the file cannot be read or parsed, when the model lacks a key or a tensor or contradicts itself, and with
/// [`Error::NotCovered`] for what the forward does not do.
pub(super) fn load(source: &dyn Source) -> Result<Model, Error> {
    let head = read_head(source)?;
    let keys = Keys(&head.metadata);
    let name = keys
        .text(&["architecture"])?
        .ok_or_else(|| missing("architecture"))?;
    let pairing = keys
        .count(&["rope_type"])?
        .map(|id| {
            let pairing = u64::try_from(id).ok().and_then(Pairing::from_id);
            pairing.ok_or_else(|| Error::not_covered(format_args!("rope_type {id}")))
        })
        .transpose()?;
    let stated = AprKeys {
        keys,
        tied: keys.flag("tied_embeddings")?,
    };
    if let Some((key, other)) = keys.value(&["rope_scaling"])?
        && !other.is_object()
    {
        return Err(wrong(key, "an object", other));
    }
    let mut tensors = BTreeMap::new();
    for tensor in &head.tensors {
        let raw = RawTensor {
            weight_type: weight_type(tensor),
            dims: ggml_dims(&tensor.entry.dims),
            shard: 0,
            offset: tensor.span.offset,
            size: tensor.span.length,
            file_length: source.length(),
        };
        let name = tensor.entry.name.clone();
        if tensors.insert(name, raw).is_some() {
            let field = format!("tensor \"{}\"", tensor.entry.name.escape_debug());
            return Err(Error::model(field, "one entry", "two"));
        }
    }
    let tensors = Tensors {
        left: tensors,
        names,
    };
    let built = build(Format::Apr, name, &stated, tensors, pairing)?;
    unhonoured::check_apr(&built.asked, |key| {
        Some(match keys.at(key)? {
            Value::Bool(flag) => Said::Flag(*flag),
            value => value.as_f64().map_or(Said::Other, Said::Number),
        })
    })?;
    Ok(built.model)
}

/// The type that id and size mean together; where no size fits, that of the id alone, for which the size is then wrong.
fn weight_type(tensor: &apr_file::Tensor) -> Result<WeightType, String> {
    let of = |encoding: Option<Encoding>| {
        let mut types = WeightType::ALL.into_iter();
        types.find(|known| encoding.is_some() && known.encoding() == encoding)
    };
    let dtype = DType(tensor.entry.dtype);
    match tensor.encoding() {
        None => of(dtype.meanings().first().copied()),
        encoding => of(encoding),
    }
    .ok_or_else(|| dtype.to_string())
}

/// Reads the metadata of an APR file.
pub(crate) fn metadata(source: &dyn Source) -> Result<Map<String, Value>, Error> {
    Ok(read_head(source)?.metadata)
}

fn read_head(source: &dyn Source) -> Result<Head, Error> {
    let head = read_header(&AprSource(source)).map_err(error)?;
    Head::parse(&head, source.length()).map_err(error)
}

/// A source as the APR reader takes it.
struct AprSource<'a>(&'a dyn Source);

impl ReadAt for AprSource<'_> {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buffer)
    }
}

/// A failed read is one error, whichever reader met it.
fn error(error: apr_file::Error) -> Error {
    match error {
        apr_file::Error::Io {
            offset,
            length,
            kind,
            message,
        } => Error::Io {
            offset,
            length,
            kind,
            message,
        },
        other => other.into(),
    }
}

/// The keys of a model, by the names of GGUF.
struct AprKeys<'a> {
    keys: Keys<'a>,
    tied: Option<bool>,
}

/// The keys that APR, and the configurations of Hugging Face, have for one of GGUF; a dot leads into an object.
fn names_of(key: &str) -> &'static [&'static str] {
    match key {
        "block_count" => &["num_layers", "n_layers", "num_hidden_layers", "n_layer"],
        "attention.head_count" => &["num_heads", "n_heads", "num_attention_heads", "n_head"],
        "attention.head_count_kv" => &["num_kv_heads", "n_kv_heads", "num_key_value_heads"],
        "attention.key_length" => &["head_dim"],
        "attention.value_length" => &["value_length"],
        "embedding_length" => &["hidden_size", "hidden_dim", "d_model", "n_embd"],
        "feed_forward_length" => &[
            "intermediate_size",
            "ffn_dim",
            "intermediate_dim",
            "n_inner",
        ],
        "attention.layer_norm_rms_epsilon" => &["rms_norm_eps", "layer_norm_eps", "norm_eps"],
        "attention.layer_norm_epsilon" => &["layer_norm_eps", "norm_eps", "layer_norm_epsilon"],
        "rope.freq_base" => &["rope_theta"],
        "rope.dimension_count" => &["rope_dimension_count"],
        "rope.scaling.type" => &["rope_scaling.type", "rope_scaling.rope_type"],
        "rope.scaling.factor" => &["rope_scaling.factor"],
        "rope.scaling.original_context_length" => &[
            "rope_scaling.original_context_length",
            "rope_scaling.original_max_position_embeddings",
        ],
        "rope.scaling.attn_factor" => &["rope_scaling.attn_factor"],
        "context_length" => &[
            "max_position_embeddings",
            "max_seq_len",
            "context_length",
            "n_ctx",
        ],
        "attention.sliding_window" => &["sliding_window"],
        "attention.sliding_window_pattern" => &["sliding_window_pattern"],
        "expert_used_count" => &["num_experts_per_tok"],
        "expert_feed_forward_length" => &["moe_intermediate_size"],
        other => unhonoured::apr_names(other),
    }
}

impl AprKeys<'_> {
    /// One number, or an array of something else for each layer.
    fn per_layer<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: fn(&Value) -> Option<T>,
    ) -> Result<Option<PerLayer<T>>, Error> {
        self.keys.parsed(names_of(key), expected, |value| {
            Some(match value {
                Value::Array(values) => {
                    PerLayer::Each(values.iter().map(parse).collect::<Option<_>>()?)
                }
                value => PerLayer::One(as_count(value)?),
            })
        })
    }
}

impl Stated for AprKeys<'_> {
    fn count(&self, key: &'static str) -> Result<Option<usize>, Error> {
        self.keys.count(names_of(key))
    }

    fn counts(&self, key: &'static str) -> Result<Option<PerLayer<usize>>, Error> {
        self.per_layer(key, "a whole number, or one for each layer", as_count)
    }

    fn flags(&self, key: &'static str) -> Result<Option<PerLayer<bool>>, Error> {
        let expected = "a whole number, or a flag for each layer";
        self.per_layer(key, expected, Value::as_bool)
    }

    fn float(&self, key: &'static str) -> Result<Option<f32>, Error> {
        self.keys.float(names_of(key))
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        match key {
            TIED => Ok(self.tied),
            key => self
                .keys
                .parsed(names_of(key), "true or false", Value::as_bool),
        }
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        Ok(self.keys.text(names_of(key))?.map(str::to_owned))
    }

    fn name(&self, key: &'static str) -> String {
        let first = names_of(key).first();
        first.map_or(key, |name| *name).to_owned()
    }
}

fn as_count(value: &Value) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

/// The members of an object; null counts as absent.
#[derive(Clone, Copy)]
pub(crate) struct Keys<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Keys<'a> {
    /// The value under a key or one of its aliases; more than one is an error.
    fn value(&self, names: &[&'static str]) -> Result<Option<(&'static str, &'a Value)>, Error> {
        let mut present = names
            .iter()
            .filter_map(|name| Some((*name, self.at(name)?)));
        let first = present.next();
        match (first, present.next()) {
            (Some((key, _)), Some((alias, _))) => {
                let found = format_args!("also \"{alias}\"");
                Err(Error::model(key, "no alias beside it", found))
            }
            _ => Ok(first),
        }
    }

    /// The value under a key, or at a path where the dots of the name lead into objects; null counts as absent.
    fn at(&self, name: &str) -> Option<&'a Value> {
        let value = self.0.get(name).or_else(|| {
            let (first, rest) = name.split_once('.')?;
            let first = self.0.get(first)?;
            rest.split('.')
                .try_fold(first, |value, part| value.get(part))
        })?;
        (!value.is_null()).then_some(value)
    }

    fn count(&self, names: &[&'static str]) -> Result<Option<usize>, Error> {
        self.parsed(names, "a whole number", as_count)
    }

    fn float(&self, names: &[&'static str]) -> Result<Option<f32>, Error> {
        self.parsed(names, "a number", |value| value.as_f64().map(rounded))
    }

    pub(crate) fn text(&self, names: &[&'static str]) -> Result<Option<&'a str>, Error> {
        self.parsed(names, "a string", Value::as_str)
    }

    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>, Error> {
        self.parsed(&[name], "true or false", Value::as_bool)
    }

    pub(crate) fn parsed<T>(
        &self,
        names: &[&'static str],
        expected: &str,
        parse: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let found = self.value(names)?;
        found
            .map(|(key, value)| parse(value).ok_or_else(|| wrong(key, expected, value)))
            .transpose()
    }
}

/// The shape of a matrix is rows by columns, everything else is as in GGUF.
fn ggml_dims(dims: &[u64]) -> Vec<u64> {
    match dims {
        [rows, columns] => vec![*columns, *rows],
        _ => dims.to_vec(),
    }
}

fn missing(key: &str) -> Error {
    Error::model(key, "a value", "none")
}

pub(crate) fn wrong(key: &str, expected: &str, value: &Value) -> Error {
    let text: String = value.to_string().chars().take(60).collect();
    Error::model(key, expected, text)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the format rounds its numbers to f32"
)]
pub(crate) const fn rounded(value: f64) -> f32 {
    value as f32
}

/// Hugging Face names first, as loaders do; then those without their prefix; then those of GGUF.
fn names(place: Place<'_>) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(part) = hugging_face(place.part) {
        match place.layer {
            None => names.push(part.to_owned()),
            Some(layer) => {
                names.push(format!("model.layers.{layer}.{part}"));
                names.push(format!("layers.{layer}.{part}"));
            }
        }
    }
    let known = !names.is_empty();
    names.extend(gguf::names(place));
    // An importer changes nothing but the first part of a name that it has no other for.
    if let Some(layer) = place.layer.filter(|_| !known) {
        names.push(format!("model.layers.{layer}.{}", place.part));
    }
    names
}

fn hugging_face(part: &str) -> Option<&'static str> {
    Some(match part {
        "token_embd.weight" => "model.embed_tokens.weight",
        "output_norm.weight" => "model.norm.weight",
        "output.weight" => "lm_head.weight",
        "attn_norm.weight" => "input_layernorm.weight",
        "attn_q.weight" => "self_attn.q_proj.weight",
        "attn_k.weight" => "self_attn.k_proj.weight",
        "attn_v.weight" => "self_attn.v_proj.weight",
        "attn_q.bias" => "self_attn.q_proj.bias",
        "attn_k.bias" => "self_attn.k_proj.bias",
        "attn_v.bias" => "self_attn.v_proj.bias",
        "attn_q_norm.weight" => "self_attn.q_norm.weight",
        "attn_k_norm.weight" => "self_attn.k_norm.weight",
        "attn_output.weight" => "self_attn.o_proj.weight",
        "ffn_norm.weight" => "post_attention_layernorm.weight",
        "ffn_gate.weight" => "mlp.gate_proj.weight",
        "ffn_up.weight" => "mlp.up_proj.weight",
        "ffn_down.weight" => "mlp.down_proj.weight",
        _ => return None,
    })
}
