//! Keys that a source lacks and the caller gives: `KEY=VALUE` on the command line.
//!
//! The types are those that llama.cpp reads and gguf-py writes for these keys.

use gguf_file::{SplitSet, Value};

use crate::{error::Error, plan::keys::Given};

/// Reads the values, in the order of their keys.
///
/// # Errors
/// Fails for a key that the source has, that is given twice or that no loader key is made of, and for a value of another
/// type.
pub(crate) fn read<'a>(
    pairs: &'a [(String, String)],
    set: &SplitSet<'_>,
) -> Result<Vec<Given<'a>>, Error> {
    let architecture = pairs
        .iter()
        .find(|(key, _)| key == ARCHITECTURE)
        .map(|(_, value)| value.as_bytes())
        .or_else(|| set.get(ARCHITECTURE.as_bytes())?.as_str());
    let mut given = Vec::new();
    for (key, text) in pairs {
        let refuse = |problem: String| {
            Err(Error::Set {
                key: key.escape_debug().to_string(),
                problem,
            })
        };
        if set.get(key.as_bytes()).is_some() {
            return refuse("the source has this key, and its value is never replaced".to_owned());
        }
        let Some(kind) = kind(key, architecture) else {
            return refuse(
                "loaders read no key that is made of it; keys such as ARCHITECTURE.rope.freq_base can be given"
                    .to_owned(),
            );
        };
        let Some(value) = kind.parse(text) else {
            return refuse(format!(
                "expected {}, found \"{}\"",
                kind.expected(),
                text.escape_debug()
            ));
        };
        given.push((key.as_str(), value));
    }
    given.sort_by_key(|(key, _)| *key);
    let twice = given.windows(2).find_map(|pair| match pair {
        [(one, _), (other, _)] if one == other => Some(*one),
        _ => None,
    });
    match twice {
        Some(key) => Err(Error::Set {
            key: key.escape_debug().to_string(),
            problem: "it is given twice".to_owned(),
        }),
        None => Ok(given),
    }
}

/// What the values of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Count,
    Float,
    Flag,
    Text,
}

impl Kind {
    fn parse(self, text: &str) -> Option<Value<'_>> {
        match self {
            Self::Count => text.parse().ok().map(Value::U32),
            Self::Float => {
                let number = text.parse().ok().filter(|number: &f32| number.is_finite());
                number.map(Value::F32)
            }
            Self::Flag => text.parse().ok().map(Value::Bool),
            Self::Text => Some(Value::String(text.as_bytes())),
        }
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Count => "a whole number of 32 bits",
            Self::Float => "a finite number",
            Self::Flag => "true or false",
            Self::Text => "a text",
        }
    }
}

fn kind(key: &str, architecture: Option<&[u8]>) -> Option<Kind> {
    let of_model = architecture
        .and_then(|architecture| str::from_utf8(architecture).ok())
        .and_then(|architecture| key.strip_prefix(architecture)?.strip_prefix('.'));
    if let Some(ending) = of_model {
        let found = OF_MODEL.iter().find(|(name, _)| *name == ending);
        return found.map(|(_, kind)| *kind);
    }
    if key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id") {
        return Some(Kind::Count);
    }
    let found = OTHERS.iter().find(|(name, _)| *name == key);
    found.map(|(_, kind)| *kind)
}

const ARCHITECTURE: &str = "general.architecture";

const OF_MODEL: [(&str, Kind); 15] = [
    ("attention.head_count", Kind::Count),
    ("attention.head_count_kv", Kind::Count),
    ("attention.key_length", Kind::Count),
    ("attention.layer_norm_rms_epsilon", Kind::Float),
    ("attention.value_length", Kind::Count),
    ("block_count", Kind::Count),
    ("context_length", Kind::Count),
    ("embedding_length", Kind::Count),
    ("expert_count", Kind::Count),
    ("expert_feed_forward_length", Kind::Count),
    ("expert_used_count", Kind::Count),
    ("feed_forward_length", Kind::Count),
    ("rope.dimension_count", Kind::Count),
    ("rope.freq_base", Kind::Float),
    ("vocab_size", Kind::Count),
];

const OTHERS: [(&str, Kind); 12] = [
    (ARCHITECTURE, Kind::Text),
    ("general.author", Kind::Text),
    ("general.description", Kind::Text),
    ("general.license", Kind::Text),
    ("general.name", Kind::Text),
    ("general.version", Kind::Text),
    ("tokenizer.chat_template", Kind::Text),
    ("tokenizer.ggml.add_bos_token", Kind::Flag),
    ("tokenizer.ggml.add_eos_token", Kind::Flag),
    ("tokenizer.ggml.add_space_prefix", Kind::Flag),
    ("tokenizer.ggml.model", Kind::Text),
    ("tokenizer.ggml.pre", Kind::Text),
];
