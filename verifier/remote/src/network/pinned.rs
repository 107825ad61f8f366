//! What an object was when it was opened.

use std::ops::Range;

use super::failure::Failure;

/// What tells one state of an object from another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pinned {
    pub(crate) length: u64,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
    /// The revision of a repository.
    pub(crate) revision: Option<String>,
    /// The version that a store has given.
    pub(crate) version: Option<String>,
    /// The SHA-256 that the publisher gives.
    pub(crate) sha256: Option<String>,
}

/// Bytes, and what they are of.
pub(crate) struct Reply {
    pub(crate) pinned: Pinned,
    pub(crate) bytes: Vec<u8>,
}

impl Pinned {
    /// The tag for a condition, which has to be a strong one.
    pub(crate) fn strong_etag(&self) -> Option<&str> {
        self.etag.as_deref().filter(|etag| !etag.starts_with("W/"))
    }

    /// Holds a reply against what was pinned.
    pub(crate) fn hold(&self, now: &Self) -> Result<(), Failure> {
        if self.length != now.length {
            let (was, is) = (self.length, now.length);
            return Err(Failure::Changed(format!(
                "its length went from {was} to {is} bytes"
            )));
        }
        let fields = [
            ("ETag", &self.etag, &now.etag),
            ("Last-Modified", &self.last_modified, &now.last_modified),
            ("revision", &self.revision, &now.revision),
            ("version", &self.version, &now.version),
        ];
        let changed = fields.into_iter().find(|(_, was, is)| was != is);
        changed.map_or(Ok(()), |(name, was, is)| {
            let shown = |one: &Option<String>| one.clone().unwrap_or_else(|| "none".to_owned());
            Err(Failure::Changed(format!(
                "its {name} went from {} to {}",
                shown(was),
                shown(is)
            )))
        })
    }

    /// The part of a range that lies in the object.
    pub(crate) fn within(&self, range: &Range<u64>) -> Range<u64> {
        range.start..range.end.min(self.length)
    }
}
