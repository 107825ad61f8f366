//! Text to token ids, by the tokenizer that a file holds.
//!
//! The rules are those of llama.cpp, the program that GGUF vocabularies are made for; the same text gives the same ids
//! there with `add_special` and `parse_special`. These kinds are covered:
//!
//! - `gpt2`: byte pairs. The name of a pre-tokenizer selects patterns that cut the text into words ([`rules`]), merges
//!   join their bytes. `gemma4` is the one that joins characters, whatever its pre-tokenizer is called.
//! - `llama`: SentencePiece. Scores join the characters of the whole text, and spaces are written as U+2581.
//! - `t5`: unigram pieces. The text is normalised, then cut so that the scores of the pieces have the highest sum.
//! - `bert`: word pieces. The text is cut at white space and punctuation, each word into its longest pieces from the left.
//!
//! What a text costs grows with its length times the length of the longest token, whatever the vocabulary holds; only
//! special tokens are looked for one by one.
//!
//! Special tokens in the text are recognised: a prompt may hold a whole chat. The tables of Unicode are those
//! of this build; llama.cpp has its own, so a character that only one of them knows may be cut differently.

mod apr;
mod assemble;
mod byte_pairs;
mod charsmap;
mod facts;
mod gguf;
mod kinds;
mod merge;
mod normalizer;
mod patterns;
mod prefixes;
mod rules;
mod sentence_pieces;
mod special;
mod unigram;
mod vocabulary;
mod word_pieces;

use self::{
    assemble::assemble,
    byte_pairs::BytePairs,
    sentence_pieces::SentencePieces,
    special::{Part, Specials},
    unigram::Unigram,
    word_pieces::WordPieces,
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
    words: Words,
    /// The token before every text.
    first: Option<u32>,
    /// The token after every text.
    last: Option<u32>,
}

/// What cuts the text between special tokens.
#[derive(Debug)]
enum Words {
    BytePairs(BytePairs),
    SentencePieces(SentencePieces),
    Unigram(Unigram),
    WordPieces(WordPieces),
}

impl Tokenizer {
    /// Loads the tokenizer of a file of either format, told by its first four bytes; of a split set the first file
    /// holds it.
    ///
    /// # Errors
    /// Fails when the file cannot be read or parsed, when the tokenizer lacks a key or contradicts itself, and with
    /// [`Error::NotCovered`] for tokenizers that are not covered, such as `tokenizer model rwkv`.
    pub fn load(sources: &[&dyn Source]) -> Result<Self, Error> {
        let (format, first) = format_of(sources)?;
        let facts = match format {
            Format::Gguf => gguf::facts(first)?,
            Format::Apr => apr::facts(first)?,
        };
        assemble(format, facts)
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
                Part::Text(text) => match &self.words {
                    Words::BytePairs(pairs) => pairs.encode(text, &mut ids)?,
                    Words::SentencePieces(pieces) => pieces.encode(text, &mut ids)?,
                    Words::Unigram(pieces) => pieces.encode(text, &mut ids)?,
                    Words::WordPieces(pieces) => pieces.encode(text, &mut ids),
                },
            }
        }
        ids.extend(self.last);
        Ok(ids)
    }
}
