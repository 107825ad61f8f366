//! What the rows of our own form mean for a model.

use std::collections::HashMap;

use super::check::{Claim, Resolved, extra, mismatch, unreadable};
use super::json::{Described, FileEntry, TensorEntry};
use super::kind::Kind;
use super::target::{Subject, Target};
use crate::compare::metadata::record;
use crate::decode::apr;
use crate::decode::container::{Container, Tensor};
use crate::finding::{Effect, Finding, escape};
use crate::inspect::{Decoded, type_name};

/// Looks up what every row names, and compares everything but the digests.
pub(super) fn resolve(described: &Described, target: &Target<'_>) -> Resolved {
    let mut rows = Rows {
        target,
        resolved: Resolved::default(),
    };
    rows.resolved.findings.extend(not_verified(described));
    match (&described.sources, target.decoded) {
        // The model is what an artifact was made from.
        (Some(sources), Decoded::Gguf(_)) => {
            rows.files("sources", sources);
            rows.find(Finding::new(
                "manifest.role",
                Effect::Note,
                "the manifest is that of an artifact; the file was compared with what it says of its sources",
            ));
        }
        (sources, decoded) => {
            if let (Some(sources), Decoded::Apr(apr)) = (sources, decoded) {
                rows.recorded(sources, apr);
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
            "manifest.not-verified",
            Effect::Undecided,
            "the manifest does not say that the artifact was verified when it was made",
        )
        .expected_found("\"verified\"", found)
        .hint("compare the artifact with its source: verify MODEL.apr MODEL.gguf"),
    )
}

struct Rows<'a> {
    target: &'a Target<'a>,
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
                    Finding::new("manifest.name", Effect::Note, text)
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
            self.resolved
                .findings
                .push(Finding::new("manifest.missing", Effect::Different, text));
        }
    }

    /// What the artifact was made from is what it records itself, as far as it does: names and SHA-256 are in the manifest alone.
    fn recorded(&mut self, entries: &[FileEntry], apr: &Container<apr::Metadata>) {
        let document = apr.metadata.document.as_ref();
        // A record that cannot be read is a finding of its own.
        let record = document.and_then(|document| record::read(document).ok().flatten());
        let Some(record) = record else {
            return;
        };
        let at = self.target.file_place(0);
        let name = "the record of the source";
        let mut unlike = |row: &str, what: &str, expected: &str, found: &str| {
            if expected != found {
                self.find(mismatch(at.clone(), row, name, what, expected, found));
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
                "manifest.not-compared",
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
        let differences = [
            (entry.r#type != type_name(tensor))
                .then(|| ("type", entry.r#type.clone(), type_name(tensor))),
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
        ];
        for (what, expected, found) in differences.into_iter().flatten() {
            let at = self.target.tensor_place(tensor);
            let name = escape(&tensor.name);
            self.find(mismatch(at, place, &name, what, &expected, &found));
        }
    }

    fn claim(&mut self, place: &str, subject: Subject, kind: Kind, digest: &str) {
        match kind.normal_form(digest.as_bytes()) {
            Some(digest) => self.resolved.claims.push(Claim {
                place: place.to_owned(),
                subject,
                kinds: vec![kind],
                digest,
            }),
            None => self.find(unreadable(
                place,
                &format!("it has no {} of the right length", kind.name()),
            )),
        }
    }

    fn find(&mut self, finding: Finding) {
        self.resolved.findings.push(finding);
    }
}
