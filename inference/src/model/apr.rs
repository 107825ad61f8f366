//! Models from APR: canonical keys or their aliases, names of Hugging Face or of GGUF.

use std::{collections::BTreeMap, io};

use apr_file::{DType, Encoding, Head, ReadAt, read_header};
use serde_json::{Map, Value};

use super::{
    Model,
    assemble::{Facts, assemble},
    config::{Architecture, Format, Pairing},
    gguf,
    roles::{Naming, Part, RawTensor, Role},
    scaling::ScalingKeys,
    tensor::WeightType,
    unhonoured::{self, Stated},
};
use crate::{error::Error, model::source::Source};

/// Loads a model from an APR file.
///
/// # Errors
/// Fails when the file cannot be read or parsed, when the model lacks a key or a tensor or contradicts itself, and with
/// [`Error::NotCovered`] for what the forward does not do.
pub(super) fn load(source: &dyn Source) -> Result<Model, Error> {
    let head = read_head(source)?;
    let facts = facts(&Keys(&head.metadata))?;
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
    assemble(facts, tensors, &NAMING)
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

fn facts(keys: &Keys<'_>) -> Result<Facts, Error> {
    let name = keys
        .text(&["architecture"])?
        .ok_or_else(|| missing("architecture"))?;
    let architecture = Architecture::from_name(name)
        .ok_or_else(|| Error::not_covered(format_args!("arch {}", name.escape_debug())))?;
    unhonoured::check_apr(|key| {
        let mut value = keys.0.get(key.split('.').next()?)?;
        for name in key.split('.').skip(1) {
            value = value.get(name)?;
        }
        Some(match value {
            Value::Null => return None,
            Value::Bool(flag) => Stated::Flag(*flag),
            value => value.as_f64().map_or(Stated::Other, Stated::Number),
        })
    })?;
    let pairing = keys
        .count(&["rope_type"])?
        .map(|id| {
            let pairing = u64::try_from(id).ok().and_then(Pairing::from_id);
            pairing.ok_or_else(|| Error::not_covered(format_args!("rope_type {id}")))
        })
        .transpose()?;
    Ok(Facts {
        format: Format::Apr,
        architecture,
        layers: keys.needed(&["num_layers", "n_layers", "num_hidden_layers", "n_layer"])?,
        heads: keys.needed(&["num_heads", "n_heads", "num_attention_heads", "n_head"])?,
        key_value_heads: keys.count(&["num_kv_heads", "n_kv_heads", "num_key_value_heads"])?,
        head_dim: keys.count(&["head_dim"])?,
        value_dim: keys.count(&["value_length"])?,
        hidden: keys.needed(&["hidden_size", "hidden_dim", "d_model", "n_embd"])?,
        feed_forward: keys.needed(&[
            "intermediate_size",
            "ffn_dim",
            "intermediate_dim",
            "n_inner",
        ])?,
        epsilon: keys.float(&["rms_norm_eps", "layer_norm_eps", "norm_eps"])?,
        pairing,
        base: keys.float(&["rope_theta"])?,
        rope_dims: keys.count(&["rope_dimension_count"])?,
        scaling: scaling(keys)?,
        attention_scale: keys.float(&["attention_scale"])?,
        context: keys.needed(&[
            "max_position_embeddings",
            "max_seq_len",
            "context_length",
            "n_ctx",
        ])?,
        window: keys
            .count(&["sliding_window"])?
            .filter(|window| *window != 0),
        tied: keys.flag("tied_embeddings")?,
    })
}

fn scaling(keys: &Keys<'_>) -> Result<ScalingKeys, Error> {
    let keys = match keys.value(&["rope_scaling"])? {
        None => return Ok(ScalingKeys::default()),
        Some((_, Value::Object(scaling))) => Keys(scaling),
        Some((key, other)) => return Err(wrong(key, "an object", other)),
    };
    Ok(ScalingKeys {
        kind: keys.text(&["type", "rope_type"])?.map(str::to_owned),
        factor: keys.float(&["factor"])?,
        original_context: keys.count(&[
            "original_context_length",
            "original_max_position_embeddings",
        ])?,
        attention: keys.float(&["attn_factor"])?,
    })
}

/// The members of an object; null counts as absent.
pub(crate) struct Keys<'a>(pub(crate) &'a Map<String, Value>);

impl<'a> Keys<'a> {
    /// The value under a key or one of its aliases; more than one is an error.
    fn value(&self, names: &[&'static str]) -> Result<Option<(&'static str, &'a Value)>, Error> {
        let mut present = names.iter().filter_map(|name| {
            let value = self.0.get(*name).filter(|value| !value.is_null())?;
            Some((*name, value))
        });
        let first = present.next();
        match (first, present.next()) {
            (Some((key, _)), Some((alias, _))) => {
                let found = format_args!("also \"{alias}\"");
                Err(Error::model(key, "no alias beside it", found))
            }
            _ => Ok(first),
        }
    }

    fn needed(&self, names: &[&'static str]) -> Result<usize, Error> {
        let name = names.first().copied().unwrap_or_default();
        self.count(names)?.ok_or_else(|| missing(name))
    }

    fn count(&self, names: &[&'static str]) -> Result<Option<usize>, Error> {
        self.parsed(names, "a whole number", |value| {
            value.as_u64().and_then(|count| usize::try_from(count).ok())
        })
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
fn names(role: Role) -> Vec<String> {
    let mut names = match role {
        Role::Embedding => vec!["model.embed_tokens.weight".to_owned()],
        Role::FinalNorm => vec!["model.norm.weight".to_owned()],
        Role::Output => vec!["lm_head.weight".to_owned()],
        Role::RopeFactors => Vec::new(),
        Role::Layer(layer, part) => {
            let part = part_name(part);
            vec![
                format!("model.layers.{layer}.{part}"),
                format!("layers.{layer}.{part}"),
            ]
        }
    };
    names.extend(gguf::names(role));
    names
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "input_layernorm.weight",
        Part::Query => "self_attn.q_proj.weight",
        Part::Key => "self_attn.k_proj.weight",
        Part::Value => "self_attn.v_proj.weight",
        Part::QueryBias => "self_attn.q_proj.bias",
        Part::KeyBias => "self_attn.k_proj.bias",
        Part::ValueBias => "self_attn.v_proj.bias",
        Part::QueryNorm => "self_attn.q_norm.weight",
        Part::KeyNorm => "self_attn.k_norm.weight",
        Part::AttentionOutput => "self_attn.o_proj.weight",
        Part::FeedForwardNorm => "post_attention_layernorm.weight",
        Part::Gate => "mlp.gate_proj.weight",
        Part::Up => "mlp.up_proj.weight",
        Part::Down => "mlp.down_proj.weight",
    }
}

const NAMING: Naming = Naming {
    layers: "num_layers",
    epsilon: "rms_norm_eps",
    base: "rope_theta",
    rope_type: "rope_type",
    attention_scale: "attention_scale",
    attention_factor: "rope_scaling.attn_factor",
    head_dim: "head_dim",
    key_value_heads: "num_kv_heads",
    tied: "tied_embeddings",
    names,
};
