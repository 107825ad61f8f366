//! Why a file is refused.

use std::{fmt, io};

/// Why a GGUF file could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file breaks a rule of the format: the producer's or the transport's fault.
    #[error(transparent)]
    Format(FormatError),
    /// The bytes handed over end before the header does, while the file goes on: the caller's fault.
    #[error("header needs at least {needed} bytes, found {found} (gguf.header.incomplete)")]
    Incomplete {
        /// Bytes from the start of the file that are needed to get past the current field.
        needed: u64,
        /// Bytes that were handed over.
        found: u64,
    },
    /// The source could not be read.
    #[error("read of {length} bytes at offset {offset}: {message}")]
    Io {
        /// Where the read began.
        offset: u64,
        /// How many bytes were asked for.
        length: u64,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The text of the failure.
        message: String,
    },
}

/// A broken rule, with its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} at offset {offset}: expected {expected}, found {found} ({code})")]
#[non_exhaustive]
pub struct FormatError {
    /// The stable code of the rule, such as `gguf.key.length`.
    pub code: &'static str,
    /// Offset of the field in the file.
    pub offset: u64,
    /// The field, such as `kv 3 key`.
    pub field: String,
    /// What the rule asks for.
    pub expected: String,
    /// What the file holds, escaped.
    pub found: String,
}

impl Error {
    /// Returns the stable code of the failure.
    ///
    /// A read that ends early is `input-changed`: the reader stays inside the length that the source announced.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code,
            Self::Incomplete { .. } => "gguf.header.incomplete",
            Self::Io {
                kind: io::ErrorKind::UnexpectedEof,
                ..
            } => INPUT_CHANGED,
            Self::Io { .. } => "io",
        }
    }

    /// Tells whether the file is another one than when it was opened.
    pub fn is_changed(&self) -> bool {
        self.code() == INPUT_CHANGED
    }

    /// Tells whether tensor data end behind the file, as those of a download that was cut.
    pub fn is_cut(&self) -> bool {
        self.code() == TRUNCATED
    }

    /// Tells whether the file ends inside its header, or a count there is larger than the bytes that are left.
    pub fn is_cut_in_header(&self) -> bool {
        CUT_IN_HEADER.contains(&self.code())
    }

    /// Returns the offset in the file that the failure is about.
    pub fn offset(&self) -> u64 {
        match self {
            Self::Format(error) => error.offset,
            Self::Incomplete { found, .. } => *found,
            Self::Io { offset, .. } => *offset,
        }
    }

    pub(crate) fn format(
        code: &'static str,
        offset: u64,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Format(FormatError {
            code,
            offset,
            field: field.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }

    pub(crate) fn io(offset: u64, length: usize, error: &io::Error) -> Self {
        Self::Io {
            offset,
            length: u64::try_from(length).unwrap_or(u64::MAX),
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}

const INPUT_CHANGED: &str = "input-changed";
const TRUNCATED: &str = "gguf.truncated";
const CUT_IN_HEADER: [&str; 5] = [
    "gguf.short",
    "gguf.count.tensors",
    "gguf.count.kv",
    "gguf.string.length",
    "gguf.array.count",
];

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

/// Bytes between quotes, escaped and cut after 80, so that no file can reach the terminal.
pub(crate) struct Quoted<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..MOST_QUOTED) {
            Some(start) => write!(formatter, "\"{}...\"", start.escape_ascii()),
            None => write!(formatter, "\"{}\"", self.0.escape_ascii()),
        }
    }
}

const MOST_QUOTED: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_names_field_offset_expected_found_and_code() {
        let error = Error::format(
            "gguf.key.length",
            120,
            "kv 3 key",
            format_args!("at most {} bytes", Grouped(65_535)),
            Grouped(70_000),
        );
        let text =
            "kv 3 key at offset 120: expected at most 65,535 bytes, found 70,000 (gguf.key.length)";
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        let texts = [0, 999, 1_000, u64::MAX].map(|number| Grouped(number).to_string());
        assert_eq!(texts, ["0", "999", "1,000", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn quoted_bytes_are_escaped_and_cut() {
        assert_eq!(
            Quoted(b"a\0\x1b[31m\xff").to_string(),
            r#""a\x00\x1b[31m\xff""#
        );
        assert_eq!(
            Quoted(&[b'n'; 100]).to_string(),
            format!("\"{}...\"", "n".repeat(80))
        );
    }

    #[test]
    fn a_read_that_ends_early_means_that_the_input_changed() {
        let error = Error::io(10, 20, &io::ErrorKind::UnexpectedEof.into());
        assert_eq!((error.code(), error.offset()), ("input-changed", 10));
        assert_eq!(
            Error::io(0, 1, &io::ErrorKind::PermissionDenied.into()).code(),
            "io"
        );
    }
}
