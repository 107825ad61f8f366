//! The tokenizer keys of GGUF.

use gguf_file::{Content, Limits, Value, read_header};

use super::facts::{Facts, Keys, Names};
use crate::{error::Error, model::source::Source};

/// Reads what a GGUF file says about its tokenizer.
pub(super) fn facts(source: &dyn Source) -> Result<Facts, Error> {
    let limits = Limits::default();
    let header = read_header(source, &limits)?;
    let content = Content::parse(&header, source.length(), &limits)?;
    Facts::read(&content, &NAMES)
}

impl Keys for Content<'_> {
    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        one(self, key, "a string in UTF-8", text)
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        one(self, key, "a bool", Value::as_bool)
    }

    fn id(&self, key: &'static str) -> Result<Option<u64>, Error> {
        one(self, key, "a token id", Value::as_u64)
    }

    fn texts(&self, key: &'static str) -> Result<Option<Vec<String>>, Error> {
        many(self, key, "strings in UTF-8", text)
    }

    fn integers(&self, key: &'static str) -> Result<Option<Vec<i64>>, Error> {
        many(self, key, "integers", |value| match value {
            Value::I32(integer) => Some(i64::from(*integer)),
            other => other.as_u64().and_then(|integer| integer.try_into().ok()),
        })
    }

    fn floats(&self, key: &'static str) -> Result<Option<Vec<f32>>, Error> {
        many(self, key, "values of type f32", Value::as_f32)
    }

    fn bytes(&self, key: &'static str) -> Result<Option<Vec<u8>>, Error> {
        many(self, key, "bytes", |value| match value {
            Value::I8(byte) => Some(byte.cast_unsigned()),
            Value::U8(byte) => Some(*byte),
            _ => None,
        })
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    str::from_utf8(value.as_str()?).ok().map(str::to_owned)
}

fn one<'v, T>(
    content: &'v Content<'v>,
    key: &str,
    expected: &str,
    parse: impl Fn(&Value<'v>) -> Option<T>,
) -> Result<Option<T>, Error> {
    let parse = |value| parse(value).ok_or_else(|| wrong(key, expected, value));
    content.get(key.as_bytes()).map(parse).transpose()
}

fn many<'v, T>(
    content: &'v Content<'v>,
    key: &str,
    expected: &str,
    parse: impl Fn(&Value<'v>) -> Option<T>,
) -> Result<Option<Vec<T>>, Error> {
    let Some(value) = content.get(key.as_bytes()) else {
        return Ok(None);
    };
    let items = value
        .as_array()
        .ok_or_else(|| wrong(key, &format!("an array of {expected}"), value))?;
    let parse = |(index, item)| {
        parse(&item).ok_or_else(|| wrong(&format!("{key}[{index}]"), expected, &item))
    };
    items
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()
        .map(Some)
}

fn wrong(field: &str, expected: &str, value: &Value<'_>) -> Error {
    let found = match value {
        Value::String(bytes) => format!("\"{}\"", bytes.escape_ascii()),
        Value::I32(integer) => integer.to_string(),
        other => other.value_type().name().to_owned(),
    };
    Error::model(field, expected, found)
}

const NAMES: Names = Names {
    model: "tokenizer.ggml.model",
    pre: "tokenizer.ggml.pre",
    tokens: "tokenizer.ggml.tokens",
    types: "tokenizer.ggml.token_type",
    scores: "tokenizer.ggml.scores",
    merges: "tokenizer.ggml.merges",
    bos: "tokenizer.ggml.bos_token_id",
    eos: "tokenizer.ggml.eos_token_id",
    unknown: "tokenizer.ggml.unknown_token_id",
    separator: "tokenizer.ggml.seperator_token_id",
    add_bos: "tokenizer.ggml.add_bos_token",
    add_eos: "tokenizer.ggml.add_eos_token",
    add_space_prefix: "tokenizer.ggml.add_space_prefix",
    merge_spaces: "tokenizer.ggml.remove_extra_whitespaces",
    charsmap: "tokenizer.ggml.precompiled_charsmap",
    lowercase: "tokenizer.ggml.normalizer.lowercase",
    strip_accents: "tokenizer.ggml.normalizer.strip_accents",
    architecture: "general.architecture",
    title: "general.name",
};
