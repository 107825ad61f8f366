//! Where a file came from, when it is an object of a network, and the digest that its publisher gives.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::report::{AtFault, Conclusion, ConclusionKind, FileFormat, FileRow};
use crate::source::Source;

/// Which object of a network was read, as far as its server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Origin {
    /// Its address, without what gives access to it.
    pub location: String,
    /// The tag of its state, which every reply had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time of its last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The commit of its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its version in its store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The SHA-256 that its publisher gives, which the bytes are held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_sha256: Option<String>,
}

/// Whether the publisher of a file gives a digest of it.
pub(crate) fn is_published(source: &dyn Source) -> bool {
    let origin = source.origin();
    origin.is_some_and(|origin| origin.published_sha256.is_some())
}

/// What does not have the digest that its publisher gives, or could not be held against it.
pub(crate) fn findings(files: &[FileRow]) -> Vec<Finding> {
    files.iter().filter_map(finding).collect()
}

/// Whether the files of a side have the digests that their publisher gives; none where that is not known of all of them.
pub(crate) fn holds(files: &[FileRow], side: Side) -> Option<bool> {
    let of_side = files.iter().filter(|file| side_of(file) == side);
    let holds = of_side.map(|file| {
        let published = file.origin.as_ref()?.published_sha256.as_ref()?;
        Some(file.sha256.as_ref()? == published)
    });
    let holds: Vec<Option<bool>> = holds.collect();
    if holds.contains(&Some(false)) {
        return Some(false);
    }
    (!holds.contains(&None)).then_some(true)
}

/// Files of which nothing but the digest of the publisher is wrong: nothing shows that they were damaged.
pub(crate) fn conclude(findings: &[Finding], called: &[String; 2]) -> Option<Conclusion> {
    let mut deciding = findings.iter().filter(|one| one.effect.decides());
    let first = deciding.clone().next()?;
    let wrong = (Code::InputPublished, Effect::Different);
    if !deciding.all(|one| (one.code, one.effect) == wrong) {
        return None;
    }
    let published = findings.iter().filter(|one| one.code == wrong.0);
    let sides: BTreeSet<Side> = published
        .filter_map(|one| Some(one.places.first()?.side))
        .collect();
    let side = first.places.first()?.side;
    let (at_fault, what) = match (sides.len(), called) {
        (1, [name, _]) if side.is_first() => (side.into(), name.as_str()),
        (1, [_, name]) => (side.into(), name.as_str()),
        _ => (AtFault::Both, "neither file"),
    };
    let is = if at_fault == AtFault::Both {
        "is"
    } else {
        "is not"
    };
    let text = format!("{what} {is} what its publisher gives: {}", first.message);
    Some(Conclusion {
        kind: ConclusionKind::Unlike,
        at_fault,
        text,
    })
}

const fn side_of(file: &FileRow) -> Side {
    match (file.side, file.format) {
        (Some(side), _) => side,
        (None, FileFormat::Apr) => Side::Apr,
        (None, FileFormat::Gguf | FileFormat::Unknown) => Side::Gguf,
    }
}

fn finding(file: &FileRow) -> Option<Finding> {
    let published = file.origin.as_ref()?.published_sha256.as_deref()?;
    let name = &file.name;
    let finding = match file.sha256.as_deref() {
        Some(found) if found == published => return None,
        Some(found) => Finding::new(
            Code::InputPublished,
            Effect::Different,
            format!("{name}: its SHA-256 is not the one that its publisher gives"),
        )
        .expected_found(escape(published.as_bytes()), found),
        None => Finding::new(
            Code::InputPublished,
            Effect::Undecided,
            format!("{name}: not all of it was held against the SHA-256 that its publisher gives"),
        ),
    };
    let finding = finding.at(Place::new(side_of(file), file.shard));
    Some(
        finding.hint(
            "run again; if it stays, tell the publisher: it is not the file that was published",
        ),
    )
}
