//! Short, escaped forms of strings and lists.

use crate::finding::escape;

/// Shows the start of a string in quotes, and how long it is where it was cut.
pub(super) fn string(bytes: &[u8]) -> String {
    match bytes.split_at_checked(LONGEST) {
        Some((start, rest)) if !rest.is_empty() => {
            // A character is never cut: what is left of one at the end is dropped.
            let start = match std::str::from_utf8(start) {
                Err(error) if error.error_len().is_none() => {
                    start.get(..error.valid_up_to()).unwrap_or(start)
                }
                _ => start,
            };
            format!("\"{}\"... ({} bytes)", escape(start), bytes.len())
        }
        _ => format!("\"{}\"", escape(bytes)),
    }
}

/// Shows the first of `count` items.
pub(super) fn list(items: impl Iterator<Item = String>, count: u64) -> String {
    let mut shown: Vec<String> = items.take(MOST_ITEMS).collect();
    if count > shown.len() as u64 {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}

/// Bytes of a string that are shown.
const LONGEST: usize = 64;
/// Items of an array that are shown.
const MOST_ITEMS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_string_is_cut_between_characters() {
        assert_eq!(string(b"a\x1bb"), "\"a\\x1bb\"");
        let text = "\u{fc}".repeat(40) + "x";
        assert_eq!(
            string(text.as_bytes()),
            format!("\"{}\"... (81 bytes)", "\u{fc}".repeat(32))
        );
        let shifted = format!("x{text}");
        assert_eq!(
            string(shifted.as_bytes()),
            format!("\"x{}\"... (82 bytes)", "\u{fc}".repeat(31))
        );
    }

    #[test]
    fn a_long_list_ends_in_dots() {
        let numbers = |count: u64| list((0..count).map(|number| number.to_string()), count);
        assert_eq!(numbers(0), "");
        assert_eq!(numbers(6), "0, 1, 2, 3, 4, 5");
        assert_eq!(numbers(7), "0, 1, 2, 3, 4, 5, ...");
    }
}
