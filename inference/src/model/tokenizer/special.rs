//! Special tokens inside a text.

use super::{kinds::Kind, vocabulary::Vocabulary};

/// The tokens that are taken out of a text before anything else looks at it.
#[derive(Debug)]
pub(super) struct Specials {
    /// Longest text first, then by id.
    tokens: Vec<Special>,
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
    pub(super) fn new(vocabulary: &Vocabulary, kinds: &[Kind], is_phi_3: bool) -> Self {
        // Gemma 4 ends nothing with it: there it is a tag of HTML.
        let is_tag = |text: &str| text == "</s>" && vocabulary.id("<|tool_response>").is_some();
        let is_special = |kind| matches!(kind, Kind::Unknown | Kind::Control | Kind::UserDefined);
        let named = vocabulary.tokens().filter(|(text, _)| NAMES.contains(text));
        let mut tokens: Vec<_> = vocabulary
            .of_kinds(kinds, is_special)
            .chain(named)
            .filter(|(text, _)| !is_tag(text))
            .map(|(text, id)| Special {
                text: text.to_owned(),
                id,
                strips: is_phi_3 && !["<unk>", "<s>", "<|endoftext|>"].contains(&text),
            })
            .collect();
        tokens.sort_by_key(|token| (std::cmp::Reverse(token.text.len()), token.id));
        tokens.dedup_by_key(|token| token.id);
        Self { tokens }
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
        let kinds = [
            Kind::Control,
            Kind::UserDefined,
            Kind::Normal,
            Kind::Control,
        ];
        let specials = Specials::new(&vocabulary, &kinds, false);
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
            let specials = Specials::new(&vocabulary, &[Kind::Control; 3], phi);
            specials.split(text).len()
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
}
