//! What is legal but odd.

use std::fmt;

/// A remark about a legal oddity; it never makes a file unreadable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The stable code, such as `gguf.array.nested`.
    pub code: &'static str,
    /// Offset of the field in the file.
    pub offset: u64,
    /// What is odd about it, escaped.
    pub text: String,
}

/// Collects notes, and only counts them once there are too many to read.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    kept: Vec<Note>,
    more: u64,
}

impl Notes {
    pub(crate) fn add(&mut self, code: &'static str, offset: u64, text: impl fmt::Display) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(Note {
                code,
                offset,
                text: text.to_string(),
            });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(crate) fn into_vec(mut self, file_length: u64) -> Vec<Note> {
        if self.more > 0 {
            let text = format!("{} further notes were not kept", self.more);
            self.kept.push(Note {
                code: "gguf.notes.more",
                offset: file_length,
                text,
            });
        }
        self.kept
    }
}

/// A hostile file can be odd in a million places; nobody reads that many notes.
const MOST_KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_beyond_the_most_kept_are_counted() {
        let mut notes = Notes::default();
        for offset in 0..1_000 {
            notes.add("gguf.key.style", offset, "odd");
        }
        let notes = notes.into_vec(9);
        assert_eq!(notes.len(), MOST_KEPT + 1);
        assert_eq!(notes[MOST_KEPT].text, "744 further notes were not kept");
    }
}
