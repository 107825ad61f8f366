//! Why a file could not be read, or would not be written.

use std::{fmt, io};

/// Why a file could not be read, or would not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is damaged where it tells what it holds: the producer's or the transport's fault.
    #[error("{field} at offset {offset}: expected {expected}, found {found} ({code})")]
    #[non_exhaustive]
    Unreadable {
        /// The stable code, such as `apr.magic`.
        code: &'static str,
        /// Offset of the field in the file.
        offset: u64,
        /// The field, such as `tensor 3 name`.
        field: String,
        /// What the format asks for.
        expected: String,
        /// What the file holds, escaped.
        found: String,
    },
    /// The file to be written would break a rule: the caller's fault.
    #[error("{field}: expected {expected}, found {found} ({code})")]
    #[non_exhaustive]
    Unwritable {
        /// The stable code that a reader would report, such as `apr.index.duplicate`.
        code: &'static str,
        /// The field, such as `tensor "a" name`.
        field: String,
        /// What the format asks for.
        expected: String,
        /// What was handed over, escaped.
        found: String,
    },
    /// The source could not be read; `UnexpectedEof` means that the file changed.
    #[error("read of {length} bytes at offset {offset}: {message}")]
    Io {
        /// Where the read began.
        offset: u64,
        /// How many bytes were asked for.
        length: usize,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The text of the failure.
        message: String,
    },
}

impl Error {
    /// Returns the stable code of the broken rule.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { code, .. } | Self::Unwritable { code, .. } => code,
            Self::Io {
                kind: io::ErrorKind::UnexpectedEof,
                ..
            } => "input-changed",
            Self::Io { .. } => "io",
        }
    }

    pub(crate) fn unreadable(
        code: &'static str,
        offset: u64,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let (field, expected, found) = (field.to_string(), expected.to_string(), found.to_string());
        Self::Unreadable {
            code,
            offset,
            field,
            expected,
            found,
        }
    }

    pub(crate) fn unwritable(
        code: &'static str,
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        let (field, expected, found) = (field.to_string(), expected.to_string(), found.to_string());
        Self::Unwritable {
            code,
            field,
            expected,
            found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_field_place_expected_found_and_code() {
        let error = Error::unreadable("apr.magic", 0, "magic", "\"APR\\0\"", "\"FUGG\"");
        assert_eq!(
            error.to_string(),
            r#"magic at offset 0: expected "APR\0", found "FUGG" (apr.magic)"#
        );
        let error = Error::unwritable("apr.index.rank", "tensor \"a\" rank", "1 to 8", 0);
        assert_eq!(
            error.to_string(),
            "tensor \"a\" rank: expected 1 to 8, found 0 (apr.index.rank)"
        );
        assert_eq!(error.code(), "apr.index.rank");
    }
}
