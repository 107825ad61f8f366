//! Errors of reading and writing traces.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Reason why a trace could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The file cannot be opened or read, or is not there.
    #[error("{}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The content is in no known format.
    #[error(
        "{}: neither an APRT folder, .npz, .safetensors nor the output of `apr trace --payload` (text or JSON)",
        file.display()
    )]
    Unknown {
        /// The file.
        file: PathBuf,
    },
    /// The file contradicts its own format.
    #[error("{}, byte {offset}: expected {expected}, found {found}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Where, from the start of the file; of a packed member, from the start of its data.
        offset: u64,
        /// What the format asks for.
        expected: String,
        /// What the file holds, escaped.
        found: String,
    },
    /// The file exceeds a limit of the reader.
    #[error("{}: {what} is over the limit of {limit}; capture fewer tokens or fewer nodes", file.display())]
    Limit {
        /// The file.
        file: PathBuf,
        /// What is too large, with its size.
        what: String,
        /// The limit.
        limit: u64,
    },
}

impl TraceError {
    /// A file that holds none of the forms.
    pub(crate) fn unknown(path: &Path) -> Self {
        Self::Unknown {
            file: path.to_path_buf(),
        }
    }

    pub(crate) fn io(file: &Path, source: io::Error) -> Self {
        Self::Io {
            file: file.to_path_buf(),
            source,
        }
    }

    pub(crate) fn malformed(
        file: &Path,
        offset: u64,
        expected: impl ToString,
        found: impl ToString,
    ) -> Self {
        Self::Malformed {
            file: file.to_path_buf(),
            offset,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }
}
