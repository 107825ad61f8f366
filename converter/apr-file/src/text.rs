//! Numbers and names in texts.

use std::fmt;

/// A number with its digits in groups of three: `65,535`.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
                formatter.write_str(",")?;
            }
            write!(formatter, "{digit}")?;
        }
        Ok(())
    }
}

/// A name between quotes, escaped and cut after 80 characters, so that no file can reach the terminal.
pub(crate) struct Quoted<'a>(pub(crate) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(MOST_QUOTED) {
            Some((end, _)) => {
                let start = self.0.get(..end).unwrap_or_default();
                write!(formatter, "\"{}...\"", start.escape_default())
            }
            None => write!(formatter, "\"{}\"", self.0.escape_default()),
        }
    }
}

/// A length in memory; `usize` is never wider than 64 bits.
pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

const MOST_QUOTED: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        let texts = [0, 999, 1_000, u64::MAX].map(|number| Grouped(number).to_string());
        assert_eq!(texts, ["0", "999", "1,000", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn quoted_names_are_escaped_and_cut() {
        assert_eq!(
            Quoted("a\0\x1b\u{202e}").to_string(),
            r#""a\u{0}\u{1b}\u{202e}""#
        );
        assert_eq!(
            Quoted(&"ä".repeat(100)).to_string(),
            format!("\"{}...\"", r"\u{e4}".repeat(80))
        );
    }
}
