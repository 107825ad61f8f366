//! The whole metadata that our converter writes, as a function of the source and of what the user gave.
//!
//! Written from the table in `converter/ARTIFACT.md`, not from the converter. A file that carries our record is held
//! against this as a whole: what is not here is explained by nothing.

use std::collections::BTreeMap;

use super::equal::{Form, same};
use super::record::{self, Record};
use super::{derived, rope, table, unsaid};
use crate::compare::names::OUTPUT;
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::container::Container;
use crate::decode::gguf::{self, Items, ShardHead, Value};

/// What must stand at a key.
#[derive(Debug)]
pub(super) enum Expected<'a> {
    Null,
    Bool(bool),
    Integer(u64),
    Text(&'a [u8]),
    /// The value of the GGUF, in the form that JSON has for it.
    Value(Value<'a>),
    /// Whole numbers of the GGUF, as the floats that loaders want there.
    Floats(Value<'a>),
    /// The same, or nothing: a value of a type that loaders do not take is kept in the record alone.
    Kept(Value<'a>),
    /// `rope_scaling`: the values by the last part of their keys.
    Object(BTreeMap<String, Value<'a>>),
    /// The record, which is checked on its own.
    Record,
    /// The source has a value that cannot be said there, so that no honest conversion has this key.
    Impossible,
}

/// How numbers are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As a conversion writes them.
    Own,
    /// In any way that gives readers of 64 bits the same number.
    Any,
}

impl Expected<'_> {
    /// Tells whether a key may be missing.
    pub(super) const fn is_optional(&self) -> bool {
        matches!(self, Self::Kept(_))
    }

    /// Tells whether a value is what must stand there: type and bits.
    pub(super) fn holds(&self, document: &Document, json: &Json, spelling: Spelling) -> bool {
        match self {
            Self::Null => matches!(json.kind, Kind::Null),
            Self::Bool(expected) => matches!(json.kind, Kind::Bool(found) if found == *expected),
            Self::Integer(expected) => document.u64(json) == Some(*expected),
            Self::Text(expected) => document
                .string(json)
                .is_some_and(|found| found.as_bytes() == *expected),
            Self::Value(value) | Self::Kept(value) => holds(*value, document, json, spelling),
            Self::Floats(value) => {
                let is_formed = |json| {
                    let float = document.f32(json);
                    float.is_some_and(|float| is_formed(float, document.text(json), spelling))
                };
                matches!(&json.kind, Kind::Array(items) if items.iter().all(is_formed))
                    && same(*value, document, json, Form::Floats).is_ok()
            }
            Self::Object(expected) => match &json.kind {
                Kind::Object(members) => {
                    members.len() == expected.len()
                        && members.iter().all(|(key, json)| {
                            document
                                .string(key)
                                .and_then(|key| expected.get(&*key))
                                .is_some_and(|value| holds(*value, document, json, spelling))
                        })
                }
                _ => false,
            },
            Self::Record => true,
            Self::Impossible => false,
        }
    }

    /// What must stand there, in a few words.
    pub(super) fn show(&self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Bool(value) => value.to_string(),
            Self::Integer(value) => value.to_string(),
            Self::Text(text) => super::equal::quote(text),
            Self::Value(value) | Self::Floats(value) | Self::Kept(value) => {
                super::equal::show(*value)
            }
            Self::Object(members) => format!("an object of {} members", members.len()),
            Self::Record => "the record".to_owned(),
            Self::Impossible => "no value: the GGUF has one that cannot be said there".to_owned(),
        }
    }
}

/// Floats are written with a point or an exponent, so that a reader of whole numbers does not take them, and those of 32 bits in
/// one way: 999999.9999999999 is 1000000.0 as well, but not for a reader of 64 bits.
fn holds(value: Value<'_>, document: &Document, json: &Json, spelling: Spelling) -> bool {
    let form = |value: Value<'_>, json: &Json| {
        let text = document.text(json);
        match value.as_f32() {
            Some(float) => is_formed(float, text, spelling),
            None => {
                let is_wide = value.as_f64().is_some() && spelling == Spelling::Own;
                !is_wide || text.contains(['.', 'e', 'E'])
            }
        }
    };
    let formed = match (value.as_array(), &json.kind) {
        (Some(mut items), Kind::Array(list)) => list
            .iter()
            .all(|json| items.next().is_some_and(|item| form(item, json))),
        (Some(_), _) => false,
        (None, _) => form(value, json),
    };
    formed && same(value, document, json, Form::Plain).is_ok()
}

/// Whether a text is the shortest decimal of a number, as the standard library writes it, or says the same. Where reading that one
/// as 64 bits first would miss the number, the text is that of its 64 bits.
fn is_formed(float: f32, text: &str, spelling: Spelling) -> bool {
    let mut own = format!("{float:?}");
    #[expect(clippy::cast_possible_truncation, reason = "the rounding of loaders")]
    let is_loaded = |wide: f64| (wide as f32).to_bits() == float.to_bits();
    if !own.parse().is_ok_and(is_loaded) {
        own = format!("{:?}", f64::from(float));
    }
    let bits = |text: &str| text.parse().map(f64::to_bits);
    text == own || spelling == Spelling::Any && bits(text).is_ok() && bits(text) == bits(&own)
}

/// The keys of the source, and those that the user gave for keys that it lacks.
struct Keys<'a> {
    head: &'a ShardHead,
    record: &'a Record,
}

impl<'a> Keys<'a> {
    fn get(&self, key: &[u8]) -> Option<Value<'a>> {
        let set = || self.record.set.iter().find(|set| set.key == key);
        self.head.get(key).or_else(|| Some(set()?.value()))
    }

    fn all(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let (head, record) = (self.head, self.record);
        let own = head
            .entries
            .iter()
            .map(|entry| (head.key(entry), head.value(entry)));
        own.chain(
            record
                .set
                .iter()
                .map(|set| (set.key.as_slice(), set.value())),
        )
    }
}

/// Makes the expectation for every top-level key.
pub(super) fn expected<'a>(
    gguf: &'a Container<gguf::Metadata>,
    head: &'a ShardHead,
    record: &'a Record,
) -> BTreeMap<String, Expected<'a>> {
    let keys = Keys { head, record };
    let architecture = keys
        .get(b"general.architecture")
        .and_then(|value| value.as_string())
        .unwrap_or_default();
    let mut table = Table {
        gguf,
        prefix: [architecture, b"."].concat(),
        keys,
        out: BTreeMap::new(),
    };
    table.describe(architecture);
    table.configure();
    table.configure_positions(architecture);
    table.configure_tokenizer();
    table.put(record::KEY, Expected::Record);
    table.out
}

struct Table<'a> {
    gguf: &'a Container<gguf::Metadata>,
    /// `general.architecture` and a dot.
    prefix: Vec<u8>,
    keys: Keys<'a>,
    out: BTreeMap<String, Expected<'a>>,
}

impl<'a> Table<'a> {
    fn put(&mut self, key: &str, value: Expected<'a>) {
        self.out.insert(key.to_owned(), value);
    }

    /// What cannot be said at a key is not there where the record says that it stands in the record alone, or that the whole
    /// architecture does. The size of a head follows from the number of heads.
    fn put_sayable(&mut self, key: &str, ending: &str, value: Option<Expected<'a>>) {
        let recorded = &self.keys.record.record_only;
        let is_kept = recorded.iter().any(|name| {
            let ending_of = name.strip_prefix(self.prefix.as_slice());
            let heads = key == "head_dim" && ending_of == Some(b"attention.head_count");
            name == super::ARCHITECTURE || ending_of == Some(ending.as_bytes()) || heads
        });
        match value {
            None if is_kept => {}
            value => self.put(key, value.unwrap_or(Expected::Impossible)),
        }
    }

    fn of(&self, ending: &str) -> Option<Value<'a>> {
        self.keys
            .get(&[self.prefix.as_slice(), ending.as_bytes()].concat())
    }

    fn describe(&mut self, architecture: &'a [u8]) {
        for key in ["architecture", "model_type"] {
            self.put(key, Expected::Text(architecture));
        }
        self.put("original_format", Expected::Text(b"gguf"));
        for key in ["data_license", "data_source", "license"] {
            self.put(key, Expected::Null);
        }
        for name in ["author", "description", "license", "name", "version"] {
            let value = self.keys.get(format!("general.{name}").as_bytes());
            // What is no UTF-8 string stays in the record.
            if let Some(text) = value.and_then(|value| value.as_string())
                && std::str::from_utf8(text).is_ok()
            {
                self.put(name, Expected::Text(text));
            }
        }
    }

    fn configure(&mut self) {
        for (name, ending) in COUNTS {
            if let Some(value) = self.of(ending) {
                self.put_sayable(name, ending, count(ending, value).map(Expected::Integer));
            }
        }
        let number = |ending| count(ending, self.of(ending)?);
        let heads = number("attention.head_count");
        let derived = [
            ("num_kv_heads", "attention.head_count_kv", heads),
            (
                "head_dim",
                "attention.key_length",
                number("embedding_length")
                    .zip(heads)
                    .filter(|(size, heads)| size.checked_rem(*heads) == Some(0))
                    .and_then(|(size, heads)| size.checked_div(heads)),
            ),
        ];
        for (name, ending, otherwise) in derived {
            let value = match self.of(ending) {
                Some(value) => count(ending, value),
                None => otherwise,
            };
            self.put_sayable(name, ending, value.map(Expected::Integer));
        }
        let ending = "vocab_size";
        let stated = self.of(ending).map(|value| count(ending, value));
        let vocabulary = match stated {
            Some(None) => None,
            stated => derived::vocabulary_size(self.gguf, stated.flatten()),
        };
        self.put_sayable(ending, ending, vocabulary.map(Expected::Integer));
        for (name, ending) in FLOATS {
            if let Some(value) = self.of(ending) {
                let finite = value.as_f32().is_some_and(f32::is_finite);
                self.put_sayable(name, ending, finite.then_some(Expected::Value(value)));
            }
        }
        let tensors = &self.gguf.tensors;
        let tied = tensors.iter().all(|tensor| tensor.name != OUTPUT);
        let elements = tensors.iter().try_fold(0_u64, |sum, tensor| {
            let elements = tensor
                .dims
                .iter()
                .try_fold(1_u64, |product, extent| product.checked_mul(*extent))?;
            sum.checked_add(elements)
        });
        self.put("tied_embeddings", Expected::Bool(tied));
        self.put(
            "param_count",
            elements.map_or(Expected::Impossible, Expected::Integer),
        );
    }

    fn configure_positions(&mut self, architecture: &[u8]) {
        let rope_type = std::str::from_utf8(architecture)
            .ok()
            .and_then(rope::rope_type);
        self.put_sayable("rope_type", "", rope_type.map(Expected::Integer));
        let start = [self.prefix.as_slice(), b"rope.scaling."].concat();
        let mut members = BTreeMap::new();
        for (key, value) in self.keys.all() {
            let ending = key.strip_prefix(start.as_slice());
            let Some(Ok(ending)) = ending.map(std::str::from_utf8) else {
                continue;
            };
            let name = ending.rsplit('.').next().unwrap_or(ending);
            members.insert(name.to_owned(), value);
        }
        if !members.is_empty() {
            self.put("rope_scaling", Expected::Object(members));
        }
    }

    fn configure_tokenizer(&mut self) {
        let tokens = self.keys.get(b"tokenizer.ggml.tokens");
        if let Some(tokens) = tokens.and_then(|tokens| tokens.as_array()) {
            self.put("tokenizer.vocab_size", Expected::Integer(tokens.count));
        }
        for (name, key, item_type) in TOKENIZER_LISTS {
            let Some(value) = self.keys.get(key.as_bytes()) else {
                continue;
            };
            let type_id = value.as_array().map(|items| items.type_id);
            let value = if type_id == Some(item_type) {
                Expected::Value(value)
            } else if key == table::SCORES && value.as_array().is_some_and(are_exact) {
                Expected::Floats(value)
            } else {
                Expected::Kept(value)
            };
            self.put(name, value);
        }
        for (name, key, type_id) in TOKENIZER_VALUES {
            let Some(value) = self.keys.get(key.as_bytes()) else {
                continue;
            };
            let value = if value.type_id == type_id {
                Expected::Value(value)
            } else {
                Expected::Kept(value)
            };
            self.put(name, value);
        }
        let all: Vec<_> = self.keys.all().collect();
        for (key, value) in all {
            let name = key.strip_prefix(b"tokenizer.ggml.");
            let Some(Ok(name)) = name.map(std::str::from_utf8) else {
                continue;
            };
            if name.ends_with("_token_id") {
                let id = value.as_u64();
                let value = id.map_or(Expected::Kept(value), Expected::Integer);
                self.put(&format!("tokenizer.{name}"), value);
            }
        }
    }
}

/// Whether items are whole numbers that f32 holds exactly.
fn are_exact(mut items: Items<'_>) -> bool {
    items.all(|item| {
        item.as_integer()
            .is_some_and(|integer| integer.unsigned_abs() <= 1 << f32::MANTISSA_DIGITS)
    })
}

/// A whole number that is not negative; a list of equal ones stands as one where llama.cpp reads one for each layer.
pub(super) fn count(ending: &str, value: Value<'_>) -> Option<u64> {
    let items = value.as_array();
    let Some(mut items) = items.filter(|_| unsaid::OF_LAYERS.contains(&ending)) else {
        return value.as_u64();
    };
    let first = items.next()?.as_u64()?;
    items
        .all(|item| item.as_u64() == Some(first))
        .then_some(first)
}

/// Whole numbers: the key, and the ending of the GGUF's.
const COUNTS: [(&str, &str); 12] = [
    ("hidden_size", "embedding_length"),
    ("num_layers", "block_count"),
    ("num_heads", "attention.head_count"),
    ("intermediate_size", "feed_forward_length"),
    ("max_position_embeddings", "context_length"),
    ("key_length", "attention.key_length"),
    ("value_length", "attention.value_length"),
    ("rope_dimension_count", "rope.dimension_count"),
    ("sliding_window", "attention.sliding_window"),
    ("num_experts", "expert_count"),
    ("num_experts_per_tok", "expert_used_count"),
    ("moe_intermediate_size", "expert_feed_forward_length"),
];

const FLOATS: [(&str, &str); 2] = [
    ("rope_theta", "rope.freq_base"),
    ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
];

/// Key, key of the GGUF, and the type of the items that loaders read.
const TOKENIZER_LISTS: [(&str, &str, u32); 4] = [
    ("tokenizer.vocabulary", "tokenizer.ggml.tokens", STRING),
    ("tokenizer.merges", "tokenizer.ggml.merges", STRING),
    ("tokenizer.token_type", "tokenizer.ggml.token_type", I32),
    ("tokenizer.scores", "tokenizer.ggml.scores", F32),
];

/// Key, key of the GGUF, and the type that loaders read.
const TOKENIZER_VALUES: [(&str, &str, u32); 7] = [
    ("tokenizer.model", "tokenizer.ggml.model", STRING),
    ("tokenizer.pre_type", "tokenizer.ggml.pre", STRING),
    (
        "tokenizer.add_bos_token",
        "tokenizer.ggml.add_bos_token",
        BOOL,
    ),
    (
        "tokenizer.add_eos_token",
        "tokenizer.ggml.add_eos_token",
        BOOL,
    ),
    (
        "tokenizer.add_space_prefix",
        "tokenizer.ggml.add_space_prefix",
        BOOL,
    ),
    ("tokenizer.chat_template", "tokenizer.chat_template", STRING),
    ("chat_template", "tokenizer.chat_template", STRING),
];

const I32: u32 = 5;
const F32: u32 = 6;
const BOOL: u32 = 7;
const STRING: u32 = 8;
