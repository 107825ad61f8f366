//! Puts the findings of all passes over an APR file and a GGUF in the order of causes, and adds what only shows when they are seen together.

use std::collections::HashSet;
use std::{io, iter};

use crate::code::{CauseCode, Code, Group};
use crate::compare::inputs::Inputs;
use crate::compare::metadata::{self, Compared, Digests};
use crate::compare::names::gguf_name;
use crate::compare::pairing::Pairing;
use crate::compare::scan::Scan;
use crate::decode::container::Container;
use crate::explain::evidence::Evidence;
use crate::explain::given_back::GivenBack;
use crate::finding::{Effect, Finding, Place, Side, escape, hex};
use crate::region::Span;
use crate::source::Source;
use crate::{
    decode::{apr, gguf},
    explain::{common, locate, tensors},
};

/// What the passes over a pair found.
pub(crate) struct Judge<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) apr: &'a Container<apr::Metadata>,
    pub(crate) gguf: &'a Container<gguf::Metadata>,
    pub(crate) pairing: &'a Pairing,
    pub(crate) scan: &'a Scan,
    /// Whether each file has the digest that its name or its publisher gives, where one does.
    pub(crate) digests_hold: [Option<bool>; 2],
    pub(crate) metadata: &'a Compared,
}

impl Judge<'_> {
    /// All findings, the first cause first, and what the digests prove.
    pub(crate) fn findings(&self, structure: Vec<Finding>) -> (Vec<Finding>, Evidence) {
        let [computed, _] = self.scan.crc;
        let crc = common::check_footer(&self.inputs.first, computed);
        let mut evidence = Evidence::of(self, &crc);
        let rewritten = self.rewritten(&evidence);
        let missing = rewritten.as_ref().map(|(_, rewriting)| &rewriting.missing);
        let data = tensors::findings(
            self.inputs,
            self.pairing,
            self.scan,
            evidence.damaged(),
            missing,
        );

        let mut findings = common::io_errors(self.scan);
        if let Some(other) = self.other_model(&evidence, &data) {
            findings.extend(common::malformed(&self.apr.findings));
            findings.extend(common::malformed(&self.gguf.findings));
            findings.push(other);
            return (findings, evidence);
        }
        // A tensor that was taken out is one of the changes.
        let differ = |finding: &Finding| {
            finding.effect == Effect::Different
                && finding.code.group() == Group::Tensor
                && finding.code != Code::TensorMissing
        };
        let is_rewritten = rewritten.is_some();
        match &rewritten {
            // What holds other tensors is not the same model, however it is written.
            Some((_, rewriting)) if data.iter().any(differ) => {
                evidence.rewriting = Some(rewriting.changes.join("; "));
            }
            Some((finding, _)) => findings.push(finding.clone()),
            None => findings.extend(self.locate(&evidence, matches!(crc, Ok(true)), &data)),
        }
        findings.extend(common::malformed(&self.apr.findings));
        findings.extend(common::malformed(&self.gguf.findings));
        common::add_text_causes(self.inputs, &mut findings);
        findings.extend(without_missing(structure, missing));
        findings.extend(data);
        findings.extend(self.metadata_findings(&evidence));
        findings.extend(wrong_records(&evidence));
        findings.extend(self.wrong_record(&evidence));
        if !is_rewritten || evidence.rewriting.is_some() {
            findings.extend(self.changed_sources(&evidence));
        }
        findings.extend(crc.err().map(|finding| *finding));
        findings.extend(common::nothing_compared(self.inputs, self.scan));
        findings.extend(common::not_covered(self.inputs));
        common::drop_followers(&mut findings);
        (findings, evidence)
    }

    /// The bytes of the files of the GGUF.
    pub(super) const fn gguf_sources(&self) -> &[&dyn Source] {
        self.inputs.second.sources
    }

    /// What comparing the keys said; the intact file is the expected one.
    fn metadata_findings(&self, evidence: &Evidence) -> Vec<Finding> {
        let mut findings = self.metadata.findings.clone();
        if evidence.damaged() == Some(Side::Gguf) {
            findings.iter_mut().for_each(Finding::turn);
        }
        findings
    }

    /// The exact byte, where the two files cannot be laid side by side.
    fn locate(&self, evidence: &Evidence, crc_is_right: bool, data: &[Finding]) -> Vec<Finding> {
        if self.apr.complete && crc_is_right {
            // Only a record that holds itself says what the GGUF should be.
            if !evidence.apr_is_proven() {
                return Vec::new();
            }
            let records = &self.metadata.records;
            let sources = self.gguf_sources();
            if records.len() != sources.len() || self.is_split_elsewhere(evidence) {
                return Vec::new();
            }
            let compared =
                records
                    .iter()
                    .zip(sources)
                    .enumerate()
                    .map(|(shard, (record, source))| {
                        locate::compare_heads(record, shard, *source)
                            .unwrap_or_else(|error| Some(unreadable(Side::Gguf, shard, &error)))
                    });
            return compared.flatten().collect();
        }
        let apr = self.apr;
        // Where the structure is sound, the byte that differs from the GGUF is the damaged one.
        let sound = !apr.findings.iter().any(|finding| finding.effect.decides());
        let direct = data
            .iter()
            .any(|finding| finding.code == Code::TensorBytes || finding.code.is_of_padding());
        // A producer without a footer leaves nothing to look at.
        let no_footer = apr
            .findings
            .iter()
            .any(|finding| finding.code == Code::AprFooterAbsent);
        // One byte is in one tensor.
        let is_more = evidence.unlike_record.len() > 1;
        if apr.complete && (sound && (direct || is_more) || no_footer) {
            return Vec::new();
        }
        let is_right = |candidate: &Container<apr::Metadata>| {
            let mut findings = candidate.findings.iter();
            !findings.any(|finding| finding.effect.decides())
                && (!self.gguf.complete
                    || !metadata::compare(candidate, self.gguf, Digests::NotAsked).decides())
        };
        let [source] = self.inputs.first.sources else {
            unreachable!("an APR model is one file, which the roles are given by");
        };
        locate::locate_in_apr(*source, &is_right)
            .unwrap_or_else(|error| Some(unreadable(Side::Apr, 0, &error)))
            .into_iter()
            .collect()
    }

    /// A record that the artifact itself shows to be wrong, unless its source shows the same.
    fn wrong_record(&self, evidence: &Evidence) -> Option<Finding> {
        let (code, why) = evidence.contradiction.as_ref()?;
        let mut said = self.metadata.findings.iter();
        if said.any(|said| said.code == *code && said.effect == Effect::Different) {
            return None;
        }
        let finding = Finding::new(
            Code::MetaRecord,
            Effect::Different,
            format!("the file contradicts its record of the source: {why}"),
        );
        Some(finding.at(Place::new(Side::Apr, 0)))
    }

    /// Sources that are not byte for byte what the artifact was made from.
    fn changed_sources(&self, evidence: &Evidence) -> Vec<Finding> {
        let records = &self.metadata.records;
        let sources = self.gguf_sources();
        // A head that cannot be decoded says enough of itself.
        if records.is_empty() || !self.gguf.complete {
            return Vec::new();
        }
        let is_same_set = records.len() == sources.len();
        if !is_same_set || self.is_split_elsewhere(evidence) {
            let made_from = format!("the artifact was made from {} files", records.len());
            let split = Finding::new(
                Code::SourceSplit,
                Effect::Warning,
                if is_same_set {
                    format!("{made_from}, which begin at other tensors than these")
                } else {
                    format!("{made_from} and is compared with {}", sources.len())
                },
            );
            let is_open = matches!(
                evidence.given_back,
                GivenBack::Unknown | GivenBack::TooLarge
            ) && evidence.contradiction.is_none()
                && evidence.unlike_record.is_empty();
            let unchecked = is_open.then(|| {
                Finding::new(
                    Code::MetaRecordUnchecked,
                    Effect::Undecided,
                    "the recorded BLAKE3 of the source could not be checked: neither file holds all that it was made from",
                )
                .at(Place::new(Side::Apr, 0))
            });
            return iter::once(split).chain(unchecked).collect();
        }
        let digests = self.scan.blake3.iter().skip(1);
        let mut findings = Vec::new();
        for (shard, ((record, source), digest)) in
            records.iter().zip(sources).zip(digests).enumerate()
        {
            // Head, tensors and padding are compared for themselves; what they leave open is the length.
            let found = digest.as_ref().map(|digest| hex(digest));
            let same = found.as_ref().is_none_or(|found| *found == record.blake3);
            if source.length() == record.size && same {
                continue;
            }
            let show = |size, digest: Option<String>| match digest {
                Some(digest) => format!("{size} bytes, blake3 {digest}"),
                None => format!("{size} bytes"),
            };
            let recorded = found.as_ref().map(|_| escape(record.blake3.as_bytes()));
            let mut place = Place::new(Side::Gguf, shard);
            if source.length() != record.size {
                let (less, more) = (
                    source.length().min(record.size),
                    source.length().max(record.size),
                );
                place = place.span(Span::new(less, more - less));
            }
            let mut finding = Finding::new(
                Code::SourceChanged,
                Effect::Different,
                if evidence.apr_is_proven() {
                    "the GGUF is not byte for byte the file from which the artifact was made"
                } else {
                    "the GGUF is not byte for byte the file that the artifact records, or the record is damaged"
                },
            )
            .at(place)
            .expected_found(show(record.size, recorded), show(source.length(), found));
            if source.length() < record.size {
                finding = finding.cause(
                    CauseCode::Truncated,
                    format!(
                        "truncated: a download or copy that ended early, {} bytes are missing",
                        record.size - source.length()
                    ),
                );
            }
            findings.push(finding);
        }
        findings
    }
}

/// Digests that the artifact carries and its own tensors do not have.
fn wrong_records(evidence: &Evidence) -> impl Iterator<Item = Finding> {
    let unlike = evidence.unlike_record.iter();
    unlike.map(|name| common::wrong_record(Side::Apr, name))
}

/// What the pairing said, but for tensors that the GGUF has lost: they are missing there, and not extra in the APR file.
fn without_missing(
    structure: Vec<Finding>,
    missing: Option<&HashSet<Vec<u8>>>,
) -> impl Iterator<Item = Finding> {
    let is_of_missing = move |finding: &Finding| {
        let name = finding.places.first().and_then(|place| place.name.as_ref());
        let name = name.map(|name| gguf_name(name));
        missing
            .zip(name)
            .is_some_and(|(missing, name)| missing.contains(&name))
    };
    structure.into_iter().filter_map(move |finding| {
        if !is_of_missing(&finding) {
            return Some(finding);
        }
        (finding.code == Code::TensorExtra).then(|| missing_finding(finding.places))
    })
}

/// A tensor that the source of the artifact had.
pub(super) fn missing_finding(places: Vec<Place>) -> Finding {
    let name = places.first().and_then(|place| place.name.as_ref());
    let name = name.map_or_else(String::new, |name| escape(&gguf_name(name)));
    Finding {
        places,
        ..Finding::new(
            Code::TensorMissing,
            Effect::Different,
            format!("{name} is missing in the GGUF; the source of the APR file had it"),
        )
    }
}

fn unreadable(side: Side, shard: usize, error: &io::Error) -> Finding {
    Finding::new(
        Code::Io,
        Effect::Undecided,
        format!("the file cannot be read again: {error}"),
    )
    .at(Place::new(side, shard))
}
