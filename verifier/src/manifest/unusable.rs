//! A file that was given as a manifest and cannot be used as one.

use std::io;

use thiserror::Error;

use super::bound::Bound;
use super::{Manifest, Rows};
use crate::code::Code;
use crate::finding::{Effect, Finding, escape};
use crate::input::Input;
use crate::report::Report;
use crate::roles::nothing_compared;

/// Why a file cannot be used as a manifest.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Unusable {
    /// It is a model.
    #[error("it is a model, not a manifest")]
    Model,
    /// It is of no form that is known, or too large for one.
    #[error(
        "it is not a manifest that is known: give one of aprove, rows of sha256sum, b3sum, gguf-hash or Get-FileHash, a digest, a Git LFS pointer, a file tree of Hugging Face or a registry manifest"
    )]
    Unknown,
    /// It is one that binds files by name, where a sidecar has to be.
    #[error(
        "it is a list of digests, not a manifest of aprove: `verify MODEL --manifest` reads it"
    )]
    List,
    /// Another one stands beside another file of the same set.
    #[error("{0} beside another file of the set says something else: keep the right one")]
    Several(String),
    /// It changed while it was read.
    #[error("it changed while it was read: {0}")]
    Changed(String),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// The report where a model was to be checked against something that is not a manifest.
#[must_use]
pub fn cannot_check(name: &str, why: &Unusable, input: &Input<'_>) -> Report {
    let manifest = Manifest {
        name: name.to_owned(),
        form: "unknown",
        rows: Rows::Nothing,
        problems: Vec::new(),
    };
    let mut finding = unusable(name, why);
    if matches!(why, Unusable::Model) {
        finding = finding.hint("to compare two models, leave out --manifest: verify A B");
    }
    manifest.name_in(nothing_compared(&[input], &[finding]), Bound::default())
}

/// That a file is no manifest.
pub(crate) fn unusable(name: &str, why: &Unusable) -> Finding {
    let code = match why {
        Unusable::Model | Unusable::Unknown | Unusable::List | Unusable::Several(_) => {
            Code::ManifestUnknown
        }
        Unusable::Changed(_) => Code::InputChanged,
        Unusable::Io(_) => Code::Io,
    };
    Finding::new(
        code,
        Effect::Undecided,
        format!("{} cannot be used: {why}", escape(name.as_bytes())),
    )
}
