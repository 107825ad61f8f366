//! Manifests: lists of digests beside a model, written and checked.
//!
//! | form | rows | what a row binds |
//! | --- | --- | --- |
//! | ours (JSON) | files and tensors; from the converter also the sources | whole files; each tensor with name, type, shape, place and bytes |
//! | `sha256sum`, `b3sum`, OpenSSL, `Get-FileHash` | files | whole files |
//! | a digest, a Git LFS pointer, a registry manifest | the one file | the whole file |
//! | the file tree of Hugging Face | files | whole files |
//! | gguf-hash of llama.cpp | tensors and models | the bytes of tensors: no metadata, no type, no shape |
//!
//! A file is bound when a SHA-256 or a BLAKE3 over all of its bytes agrees. A model whose metadata no row binds is
//! undecided, unless the caller allows that.
//!
//! Digests of tensors are over their unpadded bytes. The model digest of gguf-hash is over the bytes of all tensors of a
//! file, one after another in the order of the list; its UUID is version 5 of the same bytes.

mod bound;
mod cap;
mod check;
mod described;
mod fingerprint;
mod folders;
mod hold;
mod json;
mod kind;
mod lines;
mod listed;
mod of_source;
mod powershell;
mod publisher;
mod report_rows;
mod stream;
mod target;
mod unusable;
mod write;

use std::borrow::Cow;

pub use check::{CheckOptions, check};
pub use fingerprint::{Fingerprint, PromptFingerprint};
pub(crate) use hold::hold;
pub(crate) use unusable::unusable;
pub use unusable::{Unusable, cannot_check};
pub use write::{Error, Form, WriteOptions, Written, write};

use self::bound::Bound;
use self::json::Described;
use self::lines::{Line, Listed};
use crate::decode::container::Format;
use crate::finding::escape;
use crate::report::{ManifestRow, Mode, Report};
use crate::source::Source;

/// A manifest that was recognised. Its unreadable rows are kept and count when it is checked.
#[derive(Debug)]
pub struct Manifest {
    /// What the user calls it.
    name: String,
    form: &'static str,
    rows: Rows,
    problems: Vec<Problem>,
}

/// What the one row of a manifest is called that is a digest of the command line.
const ONE_DIGEST: &str = "the digest";

impl Manifest {
    /// Takes a digest as the user gave it, of the file of this base name: `sha256:HEX`, `blake3:HEX`, or 64 digits that may be
    /// either; none when it is something else.
    #[must_use]
    pub fn of_digest(text: &str, file: &str) -> Option<Self> {
        let (kinds, digest) = lines::digest(text.trim())?;
        let row = Line {
            place: ONE_DIGEST.to_owned(),
            scope: lines::Scope::File,
            kinds,
            digest,
            label: Some(file.as_bytes().to_vec()),
            size: None,
        };
        Some(Self::listed(
            "the command line",
            "digest",
            (vec![row], Vec::new()),
        ))
    }

    /// Returns the behaviour that the manifest records of its model.
    #[must_use]
    pub fn fingerprint(&self) -> Option<&Fingerprint> {
        match &self.rows {
            Rows::Described(described) => described.behaviour.as_ref(),
            Rows::Listed(_) | Rows::Nothing => None,
        }
    }

    /// The names of the files that the model was made from and their BLAKE3, where the manifest has them.
    pub fn sources(&self) -> impl Iterator<Item = (&str, &str)> {
        let described = match &self.rows {
            Rows::Described(described) => described.sources.as_deref(),
            Rows::Listed(_) | Rows::Nothing => None,
        };
        let sources = described.unwrap_or_default().iter();
        sources.map(|source| (source.name.as_str(), source.blake3.as_str()))
    }

    /// Whether it binds files by name alone, where a sidecar has to be one of ours.
    pub(crate) const fn is_list(&self) -> bool {
        matches!(self.rows, Rows::Listed(_))
    }

    /// What the user calls it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn listed(name: &str, form: &'static str, (rows, problems): Listed) -> Self {
        Self {
            name: name.to_owned(),
            form,
            rows: Rows::Listed(rows),
            problems,
        }
    }

    /// Notes in a report what the model was held against.
    fn name_in(&self, mut report: Report, bound: Bound) -> Report {
        report.mode = Mode::Manifest;
        report.manifest = Some(self.row(bound));
        report
    }

    fn row(&self, bound: Bound) -> ManifestRow {
        ManifestRow {
            name: escape(self.name.as_bytes()),
            form: self.form.to_owned(),
            bound: bound.bound,
            unbound: bound.unbound,
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
pub fn parse(name: &str, bytes: &[u8]) -> Option<Manifest> {
    let bytes = as_utf8(bytes)?;
    if let Some(read) = json::read(&bytes) {
        let (rows, problems) = match read {
            Ok(described) => (Rows::Described(Box::new(described)), Vec::new()),
            Err(text) => {
                let place = "the manifest".to_owned();
                (Rows::Nothing, vec![Problem { place, text }])
            }
        };
        return Some(Manifest {
            name: name.to_owned(),
            form: "aprove",
            rows,
            problems,
        });
    }
    if let Some((form, listed)) = publisher::read(&bytes) {
        return Some(Manifest::listed(name, form, listed));
    }
    if let Some(listed) = powershell::read(&bytes) {
        return Some(Manifest::listed(name, "Get-FileHash", listed));
    }
    Some(Manifest::listed(name, "rows", lines::read(&bytes)?))
}

/// Reads a source that should be a manifest.
///
/// # Errors
/// It is a model, or something else that is not a manifest, or cannot be read.
pub fn read(name: &str, source: &dyn Source) -> Result<Manifest, Unusable> {
    if is_model(source)? {
        return Err(Unusable::Model);
    }
    let bytes = bytes_of(source)?.ok_or(Unusable::Unknown)?;
    source.check_unchanged().map_err(Unusable::Changed)?;
    parse(name, &bytes).ok_or(Unusable::Unknown)
}

/// Tells whether a file in the place of a model is a manifest. A pointer of Git LFS is one, too, but stands for the model
/// that was not fetched.
pub(crate) fn is_in_place_of_model(source: &dyn Source) -> bool {
    // Of a model only the first bytes are read.
    let bytes = match is_model(source) {
        Ok(false) => bytes_of(source),
        Ok(true) => Ok(None),
        Err(error) => Err(error),
    };
    // What cannot be read shows where it is read as a model.
    let bytes = bytes.unwrap_or(None);
    bytes.is_some_and(|bytes| !publisher::is_pointer(&bytes) && parse("", &bytes).is_some())
}

fn is_model(source: &dyn Source) -> std::io::Result<bool> {
    let mut magic = [0; 4];
    if source.length() < 4 {
        return Ok(false);
    }
    source.read_exact_at(0, &mut magic)?;
    Ok(Format::of(&magic).is_some())
}

/// All bytes of a file that is not too large for a manifest.
fn bytes_of(source: &dyn Source) -> std::io::Result<Option<Vec<u8>>> {
    let length = source.length();
    if length > LARGEST {
        return Ok(None);
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    source.read_exact_at(0, &mut bytes)?;
    Ok(Some(bytes))
}

/// Takes off a byte order mark; text of UTF-16, as Windows PowerShell writes it, becomes UTF-8.
fn as_utf8(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units = pairs.iter().map(|pair| unit(*pair));
        let text: Result<String, _> = char::decode_utf16(units).collect();
        text.ok().filter(|_| odd.is_empty()).map(String::into_bytes)
    };
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return wide(rest, u16::from_le_bytes).map(Cow::Owned);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return wide(rest, u16::from_be_bytes).map(Cow::Owned);
    }
    Some(Cow::Borrowed(
        bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes),
    ))
}

/// A manifest is never larger: 100,000 tensors take less than 64 MiB.
const LARGEST: u64 = 64 << 20;

#[cfg(test)]
mod tests;
