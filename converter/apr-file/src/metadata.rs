//! The metadata: one JSON object whose keys loaders read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{
    error::Findings,
    text::{Grouped, Quoted, to_u64},
};

/// Reads the metadata and reports what is wrong; `None` when they are no JSON object.
pub(crate) fn read(
    bytes: &[u8],
    offset: u64,
    findings: &mut Findings,
) -> Option<Map<String, Value>> {
    let length = to_u64(bytes.len());
    if length > LONGEST {
        let text = format_args!(
            "{} bytes, above the limit of {}",
            Grouped(length),
            Grouped(LONGEST)
        );
        findings.add("apr.meta.limit", offset, text);
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = offset.saturating_add(to_u64(error.valid_up_to()));
            findings.add("apr.meta.utf8", at, "the metadata are not UTF-8");
            return None;
        }
    };
    let mut duplicates = Vec::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node {
        duplicates: &mut duplicates,
    }
    .deserialize(&mut deserializer)
    .and_then(|value| deserializer.end().map(|()| value));
    let object = match value {
        Ok(Value::Object(object)) => object,
        Ok(_) => {
            findings.add(
                "apr.meta.json",
                offset,
                "the metadata are not a JSON object",
            );
            return None;
        }
        Err(error) => {
            let at = offset.saturating_add(place_of(&error, text));
            findings.add(
                "apr.meta.json",
                at,
                format_args!("the metadata are not JSON: {error}"),
            );
            return None;
        }
    };
    for key in duplicates {
        findings.add(
            "apr.meta.duplicate",
            offset,
            format_args!("key {} comes twice", Quoted(&key)),
        );
    }
    check_aliases(&object, offset, findings);
    check_copies(&object, offset, findings);
    Some(object)
}

/// The canonical key of an alias that loaders know.
pub(crate) fn canonical(alias: &str) -> Option<&'static str> {
    ALIASES
        .iter()
        .find(|(_, aliases)| aliases.contains(&alias))
        .map(|(canonical, _)| *canonical)
}

/// Two spellings of one key are a "duplicate field" to the loader, which then drops all metadata without a word.
fn check_aliases(object: &Map<String, Value>, offset: u64, findings: &mut Findings) {
    for (canonical, aliases) in ALIASES {
        let spellings = std::iter::once(&canonical).chain(aliases);
        let present: Vec<_> = spellings
            .filter(|key| object.contains_key(**key))
            .copied()
            .collect();
        if present.len() > 1 {
            let text = format_args!(
                "{} are one key to loaders, which drop all metadata",
                present.join(" and ")
            );
            findings.add("apr.meta.alias", offset, text);
        }
    }
}

/// Loaders read the top-level copy of a key; another one that disagrees misleads the reader.
fn check_copies(object: &Map<String, Value>, offset: u64, findings: &mut Findings) {
    let model = object
        .iter()
        .filter_map(|(key, value)| Some((key.strip_prefix("model.")?, key.as_str(), value)));
    let template = object.get("tokenizer.chat_template");
    let template = template.map(|value| ("chat_template", "tokenizer.chat_template", value));
    for (key, copy_key, copy) in model.chain(template) {
        if object.get(key).is_some_and(|value| !is_same(value, copy)) {
            let text = format_args!("{} and {} disagree", Quoted(key), Quoted(copy_key));
            findings.add("apr.meta.copies-disagree", offset, text);
        }
    }
}

/// Floats are compared as f32, which is what loaders make of them.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "the rounding that loaders do"
            )]
            let bits = |number: &Number| number.as_f64().map(|float| (float as f32).to_bits());
            bits(one) == bits(other)
        }
        _ => one == other,
    }
}

/// Offset of an error inside the text, from its line and column.
fn place_of(error: &serde_json::Error, text: &str) -> u64 {
    let lines = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1));
    let before = lines.fold(0_u64, |sum, line| sum.saturating_add(to_u64(line.len())));
    before.saturating_add(to_u64(error.column().saturating_sub(1)))
}

/// Builds a value like its own type does, and notes the keys that come twice in an object.
struct Node<'a> {
    duplicates: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Node {
            duplicates: self.duplicates,
        })? {
            array.push(item);
        }
        Ok(array.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = pairs.next_key::<String>()? {
            let value = pairs.next_value_seed(Node {
                duplicates: self.duplicates,
            })?;
            if object.insert(key.clone(), value).is_some() {
                if self.duplicates.len() >= MOST_DUPLICATES {
                    return Err(A::Error::custom("too many keys come twice"));
                }
                self.duplicates.push(key);
            }
        }
        Ok(object.into())
    }
}

/// The keys that loaders read under several names.
const ALIASES: [(&str, &[&str]); 8] = [
    ("hidden_size", &["hidden_dim", "d_model", "n_embd"]),
    ("num_layers", &["n_layers", "num_hidden_layers", "n_layer"]),
    ("num_heads", &["n_heads", "num_attention_heads", "n_head"]),
    ("num_kv_heads", &["n_kv_heads", "num_key_value_heads"]),
    ("vocab_size", &["n_vocab"]),
    (
        "intermediate_size",
        &["ffn_dim", "intermediate_dim", "n_inner"],
    ),
    (
        "max_position_embeddings",
        &["max_seq_len", "context_length", "n_ctx"],
    ),
    ("rms_norm_eps", &["layer_norm_eps", "norm_eps"]),
];

/// The declared limit of the format: 16 MiB.
const LONGEST: u64 = 16 << 20;
const MOST_DUPLICATES: usize = 1024;
