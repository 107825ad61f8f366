//! Findings: what was noticed, where, what it means for the verdict, and its likely cause.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::code::{CauseCode, Code};
use crate::region::{RegionKind, Span};

/// Which of the two files of a pair: named by its format where the formats tell the files apart, else by its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The APR v2 file.
    Apr,
    /// The GGUF file, or the set of its shards.
    Gguf,
    /// The first of two files of one format.
    A,
    /// The second of them.
    B,
}

impl Side {
    /// The sides of an APR file and a GGUF.
    pub const BY_FORMAT: [Self; 2] = [Self::Apr, Self::Gguf];
    /// The sides of two files of one format.
    pub const BY_POSITION: [Self; 2] = [Self::A, Self::B];

    /// Returns `apr`, `gguf`, `a` or `b`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apr => "apr",
            Self::Gguf => "gguf",
            Self::A => "a",
            Self::B => "b",
        }
    }

    /// Returns the other file of the pair.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Apr => Self::Gguf,
            Self::Gguf => Self::Apr,
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// Tells whether it is the first file of its pair; in a pair of two formats that is the APR file.
    #[must_use]
    pub const fn is_first(self) -> bool {
        matches!(self, Self::Apr | Self::A)
    }
}

/// What a finding means for the verdict. There is no default on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// A file could not be read or decoded to its end, or is not what it was: whatever else was seen in it decides
    /// nothing. Reports say `undecided`, as for what could not be compared.
    #[serde(rename = "undecided")]
    #[schemars(skip)]
    Unreadable,
    /// The two files were compared and differ, or one of them contradicts its own format.
    Different,
    /// Something could not be read, decoded or compared.
    Undecided,
    /// Named, and worth knowing; does not change the verdict.
    Warning,
    /// A remark.
    Note,
}

impl Effect {
    /// Tells whether a finding with this effect keeps a verdict from being verified.
    #[must_use]
    pub const fn decides(self) -> bool {
        match self {
            Self::Unreadable | Self::Different | Self::Undecided => true,
            Self::Warning | Self::Note => false,
        }
    }

    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Different => "different",
            Self::Unreadable | Self::Undecided => "undecided",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Where a finding lies in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file of the pair.
    pub side: Side,
    /// The shard, 0 for a single file.
    pub shard: usize,
    /// The kind of the region, when it is known.
    pub region: Option<RegionKind>,
    /// The bytes concerned, in whole-file offsets: the first differing byte, the field, or the range.
    pub span: Option<Span>,
    /// The tensor name or metadata key concerned, raw bytes.
    pub name: Option<Vec<u8>>,
    /// The finer place in words: `block 100, qs, element 24`, `value`, `bit 3`.
    pub detail: Option<String>,
}

impl Place {
    /// Makes a place that names the file only.
    #[must_use]
    pub const fn new(side: Side, shard: usize) -> Self {
        Self {
            side,
            shard,
            region: None,
            span: None,
            name: None,
            detail: None,
        }
    }

    /// Adds the region kind.
    #[must_use]
    pub const fn region(mut self, region: RegionKind) -> Self {
        self.region = Some(region);
        self
    }

    /// Adds the bytes concerned.
    #[must_use]
    pub const fn span(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Adds the tensor name or key.
    #[must_use]
    pub fn name(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds the finer place in words.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// The likely cause of damage: a hint beside a finding that never changes the verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Stable code, such as `cause.single-bit`.
    pub code: CauseCode,
    /// One sentence for a person.
    pub text: String,
}

/// One thing noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable code, such as `apr.footer.crc` or `tensor.bytes`.
    pub code: Code,
    /// What it means for the verdict.
    pub effect: Effect,
    /// One sentence: what is wrong. Lower case, no full stop; names from files are escaped.
    pub message: String,
    /// Where, one entry for each file concerned, the damaged one first.
    pub places: Vec<Place>,
    /// What should stand there, when it can be said.
    pub expected: Option<String>,
    /// What stands there.
    pub found: Option<String>,
    /// What to do next, when it can be said.
    pub hint: Option<String>,
    /// The likely cause, when it shows.
    pub cause: Option<Cause>,
}

impl Finding {
    /// Makes a finding without places.
    #[must_use]
    pub fn new(code: Code, effect: Effect, message: impl Into<String>) -> Self {
        Self {
            code,
            effect,
            message: message.into(),
            places: Vec::new(),
            expected: None,
            found: None,
            hint: None,
            cause: None,
        }
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.places.push(place);
        self
    }

    /// Adds what was expected and what was found.
    #[must_use]
    pub fn expected_found(mut self, expected: impl Into<String>, found: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self.found = Some(found.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the likely cause.
    #[must_use]
    pub fn cause(mut self, code: CauseCode, text: impl Into<String>) -> Self {
        self.cause = Some(Cause {
            code,
            text: text.into(),
        });
        self
    }
}

impl Finding {
    /// Moves all its places to a side: what one decoder says belongs to one file.
    #[must_use]
    pub(crate) fn on(mut self, side: Side) -> Self {
        self.places.iter_mut().for_each(|place| place.side = side);
        self
    }

    /// Makes the other of two files the one at fault.
    pub(crate) fn turn(&mut self) {
        if self.places.len() == 2 {
            std::mem::swap(&mut self.expected, &mut self.found);
            self.places.reverse();
        }
    }
}

/// Shows raw bytes of a name, key or string so that no control byte, escape sequence or bidirectional mark passes.
///
/// Printable UTF-8 stays; everything else becomes `\xNN` for each byte.
#[must_use]
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_hidden(character) || character == '\\' {
                let mut buffer = [0; 4];
                for byte in character.encode_utf8(&mut buffer).bytes() {
                    push_hex(&mut text, byte);
                }
            } else {
                text.push(character);
            }
        }
        for &byte in chunk.invalid() {
            push_hex(&mut text, byte);
        }
    }
    text
}

fn push_hex(text: &mut String, byte: u8) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(text, "\\x{byte:02x}");
}

/// Tells whether a character shows nothing or changes how others look: controls, zero-width and bidirectional characters.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    character.is_control() || is_invisible(character)
}

/// Zero-width and bidirectional characters, and the separators that break lines: they change how a name looks.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    )
}

/// Writes a number with its noun, in the plural unless it is one.
#[must_use]
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let plural = if number == 1.into() { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// `1 byte follows the footer`.
pub(crate) fn follow(bytes: u64, what: &str) -> String {
    let verb = if bytes == 1 { "follows" } else { "follow" };
    format!("{} {verb} {what}", counted(bytes, "byte"))
}

/// A text short enough for one line.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((cut, _)) => format!("{}...", text.split_at(cut).0),
        None => text.to_owned(),
    }
}

/// Characters of a value that a message shows.
pub(crate) const LONGEST_SHOWN: usize = 60;

/// The digits of a digest.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_and_bidirectional_marks_are_shown_as_hex() {
        assert_eq!(escape(b"a\x1b[31m"), "a\\x1b[31m");
        assert_eq!(escape("a\u{202e}b".as_bytes()), "a\\xe2\\x80\\xaeb");
        assert_eq!(escape(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(escape("größe.weight".as_bytes()), "größe.weight");
    }
}
