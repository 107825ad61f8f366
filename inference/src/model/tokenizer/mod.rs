//! Text to token ids, by the tokenizer that a file holds.
//!
//! The rules are those of llama.cpp, the program that GGUF vocabularies are made for; the same text gives the same ids
//! there with `add_special` and `parse_special`. These kinds are covered:
//!
//! - `gpt2`: byte pairs. The name of a pre-tokenizer selects patterns that cut the text into words ([`rules`]), merges
//!   join their bytes. `gemma4` is the one that joins characters, whatever its pre-tokenizer is called.
//! - `llama`: SentencePiece. Scores join the characters of the whole text, and spaces are written as U+2581.
//!
//! Special tokens in the text are recognised: a prompt may hold a whole chat. The tables of Unicode are those
//! of this build; llama.cpp has its own, so a character that only one of them knows may be cut differently.

mod apr;
mod byte_pairs;
mod facts;
mod gguf;
mod merge;
mod patterns;
mod rules;
mod sentence_pieces;
mod special;
mod vocabulary;

use self::{
    byte_pairs::BytePairs,
    facts::Facts,
    rules::Begin,
    sentence_pieces::SentencePieces,
    special::{Part, Specials},
    vocabulary::Vocabulary,
};
use crate::{
    error::Error,
    model::{Assumption, Format, format_of, source::Source},
};

/// Turns text into token ids.
#[derive(Debug)]
pub struct Tokenizer {
    /// The format of the file.
    pub format: Format,
    /// Assumptions of the tokenizer about what the file does not say.
    pub assumptions: Vec<Assumption>,
    specials: Specials,
    kind: Kind,
    /// The token before every text.
    first: Option<u32>,
    /// The token after every text.
    last: Option<u32>,
}

#[derive(Debug)]
enum Kind {
    BytePairs(BytePairs),
    SentencePieces(SentencePieces),
}

impl Tokenizer {
    /// Loads the tokenizer of a file of either format, told by its first four bytes; of a split set the first file
    /// holds it.
    ///
    /// # Errors
    /// Fails when the file cannot be read or parsed, when the tokenizer lacks a key or contradicts itself, and with
    /// [`Error::NotCovered`] for tokenizers that are not covered, such as `tokenizer model bert`.
    pub fn load(sources: &[&dyn Source]) -> Result<Self, Error> {
        let (format, first) = format_of(sources)?;
        let facts = match format {
            Format::Gguf => gguf::facts(first)?,
            Format::Apr => apr::facts(first)?,
        };
        Self::assemble(format, facts)
    }

    /// Returns the ids of a text, with the tokens that the file wants around it.
    ///
    /// # Errors
    /// Fails when the vocabulary has no token for a part of the text, and when a pattern gives up on the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids: Vec<u32> = self.first.into_iter().collect();
        for part in self.specials.split(text) {
            match part {
                Part::Special(id) => ids.push(id),
                Part::Text(text) => match &self.kind {
                    Kind::BytePairs(pairs) => pairs.encode(text, &mut ids)?,
                    Kind::SentencePieces(pieces) => pieces.encode(text, &mut ids)?,
                },
            }
        }
        ids.extend(self.last);
        Ok(ids)
    }

    fn assemble(format: Format, facts: Facts) -> Result<Self, Error> {
        let names = facts.names;
        let is_phi_3 = facts.is_phi_3();
        let mut assumptions = Vec::new();
        let mut assume = |what: &str, value: &str| {
            assumptions.push(Assumption {
                what: what.to_owned(),
                value: value.to_owned(),
                why: "as llama.cpp does",
            });
        };
        if facts.types.is_none() {
            assume(names.types, "normal for every token");
        }
        let vocabulary = Vocabulary::new(names.tokens, facts.tokens)?;
        let types = facts.types.as_deref();
        let specials = Specials::new(&vocabulary, names.types, types, is_phi_3)?;
        let (kind, begin) = match facts.model.as_str() {
            kind @ ("gpt2" | "gemma4") => {
                let stated = if kind == "gpt2" {
                    facts.pre
                } else {
                    Some(kind.to_owned())
                };
                let pre = stated.unwrap_or_else(|| {
                    assume(names.pre, "default");
                    "default".to_owned()
                });
                let rule = rules::rule(&pre).ok_or_else(|| {
                    Error::not_covered(format_args!("pre-tokenizer {}", pre.escape_debug()))
                })?;
                let merges = facts
                    .merges
                    .ok_or_else(|| Error::model(names.merges, "a value", "none"))?;
                let pairs = BytePairs::new(vocabulary, names.merges, &merges, &rule)?;
                (Kind::BytePairs(pairs), rule.begin)
            }
            "llama" => {
                let scores = facts.scores.unwrap_or_else(|| {
                    assume(names.scores, "0 for every token");
                    vec![0.0; vocabulary.length]
                });
                let prefix = facts.add_space_prefix.unwrap_or_else(|| {
                    assume(names.add_space_prefix, "true");
                    true
                });
                let pieces = SentencePieces::new(vocabulary, names.scores, &scores, prefix)?;
                (Kind::SentencePieces(pieces), Begin::UnlessToldNotTo)
            }
            other => {
                let other = other.escape_debug();
                return Err(Error::not_covered(format_args!("tokenizer model {other}")));
            }
        };
        let mut around = |add: Option<bool>, name: &str, usual: bool, id, id_name: &str| {
            let add = add.unwrap_or_else(|| {
                assume(name, &usual.to_string());
                usual
            });
            add.then(|| specials.known_id(id_name, id)).transpose()
        };
        let add_bos = match begin {
            Begin::Always => Some(true),
            Begin::IfToldTo | Begin::UnlessToldNotTo => facts.add_bos,
        };
        let adds_bos = begin == Begin::UnlessToldNotTo;
        let first = around(add_bos, names.add_bos, adds_bos, facts.bos, names.bos)?;
        let last = around(facts.add_eos, names.add_eos, false, facts.eos, names.eos)?;
        Ok(Self {
            format,
            assumptions,
            specials,
            kind,
            first,
            last,
        })
    }
}
