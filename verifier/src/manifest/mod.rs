//! Manifests: lists of digests beside a model, written and checked.
//!
//! | form | rows | what a row binds |
//! | --- | --- | --- |
//! | ours (JSON) | files and tensors | whole files; each tensor with name, type, shape, place and bytes |
//! | the converter's sidecar (JSON) | artifact, sources, tensors | the same, and which files an artifact was made from |
//! | `sha256sum`, `b3sum` | files | whole files |
//! | gguf-hash of llama.cpp | tensors and models | the bytes of tensors: no metadata, no type, no shape |
//!
//! Digests of tensors are over their unpadded bytes. The model digest of gguf-hash is over the bytes of all tensors of a
//! file, one after another in the order of the list; its UUID is version 5 of the same bytes.

mod check;
mod described;
mod fingerprint;
mod json;
mod kind;
mod lines;
mod listed;
mod report_rows;
mod stream;
mod target;
mod write;

pub use check::check;
pub use fingerprint::{Fingerprint, PromptFingerprint};
pub use write::{Error, Form, Written, write};

use self::json::Described;
use self::lines::Line;
use crate::source::Source;

/// A manifest that was recognised. Its unreadable rows are kept and count when it is checked.
#[derive(Debug)]
pub struct Manifest {
    rows: Rows,
    problems: Vec<Problem>,
}

impl Manifest {
    /// Returns the behaviour that the manifest records of its model.
    #[must_use]
    pub const fn fingerprint(&self) -> Option<&Fingerprint> {
        match &self.rows {
            Rows::Described(described) => described.fingerprint(),
            Rows::Listed(_) | Rows::Nothing => None,
        }
    }
}

#[derive(Debug)]
enum Rows {
    Described(Box<Described>),
    Listed(Vec<Line>),
    /// It names itself a manifest, and none of it could be read.
    Nothing,
}

/// A part of a manifest that cannot be read.
#[derive(Debug)]
struct Problem {
    /// `line 3`, or the manifest as a whole.
    place: String,
    text: String,
}

/// Recognises a manifest of any form by content; none when it is something else.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Manifest> {
    if let Some(read) = json::read(bytes) {
        return Some(match read {
            Ok(described) => Manifest {
                rows: Rows::Described(Box::new(described)),
                problems: Vec::new(),
            },
            Err(text) => Manifest {
                rows: Rows::Nothing,
                problems: vec![Problem {
                    place: "the manifest".to_owned(),
                    text,
                }],
            },
        });
    }
    let (rows, problems) = lines::read(bytes)?;
    Some(Manifest {
        rows: Rows::Listed(rows),
        problems,
    })
}

/// Reads a source that may be a manifest; none when it is something else, too large for one, or cannot be read.
///
/// Of a model only the first bytes are read.
#[must_use]
pub fn read(source: &dyn Source) -> Option<Manifest> {
    let length = source.length();
    let mut magic = [0; 4];
    source.read_exact_at(0, &mut magic).ok()?;
    if length > LARGEST || magic == *b"GGUF" || magic.starts_with(b"APR") {
        return None;
    }
    let mut bytes = vec![0; usize::try_from(length).ok()?];
    source.read_exact_at(0, &mut bytes).ok()?;
    source.check_unchanged().ok()?;
    parse(&bytes)
}

/// A manifest is never larger: 100,000 tensors take less than 64 MiB.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests;
