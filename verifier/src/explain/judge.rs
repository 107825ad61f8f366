//! Puts the findings of all passes in the order of causes, and adds what only shows when they are seen together.

use std::collections::HashMap;
use std::io;

use crate::compare::metadata::{self, Digests, Outcome};
use crate::compare::pairing::Pairing;
use crate::compare::scan::{Inputs, Scan};
use crate::decode::container::Container;
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
    /// All findings, the first cause first.
    pub(crate) fn findings(&self, structure: Vec<Finding>) -> Vec<Finding> {
        let apr_sum = self.check_footer();
        let apr_is_whole = self.inputs.apr.complete && matches!(apr_sum, Ok(true));
        let changed = self.changed_sources();
        // An artifact that is as it was written agreed with its source then.
        let damaged = (apr_is_whole && !self.metadata.records.is_empty()).then_some(Side::Gguf);
        let data = tensors::findings(self.inputs, self.pairing, self.scan, damaged);

        let mut findings = self.io_errors();
        findings.extend(self.locate(apr_is_whole, &data));
        findings.extend(self.inputs.apr.findings.iter().cloned());
        findings.extend(self.inputs.gguf.findings.iter().cloned());
        self.add_text_causes(&mut findings);
        findings.extend(structure);
        findings.extend(data);
        findings.extend(self.metadata.findings.iter().cloned());
        findings.extend(self.wrong_records());
        findings.extend(changed);
        findings.extend(apr_sum.err().map(|finding| *finding));
        findings.extend(self.nothing_compared());
        findings.extend(self.not_covered());
        findings
    }

    fn io_errors(&self) -> Vec<Finding> {
        let errors = self.scan.errors.iter();
        errors
            .map(|(side, shard, span, error)| {
                Finding::new(
                    "io",
                    Effect::Undecided,
                    format!("{} bytes cannot be read: {error}", span.length),
                )
                .at(Place::new(*side, *shard).span(*span))
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
                    "the bytes of the file do not have the sum of its footer",
                )
                .at(place)
                .expected_found(format!("{computed:08x}"), format!("{stored:08x}")),
            )),
            None => Err(Box::new(
                Finding::new(
                    "apr.footer.crc",
                    Effect::Undecided,
                    "the sum of the file could not be computed",
                )
                .at(place),
            )),
        }
    }

    /// The exact byte, where the two files cannot be laid side by side.
    fn locate(&self, apr_is_whole: bool, data: &[Finding]) -> Vec<Finding> {
        if apr_is_whole {
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
        let sound = !apr
            .findings
            .iter()
            .any(|finding| matches!(finding.effect, Effect::Different | Effect::Undecided));
        let direct = data
            .iter()
            .any(|finding| finding.code == "tensor.bytes" || finding.code.ends_with(".padding"));
        // A producer without a footer leaves nothing to look at.
        let no_footer = apr
            .findings
            .iter()
            .any(|finding| finding.code == "apr.footer.absent");
        if apr.complete && (direct && sound || no_footer) {
            return Vec::new();
        }
        let is_right = |candidate: &Container<apr::Metadata>| {
            let errors = |findings: &[Finding]| {
                findings
                    .iter()
                    .any(|finding| matches!(finding.effect, Effect::Different | Effect::Undecided))
            };
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
    ///
    /// Compared whatever flags and footer say: what a record says about its source is true or is not.
    fn changed_sources(&self) -> Vec<Finding> {
        let records = &self.metadata.records;
        let sources = self.inputs.gguf_sources;
        if records.is_empty() {
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

    /// Digests that the artifact carries and its own tensors do not have.
    fn wrong_records(&self) -> Vec<Finding> {
        let Some(document) = self.inputs.apr.metadata.document.as_ref() else {
            return Vec::new();
        };
        let mut computed = HashMap::new();
        for (pair, outcome) in self.pairing.pairs.iter().zip(&self.scan.pairs) {
            if let (Some(tensor), Some(outcome)) = (self.inputs.apr.tensors.get(pair.apr), outcome)
            {
                computed.insert(tensor.name.as_slice(), outcome.apr);
            }
        }
        // A record that cannot be read has been named where the metadata was compared.
        let Ok(recorded) = metadata::record::tensor_digests(document) else {
            return Vec::new();
        };
        let wrong = recorded.into_iter().filter(|(name, blake3, sha256)| {
            computed.get(name.as_bytes()).is_some_and(|found| {
                hex(&found.blake3) != *blake3
                    || sha256
                        .as_ref()
                        .is_some_and(|sha256| hex(&found.sha256) != *sha256)
            })
        });
        wrong
            .map(|(name, ..)| {
                Finding::new(
                    "meta.record-digest",
                    Effect::Different,
                    format!(
                        "{} does not have the digests that the artifact records for it",
                        escape(name.as_bytes())
                    ),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Tensor)
                    .name(name))
            })
            .collect()
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
        let compared = self.scan.pairs.iter().any(Option::is_some);
        (!compared).then(|| {
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

fn unreadable(side: Side, error: &io::Error) -> Finding {
    Finding::new(
        "io",
        Effect::Undecided,
        format!("the file cannot be read again: {error}"),
    )
    .at(Place::new(side, 0))
}
