//! What is recorded of a model, inside it and beside it, and whether it holds.

use std::collections::{BTreeMap, BTreeSet};

use super::Sidecar;
use super::pass::Seen;
use crate::code::Code;
use crate::compare::metadata::record;
use crate::decode::decoded::Decoded;
use crate::explain::blob;
use crate::explain::evidence::Evidence;
use crate::explain::given_back::GivenBack;
use crate::explain::judge::Judge;
use crate::finding::{Effect, Finding, Place, Side, hex};
use crate::input::Input;
use crate::manifest::{self, Unusable};
use crate::report::ManifestRow;

/// Whether the recorded BLAKE3 of the source was held against what the artifact gives back.
#[derive(Clone, Copy)]
pub(super) enum OfSource {
    Held,
    /// It was not, since so many tensors are stored decoded: only the source has their bytes.
    Open(usize),
    /// It was not, and why is said elsewhere, or nothing is recorded.
    Unsaid,
}

impl OfSource {
    pub(super) fn of(judge: &Judge<'_>, evidence: &Evidence) -> Self {
        if evidence.given_back == GivenBack::Alone {
            return Self::Held;
        }
        let recorded = evidence.recorded.as_ref();
        match recorded.map(|recorded| judge.not_held(recorded).len()) {
            None | Some(0) => Self::Unsaid,
            Some(count) => Self::Open(count),
        }
    }

    pub(super) fn finding(self, side: Side) -> Option<Finding> {
        let Self::Open(count) = self else {
            return None;
        };
        let text = format!(
            "the BLAKE3 that it records of its source could not be computed: {}, and only the source has the bytes",
            stored_decoded(count)
        );
        let finding = Finding::new(Code::MetaRecordUnchecked, Effect::Note, text);
        let finding = finding.at(Place::new(side, 0));
        Some(finding.hint("hold the file against its source: `aprove verify FILE SOURCE`"))
    }
}

fn stored_decoded(count: usize) -> String {
    let are = if count == 1 { "is" } else { "are" };
    format!("{} {are} stored decoded", tensors(count))
}

/// What was recorded and compared.
pub(super) struct Recorded {
    /// What the sidecar says against the model.
    pub(super) findings: Vec<Finding>,
    /// The sidecar, where it was used.
    pub(super) sidecar: Option<ManifestRow>,
    /// Tensors that have a recorded digest which holds, by their place in the list.
    pub(super) held: BTreeSet<usize>,
    /// Tensors that the sidecar has another digest of.
    pub(super) unlike: BTreeSet<usize>,
    /// How many of them the record of the artifact holds.
    by_record: usize,
    crc_holds: bool,
    /// Whether the name of the file is its digest.
    name_holds: bool,
    /// Whether there is a sidecar, in words.
    about_sidecar: String,
}

impl Recorded {
    pub(super) fn of(input: &Input<'_>, decoded: &Decoded, seen: &Seen, sidecar: &Sidecar) -> Self {
        let held = held_by_record(decoded, seen);
        let mut found = Self {
            findings: Vec::new(),
            sidecar: None,
            by_record: held.len(),
            held,
            unlike: BTreeSet::new(),
            crc_holds: seen.crc_holds,
            name_holds: blob::holds(input, seen.sha256().as_deref()) == Some(true),
            about_sidecar: String::new(),
        };
        found.about_sidecar = match sidecar {
            Sidecar::Absent => "there is no sidecar beside the file".to_owned(),
            Sidecar::LeftOut => "a sidecar was not looked for".to_owned(),
            Sidecar::Unusable(name, why) => found.take_unusable(name, why),
            // Another program's list of digests under the name of a sidecar.
            Sidecar::Read(manifest) if manifest.is_list() => {
                found.take_unusable(manifest.name(), &Unusable::List)
            }
            Sidecar::Read(manifest) => {
                let held = manifest::hold(manifest, input, decoded, &seen.files, &seen.tensors);
                found.findings.extend(held.findings);
                found.held.extend(&held.equal);
                found.unlike.extend(&held.unlike);
                let name = held.row.name.clone();
                let is_used =
                    !held.row.bound.is_empty() || !held.equal.is_empty() || !held.unlike.is_empty();
                found.sidecar = Some(held.row);
                if is_used {
                    format!(
                        "the sidecar {name} was used, but for its SHA-256: verify FILE --manifest {name} computes that as well"
                    )
                } else {
                    format!("nothing of the file was held against the sidecar {name}")
                }
            }
        };
        found
    }

    fn take_unusable(&mut self, name: &str, why: &Unusable) -> String {
        let hint = "put it right, or leave it out with --no-sidecar";
        let finding = manifest::unusable(name, why).hint(hint);
        self.findings.push(finding);
        "the sidecar beside the file cannot be used".to_owned()
    }

    /// What was held against what, and what that leaves open; `is_published` where its publisher gives the digest it has.
    pub(super) fn notes(
        &self,
        decoded: &Decoded,
        is_published: bool,
        source: OfSource,
    ) -> [Finding; 2] {
        let mut held = Vec::new();
        let crc = matches!(decoded, Decoded::Apr(_)) && self.crc_holds;
        if self.name_holds {
            held.push("the SHA-256 that its name gives".to_owned());
        }
        if is_published {
            held.push("the SHA-256 that its publisher gives".to_owned());
        }
        if self.by_record > 0 {
            let source = match source {
                OfSource::Held => " and of its source".to_owned(),
                OfSource::Open(count) => {
                    // The record refers to the metadata for them, and has no copy of its own.
                    format!(
                        " (not that of its source, so that tokens, merges and the chat template are not held against the record: {})",
                        stored_decoded(count)
                    )
                }
                OfSource::Unsaid => String::new(),
            };
            held.push(format!(
                "the BLAKE3 that it records of {}{source}",
                tensors(self.by_record)
            ));
        }
        let by_sidecar = self.sidecar.as_ref().map(|row| row.bound.as_slice());
        if let Some(bound @ [_, ..]) = by_sidecar {
            held.push(format!("its sidecar ({})", bound.join("; ")));
        }
        let (code, text) = match (held.as_slice(), crc) {
            ([], false) => (
                Code::CheckUnrecorded,
                "nothing recorded to hold the bytes against: only the format was checked".to_owned(),
            ),
            ([], true) => (
                Code::CheckUnrecorded,
                "no digest recorded to hold the bytes against: only the format and the footer CRC-32 were checked".to_owned(),
            ),
            (held, crc) => {
                let mut held = held.to_vec();
                if crc {
                    held.insert(0, "the footer CRC-32".to_owned());
                }
                (
                    Code::CheckRecorded,
                    format!("held against {}", held.join(", ")),
                )
            }
        };
        [
            (code, text),
            (Code::CheckSidecar, self.about_sidecar.clone()),
        ]
        .map(|(code, text)| Finding::new(code, Effect::Note, text))
    }
}

fn held_by_record(decoded: &Decoded, seen: &Seen) -> BTreeSet<usize> {
    let Decoded::Apr(apr) = decoded else {
        return BTreeSet::new();
    };
    let document = apr.metadata.document.as_ref();
    // A record that cannot be read is a finding of the comparison of the metadata.
    let digests = document.and_then(|document| record::tensor_digests(document).ok());
    let digests: BTreeMap<String, String> = digests
        .unwrap_or_default()
        .into_iter()
        .map(|(name, blake3, _)| (name, blake3))
        .collect();
    let tensors = apr.tensors.iter().enumerate();
    let held = tensors.filter(|(index, tensor)| {
        let name = std::str::from_utf8(&tensor.name).ok();
        let recorded = name.and_then(|name| digests.get(name));
        let computed = seen.tensors.get(index).map(|digest| hex(digest));
        recorded.is_some() && recorded == computed.as_ref()
    });
    held.map(|(index, _)| index).collect()
}

fn tensors(count: usize) -> String {
    match count {
        1 => "1 tensor".to_owned(),
        count => format!("{count} tensors"),
    }
}
