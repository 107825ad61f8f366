//! One model in several files.

use std::collections::{HashMap, HashSet};

use crate::{
    content::Content,
    error::{Error, Grouped, Quoted},
    tensors::TensorInfo,
    value::Value,
    value_type::ValueType,
};

/// The shards of one logical model, in order; a file that was never split is a set of one.
#[derive(Debug, Clone, Copy)]
pub struct SplitSet<'a> {
    shards: &'a [Content<'a>],
}

impl<'a> SplitSet<'a> {
    /// Joins shards that are given in their order.
    ///
    /// # Errors
    /// Fails with `gguf.split.count` when shards are missing or too many, `gguf.split.no` when one has the wrong
    /// number, `gguf.split.tensors` when the tensors do not add up, `gguf.split.duplicate` for a duplicate tensor,
    /// `gguf.split.key` when a file says of the model what the first one does not.
    pub fn join(shards: &'a [Content<'a>]) -> Result<Self, Error> {
        let count = u64::try_from(shards.len()).unwrap_or(u64::MAX);
        match shards {
            [] => {
                return Err(Error::format(
                    "gguf.split.count",
                    0,
                    "split set",
                    "at least 1 shard",
                    0,
                ));
            }
            [single] => check_single(single)?,
            _ => {
                for (number, shard) in (0..).zip(shards) {
                    check_key(shard, number, b"split.count", count, "gguf.split.count")?;
                    check_key(shard, number, b"split.no", number, "gguf.split.no")?;
                }
                check_tensors(shards)?;
                check_keys(shards)?;
            }
        }
        Ok(Self { shards })
    }

    /// Returns the shards in order.
    pub const fn shards(&self) -> &'a [Content<'a>] {
        self.shards
    }

    /// Returns the value of a key of the model, which is in the first shard.
    pub fn get(&self, key: &[u8]) -> Option<&'a Value<'a>> {
        self.shards.first()?.get(key)
    }

    /// Returns the keys of the model, in the order of the first shard.
    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let first = self.shards.first().into_iter();
        first.flat_map(|shard| shard.metadata.iter().map(|pair| pair.key))
    }

    /// Returns the tensors of all shards, each with the index of its shard.
    pub fn tensors(&self) -> impl Iterator<Item = (usize, &'a TensorInfo<'a>)> + use<'a> {
        let numbered = self.shards.iter().enumerate();
        numbered.flat_map(|(number, shard)| shard.tensors.iter().map(move |info| (number, info)))
    }
}

/// A merge leaves the split keys behind and sets the count to 0.
fn check_single(single: &Content<'_>) -> Result<(), Error> {
    match single.get(b"split.count") {
        Some(value) if !matches!(value.as_u64(), Some(0 | 1)) => Err(refuse(
            single,
            0,
            b"split.count",
            "gguf.split.count",
            "every shard of the set, or a count of 0 or 1",
        )),
        _ => Ok(()),
    }
}

/// The types are those that llama.cpp asks for (`gguf_get_val_u16`, `get_key` of a u16 and of an int): of another it refuses
/// the set.
fn check_key(
    shard: &Content<'_>,
    number: u64,
    key: &'static [u8],
    expected: u64,
    code: &'static str,
) -> Result<(), Error> {
    let value = shard.get(key);
    let asked = if key == b"split.tensors.count" {
        ValueType::I32
    } else {
        ValueType::U16
    };
    let is_asked = value.is_none_or(|value| value.value_type() == asked);
    if is_asked && value.and_then(Value::as_u64) == Some(expected) {
        return Ok(());
    }
    let expected = format!("{} as {asked}", Grouped(expected));
    Err(refuse(shard, number, key, code, &expected))
}

fn check_tensors(shards: &[Content<'_>]) -> Result<(), Error> {
    let mut seen = HashSet::new();
    for (number, shard) in shards.iter().enumerate() {
        for info in &shard.tensors {
            if !seen.insert(info.name) {
                let (field, found) = (format!("shard {number} tensor name"), Quoted(info.name));
                let offset = info.span.offset.saturating_add(8);
                return Err(Error::format(
                    "gguf.split.duplicate",
                    offset,
                    field,
                    "a new name",
                    found,
                ));
            }
        }
    }
    let total = u64::try_from(seen.len()).unwrap_or(u64::MAX);
    (0..).zip(shards).try_for_each(|(number, shard)| {
        check_key(
            shard,
            number,
            b"split.tensors.count",
            total,
            "gguf.split.tensors",
        )
    })
}

/// Loaders read the keys of the first file: what another one says of the model must be said there, too.
fn check_keys(shards: &[Content<'_>]) -> Result<(), Error> {
    let first = shards.iter().take(1).flat_map(|shard| &shard.metadata);
    let first: HashMap<&[u8], &Value<'_>> = first.map(|pair| (pair.key, &pair.value)).collect();
    for (number, shard) in shards.iter().enumerate().skip(1) {
        let is_own = |key: &[u8]| key.starts_with(b"split.") || key == b"general.alignment";
        let mut pairs = shard.metadata.iter().filter(|pair| !is_own(pair.key));
        if let Some(pair) = pairs.find(|pair| first.get(pair.key) != Some(&&pair.value)) {
            return Err(Error::format(
                "gguf.split.key",
                pair.value_span.offset,
                format!("shard {number} {}", pair.key.escape_ascii()),
                "what the first file of the set says",
                if first.contains_key(pair.key) {
                    "something else"
                } else {
                    "a key that the first file does not have"
                },
            ));
        }
    }
    Ok(())
}

fn refuse(
    shard: &Content<'_>,
    number: u64,
    key: &'static [u8],
    code: &'static str,
    expected: &str,
) -> Error {
    let pair = shard.metadata.iter().find(|pair| pair.key == key);
    let field = format!("shard {number} {}", key.escape_ascii());
    let found = pair.map_or_else(
        || "nothing".to_owned(),
        |pair| match pair.value.as_u64() {
            Some(value) => format!("{} as {}", Grouped(value), pair.value.value_type()),
            None => pair.value.value_type().to_string(),
        },
    );
    Error::format(
        code,
        pair.map_or(0, |pair| pair.value_span.offset),
        field,
        expected,
        found,
    )
}
