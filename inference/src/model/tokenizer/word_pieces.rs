//! Word pieces: tokenizer model `bert`.

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

use super::{
    prefixes::Prefixes,
    vocabulary::{SPACE, Vocabulary},
};

/// A vocabulary of which each word takes the longest token, again and again.
#[derive(Debug)]
pub(super) struct WordPieces {
    tokens: Prefixes,
    /// The token of a word that no tokens make up.
    unknown: u32,
    cleaning: Cleaning,
}

/// What happens to the characters of a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cleaning {
    pub(super) lowercase: bool,
    pub(super) strip_accents: bool,
}

impl WordPieces {
    pub(super) fn new(vocabulary: &Vocabulary, unknown: u32, cleaning: Cleaning) -> Self {
        Self {
            tokens: Prefixes::new(vocabulary.tokens()),
            unknown,
            cleaning,
        }
    }

    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        for word in self.cleaning.words(text) {
            match self.pieces(&format!("{SPACE}{word}")) {
                Some(pieces) => ids.extend(pieces),
                None => ids.push(self.unknown),
            }
        }
    }

    fn pieces(&self, word: &str) -> Option<Vec<u32>> {
        let mut rest = word.as_bytes();
        let mut pieces = Vec::new();
        while !rest.is_empty() {
            let (length, id) = self.tokens.of(rest).last()?;
            pieces.push(id);
            rest = rest.get(length..)?;
        }
        Some(pieces)
    }
}

impl Cleaning {
    /// Cuts a text at white space and around every mark and every Chinese character; control characters are dropped.
    fn words(self, text: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        for character in text.chars() {
            // Of a character that is made of several, llama.cpp keeps the first.
            let character = match self.strip_accents {
                true => character.nfd().next().unwrap_or(character),
                false => character,
            };
            if character.is_whitespace() {
                words.push(String::new());
                continue;
            }
            if is_dropped(character)
                || self.strip_accents
                    && character.general_category_group() == GeneralCategoryGroup::Mark
            {
                continue;
            }
            let written = match self.lowercase {
                true => character.to_lowercase().next().unwrap_or(character),
                false => character,
            };
            if stands_alone(character) {
                words.extend([written.to_string(), String::new()]);
            } else if let Some(word) = words.last_mut() {
                word.push(written);
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }
}

fn is_dropped(character: char) -> bool {
    use GeneralCategory::{Control, Format, PrivateUse};
    matches!(character, '\0' | '\u{FFFD}')
        || matches!(character.general_category(), Control | Format | PrivateUse)
}

fn stands_alone(character: char) -> bool {
    match character.general_category_group() {
        GeneralCategoryGroup::Punctuation => true,
        GeneralCategoryGroup::Symbol => character < '\u{7F}',
        _ => is_chinese(character),
    }
}

/// The ranges of BERT; the sixth begins late there, too.
const fn is_chinese(character: char) -> bool {
    matches!(character,
        '\u{4E00}'..='\u{9FFF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{20000}'..='\u{2A6DF}'
        | '\u{2A700}'..='\u{2B73F}'
        | '\u{2B740}'..='\u{2B81F}'
        | '\u{2B920}'..='\u{2CEAF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{2F800}'..='\u{2FA1F}')
}
