//! Errors of loading and running a model.

use std::{fmt, io};

/// Reason why a model could not be loaded or run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file asks for something that the forward does not do: nothing is wrong with the file.
    #[error("not covered ({what})")]
    NotCovered {
        /// What is not covered, such as `arch gemma2`.
        what: String,
        /// The tensors that no step reads and an engine would use, where it is them.
        unread: Vec<String>,
    },
    /// The file contradicts itself, or something is missing that no rule replaces.
    #[error("{field}: expected {expected}, found {found}")]
    Model {
        /// The key or tensor.
        field: String,
        /// What the forward needs.
        expected: String,
        /// What the file holds, escaped.
        found: String,
    },
    /// A tensor has another shape than the keys of the model give.
    #[error("tensor \"{name}\": expected dims [{expected}], found {found}")]
    Shape {
        /// The name of the tensor, escaped.
        name: String,
        /// What the forward needs.
        expected: String,
        /// What the file holds.
        found: String,
    },
    /// The prompt does not fit the model.
    #[error("prompt: expected {expected}, found {found}")]
    Prompt {
        /// What the model allows.
        expected: String,
        /// What was asked for.
        found: String,
    },
    /// The GGUF file cannot be parsed.
    #[error(transparent)]
    Gguf(#[from] gguf_file::Error),
    /// The APR file cannot be parsed.
    #[error(transparent)]
    Apr(#[from] apr_file::Error),
    /// A read failed; `UnexpectedEof` means that the file changed.
    #[error("read of {length} bytes at offset {offset}: {message}")]
    Io {
        /// Offset in the file.
        offset: u64,
        /// The number of bytes asked for.
        length: usize,
        /// The kind of the failure.
        kind: io::ErrorKind,
        /// The text of the operating system.
        message: String,
    },
}

impl Error {
    pub(crate) fn not_covered(what: impl fmt::Display) -> Self {
        Self::NotCovered {
            what: what.to_string(),
            unread: Vec::new(),
        }
    }

    pub(crate) fn model(
        field: impl fmt::Display,
        expected: impl fmt::Display,
        found: impl fmt::Display,
    ) -> Self {
        Self::Model {
            field: field.to_string(),
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    pub(crate) fn io(offset: u64, length: usize, error: &io::Error) -> Self {
        Self::Io {
            offset,
            length,
            kind: error.kind(),
            message: error.to_string(),
        }
    }
}
