//! What the rows of our own form mean for a model.

use std::collections::HashMap;

use super::check::{Claim, Resolved, extra, mismatch, unreadable};
use super::json::{Described, FileEntry, TensorEntry};
use super::kind::Kind;
use super::target::{Subject, Target};
use crate::code::Code;
use crate::compare::metadata::record::{self, Record};
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::decode::container::Tensor;
use crate::decode::decoded::Decoded;
use crate::finding::{Effect, Finding, escape};

/// Looks up what every row names, and compares everything but the digests.
pub(super) fn resolve(described: &Described, target: &Target<'_>) -> Resolved {
    let mut rows = Rows {
        target,
        record: record_of(target),
        resolved: Resolved::default(),
    };
    rows.resolved.findings.extend(not_verified(described));
    match (&described.sources, target.decoded) {
        // The model is what an artifact was made from.
        (Some(sources), Decoded::Gguf(_)) => {
            rows.files("sources", sources);
            rows.find(Finding::new(
                Code::ManifestRole,
                Effect::Note,
                "the manifest is that of an artifact; the file was compared with what it says of its sources",
            ));
        }
        (sources, _) => {
            if let Some(sources) = sources {
                rows.recorded(sources);
            }
            rows.files("files", &described.files);
            rows.tensors(&described.tensors);
        }
    }
    rows.resolved
}

/// The digests of an artifact that was not verified prove which bytes were written, and nothing about them.
fn not_verified(described: &Described) -> Option<Finding> {
    let found = match (&described.sources, &described.verification) {
        (None, None) => return None,
        (_, Some(word)) if word == "verified" => return None,
        (_, Some(word)) => format!("\"{}\"", escape(word.as_bytes())),
        (Some(_), None) => "nothing".to_owned(),
    };
    Some(
        Finding::new(
            Code::ManifestNotVerified,
            Effect::Undecided,
            "the manifest does not say that the artifact was verified when it was made",
        )
        .expected_found("\"verified\"", found)
        .hint("compare the artifact with its source: verify MODEL.apr MODEL.gguf"),
    )
}

/// What an artifact of ours says of its sources; a record that cannot be read is a finding of its own.
pub(super) fn record_of(target: &Target<'_>) -> Option<Record> {
    let Decoded::Apr(apr) = target.decoded else {
        return None;
    };
    let document = apr.metadata.document.as_ref()?;
    record::read(document).ok().flatten()
}

/// The name of a tensor in the file that an artifact was made from.
pub(super) fn source_name(tensor: &Tensor, record: Option<&Record>) -> Vec<u8> {
    let name = gguf_name(&tensor.name);
    if record.is_some_and(Record::has_copy) && name == OUTPUT {
        EMBEDDING.to_vec()
    } else {
        name
    }
}

struct Rows<'a> {
    target: &'a Target<'a>,
    record: Option<Record>,
    resolved: Resolved,
}

impl Rows<'_> {
    /// Files are compared in their order: a renamed file is still the same file.
    fn files(&mut self, list: &str, entries: &[FileEntry]) {
        for (shard, entry) in entries.iter().enumerate() {
            let place = format!("{list}[{shard}]");
            let own = self
                .target
                .names
                .get(shard)
                .zip(self.target.sources.get(shard));
            let Some((name, source)) = own else {
                self.find(extra(&place, "file", entry.name.as_bytes()));
                continue;
            };
            let shown = escape(name.as_bytes());
            if entry.name != *name {
                let text = format!("{place} names the file {}", escape(entry.name.as_bytes()));
                self.find(
                    Finding::new(Code::ManifestName, Effect::Note, text)
                        .expected_found(escape(entry.name.as_bytes()), shown.clone()),
                );
            }
            if entry.size != source.length() {
                let (expected, found) = (entry.size.to_string(), source.length().to_string());
                let at = self.target.file_place(shard);
                self.find(mismatch(at, &place, &shown, "size", &expected, &found));
            }
            let subject = Subject::File(shard);
            self.claim(&place, subject, Kind::Sha256, &entry.sha256);
            self.claim(&place, subject, Kind::Blake3, &entry.blake3);
        }
        // A manifest without any row for a file binds the tensors only.
        let skipped = self.target.names.iter().skip(entries.len());
        for name in skipped.filter(|_| !entries.is_empty()) {
            let text = format!("the file {} has no row", escape(name.as_bytes()));
            self.resolved.findings.push(Finding::new(
                Code::ManifestMissing,
                Effect::Different,
                text,
            ));
        }
    }

    /// What the artifact was made from is what it records itself, as far as it does: names and SHA-256 are in the manifest alone.
    fn recorded(&mut self, entries: &[FileEntry]) {
        for (shard, entry) in entries.iter().enumerate() {
            self.normal_form(&format!("sources[{shard}]"), Kind::Sha256, &entry.sha256);
        }
        let Some(record) = &self.record else {
            return;
        };
        let at = self.target.file_place(0);
        let name = "the record of the source";
        let mut findings = Vec::new();
        let mut unlike = |row: &str, what: &str, expected: &str, found: &str| {
            if expected != found {
                findings.push(mismatch(at.clone(), row, name, what, expected, found));
            }
        };
        let counts = [entries.len(), record.sources.len()].map(|count| count.to_string());
        unlike("sources", "number of files", &counts[0], &counts[1]);
        for (shard, (entry, source)) in entries.iter().zip(&record.sources).enumerate() {
            let row = format!("sources[{shard}]");
            let sizes = [entry.size, source.size].map(|size| size.to_string());
            unlike(&row, "size", &sizes[0], &sizes[1]);
            unlike(&row, "BLAKE3", &entry.blake3, &source.blake3);
        }
        self.resolved.findings.extend(findings);
    }

    fn tensors(&mut self, entries: &[TensorEntry]) {
        // A manifest without any row for a tensor binds the files only.
        if entries.is_empty() {
            return;
        }
        if !self.target.decoded.is_complete() {
            let text = format!(
                "the tensors could not be decoded, so {} rows were not compared",
                entries.len()
            );
            self.find(Finding::new(
                Code::ManifestNotCompared,
                Effect::Undecided,
                text,
            ));
            return;
        }
        self.resolved.names_tensors = true;
        let mut by_name = HashMap::new();
        for (index, tensor) in self.target.decoded.tensors().iter().enumerate() {
            by_name
                .entry(tensor.name.as_slice())
                .or_insert((index, tensor));
        }
        for (row, entry) in entries.iter().enumerate() {
            let place = format!("tensors[{row}]");
            let Some(&(index, tensor)) = by_name.get(entry.name.as_bytes()) else {
                self.find(extra(&place, "tensor", entry.name.as_bytes()));
                continue;
            };
            self.compare_entry(&place, entry, tensor);
            let subject = Subject::Tensor(index);
            self.claim(&place, subject, Kind::Blake3, &entry.blake3);
            if let Some(sha256) = &entry.sha256 {
                self.claim(&place, subject, Kind::Sha256, sha256);
            }
        }
    }

    fn compare_entry(&mut self, place: &str, entry: &TensorEntry, tensor: &Tensor) {
        let (offset, length) = (tensor.span.offset, tensor.span.length);
        let source_name = source_name(tensor, self.record.as_ref());
        let differences = [
            (entry.r#type != tensor.type_name())
                .then(|| ("type", entry.r#type.clone(), tensor.type_name())),
            (entry.shape != tensor.dims).then(|| {
                let shown = [&entry.shape, &tensor.dims].map(|dims| format!("{dims:?}"));
                let [expected, found] = shown;
                ("shape", expected, found)
            }),
            (entry.shard.unwrap_or(0) != tensor.shard).then(|| {
                let expected = entry.shard.unwrap_or(0).to_string();
                ("shard", expected, tensor.shard.to_string())
            }),
            (entry.offset != offset)
                .then(|| ("offset", entry.offset.to_string(), offset.to_string())),
            (entry.size != length).then(|| ("size", entry.size.to_string(), length.to_string())),
            entry
                .source_name
                .as_ref()
                .filter(|name| name.as_bytes() != source_name)
                .map(|name| {
                    (
                        "name in the source",
                        escape(name.as_bytes()),
                        escape(&source_name),
                    )
                }),
        ];
        for (what, expected, found) in differences.into_iter().flatten() {
            let at = self.target.tensor_place(tensor);
            let name = escape(&tensor.name);
            self.find(mismatch(at, place, &name, what, &expected, &found));
        }
    }

    fn claim(&mut self, place: &str, subject: Subject, kind: Kind, digest: &str) {
        if let Some(digest) = self.normal_form(place, kind, digest) {
            self.resolved.claims.push(Claim {
                place: place.to_owned(),
                subject,
                kinds: vec![kind],
                digest,
                folder: None,
                one_of: None,
            });
        }
    }

    /// A digest as it is compared; what is none is named.
    fn normal_form(&mut self, place: &str, kind: Kind, digest: &str) -> Option<String> {
        let normal = kind.normal_form(digest.as_bytes());
        if normal.is_none() {
            self.find(unreadable(
                place,
                &format!("it has no {} of the right length", kind.name()),
            ));
        }
        normal
    }

    fn find(&mut self, finding: Finding) {
        self.resolved.findings.push(finding);
    }
}
