//! How a text that may come from a file gets into the page: every value that a template writes goes through here.

use std::fmt::{Result, Write};

use askama::filters::{Escaper, Html};
use verifier::finding::escape;

/// HTML in which control characters and those that turn the direction of a text are written out.
#[derive(Clone, Copy)]
pub(crate) struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut dest: W, text: &str) -> Result {
        // Most texts are escaped already: their backslashes stay as they are.
        for (index, part) in text.split('\\').enumerate() {
            if index > 0 {
                dest.write_char('\\')?;
            }
            Html.write_escaped_str(&mut dest, &escape(part.as_bytes()))?;
        }
        Ok(())
    }
}

/// Cuts a text that would fill the page.
pub(super) fn clip(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((cut, _)) => {
            let start = text.get(..cut).unwrap_or_default();
            format!("{start}… ({} characters)", text.chars().count())
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_marks_of_direction_are_written_out() {
        let mut text = String::new();
        let hostile = "<a href='x'>\u{202e}\n\\x1b &amp;";
        Visible.write_escaped_str(&mut text, hostile).unwrap();
        assert_eq!(
            text,
            "&#60;a href=&#39;x&#39;&#62;\\xe2\\x80\\xae\\x0a\\x1b &#38;amp;"
        );
    }

    #[test]
    fn a_long_text_says_how_long_it_was() {
        assert_eq!(clip("größe", 3), "grö… (5 characters)");
        assert_eq!(clip("größe", 5), "größe");
    }
}
