//! Byte pairs: tokenizer models `gpt2` and `gemma4`.

use std::collections::HashMap;

use super::{
    merge::merge,
    patterns::Patterns,
    rules::{Rule, Symbols, Whole},
    vocabulary::{SPACE, Vocabulary},
};
use crate::error::Error;

/// A vocabulary with its merges.
#[derive(Debug)]
pub(super) struct BytePairs {
    vocabulary: Vocabulary,
    /// The ranks of the merges, as the file writes them: two tokens and a space, which no token holds.
    ranks: HashMap<String, u32>,
    patterns: Patterns,
    symbols: Symbols,
    whole: Whole,
}

impl BytePairs {
    /// Takes the merges in their order; of two equal ones the first counts, as in llama.cpp.
    pub(super) fn new(
        vocabulary: Vocabulary,
        field: &str,
        merges: &[String],
        rule: &Rule,
    ) -> Result<Self, Error> {
        let mut ranks = HashMap::with_capacity(merges.len());
        for (rank, merge) in (0..).zip(merges) {
            let wrong = |expected| {
                let field = format_args!("{field}[{rank}]");
                Error::model(
                    field,
                    expected,
                    format_args!("\"{}\"", merge.escape_debug()),
                )
            };
            let (left, right) = merge
                .split_once(' ')
                .filter(|(left, right)| !left.is_empty() && !right.is_empty())
                .ok_or_else(|| wrong("two tokens with a space between them"))?;
            for token in [left, right, &format!("{left}{right}")] {
                if vocabulary.id(token).is_none() {
                    return Err(wrong("two tokens that make a third"));
                }
            }
            ranks.entry(merge.clone()).or_insert(rank);
        }
        Ok(Self {
            vocabulary,
            ranks,
            patterns: Patterns::new(rule)?,
            symbols: rule.symbols,
            whole: rule.whole,
        })
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        let spaces;
        let text = match self.symbols {
            Symbols::Bytes => text,
            Symbols::Characters => {
                spaces = text.replace(' ', SPACE);
                &spaces
            }
        };
        for word in self.patterns.split(text)? {
            match self.symbols {
                Symbols::Bytes => {
                    let word: String = word.bytes().map(symbol).collect();
                    self.encode_word(&word, ids)?;
                }
                Symbols::Characters => self.encode_word(word, ids)?,
            }
        }
        Ok(())
    }

    fn encode_word(&self, word: &str, ids: &mut Vec<u32>) -> Result<(), Error> {
        let whole = match self.whole {
            Whole::None => false,
            Whole::Newlines => word.starts_with('\n'),
            Whole::All => true,
        };
        if whole && let Some(id) = self.vocabulary.id(word) {
            ids.push(id);
            return Ok(());
        }
        let rank = |left: &str, right: &str| self.ranks.get(&format!("{left} {right}")).copied();
        for piece in merge(word, rank) {
            match self.symbols {
                Symbols::Bytes => ids.push(self.vocabulary.needed(piece)?),
                Symbols::Characters => self.vocabulary.push_or_bytes(piece, ids)?,
            }
        }
        Ok(())
    }
}

/// The character that represents a byte: printable ones represent themselves, the others are numbered from U+0100 on.
fn symbol(byte: u8) -> char {
    let number = match byte {
        0x00..=0x20 => u32::from(byte),
        0x7F..=0xA0 => u32::from(byte).saturating_sub(0x7F - 0x21),
        0xAD => 0x43,
        _ => return char::from(byte),
    };
    char::from_u32(number.saturating_add(0x100)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        let symbols: BTreeSet<char> = (0..=255).map(symbol).collect();
        assert_eq!(symbols.len(), 256);
        assert!(
            symbols
                .iter()
                .all(|symbol| !symbol.is_control() && *symbol != ' ')
        );
        let known = [(0, 'Ā'), (b'\n', 'Ċ'), (b' ', 'Ġ'), (b'~', '~')];
        let more = [
            (0x7F, 'ġ'),
            (0xA0, 'ł'),
            (0xAD, 'Ń'),
            (0xAE, '®'),
            (0xFF, 'ÿ'),
        ];
        for (byte, character) in known.into_iter().chain(more) {
            assert_eq!(symbol(byte), character, "{byte}");
        }
    }
}
