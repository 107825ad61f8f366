//! Why a file is refused, and what is wrong with one that can be read.

use std::fmt;

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
}

/// A broken rule in a file that can be read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The stable code, such as `apr.footer.crc`.
    pub code: &'static str,
    /// Offset in the file.
    pub offset: u64,
    /// What is wrong, with names escaped.
    pub text: String,
}

impl Error {
    /// Returns the stable code of the broken rule.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { code, .. } | Self::Unwritable { code, .. } => code,
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

/// Collects findings, and only counts them once there are too many to read.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    more: u64,
}

impl Findings {
    pub(crate) fn add(&mut self, code: &'static str, offset: u64, text: impl fmt::Display) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(Finding {
                code,
                offset,
                text: text.to_string(),
            });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    pub(crate) fn into_vec(mut self, file_length: u64) -> Vec<Finding> {
        if self.more > 0 {
            let text = format!("{} further findings were not kept", self.more);
            self.kept.push(Finding {
                code: "apr.findings.more",
                offset: file_length,
                text,
            });
        }
        self.kept
    }
}

/// A hostile file can be wrong in a million places; nobody reads that many findings.
const MOST_KEPT: usize = 1024;

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

    #[test]
    fn findings_beyond_the_most_kept_are_counted() {
        let mut findings = Findings::default();
        for offset in 0..2_000 {
            findings.add("apr.index.name", offset, "odd");
        }
        let findings = findings.into_vec(9);
        assert_eq!(findings.len(), MOST_KEPT + 1);
        assert_eq!(
            findings[MOST_KEPT].text,
            "976 further findings were not kept"
        );
    }
}
