//! Special tokens inside a text.

use super::vocabulary::Vocabulary;
use crate::error::Error;

/// The tokens that are taken out of a text before anything else looks at it.
#[derive(Debug)]
pub(super) struct Specials {
    /// Longest text first, then by id.
    tokens: Vec<Special>,
    /// The number of all tokens.
    vocabulary: usize,
}

/// A token that is taken out of a text.
#[derive(Debug)]
struct Special {
    text: String,
    id: u32,
    /// Whether it takes the white space behind it along.
    strips: bool,
}

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'t> {
    Special(u32),
    Text(&'t str),
}

impl Specials {
    /// Picks the unknown, control and user-defined tokens, and those with a text of [`NAMES`]. Those of phi-3 take the
    /// white space behind them along.
    pub(super) fn new(
        vocabulary: &Vocabulary,
        field: &str,
        types: Option<&[i64]>,
        is_phi_3: bool,
    ) -> Result<Self, Error> {
        if let Some(types) = types.filter(|types| types.len() != vocabulary.length) {
            let expected = format_args!("{} items, one for each token", vocabulary.length);
            return Err(Error::model(field, expected, types.len()));
        }
        let types = types.unwrap_or_default();
        if let Some(id) = types.iter().position(|kind| !KINDS.contains(kind)) {
            let found = types.get(id).copied().unwrap_or_default();
            return Err(Error::model(format_args!("{field}[{id}]"), "0 to 6", found));
        }
        // Gemma 4 ends nothing with it: there it is a tag of HTML.
        let is_gemma_4 = vocabulary.id("<|tool_response>").is_some();
        let is_special = |text: &str, id: u32| {
            if is_gemma_4 && text == "</s>" {
                return false;
            }
            let kind = usize::try_from(id).ok().and_then(|id| types.get(id));
            kind.is_some_and(|kind| [UNKNOWN, CONTROL, USER_DEFINED].contains(kind))
                || NAMES.contains(&text)
        };
        let mut tokens: Vec<_> = vocabulary
            .tokens()
            .filter(|(text, id)| is_special(text, *id))
            .map(|(text, id)| Special {
                text: text.to_owned(),
                id,
                strips: is_phi_3 && !["<unk>", "<s>", "<|endoftext|>"].contains(&text),
            })
            .collect();
        tokens.sort_by_key(|token| (std::cmp::Reverse(token.text.len()), token.id));
        Ok(Self {
            tokens,
            vocabulary: vocabulary.length,
        })
    }

    /// Takes out every occurrence of the longest token, then of the next one in what is left, and so on: the order of
    /// llama.cpp, which decides where tokens overlap.
    pub(super) fn split<'t>(&self, text: &'t str) -> Vec<Part<'t>> {
        let mut parts = vec![Part::Text(text)];
        for token in &self.tokens {
            if !text.contains(&token.text) {
                continue;
            }
            parts = parts
                .into_iter()
                .flat_map(|part| match part {
                    Part::Text(text) => token.cut(text),
                    special @ Part::Special(_) => vec![special],
                })
                .collect();
        }
        parts.retain(|part| *part != Part::Text(""));
        parts
    }

    /// The id of a token that the file wants around every text.
    pub(super) fn known_id(&self, field: &str, id: Option<u64>) -> Result<u32, Error> {
        let id =
            id.ok_or_else(|| Error::model(field, "an id, since the token is added", "none"))?;
        u32::try_from(id)
            .ok()
            .filter(|_| usize::try_from(id).is_ok_and(|id| id < self.vocabulary))
            .ok_or_else(|| {
                let expected = format_args!("an id below {}", self.vocabulary);
                Error::model(field, expected, id)
            })
    }
}

impl Special {
    fn cut<'t>(&self, mut text: &'t str) -> Vec<Part<'t>> {
        let mut parts = Vec::new();
        while let Some((before, behind)) = text.split_once(&self.text) {
            parts.extend([Part::Text(before), Part::Special(self.id)]);
            text = if self.strips {
                behind.trim_start_matches([' ', '\t', '\n', '\u{B}', '\u{C}', '\r'])
            } else {
                behind
            };
        }
        parts.push(Part::Text(text));
        parts
    }
}

/// Undefined, normal, unknown, control, user-defined, unused, byte.
const KINDS: std::ops::RangeInclusive<i64> = 0..=6;
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;

/// Ends of texts and turns and marks for filling in, which llama.cpp takes as special whatever their type: the
/// vocabularies of Qwen hold `</s>` as a normal token. Where it picks one of several by chance, all of them are taken.
const NAMES: [&str; 61] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<\u{FF5C}end\u{2581}of\u{2581}sentence\u{FF5C}>",
    "[e~[",
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<\u{FF5C}fim\u{2581}begin\u{FF5C}>",
    "<PRE>",
    "\u{2581}<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<\u{FF5C}fim\u{2581}hole\u{FF5C}>",
    "<SUF>",
    "\u{2581}<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<\u{FF5C}fim\u{2581}end\u{FF5C}>",
    "<MID>",
    "\u{2581}<MID>",
    "<|code_middle|>",
    "<|middle|>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "[PAD]",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
    "<|channel|>",
    "<|message|>",
    "<|start|>",
    "<|constrain|>",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_token_wins_wherever_it_stands() {
        let tokens = ["ab", "bcd", "x", ""].map(str::to_owned).to_vec();
        let vocabulary = Vocabulary::new("tokens", tokens).unwrap();
        let specials = Specials::new(&vocabulary, "types", Some(&[3, 4, 1, 3]), false).unwrap();
        assert_eq!(
            specials.split("abcdab x"),
            [
                Part::Text("a"),
                Part::Special(1),
                Part::Special(0),
                Part::Text(" x")
            ]
        );
        assert_eq!(specials.split(""), []);
        assert_eq!(specials.split("bcdbcd"), [Part::Special(1); 2]);
    }

    #[test]
    fn a_token_may_take_the_white_space_behind_it_along() {
        let tokens = ["<s>", "<|end|>", " <|user|>"].map(str::to_owned).to_vec();
        let vocabulary = Vocabulary::new("tokens", tokens).unwrap();
        let split = |phi, text| {
            let types = [3; 3];
            let specials = Specials::new(&vocabulary, "types", Some(&types), phi);
            specials.unwrap().split(text).len()
        };
        assert_eq!(
            (split(true, "<|end|> \n\u{B}"), split(false, "<|end|> \n")),
            (1, 2)
        );
        assert_eq!((split(true, "<s> "), split(true, "<|end|>\u{A0}")), (2, 2));
        assert_eq!(
            (split(true, "<|end|>  a"), split(true, "<|end|> <|user|>")),
            (2, 2)
        );
    }

    #[test]
    fn types_that_do_not_fit_the_tokens_are_refused() {
        let vocabulary = Vocabulary::new("tokens", vec!["a".to_owned()]).unwrap();
        for types in [&[1, 1][..], &[], &[7], &[-1]] {
            assert!(Specials::new(&vocabulary, "types", Some(types), false).is_err());
        }
    }
}
