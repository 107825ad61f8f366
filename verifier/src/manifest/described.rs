//! What the rows of a JSON manifest mean for a model.

use std::collections::HashMap;

use super::check::{Claim, Resolved, extra, mismatch, unreadable};
use super::json::{Described, FileEntry, TensorEntry};
use super::kind::Kind;
use super::target::{Subject, Target};
use crate::decode::container::Tensor;
use crate::finding::{Effect, Finding, escape};
use crate::inspect::{Decoded, type_name};

/// Looks up what every row names, and compares everything but the digests.
pub(super) fn resolve(described: &Described, target: &Target<'_>) -> Resolved {
    let mut rows = Rows {
        target,
        resolved: Resolved::default(),
    };
    match described {
        Described::Own(own) => {
            rows.files("files", &own.files);
            rows.tensors(&own.tensors, escape);
        }
        Described::Sidecar(sidecar) if is_source(target, &sidecar.sources) => {
            rows.files("sources", &sidecar.sources);
            rows.resolved.findings.push(Finding::new(
                "manifest.role",
                Effect::Note,
                "the manifest is that of an artifact; the file was compared with what it says of its sources",
            ));
        }
        Described::Sidecar(sidecar) => {
            rows.files("artifact", std::slice::from_ref(&sidecar.artifact));
            rows.before_footer(&sidecar.artifact);
            rows.tensors(&sidecar.tensors, |name| {
                String::from_utf8_lossy(name).into_owned()
            });
        }
    }
    rows.resolved
}

/// Whether a model is what an artifact was made from: by its format, or by its name where that is not known.
fn is_source(target: &Target<'_>, sources: &[FileEntry]) -> bool {
    match target.decoded {
        Decoded::Gguf(_) => true,
        Decoded::Apr(_) => false,
        Decoded::Unknown(_) => sources
            .iter()
            .any(|source| target.shard_named(source.name.as_bytes()).is_some()),
    }
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
            if entry.sha256.is_none() && entry.blake3.is_none() && entry.crc32.is_none() {
                self.find(unreadable(&place, "it has no digest"));
            }
            let subject = Subject::File(shard);
            for (kind, digest) in [(Kind::Sha256, &entry.sha256), (Kind::Blake3, &entry.blake3)] {
                if let Some(digest) = digest {
                    self.claim(&place, subject, kind, digest);
                }
            }
        }
        // A manifest without any row for a file binds the tensors only.
        for name in self
            .target
            .names
            .iter()
            .skip(entries.len())
            .filter(|_| !entries.is_empty())
        {
            let text = format!("the file {} has no row", escape(name.as_bytes()));
            self.resolved
                .findings
                .push(Finding::new("manifest.missing", Effect::Different, text));
        }
    }

    /// The sum of everything before the footer, which the footer holds too.
    fn before_footer(&mut self, artifact: &FileEntry) {
        let Some(crc) = &artifact.crc32 else {
            return;
        };
        self.claim("artifact", Subject::BeforeFooter, Kind::Crc32, crc);
        if let Some((span, stored)) = self.target.footer()
            && !crc.eq_ignore_ascii_case(&format!("{stored:08x}"))
        {
            let at = self.target.file_place(0).span(span);
            self.find(mismatch(
                at,
                "artifact",
                "the footer",
                "crc32",
                crc,
                &format!("{stored:08x}"),
            ));
        }
    }

    fn tensors(&mut self, entries: &[TensorEntry], naming: impl Fn(&[u8]) -> String) {
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
        let tensors = self.target.decoded.tensors();
        let mut by_name = HashMap::new();
        for (index, tensor) in tensors.iter().enumerate() {
            by_name
                .entry(naming(&tensor.name))
                .or_insert((index, tensor));
        }
        for (row, entry) in entries.iter().enumerate() {
            let place = format!("tensors[{row}]");
            let Some(&(index, tensor)) = by_name.get(&entry.name) else {
                self.find(extra(&place, "tensor", entry.name.as_bytes()));
                continue;
            };
            self.compare_entry(&place, entry, tensor);
            self.claim(&place, Subject::Tensor(index), Kind::Sha256, &entry.sha256);
            self.claim(&place, Subject::Tensor(index), Kind::Blake3, &entry.blake3);
        }
    }

    fn compare_entry(&mut self, place: &str, entry: &TensorEntry, tensor: &Tensor) {
        for (what, expected, found) in [
            ("type", entry.r#type.clone(), type_name(tensor)),
            (
                "shape",
                format!("{:?}", entry.shape),
                format!("{:?}", tensor.dims),
            ),
            ("shard", entry.shard.to_string(), tensor.shard.to_string()),
            (
                "offset",
                entry.offset.to_string(),
                tensor.span.offset.to_string(),
            ),
            (
                "size",
                entry.size.to_string(),
                tensor.span.length.to_string(),
            ),
        ] {
            if expected != found {
                let at = self.target.tensor_place(tensor);
                self.find(mismatch(
                    at,
                    place,
                    &escape(&tensor.name),
                    what,
                    &expected,
                    &found,
                ));
            }
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
