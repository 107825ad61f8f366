//! The top-level keys of the artifact: what loaders read, taken from the GGUF and never invented.

use gguf_file::{Array, Value, ValueType};
use serde_json::{Map, Value as Json, json};

use crate::{
    error::{Error, Problems},
    plan::{
        json::f32_number,
        keys::{Keys, required, shown, wrong},
        names::EMBEDDING,
    },
};

/// What the tensors and the architecture say about the model.
pub(crate) struct Facts<'a> {
    /// Which elements rotary positions pair, where that is known.
    pub(crate) rope_type: Option<u32>,
    /// What stands in the record alone, sorted.
    pub(crate) recorded: Vec<&'a str>,
    /// Rows of the embedding.
    pub(crate) vocabulary_rows: u64,
    /// Whether the output matrix is the embedding.
    pub(crate) tied: bool,
    /// Elements of all tensors, a tied copy not counted.
    pub(crate) elements: u64,
}

impl Facts<'_> {
    fn is_recorded(&self, keys: &Keys<'_>, ending: &str) -> bool {
        self.recorded.contains(&keys.name(ending).as_str())
    }

    /// Whether no loader runs the model, so that none needs a key.
    fn is_kept(&self) -> bool {
        !self.recorded.is_empty()
    }

    /// Refuses the absence of a key that loaders need, unless none of them runs the model.
    fn needed<T>(
        &self,
        keys: &Keys<'_>,
        ending: &str,
        value: Option<T>,
    ) -> Result<Option<T>, Error> {
        if value.is_none() && self.is_kept() {
            return Ok(None);
        }
        required(&keys.name(ending), value).map(Some)
    }
}

/// The top-level keys, and which keys of the GGUF stand in them without loss.
pub(crate) struct Metadata {
    /// Key to value.
    pub(crate) map: Map<String, Json>,
    /// Key of the GGUF and the top-level key that holds the same string or items.
    pub(crate) references: Vec<(&'static str, &'static str)>,
    /// What the caller should know.
    pub(crate) warnings: Vec<String>,
}

impl Metadata {
    /// Reads every key that loaders use.
    ///
    /// # Errors
    /// Fails when a required key is missing or when a key cannot be written with its meaning.
    pub(crate) fn read(keys: &Keys<'_>, facts: &Facts<'_>) -> Result<Self, Error> {
        let mut metadata = Self {
            map: Map::new(),
            references: Vec::new(),
            warnings: Vec::new(),
        };
        metadata.describe(keys);
        metadata.configure(keys, facts)?;
        if let Some(rope_type) = facts.rope_type {
            metadata.put("rope_type", rope_type);
        }
        metadata.configure_positions(keys, facts)?;
        metadata.configure_tokenizer(keys)?;
        Ok(metadata)
    }

    fn describe(&mut self, keys: &Keys<'_>) {
        self.put("architecture", keys.architecture());
        self.put("model_type", keys.architecture());
        self.put("original_format", "gguf");
        for key in ["data_license", "data_source", "license"] {
            self.put(key, Json::Null);
        }
        for name in ["author", "description", "license", "name", "version"] {
            let key = format!("general.{name}");
            match keys.get(&key) {
                Some(Value::String(text)) => match str::from_utf8(text) {
                    Ok(text) => self.put(name, text),
                    Err(_) => self.warnings.push(format!(
                        "{key} is not UTF-8: it is kept in the record only, as hex"
                    )),
                },
                // It describes the model and changes nothing that the model does.
                Some(value) => self.warnings.push(format!(
                    "{key} is {}, not a string: it is kept in the record only",
                    shown(value)
                )),
                None => {}
            }
        }
    }

    fn configure(&mut self, keys: &Keys<'_>, facts: &Facts<'_>) -> Result<(), Error> {
        let optional = |ending| match keys.count(&keys.name(ending)) {
            // What is no single number stands in the record alone.
            Err(_) if facts.is_recorded(keys, ending) => Ok(None),
            count => count,
        };
        let needed = |ending| facts.needed(keys, ending, optional(ending)?);
        let hidden_size = needed("embedding_length")?;
        let heads = needed("attention.head_count")?;
        let groups = match facts.is_recorded(keys, "attention.head_count_kv") {
            true => None,
            false => optional("attention.head_count_kv")?.or(heads),
        };
        let key_length = optional("attention.key_length")?;
        let head_dim = match (key_length, hidden_size, heads) {
            (None, Some(hidden_size), Some(heads)) => {
                let divides = hidden_size.checked_rem(heads) == Some(0);
                divides.then(|| hidden_size.checked_div(heads)).flatten()
            }
            (length, ..) => length,
        };
        for (name, value) in [
            ("hidden_size", hidden_size),
            ("num_heads", heads),
            ("num_layers", needed("block_count")?),
            ("intermediate_size", needed("feed_forward_length")?),
            ("max_position_embeddings", needed("context_length")?),
            ("num_kv_heads", groups),
            ("head_dim", head_dim),
            ("key_length", key_length),
            ("value_length", optional("attention.value_length")?),
            ("sliding_window", optional("attention.sliding_window")?),
            ("num_experts", optional("expert_count")?),
            ("num_experts_per_tok", optional("expert_used_count")?),
            (
                "moe_intermediate_size",
                optional("expert_feed_forward_length")?,
            ),
        ] {
            if let Some(value) = value {
                self.put(name, value);
            }
        }

        let tokens = keys.array(TOKENS)?.map(|tokens| tokens.count);
        let rows = facts.vocabulary_rows;
        let stated = optional("vocab_size")?;
        if let Some((stated, tokens)) = stated
            .zip(tokens)
            .filter(|(stated, tokens)| stated < tokens)
        {
            let key = keys.name("vocab_size");
            self.warnings.push(format!(
                "{key} is {stated}, and {TOKENS} has {tokens}: llama.cpp takes the tokens, and so does the artifact"
            ));
        }
        let vocabulary = stated.max(tokens).unwrap_or(rows);
        self.put("vocab_size", vocabulary);
        if let Some(tokens) = tokens.filter(|tokens| *tokens < rows) {
            self.warnings.push(format!(
                "{EMBEDDING} has {rows} rows for {tokens} tokens: llama.cpp loads no such GGUF, and loaders of APR take \
                 {vocabulary} rows"
            ));
        }
        self.put("tied_embeddings", facts.tied);
        self.put("param_count", facts.elements);

        self.put_float(
            keys,
            facts,
            "rms_norm_eps",
            "attention.layer_norm_rms_epsilon",
        )
    }

    fn put_float(
        &mut self,
        keys: &Keys<'_>,
        facts: &Facts<'_>,
        name: &str,
        ending: &str,
    ) -> Result<(), Error> {
        let float = keys.float(&keys.name(ending))?;
        if let Some(float) = facts.needed(keys, ending, float)? {
            self.put(name, f32_number(float));
        }
        Ok(())
    }

    fn configure_positions(&mut self, keys: &Keys<'_>, facts: &Facts<'_>) -> Result<(), Error> {
        self.put_float(keys, facts, "rope_theta", "rope.freq_base")?;
        if let Some(count) = keys.count(&keys.name("rope.dimension_count"))? {
            self.put("rope_dimension_count", count);
        }
        let mut scaling = Map::new();
        for (key, ending, value) in keys.starting_with(keys.name("rope.scaling.")) {
            // A loader drops all metadata for one value of another type; llama.cpp does not load such a model at all.
            match ending {
                "type" => drop(keys.text(key)?),
                "original_context_length" => drop(keys.count(key)?),
                "finetuned" => drop(keys.flag(key)?),
                "factor" | "attn_factor" => drop(keys.float(key)?),
                _ if ending.starts_with("yarn_") => drop(keys.float(key)?),
                _ => {}
            }
            let plain = plain(value).ok_or_else(|| {
                wrong(
                    key,
                    "an integer, a finite f32, a bool or a string of UTF-8",
                    value,
                )
            })?;
            // Keys that are not carried were refused, and no two of the others end alike.
            scaling.insert(ending.to_owned(), plain);
        }
        if !scaling.is_empty() {
            self.put("rope_scaling", scaling);
        }
        Ok(())
    }

    fn configure_tokenizer(&mut self, keys: &Keys<'_>) -> Result<(), Error> {
        let vocabulary = keys.array(TOKENS)?;
        if let Some(vocabulary) = vocabulary {
            self.put("tokenizer.vocab_size", vocabulary.count);
        }
        self.put_array(
            keys,
            TOKENS,
            "tokenizer.vocabulary",
            "a string of UTF-8",
            string,
        )?;
        self.put_array(
            keys,
            MERGES,
            "tokenizer.merges",
            "a string of UTF-8",
            string,
        )?;
        self.put_array(
            keys,
            TOKEN_TYPE,
            "tokenizer.token_type",
            "an integer",
            integer,
        )?;
        self.warn_of_tokenizer(keys)?;
        self.put_scores(keys)?;
        for key in [TOKEN_TYPE, SCORES] {
            check_length(keys, key, vocabulary)?;
        }

        for (key, name) in [
            ("tokenizer.ggml.model", "tokenizer.model"),
            ("tokenizer.ggml.pre", "tokenizer.pre_type"),
        ] {
            if let Some(text) = keys.text(key)? {
                self.put(name, text);
            }
        }
        if let Some(template) = keys.text(CHAT_TEMPLATE)? {
            self.put("chat_template", template);
            self.put(CHAT_TEMPLATE, template);
            self.references.push((CHAT_TEMPLATE, CHAT_TEMPLATE));
        }
        let mut strange = Problems::default();
        for (key, name, value) in keys.starting_with("tokenizer.ggml.".to_owned()) {
            if !name.ends_with("_token_id") {
                continue;
            }
            // llama.cpp takes no list for it, not even one of one token (`get_key`).
            let id = value.as_u64();
            let id =
                id.ok_or_else(|| wrong(key, "the id of one token, an integer from 0 on", value))?;
            if vocabulary.is_some_and(|vocabulary| id >= vocabulary.count) {
                strange.push_with(|| {
                    format!("{key} is {id}, which no token of the vocabulary has: loaders of APR refuse such an artifact")
                });
            }
            self.put(&format!("tokenizer.{name}"), id);
        }
        self.warnings.extend(strange.into_warnings(""));
        for name in ["add_bos_token", "add_eos_token", "add_space_prefix"] {
            if let Some(flag) = keys.flag(&format!("tokenizer.ggml.{name}"))? {
                self.put(&format!("tokenizer.{name}"), flag);
            }
        }
        Ok(())
    }

    /// Says what makes loaders refuse the tokenizer, or drop a part of it without a word.
    fn warn_of_tokenizer(&mut self, keys: &Keys<'_>) -> Result<(), Error> {
        let is_byte_pairs = keys.text("tokenizer.ggml.model")? == Some("gpt2");
        for (key, is_needed) in [(TOKENS, true), (MERGES, is_byte_pairs)] {
            let count = keys.array(key)?.map_or(0, |array| array.count);
            if is_needed && count == 0 {
                self.warnings.push(format!(
                    "there is no {key}: loaders of APR have no tokenizer then, and run token ids only"
                ));
            }
        }
        let merges = keys.array(MERGES)?;
        let mut merges = merges.iter().flat_map(Array::iter).enumerate();
        if let Some((index, _)) = merges.find(|(_, merge)| !is_merge(merge)) {
            let wrong = merges.filter(|(_, merge)| !is_merge(merge)).count() + 1;
            self.warnings.push(format!(
                "{MERGES}[{index}] (the first of {wrong}) is not two tokens with one space between: loaders drop it without a word"
            ));
        }
        Ok(())
    }

    /// Writes the scores, which loaders read as f32.
    fn put_scores(&mut self, keys: &Keys<'_>) -> Result<(), Error> {
        let name = "tokenizer.scores";
        let Some(array) = keys.array(SCORES)? else {
            return Ok(());
        };
        if array.element_type == ValueType::F32 {
            return self.put_array(keys, SCORES, name, "a finite f32", float);
        }
        let mut items = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let expected = "a finite f32, or an integer that f32 holds exactly";
            let score = exact_f32(&item);
            items.push(score.ok_or_else(|| item_error(SCORES, index, expected, &item))?);
        }
        // The record keeps the integers themselves.
        self.put(name, items);
        self.warnings.push(format!(
            "{SCORES} are integers ({}): loaders get the same numbers as f32",
            array.element_type
        ));
        Ok(())
    }

    /// Writes the items of an array, or refuses the first one that cannot be written.
    fn put_array(
        &mut self,
        keys: &Keys<'_>,
        key: &'static str,
        name: &'static str,
        expected: &str,
        convert: fn(&Value<'_>) -> Option<Json>,
    ) -> Result<(), Error> {
        let Some(array) = keys.array(key)? else {
            return Ok(());
        };
        let mut items = Vec::new();
        for (index, item) in array.iter().enumerate() {
            items.push(convert(&item).ok_or_else(|| item_error(key, index, expected, &item))?);
        }
        self.put(name, items);
        self.references.push((key, name));
        Ok(())
    }

    fn put(&mut self, name: &str, value: impl Into<Json>) {
        self.map.insert(name.to_owned(), value.into());
    }
}

/// Whether a merge is two tokens with one space between them.
fn is_merge(merge: &Value<'_>) -> bool {
    let mut parts = merge
        .as_str()
        .unwrap_or_default()
        .split(|byte| *byte == b' ');
    let are_two = |a: Option<&[u8]>, b: Option<&[u8]>| {
        a.is_some_and(|part| !part.is_empty()) && b.is_some_and(|part| !part.is_empty())
    };
    are_two(parts.next(), parts.next()) && parts.next().is_none()
}

fn check_length(keys: &Keys<'_>, key: &str, vocabulary: Option<Array<'_>>) -> Result<(), Error> {
    match (keys.array(key)?, vocabulary) {
        (Some(array), Some(vocabulary)) if array.count != vocabulary.count => Err(Error::Key {
            key: key.to_owned(),
            expected: format!("one item for each of the {} tokens", vocabulary.count),
            found: format!("{} items", array.count),
        }),
        _ => Ok(()),
    }
}

fn item_error(key: &str, index: usize, expected: &str, item: &Value<'_>) -> Error {
    let place = format!("{key}[{index}]");
    match item {
        Value::String(bytes) => Error::Key {
            key: place,
            expected: format!(
                "{expected}; JSON cannot hold other bytes, so correct it in the GGUF"
            ),
            found: format!("\"{}\"", bytes.escape_ascii()),
        },
        item => wrong(&place, expected, item),
    }
}

fn plain(value: &Value<'_>) -> Option<Json> {
    match value {
        Value::Bool(flag) => Some(json!(flag)),
        value => string(value)
            .or_else(|| float(value))
            .or_else(|| integer(value)),
    }
}

fn string(value: &Value<'_>) -> Option<Json> {
    str::from_utf8(value.as_str()?).ok().map(Json::from)
}

fn float(value: &Value<'_>) -> Option<Json> {
    f32_number(value.as_f32()?).map(Json::Number)
}

/// Returns an integer as f32, where f32 holds it exactly.
fn exact_f32(value: &Value<'_>) -> Option<Json> {
    let number = match *value {
        Value::U64(value) => i128::from(value),
        Value::I64(value) => value.into(),
        Value::U32(value) => value.into(),
        Value::I32(value) => value.into(),
        Value::U16(value) => value.into(),
        Value::I16(value) => value.into(),
        Value::U8(value) => value.into(),
        Value::I8(value) => value.into(),
        _ => return None,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "undone and compared"
    )]
    let (rounded, back) = (number as f32, number as f32 as i128);
    (back == number).then(|| f32_number(rounded).map(Json::Number))?
}

fn integer(value: &Value<'_>) -> Option<Json> {
    Some(match *value {
        Value::U8(value) => json!(value),
        Value::I8(value) => json!(value),
        Value::U16(value) => json!(value),
        Value::I16(value) => json!(value),
        Value::U32(value) => json!(value),
        Value::I32(value) => json!(value),
        Value::U64(value) => json!(value),
        Value::I64(value) => json!(value),
        _ => return None,
    })
}

pub(crate) const TOKENS: &str = "tokenizer.ggml.tokens";
const TOKEN_TYPE: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";
const SCORES: &str = "tokenizer.ggml.scores";
const CHAT_TEMPLATE: &str = "tokenizer.chat_template";
