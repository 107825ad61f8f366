//! The tokenizer keys of APR.

use serde_json::Value;

use super::facts::{self, Facts, Names};
use crate::{
    error::Error,
    model::{
        apr::{Keys, metadata, rounded, wrong},
        source::Source,
    },
};

/// Reads what an APR file says about its tokenizer.
pub(super) fn facts(source: &dyn Source) -> Result<Facts, Error> {
    let metadata = metadata(source)?;
    Facts::read(&Keys(&metadata), &NAMES)
}

impl facts::Keys for Keys<'_> {
    fn text(&self, key: &'static str) -> Result<Option<String>, Error> {
        Ok(self.text(&[key])?.map(str::to_owned))
    }

    fn flag(&self, key: &'static str) -> Result<Option<bool>, Error> {
        self.flag(key)
    }

    fn id(&self, key: &'static str) -> Result<Option<u64>, Error> {
        self.parsed(&[key], "a token id", Value::as_u64)
    }

    fn texts(&self, key: &'static str) -> Result<Option<Vec<String>>, Error> {
        many(self, key, "strings", |value| {
            value.as_str().map(str::to_owned)
        })
    }

    fn integers(&self, key: &'static str) -> Result<Option<Vec<i64>>, Error> {
        many(self, key, "integers", Value::as_i64)
    }

    fn floats(&self, key: &'static str) -> Result<Option<Vec<f32>>, Error> {
        many(self, key, "numbers", |value| value.as_f64().map(rounded))
    }

    fn bytes(&self, key: &'static str) -> Result<Option<Vec<u8>>, Error> {
        many(self, key, "bytes", |value| value.as_u64()?.try_into().ok())
    }
}

fn many<T>(
    keys: &Keys<'_>,
    key: &'static str,
    expected: &str,
    parse: impl Fn(&Value) -> Option<T>,
) -> Result<Option<Vec<T>>, Error> {
    let Some(items) = keys.parsed(&[key], &format!("an array of {expected}"), Value::as_array)?
    else {
        return Ok(None);
    };
    let parse = |(index, item)| {
        parse(item).ok_or_else(|| wrong(&format!("{key}[{index}]"), expected, item))
    };
    items
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()
        .map(Some)
}

const NAMES: Names = Names {
    model: "tokenizer.model",
    pre: "tokenizer.pre_type",
    tokens: "tokenizer.vocabulary",
    types: "tokenizer.token_type",
    scores: "tokenizer.scores",
    merges: "tokenizer.merges",
    bos: "tokenizer.bos_token_id",
    eos: "tokenizer.eos_token_id",
    unknown: "tokenizer.unknown_token_id",
    separator: "tokenizer.seperator_token_id",
    add_bos: "tokenizer.add_bos_token",
    add_eos: "tokenizer.add_eos_token",
    add_space_prefix: "tokenizer.add_space_prefix",
    // The next four are the names of GGUF; no writer of APR is known to carry them.
    merge_spaces: "tokenizer.remove_extra_whitespaces",
    charsmap: "tokenizer.precompiled_charsmap",
    lowercase: "tokenizer.normalizer.lowercase",
    strip_accents: "tokenizer.normalizer.strip_accents",
    architecture: "architecture",
    title: "name",
};
