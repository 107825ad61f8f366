//! Models from GGUF: the keys and names of llama.cpp.

use std::collections::BTreeMap;

use gguf_file::{Content, Limits, SplitSet, Value, read_header};

use super::{
    Model,
    assemble::{Facts, assemble},
    config::{Architecture, Format},
    roles::{Naming, Part, RawTensor, Role},
    scaling::ScalingKeys,
    tensor::WeightType,
    unhonoured::{self, Stated},
};
use crate::{error::Error, model::source::Source};

/// Loads a model from a GGUF file, or from all files of a split set in their order.
///
/// # Errors
/// Fails when a file cannot be read or parsed, when the model lacks a key or a tensor or contradicts itself, and with
/// [`Error::NotCovered`] for what the forward does not do.
pub(super) fn load(sources: &[&dyn Source]) -> Result<Model, Error> {
    let limits = Limits::default();
    let headers = sources
        .iter()
        .map(|source| read_header(*source, &limits))
        .collect::<Result<Vec<_>, _>>()?;
    let shards = headers
        .iter()
        .zip(sources)
        .map(|(header, source)| Content::parse(header, source.length(), &limits))
        .collect::<Result<Vec<_>, _>>()?;
    let set = SplitSet::join(&shards)?;
    let facts = facts(&set)?;
    let tensors = set.tensors().map(|(shard, tensor)| {
        let raw = RawTensor {
            weight_type: weight_type(tensor),
            dims: tensor.dims.clone(),
            shard,
            offset: tensor.data.offset,
            size: tensor.data.length,
            file_length: sources.get(shard).map_or(0, |source| source.length()),
        };
        (tensor.name.escape_ascii().to_string(), raw)
    });
    assemble(facts, tensors.collect::<BTreeMap<_, _>>(), &NAMING)
}

fn facts(set: &SplitSet<'_>) -> Result<Facts, Error> {
    let name = match set.get(b"general.architecture") {
        Some(Value::String(name)) => name.escape_ascii().to_string(),
        _ => return Err(missing("general.architecture", "a string")),
    };
    let architecture = Architecture::from_name(&name)
        .ok_or_else(|| Error::not_covered(format_args!("arch {name}")))?;
    let keys = Keys { set, name: &name };
    unhonoured::check_gguf(&name, |key| {
        Some(match set.get(key.as_bytes())? {
            Value::Bool(flag) => Stated::Flag(*flag),
            value => number(value).map_or(Stated::Other, Stated::Number),
        })
    })?;
    Ok(Facts {
        format: Format::Gguf,
        architecture,
        layers: keys.needed("block_count")?,
        heads: keys.needed("attention.head_count")?,
        key_value_heads: keys.count("attention.head_count_kv")?,
        head_dim: keys.count("attention.key_length")?,
        value_dim: keys.count("attention.value_length")?,
        hidden: keys.needed("embedding_length")?,
        feed_forward: keys.needed("feed_forward_length")?,
        epsilon: keys.float("attention.layer_norm_rms_epsilon")?,
        pairing: None,
        base: keys.float("rope.freq_base")?,
        rope_dims: keys.count("rope.dimension_count")?,
        scaling: scaling(&keys)?,
        attention_scale: keys.float("attention.scale")?,
        context: keys.needed("context_length")?,
        window: keys
            .count("attention.sliding_window")?
            .filter(|window| *window != 0),
        tied: None,
    })
}

fn scaling(keys: &Keys<'_>) -> Result<ScalingKeys, Error> {
    let kind = match keys.value("rope.scaling.type") {
        None => None,
        Some(Value::String(kind)) => Some(kind.escape_ascii().to_string()),
        Some(_) => return Err(missing("rope.scaling.type", "a string")),
    };
    // The second name is the one of old files.
    let factor = match keys.float("rope.scaling.factor")? {
        None => keys.float("rope.scale_linear")?,
        factor => factor,
    };
    Ok(ScalingKeys {
        kind,
        factor,
        original_context: keys.count("rope.scaling.original_context_length")?,
        attention: keys.float("rope.scaling.attn_factor")?,
    })
}

/// A number of any type.
fn number(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::F32(number) => Some(f64::from(*number)),
        Value::F64(number) => Some(*number),
        // Neutral values are small whole numbers, which f64 holds.
        integer => integer.as_u64().map(|number| number as f64),
    }
}

fn weight_type(tensor: &gguf_file::TensorInfo<'_>) -> Result<WeightType, String> {
    WeightType::ALL
        .into_iter()
        .find(|known| Some(known.ggml_type()) == tensor.ggml_type)
        .ok_or_else(|| match tensor.ggml_type {
            Some(known) => known.name().to_owned(),
            None => tensor.type_id.to_string(),
        })
}

/// The keys of an architecture.
struct Keys<'a> {
    set: &'a SplitSet<'a>,
    name: &'a str,
}

impl<'a> Keys<'a> {
    fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        self.set.get(format!("{}.{key}", self.name).as_bytes())
    }

    fn needed(&self, key: &str) -> Result<usize, Error> {
        self.count(key)?
            .ok_or_else(|| missing(&format!("{}.{key}", self.name), "an integer"))
    }

    fn count(&self, key: &str) -> Result<Option<usize>, Error> {
        let count = |value: &Value<'_>| {
            let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
            count.ok_or_else(|| self.wrong(key, "one integer", value))
        };
        self.value(key).map(count).transpose()
    }

    fn float(&self, key: &str) -> Result<Option<f32>, Error> {
        let float = |value: &Value<'_>| {
            value
                .as_f32()
                .ok_or_else(|| self.wrong(key, "an f32", value))
        };
        self.value(key).map(float).transpose()
    }

    /// One value for each layer is legal GGUF, and no model that is covered needs it.
    fn wrong(&self, key: &str, expected: &str, value: &Value<'_>) -> Error {
        let field = format!("{}.{key}", self.name);
        match value {
            Value::Array(_) => Error::not_covered(format_args!("{field} for each layer")),
            other => Error::model(field, expected, other.value_type().name()),
        }
    }
}

fn missing(field: &str, expected: &str) -> Error {
    Error::model(field, expected, "none")
}

pub(super) fn names(role: Role) -> Vec<String> {
    let name = match role {
        Role::Embedding => "token_embd.weight".to_owned(),
        Role::FinalNorm => "output_norm.weight".to_owned(),
        Role::Output => "output.weight".to_owned(),
        Role::RopeFactors => "rope_freqs.weight".to_owned(),
        Role::Layer(layer, part) => format!("blk.{layer}.{}", part_name(part)),
    };
    vec![name]
}

const fn part_name(part: Part) -> &'static str {
    match part {
        Part::AttentionNorm => "attn_norm.weight",
        Part::Query => "attn_q.weight",
        Part::Key => "attn_k.weight",
        Part::Value => "attn_v.weight",
        Part::QueryBias => "attn_q.bias",
        Part::KeyBias => "attn_k.bias",
        Part::ValueBias => "attn_v.bias",
        Part::QueryNorm => "attn_q_norm.weight",
        Part::KeyNorm => "attn_k_norm.weight",
        Part::AttentionOutput => "attn_output.weight",
        Part::FeedForwardNorm => "ffn_norm.weight",
        Part::Gate => "ffn_gate.weight",
        Part::Up => "ffn_up.weight",
        Part::Down => "ffn_down.weight",
    }
}

const NAMING: Naming = Naming {
    layers: "block_count",
    epsilon: "attention.layer_norm_rms_epsilon",
    base: "rope.freq_base",
    rope_type: "rope type",
    attention_scale: "attention.scale",
    attention_factor: "rope.scaling.attn_factor",
    head_dim: "attention.key_length",
    key_value_heads: "attention.head_count_kv",
    tied: "tied flag",
    names,
};
