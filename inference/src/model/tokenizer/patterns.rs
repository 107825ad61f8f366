//! Cutting a text into words, before merges join their bytes.

use fancy_regex::Regex;

use super::rules::Rule;
use crate::error::Error;

/// Compiled patterns.
///
/// They are applied one after the other, each to the pieces that the ones before left; what no pattern matches is a
/// piece, too.
#[derive(Debug)]
pub(super) struct Patterns(Vec<Regex>);

impl Patterns {
    pub(super) fn new(rule: &Rule) -> Result<Self, Error> {
        let compiled = rule.patterns.iter().map(|pattern| {
            Regex::new(pattern).map_err(|error| {
                Error::not_covered(format_args!("pre-tokenizer pattern {pattern}: {error}"))
            })
        });
        compiled.collect::<Result<_, _>>().map(Self)
    }

    /// Cuts a text; the pieces joined are the text.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, Error> {
        let mut pieces = vec![text];
        for pattern in &self.0 {
            let mut finer = Vec::with_capacity(pieces.len());
            for piece in pieces {
                cut(pattern, piece, &mut finer)?;
            }
            pieces = finer;
        }
        Ok(pieces)
    }
}

fn cut<'t>(pattern: &Regex, text: &'t str, pieces: &mut Vec<&'t str>) -> Result<(), Error> {
    let mut end = 0;
    for found in pattern.find_iter(text) {
        let found = found.map_err(|error| Error::Prompt {
            expected: "a text that the pre-tokenizer can cut".to_owned(),
            found: format!("{error} after {end} of {} bytes", text.len()),
        })?;
        pieces.extend(text.get(end..found.start()));
        pieces.push(found.as_str());
        end = found.end();
    }
    pieces.extend(text.get(end..));
    pieces.retain(|piece| !piece.is_empty());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tokenizer::rules::rule;

    #[test]
    fn every_piece_is_kept_and_in_order() {
        for name in [
            "default",
            "gpt-2",
            "llama-bpe",
            "qwen2",
            "deepseek-llm",
            "tekken",
            "viking",
        ] {
            let patterns = Patterns::new(&rule(name).unwrap()).unwrap();
            for text in [
                "",
                " ",
                "a\r\n\r\n b  c",
                "\u{0}\u{85}\u{3000}é12345 ~~|",
                "'S 's",
            ] {
                let pieces = patterns.split(text).unwrap();
                assert_eq!(pieces.concat(), text);
                assert!(pieces.iter().all(|piece| !piece.is_empty()), "{pieces:?}");
            }
        }
    }

    #[test]
    fn a_pattern_sees_only_its_own_piece() {
        // The digits are cut out first, so the space in front of them has nothing behind it.
        let patterns = Patterns::new(&rule("starcoder").unwrap()).unwrap();
        let pieces = patterns.split("a  1b").unwrap();
        assert_eq!(pieces, ["a", "  ", "1", "b"]);
        let patterns = Patterns::new(&rule("gpt-2").unwrap()).unwrap();
        assert_eq!(patterns.split("a  1b").unwrap(), ["a", " ", " 1", "b"]);
    }

    #[test]
    fn a_text_that_a_pattern_gives_up_on_is_an_error() {
        let patterns = Patterns::new(&rule("llama-bpe").unwrap()).unwrap();
        let spaces = " ".repeat(2_000_000);
        assert!(matches!(patterns.split(&spaces), Err(Error::Prompt { .. })));
    }
}
