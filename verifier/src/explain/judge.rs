//! Puts the findings of all passes in the order of causes, and adds what only shows when they are seen together.

use std::collections::HashSet;
use std::io;

use crate::code::Code;
use crate::compare::metadata::{self, Digests, Outcome};
use crate::compare::names::gguf_name;
use crate::compare::pairing::{Pair, Pairing};
use crate::compare::scan::{Inputs, Scan};
use crate::decode::container::{Container, Tensor};
use crate::explain::evidence::Evidence;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{RegionKind, Span};
use crate::report::hex;
use crate::{
    decode::apr,
    explain::{cause, locate, tensors},
};

/// What the passes over a pair found.
pub(crate) struct Judge<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) pairing: &'a Pairing,
    pub(crate) scan: &'a Scan,
    pub(crate) metadata: &'a Outcome,
}

impl Judge<'_> {
    /// All findings, the first cause first, and what the digests prove.
    pub(crate) fn findings(&self, structure: Vec<Finding>) -> (Vec<Finding>, Evidence) {
        let crc = self.check_footer();
        let evidence = Evidence::of(self, &crc);
        let rewritten = self.rewritten(&evidence);
        let missing = rewritten.as_ref().map(|(_, rewriting)| &rewriting.missing);
        let data = tensors::findings(
            self.inputs,
            self.pairing,
            self.scan,
            evidence.damaged(),
            missing,
        );

        let mut findings = self.io_errors();
        if let Some(other) = self.other_model(&evidence, &data) {
            findings.extend(malformed(&self.inputs.apr.findings));
            findings.extend(malformed(&self.inputs.gguf.findings));
            findings.push(other);
            return (findings, evidence);
        }
        let is_rewritten = rewritten.is_some();
        match rewritten {
            Some((ref finding, _)) => findings.push(finding.clone()),
            None => findings.extend(self.locate(&evidence, matches!(crc, Ok(true)), &data)),
        }
        findings.extend(malformed(&self.inputs.apr.findings));
        findings.extend(malformed(&self.inputs.gguf.findings));
        self.add_text_causes(&mut findings);
        findings.extend(without_missing(structure, missing));
        findings.extend(data);
        findings.extend(self.metadata_findings(&evidence));
        findings.extend(wrong_records(&evidence));
        if !is_rewritten {
            findings.extend(self.changed_sources(&evidence));
        }
        findings.extend(crc.err().map(|finding| *finding));
        findings.extend(self.nothing_compared());
        findings.extend(self.not_covered());
        drop_followers(&mut findings);
        (findings, evidence)
    }

    /// The tensors of a pair, which the pairing has made from both lists.
    pub(super) fn tensors_of(&self, pair: Pair) -> (&Tensor, &Tensor) {
        let apr = self.inputs.apr.tensors.get(pair.apr);
        let gguf = self.inputs.gguf.tensors.get(pair.gguf);
        let Some(both) = apr.zip(gguf) else {
            unreachable!("a pair is made of tensors of both files");
        };
        both
    }

    /// What comparing the keys said; the intact file is the expected one.
    fn metadata_findings(&self, evidence: &Evidence) -> Vec<Finding> {
        let mut findings = self.metadata.findings.clone();
        if evidence.damaged() == Some(Side::Gguf) {
            for finding in findings.iter_mut().filter(|found| found.places.len() == 2) {
                std::mem::swap(&mut finding.expected, &mut finding.found);
                finding.places.reverse();
            }
        }
        findings
    }

    fn io_errors(&self) -> Vec<Finding> {
        let errors = self.scan.errors.iter();
        errors
            .map(|unread| {
                Finding::new(
                    "io",
                    Effect::Undecided,
                    format!(
                        "{} bytes cannot be read: {}",
                        unread.span.length, unread.error
                    ),
                )
                .at(Place::new(unread.side, unread.shard).span(unread.span))
            })
            .collect()
    }

    /// Whether the footer's sum is right; `Ok(false)` when there is none.
    fn check_footer(&self) -> Result<bool, Box<Finding>> {
        let Some((span, stored)) = self.inputs.apr.metadata.footer else {
            return Ok(false);
        };
        let place = Place::new(Side::Apr, 0)
            .region(RegionKind::Footer)
            .span(span);
        match self.scan.apr_crc {
            Some(computed) if computed == stored => Ok(true),
            Some(computed) => Err(Box::new(
                Finding::new(
                    "apr.footer.crc",
                    Effect::Different,
                    "the file contents do not match the footer CRC-32",
                )
                .at(place)
                .expected_found(format!("{computed:08x}"), format!("{stored:08x}")),
            )),
            None => Err(Box::new(
                Finding::new(
                    "apr.footer.crc",
                    Effect::Undecided,
                    "the CRC-32 of the file could not be computed",
                )
                .at(place),
            )),
        }
    }

    /// The exact byte, where the two files cannot be laid side by side.
    fn locate(&self, evidence: &Evidence, crc_is_right: bool, data: &[Finding]) -> Vec<Finding> {
        if self.inputs.apr.complete && crc_is_right {
            // Only a record that holds itself says what the GGUF should be.
            if !evidence.apr_is_intact || evidence.recorded.is_none() {
                return Vec::new();
            }
            let records = &self.metadata.records;
            let sources = self.inputs.gguf_sources;
            if records.len() != sources.len() {
                return Vec::new();
            }
            let compared =
                records
                    .iter()
                    .zip(sources)
                    .enumerate()
                    .map(|(shard, (record, source))| {
                        locate::compare_heads(record, shard, *source)
                            .unwrap_or_else(|error| Some(unreadable(Side::Gguf, &error)))
                    });
            return compared.flatten().collect();
        }
        let apr = self.inputs.apr;
        // Where the structure is sound, the byte that differs from the GGUF is the damaged one.
        let sound = !apr.findings.iter().any(|finding| finding.effect.decides());
        let direct = data
            .iter()
            .any(|finding| finding.code == Code::TensorBytes || finding.code.kind() == "padding");
        // A producer without a footer leaves nothing to look at.
        let no_footer = apr
            .findings
            .iter()
            .any(|finding| finding.code == Code::AprFooterAbsent);
        if apr.complete && (direct && sound || no_footer) {
            return Vec::new();
        }
        let is_right = |candidate: &Container<apr::Metadata>| {
            let errors =
                |findings: &[Finding]| findings.iter().any(|finding| finding.effect.decides());
            !errors(&candidate.findings)
                && (!self.inputs.gguf.complete
                    || !errors(
                        &metadata::compare(candidate, self.inputs.gguf, Digests::NotAsked).findings,
                    ))
        };
        locate::locate_in_apr(self.inputs.apr_source, &is_right)
            .unwrap_or_else(|error| Some(unreadable(Side::Apr, &error)))
            .into_iter()
            .collect()
    }

    /// Sources that are not byte for byte what the artifact was made from.
    fn changed_sources(&self, evidence: &Evidence) -> Vec<Finding> {
        let records = &self.metadata.records;
        let sources = self.inputs.gguf_sources;
        // A head that cannot be decoded says enough of itself.
        let is_told = evidence.apr_is_intact && self.inputs.gguf.complete;
        if records.is_empty() || !is_told {
            return Vec::new();
        }
        if records.len() != sources.len() {
            return vec![Finding::new(
                "source.split",
                Effect::Warning,
                format!(
                    "the artifact was made from {} files and is compared with {}",
                    records.len(),
                    sources.len()
                ),
            )];
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
            let mut finding = Finding::new(
                "source.changed",
                Effect::Different,
                "the GGUF is not byte for byte the file from which the artifact was made",
            )
            .at(Place::new(Side::Gguf, shard).span(Span::new(
                source.length().min(record.size),
                source.length().abs_diff(record.size),
            )))
            .expected_found(show(record.size, recorded), show(source.length(), found));
            if source.length() < record.size {
                finding = finding.cause(
                    "cause.truncated",
                    format!(
                        "truncated: a download or copy that ended early, {} bytes are missing",
                        record.size.saturating_sub(source.length())
                    ),
                );
            }
            findings.push(finding);
        }
        findings
    }

    /// A file that went through a text tool is broken all over; that says more than the first broken field.
    fn add_text_causes(&self, findings: &mut [Finding]) {
        for (side, source, complete) in [
            (
                Side::Apr,
                Some(self.inputs.apr_source),
                self.inputs.apr.complete,
            ),
            (
                Side::Gguf,
                self.inputs.gguf_sources.first().copied(),
                self.inputs.gguf.complete,
            ),
        ] {
            let Some(source) = source.filter(|_| !complete) else {
                continue;
            };
            // A cause is a hint: what cannot be read for it is left out.
            let Ok(Some(cause)) = cause::text_mode(source) else {
                continue;
            };
            let about =
                |finding: &&mut Finding| finding.places.iter().any(|place| place.side == side);
            if let Some(finding) = findings.iter_mut().find(about) {
                finding.cause = Some(cause);
            }
        }
    }

    fn nothing_compared(&self) -> Option<Finding> {
        // Of a file that cannot be decoded that is said already.
        let are_decoded = self.inputs.apr.complete && self.inputs.gguf.complete;
        let compared = self.scan.pairs.iter().any(Option::is_some);
        (!compared && are_decoded).then(|| {
            Finding::new(
                "nothing-compared",
                Effect::Undecided,
                "no tensor was compared",
            )
        })
    }

    /// The regions must partition each file, and nothing may be left that was not decoded without a word about it.
    fn not_covered(&self) -> Vec<Finding> {
        let apr = self
            .inputs
            .apr
            .shards
            .iter()
            .map(|shard| (Side::Apr, 0, shard));
        let gguf = self.inputs.gguf.shards.iter().enumerate();
        let gguf = gguf.map(|(index, shard)| (Side::Gguf, index, shard));
        let mut findings = Vec::new();
        for (side, index, shard) in apr.chain(gguf) {
            let mut position = 0;
            for region in &shard.regions {
                if region.span.offset != position || region.kind == RegionKind::Undecoded {
                    findings.push(
                        Finding::new(
                            "not-covered",
                            Effect::Undecided,
                            "bytes of the file could not be assigned to a region",
                        )
                        .at(Place::new(side, index)
                            .region(region.kind)
                            .span(region.span)),
                    );
                }
                position = region.span.end();
            }
            if position != shard.length {
                let rest = Span::new(position, shard.length.saturating_sub(position));
                findings.push(
                    Finding::new(
                        "not-covered",
                        Effect::Undecided,
                        "the regions do not end where the file does",
                    )
                    .at(Place::new(side, index).span(rest)),
                );
            }
        }
        findings
    }
}

/// The findings of a decoder: what it cannot follow is malformed, whichever file it is. A type that is not known is not.
pub(crate) fn malformed(findings: &[Finding]) -> impl Iterator<Item = Finding> {
    findings.iter().cloned().map(|mut finding| {
        let code = finding.code.as_str();
        let is_about_type = code.starts_with("gguf.type.") || code.starts_with("apr.tensor.dtype");
        let is_no_json = finding.code == Code::AprMetaJson;
        if (finding.effect == Effect::Undecided && !is_about_type) || is_no_json {
            finding.effect = Effect::Unreadable;
        }
        finding
    })
}

/// Digests that the artifact carries and its own tensors do not have.
fn wrong_records(evidence: &Evidence) -> impl Iterator<Item = Finding> {
    evidence.unlike_record.iter().map(|name| {
        Finding::new(
            Code::MetaRecordDigest,
            Effect::Different,
            format!("{name} does not have the digest that the artifact records for it"),
        )
        .at(Place::new(Side::Apr, 0)
            .region(RegionKind::Tensor)
            .name(name.as_bytes()))
    })
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

/// Leaves out that a tensor could not be compared, where it is said that the file ends before it.
fn drop_followers(findings: &mut Vec<Finding>) {
    let names: HashSet<Vec<u8>> = findings
        .iter()
        .filter(|finding| matches!(finding.code, Code::AprTruncated | Code::GgufTruncated))
        .flat_map(|finding| &finding.places)
        .filter_map(|place| place.name.clone())
        .collect();
    findings.retain(|finding| {
        let mut places = finding.places.iter();
        finding.code != Code::TensorNotCompared
            || !places.any(|place| place.name.as_ref().is_some_and(|name| names.contains(name)))
    });
}

fn unreadable(side: Side, error: &io::Error) -> Finding {
    Finding::new(
        "io",
        Effect::Undecided,
        format!("the file cannot be read again: {error}"),
    )
    .at(Place::new(side, 0))
}
