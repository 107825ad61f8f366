//! What the rows of `sha256sum`, `b3sum` and gguf-hash mean for a model.
//!
//! Rows are looked up by base name and by tensor name, so that a model that was moved or renamed is still found. Rows of
//! other files count for nothing, but only where other rows name this one. Of rows of one base name in several folders those
//! count whose path the path of the model ends with; where none is, only those of a folder whose rows hold. A path that leads out
//! of the folder of the list cannot be followed: it tells by one folder, and else may be of this file before it was moved.

use std::collections::BTreeSet;

use super::ONE_DIGEST;
use super::check::{Claim, OneOf, Resolved, extra, mismatch};
use super::lines::{Line, Scope};
use super::of_source::{SourceNames, not_compared};
use super::target::{Subject, Target};
use crate::code::Code;
use crate::finding::{Effect, Finding, escape};

/// Looks up what every row names.
pub(super) fn resolve(lines: &[Line], target: &Target<'_>) -> Resolved {
    let mut resolved = Resolved::default();
    let rows = |scope| {
        let lines = lines.iter().filter(move |line| line.scope == scope);
        lines.map(|line| Row::of(line, target)).collect::<Vec<_>>()
    };
    let source = SourceNames::of(target);
    for rows in [rows(Scope::File), rows(Scope::Tensors)] {
        let named = rows_of_target(rows, target, &mut resolved.findings);
        resolve_tensors(&named, target, &source, &mut resolved);
        let files = named.iter().filter(|row| row.tensor.is_none());
        for row in files {
            if row.line.scope == Scope::Tensors && source.are_of_gguf(row.path) {
                let text = "the digest of all tensors of a GGUF was not compared: the artifact has them in another order";
                let note = Finding::new(Code::ManifestNotCompared, Effect::Note, text);
                resolved.findings.push(note);
                continue;
            }
            let shard = row
                .path
                .and_then(|path| target.shard_named(base_name(path)));
            let subject = match (row.line.scope, shard) {
                (Scope::File, shard) => Subject::File(shard.unwrap_or(0)),
                (Scope::Tensors, Some(shard)) => Subject::Model(shard),
                (Scope::Tensors, None) if target.names.len() > 1 => Subject::Set,
                (Scope::Tensors, None) => Subject::Model(0),
            };
            let wrong_size = row.wrong_size(subject, target);
            let mut claim = row.claim(subject);
            if row.one_of.is_none() {
                resolved.findings.extend(wrong_size);
            } else if wrong_size.is_some() {
                // A file of another size: no digest of it holds.
                claim.kinds.clear();
            }
            resolved.claims.push(claim);
        }
    }
    find_missing_files(lines, target, &mut resolved);
    resolved
}

/// A line and what its label names.
struct Row<'a> {
    line: &'a Line,
    /// None where the row names no file.
    path: Option<&'a [u8]>,
    tensor: Option<&'a [u8]>,
    /// Where it may as well be a row of another file of this base name, in another folder.
    one_of: Option<OneOf>,
}

impl<'a> Row<'a> {
    /// Takes the label of a gguf-hash row apart. Paths and tensor names may both hold colons, so names that are known
    /// decide first; otherwise the tensor is what follows the last colon.
    fn of(line: &'a Line, target: &Target<'_>) -> Self {
        let Some(label) = line.label.as_deref() else {
            return Self {
                line,
                path: None,
                tensor: None,
                one_of: None,
            };
        };
        let parts = || {
            let colons = label.iter().enumerate().filter(|(_, byte)| **byte == b':');
            colons.filter_map(|(at, _)| Some((label.get(..at)?, label.get(at.checked_add(1)?..)?)))
        };
        let is_file = |path: &[u8]| target.shard_named(base_name(path)).is_some();
        let split = if line.scope == Scope::File || is_file(label) {
            None
        } else if let Some(known) = parts().find(|(path, _)| is_file(path)) {
            Some(known)
        } else if let Some(known) =
            parts().find(|(_, tensor)| target.tensor_named(tensor).is_some())
        {
            Some(known)
        } else {
            // A drive letter and a folder are no path and a tensor.
            parts()
                .next_back()
                .filter(|(_, tensor)| base_name(tensor) == *tensor)
        };
        let (path, tensor) = split.map_or((label, None), |(path, tensor)| (path, Some(tensor)));
        Self {
            line,
            path: Some(path),
            tensor,
            one_of: None,
        }
    }

    /// Rows that publishers write say how long the file is.
    fn wrong_size(&self, subject: Subject, target: &Target<'_>) -> Option<Finding> {
        let (Subject::File(shard), Some(size)) = (subject, self.line.size) else {
            return None;
        };
        let (name, source) = target.names.get(shard).zip(target.sources.get(shard))?;
        let (expected, found) = (size.to_string(), source.length().to_string());
        (size != source.length()).then(|| {
            let place = target.file_place(shard);
            let name = escape(name.as_bytes());
            mismatch(place, &self.line.place, &name, "size", &expected, &found)
        })
    }

    fn claim(&self, subject: Subject) -> Claim {
        Claim {
            place: self.line.place.clone(),
            subject,
            kinds: self.line.kinds.clone(),
            digest: self.line.digest.clone(),
            folder: self.path.map(folder),
            one_of: self.one_of,
        }
    }
}

/// Leaves out the rows of other files. When no row has the name of the model, the rows of a single file count whatever it
/// was called.
fn rows_of_target<'a>(
    mut rows: Vec<Row<'a>>,
    target: &Target<'_>,
    findings: &mut Vec<Finding>,
) -> Vec<Row<'a>> {
    let is_named = |path: &[u8]| target.shard_named(base_name(path)).is_some();
    // A digest without a name is for the one file at hand.
    let is_own = |row: &Row<'_>| row.path.map_or(target.names.len() == 1, is_named);
    let paths: BTreeSet<Option<&[u8]>> = rows.iter().map(|row| row.path).collect();
    let all = rows.len();
    if rows.iter().any(is_own) {
        rows.retain(is_own);
        tell_folders(&mut rows, target);
        let others = all.saturating_sub(rows.len());
        if others > 0 {
            let text =
                format!("{others} rows of the manifest are for other files and were not used");
            findings.push(Finding::new(Code::ManifestOtherFiles, Effect::Note, text));
        }
        return rows;
    }
    let one_of_a_set =
        target.names.len() > 1 && rows.iter().any(|row| row.line.scope == Scope::File);
    match paths.first() {
        None => {}
        Some(Some(path)) if paths.len() == 1 && !one_of_a_set => {
            let text = format!("the manifest names the file {}", escape(path));
            findings.push(Finding::new(Code::ManifestName, Effect::Note, text));
        }
        Some(_) => {
            let names: Vec<String> = target
                .names
                .iter()
                .map(|name| escape(name.as_bytes()))
                .collect();
            findings.push(Finding::new(
                Code::ManifestOtherFiles,
                Effect::Undecided,
                format!(
                    "{all} rows of the manifest are for other files: none is for {}",
                    names.join(", ")
                ),
            ));
            rows.clear();
        }
    }
    rows
}

/// Of rows of one base name in several folders keeps those of the folder of the model, the longest path that tells; where
/// none does, each may be of another file.
fn tell_folders(rows: &mut Vec<Row<'_>>, target: &Target<'_>) {
    for (shard, name) in target.names.iter().enumerate() {
        let is_of = |row: &Row<'_>| {
            let path = row.path.map(base_name);
            path.and_then(|name| target.shard_named(name)) == Some(shard)
        };
        let named = rows.iter().filter(|row| is_of(row));
        let paths: BTreeSet<Vec<&[u8]>> = named.filter_map(|row| row.path.map(parts)).collect();
        if paths.len() < 2 {
            continue;
        }
        // Those that tell, and those of which several tell as much: one set for each path to the file.
        let (mut telling, mut tied) = (BTreeSet::new(), BTreeSet::new());
        for folder in target.folders {
            let own = [parts(folder.as_bytes()), vec![name.as_bytes()]].concat();
            let score = |row: &Row<'_>| agreement(row.path?, &own);
            let named = || rows.iter().filter(|row| is_of(row));
            let best = named().filter_map(score).max();
            let best = named().filter(|row| best.is_some() && score(row) == best);
            let paths: BTreeSet<Vec<&[u8]>> = best.filter_map(|row| row.path.map(parts)).collect();
            match paths.len() {
                1 => telling.extend(paths),
                _ => tied.extend(paths),
            }
        }
        let is_in = |paths: &BTreeSet<Vec<&[u8]>>, row: &Row<'_>| {
            let path = row.path.map(parts);
            path.is_some_and(|path| paths.contains(&path))
        };
        if !telling.is_empty() {
            rows.retain(|row| !is_of(row) || is_in(&telling, row));
            continue;
        }
        for row in rows.iter_mut().filter(|row| is_of(row)) {
            let may_be_own = is_in(&tied, row) || row.path.is_some_and(leads_out);
            row.one_of = Some(OneOf { may_be_own });
        }
    }
}

/// How far a path agrees with that of the model, from its end: whether all of it is the same, how many of its parts are, and
/// whether in upper and lower case. None where it tells nothing: a path in the folder of the list tells by all of its parts, any
/// other by a folder.
fn agreement(path: &[u8], own: &[&[u8]]) -> Option<(bool, usize, bool)> {
    let parts = parts(path);
    let ends = || parts.iter().rev().zip(own.iter().rev());
    let is_like = |(part, own): &(&&[u8], &&[u8])| part.eq_ignore_ascii_case(own);
    let common = ends().take_while(is_like).count();
    let is_exact = ends().take(common).all(|(part, own)| part == own);
    let is_whole = common == parts.len();
    let tells = is_whole || leads_out(path) && common > 1;
    tells.then_some((is_whole && is_exact, common, is_exact))
}

/// Whether a path leads out of the folder of the list, to a place that may be another one here.
fn leads_out(path: &[u8]) -> bool {
    let is_absolute = matches!(path, [b'/' | b'\\', ..] | [_, b':', ..]);
    is_absolute || parts(path).first() == Some(&&b".."[..])
}

/// The folders of a path and its base name, without the mark that a tool has put before it.
fn parts(path: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let path = path.strip_prefix(b"*").unwrap_or(path);
    for part in path.split(|byte| matches!(byte, b'/' | b'\\')) {
        let is_inside = parts.last().is_some_and(|last| *last != b"..");
        match part {
            b"" | b"." => {}
            b".." if is_inside => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// The folder of a path, in one spelling.
fn folder(path: &[u8]) -> Vec<u8> {
    let mut parts = parts(path);
    parts.pop();
    parts.join(&b'/')
}

fn resolve_tensors(
    rows: &[Row<'_>],
    target: &Target<'_>,
    source: &SourceNames,
    resolved: &mut Resolved,
) {
    let named = || rows.iter().filter_map(|row| Some((row, row.tensor?)));
    let count = named().count();
    if count == 0 {
        return;
    }
    if !target.decoded.is_complete() {
        let text = format!("the tensors could not be decoded, so {count} rows were not compared");
        resolved.findings.push(Finding::new(
            Code::ManifestNotCompared,
            Effect::Undecided,
            text,
        ));
        return;
    }
    if rows.iter().any(|row| row.one_of.is_some()) {
        let text = format!(
            "{count} rows of tensors are for files of one name in several folders, and none is the folder of this one"
        );
        let finding = Finding::new(Code::ManifestOtherFiles, Effect::Undecided, text);
        resolved.findings.push(finding);
        return;
    }
    resolved.names_tensors = true;
    let mut extras = Vec::new();
    for (row, name) in named() {
        let shard = row
            .path
            .and_then(|path| target.shard_named(base_name(path)));
        let found = target.tensor_named(name).filter(|index| {
            let tensor = target.decoded.tensors().get(*index);
            shard.is_none() || tensor.map(|tensor| tensor.shard) == shard
        });
        let own = found.filter(|_| !source.are_of_gguf(row.path));
        let own = own.as_ref().map(std::slice::from_ref);
        match own.or_else(|| source.unchanged(name, resolved)) {
            Some(indices) => {
                let claims = indices
                    .iter()
                    .map(|&index| row.claim(Subject::Tensor(index)));
                resolved.claims.extend(claims);
            }
            None => extras.push(extra(&row.line.place, "tensor", name)),
        }
    }
    // Of a source, names alone prove no difference.
    if resolved.is_of_source {
        let effects = extras.iter_mut().map(|extra| &mut extra.effect);
        effects.for_each(|effect| *effect = Effect::Undecided);
    }
    resolved.findings.append(&mut extras);
    resolved.findings.extend(not_compared(resolved));
}

/// Of a split set each file needs a row when one of them has one: the others are held against nothing.
fn find_missing_files(lines: &[Line], target: &Target<'_>, resolved: &mut Resolved) {
    let is_one_digest = lines.iter().all(|line| line.place == ONE_DIGEST);
    let what = if is_one_digest {
        "was not held against any digest"
    } else {
        "has no row"
    };
    let subjects: BTreeSet<Subject> = resolved.claims.iter().map(|claim| claim.subject).collect();
    let has = |subject| subjects.contains(&subject);
    for of in [Subject::File, Subject::Model] {
        let shards = 0..target.names.len();
        if !shards.clone().any(|shard| has(of(shard))) {
            continue;
        }
        let missing: Vec<usize> = shards.filter(|&shard| !has(of(shard))).collect();
        resolved.findings.extend(missing.into_iter().map(|shard| {
            let name = target
                .names
                .get(shard)
                .map_or_else(String::new, |name| escape(name.as_bytes()));
            Finding::new(
                Code::ManifestMissing,
                Effect::Undecided,
                format!("the file {name} {what}"),
            )
            .at(target.file_place(shard))
        }));
    }
}

/// What follows the last folder, of either system.
fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| matches!(byte, b'/' | b'\\'))
        .next()
        .unwrap_or(path)
}
