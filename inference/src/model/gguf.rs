//! Models from GGUF: the keys and names of llama.cpp.

use std::collections::BTreeMap;

use gguf_file::{Content, Limits, SplitSet, Value, read_header};

use super::{
    Model,
    build::{Built, build},
    config::Format,
    keys::{PerLayer, Stated},
    tensor::WeightType,
    tensors::{Place, RawTensor, Tensors},
    unhonoured::{self, Said},
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
    let name = match set.get(b"general.architecture") {
        Some(Value::String(name)) => name.escape_ascii().to_string(),
        _ => return Err(missing("general.architecture", "a string")),
    };
    let stated = GgufKeys {
        set: &set,
        name: &name,
    };
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
    let tensors = Tensors {
        left: tensors.collect::<BTreeMap<_, _>>(),
        names,
    };
    let Built { mut model, asked } = build(Format::Gguf, &name, &stated, tensors, None)?;
    let keys = set.keys().filter_map(|key| str::from_utf8(key).ok());
    let named = unhonoured::check_gguf(&name, &asked, keys, |key| {
        Some(match set.get(key.as_bytes())? {
            Value::Bool(flag) => Said::Flag(*flag),
            value => number(value).map_or(Said::Other, Said::Number),
        })
    })?;
    model.unused.extend(named);
    Ok(model)
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
struct GgufKeys<'a> {
    set: &'a SplitSet<'a>,
    name: &'a str,
}

impl<'a> GgufKeys<'a> {
    fn value(&self, key: &str) -> Option<&'a Value<'a>> {
        self.set.get(format!("{}.{key}", self.name).as_bytes())
    }

    fn parsed<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: fn(&Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let found = self.value(key);
        found
            .map(|value| parse(value).ok_or_else(|| self.wrong(key, expected, value)))
            .transpose()
    }

    /// One number, or an array of something else for each layer.
    fn per_layer<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(Value<'a>) -> Option<T>,
    ) -> Result<Option<PerLayer<T>>, Error> {
        let Some(Value::Array(array)) = self.value(key) else {
            return Ok(self.count(key)?.map(PerLayer::One));
        };
        let each: Option<Vec<T>> = array.iter().map(parse).collect();
        let each = each.ok_or_else(|| Error::model(Stated::name(self, key), expected, "others"))?;
        Ok(Some(PerLayer::Each(each)))
    }

    /// One value for each layer is legal GGUF, and few models have it.
    fn wrong(&self, key: &'static str, expected: &str, value: &Value<'_>) -> Error {
        let field = self.name(key);
        match value {
            Value::Array(_) => Error::not_covered(format_args!("{field} for each layer")),
            other => Error::model(field, expected, other.value_type().name()),
        }
    }
}

impl Stated for GgufKeys<'_> {
    fn count(&self, key: &'static str) -> Result<Option<usize>, Error> {
        self.parsed(key, "one integer", as_count)
    }

    fn counts(&self, key: &'static str) -> Result<Option<PerLayer<usize>>, Error> {
        self.per_layer(key, "whole numbers", |value| as_count(&value))
    }

    fn flags(&self, key: &'static str) -> Result<Option<PerLayer<bool>>, Error> {
        self.per_layer(key, "flags", |value| match value {
            Value::Bool(flag) => Some(flag),
            other => as_count(&other).map(|number| number != 0),
        })
    }

    fn float(&self, key: &'static str) -> Result<Option<f32>, Error> {
        self.parsed(key, "an f32", Value::as_f32)
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        self.parsed(key, "true or false", Value::as_bool)
    }

    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.escape_ascii().to_string())),
            Some(value) => Err(self.wrong(key, "a string", value)),
        }
    }

    fn name(&self, key: &'static str) -> String {
        format!("{}.{key}", self.name)
    }
}

fn as_count(value: &Value<'_>) -> Option<usize> {
    usize::try_from(value.as_u64()?).ok()
}

fn missing(field: &str, expected: &str) -> Error {
    Error::model(field, expected, "none")
}

pub(super) fn names(place: Place<'_>) -> Vec<String> {
    vec![match place.layer {
        None => place.part.to_owned(),
        Some(layer) => format!("blk.{layer}.{}", place.part),
    }]
}
