//! The options of the conversion that made an artifact, as its record has them.

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::artifact::Artifact;
use crate::{
    error::Error,
    plan::names::Names,
    request::{Naming, Tie, Unsupported},
};

/// The options of a conversion; what the record does not say is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeWith {
    /// The naming of the tensors: automatic where it is the one of the architecture.
    pub naming: Naming,
    /// What was done where the output matrix is the embedding.
    pub tie: Tie,
    /// What was done with tensors of other types.
    pub unsupported: Unsupported,
    /// Whether keys that APR has no words for are in the record alone.
    pub record_only: bool,
    /// Keys that the user gave, with their values as they are given.
    pub set: Vec<(String, String)>,
    /// The BLAKE3 of each source file, in hex.
    pub sources: Vec<String>,
}

impl MadeWith {
    /// Reads the record of an artifact; `None` where it has none.
    ///
    /// # Errors
    /// Fails when the artifact or its record cannot be read.
    pub fn of(artifact: &Path) -> Result<Option<Self>, Error> {
        let metadata = Artifact::open(artifact)?.metadata;
        let Some(record) = metadata.get("aprove") else {
            return Ok(None);
        };
        let made = record.as_object().and_then(|it| Self::read(it, &metadata));
        made.map(Some).ok_or_else(|| Error::Artifact {
            path: artifact.to_owned(),
            problem: "its record does not say how it was made".to_owned(),
        })
    }

    fn read(record: &Map<String, Json>, metadata: &Map<String, Json>) -> Option<Self> {
        let architecture = metadata.get("architecture").and_then(Json::as_str);
        let word = |member| record.get(member).and_then(Json::as_str);
        let names = Names::from_word(word("names")?)?;
        let is_usual = names == Names::pick(Naming::Auto, architecture.unwrap_or_default());
        let unsupported = match [has(record, "decoded"), has(record, "raw")] {
            [false, false] => Unsupported::Refuse,
            [true, false] => Unsupported::DecodeF32,
            [false, true] => Unsupported::Raw,
            [true, true] => Unsupported::Auto,
        };
        let set = record.get("set").and_then(Json::as_array);
        Some(Self {
            naming: match names {
                _ if is_usual => Naming::Auto,
                Names::Gguf => Naming::Gguf,
                Names::Hf => Naming::Hf,
            },
            tie: match word("tie") {
                Some("duplicate") => Tie::Duplicate,
                _ => Tie::Shared,
            },
            unsupported,
            record_only: has(record, "record_only"),
            set: set
                .into_iter()
                .flatten()
                .map(given)
                .collect::<Option<_>>()?,
            sources: record
                .get("sources")?
                .as_array()?
                .iter()
                .map(|source| Some(source.get("blake3")?.as_str()?.to_owned()))
                .collect::<Option<_>>()?,
        })
    }
}

fn has(record: &Map<String, Json>, member: &str) -> bool {
    let list = record.get(member).and_then(Json::as_array);
    list.is_some_and(|list| !list.is_empty())
}

/// A key of `set` and its value; floats are recorded by their bits.
fn given(entry: &Json) -> Option<(String, String)> {
    let [key, kind, value] = entry.as_array()?.as_slice() else {
        return None;
    };
    let value = match (kind.as_str()?, value) {
        ("f32", Json::String(bits)) => {
            f32::from_bits(u32::from_str_radix(bits, 16).ok()?).to_string()
        }
        (_, Json::String(text)) => text.clone(),
        (_, other) => other.to_string(),
    };
    Some((key.as_str()?.to_owned(), value))
}
