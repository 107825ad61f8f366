//! What the rows of `sha256sum`, `b3sum` and gguf-hash mean for a model.
//!
//! Rows are looked up by base name and by tensor name, so that a model that was moved or renamed is still found. Rows of
//! other files count for nothing, but only where other rows name this one. Of rows of one base name in several folders those
//! count whose path the path of the model ends with; where none is, only those of a folder whose rows hold.

use std::collections::BTreeSet;

use super::ONE_DIGEST;
use super::check::{Claim, Resolved, extra, mismatch};
use super::lines::{Line, Scope};
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
    for rows in [rows(Scope::File), rows(Scope::Tensors)] {
        let named = rows_of_target(rows, target, &mut resolved.findings);
        resolve_tensors(&named, target, &mut resolved);
        let files = named.iter().filter(|row| row.tensor.is_none());
        for row in files {
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
            if !row.is_one_of {
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
    /// Whether it may as well be a row of another file of this base name, in another folder.
    is_one_of: bool,
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
                is_one_of: false,
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
            is_one_of: false,
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
            one_of: self.path.filter(|_| self.is_one_of).map(folder),
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
        let mut own = parts(target.folder.as_bytes());
        own.push(name.as_bytes());
        let tells = |path: &&Vec<&[u8]>| own.ends_with(path);
        match paths.iter().filter(tells).max_by_key(|path| path.len()) {
            Some(path) => {
                rows.retain(|row| !is_of(row) || row.path.map(parts).as_ref() == Some(path));
            }
            None => {
                for row in rows.iter_mut().filter(|row| is_of(row)) {
                    row.is_one_of = true;
                }
            }
        }
    }
}

/// The folders of a path and its base name.
fn parts(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| matches!(byte, b'/' | b'\\'))
        .filter(|part| !matches!(*part, b"" | b"."))
        .collect()
}

/// The folder of a path, in one spelling.
fn folder(path: &[u8]) -> Vec<u8> {
    let mut parts = parts(path);
    parts.pop();
    parts.join(&b'/')
}

fn resolve_tensors(rows: &[Row<'_>], target: &Target<'_>, resolved: &mut Resolved) {
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
    if rows.iter().any(|row| row.is_one_of) {
        let text = format!(
            "{count} rows of tensors are for files of one name in several folders, and none is the folder of this one"
        );
        let finding = Finding::new(Code::ManifestOtherFiles, Effect::Undecided, text);
        resolved.findings.push(finding);
        return;
    }
    resolved.names_tensors = true;
    for (row, name) in named() {
        let shard = row
            .path
            .and_then(|path| target.shard_named(base_name(path)));
        let found = target.tensor_named(name).filter(|index| {
            let tensor = target.decoded.tensors().get(*index);
            shard.is_none() || tensor.map(|tensor| tensor.shard) == shard
        });
        match found {
            Some(index) => resolved.claims.push(row.claim(Subject::Tensor(index))),
            None => resolved
                .findings
                .push(extra(&row.line.place, "tensor", name)),
        }
    }
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
