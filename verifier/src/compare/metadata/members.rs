//! What producers write as objects: each member is held against the tensors and the GGUF where they say it, else named.

use super::Comparison;
use super::equal::shorten;
use crate::code::Code;
use crate::decode::apr::{Json, Kind};
use crate::decode::findings::Findings;
use crate::decode::types::{BlockType, TYPES};
use crate::finding::{Effect, Finding};

/// What is known of a member.
enum Held {
    /// It is right, or is checked with the types.
    Right,
    /// It is wrong: this is what it should be.
    Wrong(String),
    /// Nothing says it.
    Unknown,
}

/// Checks the members of the objects that describe a file of another producer.
pub(super) fn check(comparison: &Comparison<'_>, findings: &mut Findings) {
    let document = comparison.document;
    for (key, code) in [
        ("quantization", Code::MetaQuantization),
        ("sharding", Code::MetaSharding),
        ("special_tokens", Code::MetaSpecialTokens),
    ] {
        let Some(Kind::Object(members)) = document.get(key).map(|json| &json.kind) else {
            continue;
        };
        let facts = Facts::of(comparison, key);
        for (name, json) in members {
            if matches!(json.kind, Kind::Null) {
                continue;
            }
            let name = document.name(name);
            let shown = shorten(&name);
            let (code, effect, message, expected) = match facts.held(key, &name, json) {
                Held::Right => continue,
                Held::Wrong(expected) => {
                    let message = format!("{key}.{shown} does not describe this model");
                    (code, Effect::Different, message, expected)
                }
                Held::Unknown => {
                    let message = format!(
                        "{key}.{shown} is held against nothing: neither the tensors nor the GGUF say it"
                    );
                    let nothing = "nothing".to_owned();
                    (Code::MetaUnexplained, Effect::Warning, message, nothing)
                }
            };
            findings.push(
                Finding::new(code, effect, message)
                    .at(comparison.apr_place(key, json, Some(shown)))
                    .expected_found(expected, shorten(document.text(json))),
            );
        }
    }
}

/// What the members of one object are held against.
struct Facts<'a> {
    comparison: &'a Comparison<'a>,
    /// The type that `quantization` names.
    block_type: Option<&'static BlockType>,
    /// The ids of [`TURNS`].
    turns: [Option<u64>; 2],
}

impl<'a> Facts<'a> {
    fn of(comparison: &'a Comparison<'a>, key: &str) -> Self {
        let mut facts = Self {
            comparison,
            block_type: None,
            turns: [None; 2],
        };
        let (document, gguf) = (comparison.document, &comparison.gguf.metadata);
        if key == "quantization" {
            let named = document.get(key);
            let named = named.and_then(|json| document.member(json, "quant_type"));
            let named = named.and_then(|json| document.string(json));
            facts.block_type = TYPES
                .iter()
                .find(|known| Some(known.name) == named.as_deref());
        } else if key == "special_tokens" {
            let tokens = gguf.get(b"tokenizer.ggml.tokens");
            let tokens = tokens.and_then(|value| value.as_array());
            for (token, id) in tokens.into_iter().flatten().zip(0..) {
                for (turn, slot) in TURNS.iter().zip(&mut facts.turns) {
                    if token.as_string() == Some(turn.as_bytes()) {
                        slot.get_or_insert(id);
                    }
                }
            }
        }
        facts
    }

    fn held(&self, key: &str, name: &str, json: &Json) -> Held {
        match key {
            "quantization" => self.held_by_type(name, json),
            "sharding" => self.held_by_whole(name, json),
            _ => self.held_by_vocabulary(name, json),
        }
    }

    /// `quantization` describes the type that it names, which some tensor should have.
    fn held_by_type(&self, name: &str, json: &Json) -> Held {
        let document = self.comparison.document;
        let (Some(of), found) = (self.block_type, document.u64(json)) else {
            return Held::Unknown;
        };
        match name {
            "quant_type" => {
                let mut tensors = self.comparison.apr.tensors.iter();
                known(tensors.any(|tensor| tensor.block_type == Some(of)))
            }
            "bits" => equal(bits(of), found),
            "block_size" => equal(Some(of.elements), found),
            // The importer writes true for types with mins, too.
            "symmetric" => {
                let has_mins = of
                    .parts
                    .iter()
                    .any(|part| matches!(part.name, "m" | "dmin"));
                known(has_mins || matches!(json.kind, Kind::Bool(true)))
            }
            _ => Held::Unknown,
        }
    }

    /// `sharding` describes one file of several; this one holds a whole model.
    fn held_by_whole(&self, name: &str, json: &Json) -> Held {
        match (name, self.comparison.document.u64(json)) {
            ("shard_count", _) => Held::Right,
            ("shard_index", found) => equal(Some(0), found),
            ("total_size", found) => known(self.comparison.is_total_size(found)),
            _ => Held::Unknown,
        }
    }

    /// `special_tokens` has tokens and their ids.
    fn held_by_vocabulary(&self, name: &str, json: &Json) -> Held {
        let (document, gguf) = (self.comparison.document, &self.comparison.gguf.metadata);
        let id_of = |name: &str| {
            let key = format!("tokenizer.ggml.{name}_token_id");
            gguf.get(key.as_bytes()).and_then(|value| value.as_u64())
        };
        let token = |turn: &str, id: Option<u64>| match document.string(json) {
            _ if id.is_none() => Held::Unknown,
            Some(found) if found == turn => Held::Right,
            _ => Held::Wrong(format!("{turn:?}")),
        };
        let ([start, end], found) = (self.turns, document.u64(json));
        match name {
            "bos_token" | "eos_token" | "unk_token" | "pad_token" => Held::Right,
            "bos_id" | "bos_token_id" => equal(id_of("bos"), found),
            "eos_id" | "eos_token_id" => equal(id_of("eos"), found),
            "unk_id" | "unk_token_id" => equal(id_of("unknown"), found),
            "pad_id" | "pad_token_id" => equal(id_of("padding"), found),
            "im_start_id" | "im_start_token_id" => equal(start, found),
            "im_end_id" | "im_end_token_id" => equal(end, found),
            "im_start_token" => token(TURNS[0], start),
            "im_end_token" => token(TURNS[1], end),
            _ => Held::Unknown,
        }
    }
}

/// The tokens of ChatML that open and close a turn.
const TURNS: [&str; 2] = ["<|im_start|>", "<|im_end|>"];

const fn known(is_right: bool) -> Held {
    if is_right { Held::Right } else { Held::Unknown }
}

fn equal(expected: Option<u64>, found: Option<u64>) -> Held {
    match expected {
        None => Held::Unknown,
        _ if expected == found => Held::Right,
        Some(expected) => Held::Wrong(expected.to_string()),
    }
}

/// The bits of an element, as the name of its type has them: 4 of `Q4_K`.
fn bits(of: &BlockType) -> Option<u64> {
    let digits = of
        .name
        .trim_start_matches(|letter: char| !letter.is_ascii_digit());
    let end = digits.find(|letter: char| !letter.is_ascii_digit());
    digits.get(..end.unwrap_or(digits.len()))?.parse().ok()
}
