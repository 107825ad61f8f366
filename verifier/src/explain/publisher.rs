//! Files of a network, held against the digests that their publishers give.

use std::collections::BTreeSet;

use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::report::{AtFault, Conclusion, ConclusionKind, FileFormat, FileRow};

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

/// Files of which nothing but the digest of the publisher, or of their name, is wrong: nothing shows that they were damaged.
pub(crate) fn conclude(findings: &[Finding], called: &[String; 2]) -> Option<Conclusion> {
    let mut deciding = findings.iter().filter(|one| one.effect.decides());
    let first = deciding.clone().next()?;
    let wrong = (first.code, Effect::Different);
    let says = match first.code {
        Code::InputPublished => "what its publisher gives",
        Code::InputName => "what its name says",
        _ => return None,
    };
    if !deciding.all(|one| (one.code, one.effect) == wrong) {
        return None;
    }
    let unlike = findings.iter().filter(|one| one.code == wrong.0);
    let sides: BTreeSet<Side> = unlike
        .filter_map(|one| Some(one.places.first()?.side))
        .collect();
    let side = first.places.first()?.side;
    let [of_first, of_second] = called;
    let (at_fault, what, other) = match (sides.len(), side.is_first()) {
        (1, true) => (side.into(), of_first.as_str(), of_second),
        (1, false) => (side.into(), of_second.as_str(), of_first),
        _ => (AtFault::Both, "neither file", of_second),
    };
    let is = if at_fault == AtFault::Both {
        "is"
    } else {
        "is not"
    };
    let mut findings = findings.iter();
    let is_identical = findings.any(|one| one.code == Code::PairIdentical);
    let and = if is_identical && at_fault != AtFault::Both {
        format!(", and has the bytes of {other}")
    } else {
        String::new()
    };
    let text = format!("{what} {is} {says}{and}: {}", first.message);
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
