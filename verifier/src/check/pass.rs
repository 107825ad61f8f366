//! The pass over one model: that of a pair, with nothing on the other side.

use std::collections::BTreeMap;

use super::recorded::{OfSource, Recorded};
use super::{Sidecar, conclude, layers};
use crate::code::Code;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::metadata::Compared;
use crate::compare::pairing::Pairing;
use crate::compare::scan::{self, Scan};
use crate::decode::container::Container;
use crate::decode::decoded::Decoded;
use crate::explain::blob;
use crate::explain::evidence::Evidence;
use crate::explain::given_back::{GivenBack, to_digest};
use crate::explain::judge::Judge;
use crate::explain::publisher;
use crate::explain::recorded::metadata_of;
use crate::finding::{Effect, Finding, Place, Side, escape, hex};
use crate::input::{FileSha256, Input, Options, changed};
use crate::observer::Observer;
use crate::policy;
use crate::report::{self, FileRow, Parts, Report, Scope, TensorResult, file_row};
use crate::source::Source;

pub(super) fn check(
    input: &Input<'_>,
    decoded: &Decoded,
    sidecar: &Sidecar,
    options: &Options,
    observer: &dyn Observer,
) -> Report {
    let (no_apr, no_gguf) = (absent(), absent());
    let (apr, gguf) = match decoded {
        Decoded::Apr(apr) => (apr, &no_gguf),
        Decoded::Gguf(gguf) => (&no_apr, gguf),
        Decoded::Unknown(_) => unreachable!("what is no model is told before the pass"),
    };
    // What was decoded is what is digested: the pass takes these bytes from memory and does not read them again.
    let held = decoded.held(input);
    let held: Vec<&dyn Source> = held.iter().map(|held| held as &dyn Source).collect();
    let nothing: Vec<u8> = Vec::new();
    let nothing = [&nothing as &dyn Source];
    let (apr_sources, gguf_sources) = match decoded.side() {
        Side::Gguf => (&nothing[..], held.as_slice()),
        _ => (held.as_slice(), &[][..]),
    };
    let inputs = Inputs {
        first: Model::apr(Side::Apr, "the APR file", apr, apr_sources),
        second: Model::gguf(Side::Gguf, "the GGUF", gguf, gguf_sources),
    };
    let pairing = Pairing {
        only_apr: (0..apr.tensors.len()).collect(),
        only_gguf: (0..gguf.tensors.len()).collect(),
        ..Pairing::default()
    };
    let mut options = *options;
    // One chain that no cores can share: unless it was asked for, only where the name gives something to hold it against.
    if blob::digest_of_name(input).is_some() {
        options.file_sha256 = FileSha256::All;
    }
    let metadata = match decoded {
        Decoded::Apr(apr) => metadata_of(apr),
        Decoded::Gguf(_) | Decoded::Unknown(_) => Compared::default(),
    };
    let also = to_digest(&metadata.records, apr);
    let scan = scan::scan_also(&inputs, &pairing, also, &options, observer);
    let judge = Judge {
        inputs: &inputs,
        apr,
        gguf,
        pairing: &pairing,
        scan: &scan,
        // The name of the file is held against its digest below.
        digests_hold: [None; 2],
        metadata: &metadata,
    };
    let (mut findings, evidence) = judge.findings(Vec::new());
    drop_chance(decoded, &evidence, &mut findings);
    findings.extend(not_read(decoded, &scan, &findings));
    findings.extend(no_tensors(decoded));
    findings.extend(layers::finding(decoded));
    let seen = Seen::of(decoded, &scan);
    findings.extend(blob::finding(
        decoded.side(),
        input,
        seen.sha256().as_deref(),
    ));
    let recorded = Recorded::of(input, decoded, &seen, sidecar);
    findings.extend(recorded.findings.iter().cloned());
    findings.extend(scan.warnings.iter().cloned());
    let files = file_rows(input, decoded, &scan, &seen);
    findings.splice(0..0, publisher::findings(&files));
    findings.splice(0..0, changed(decoded.side(), input));
    let is_published = publisher::holds(&files, decoded.side()) == Some(true);
    let of_source = OfSource::of(&judge, &evidence);
    findings.extend(recorded.notes(decoded, is_published, of_source));
    findings.extend(of_source.finding(decoded.side()));
    if evidence.given_back == GivenBack::TooLarge {
        let text = "the source that it records has far more padding than the file has bytes: its BLAKE3 was not computed";
        let finding = Finding::new(Code::MetaRecordUnchecked, Effect::Undecided, text);
        findings.push(
            finding
                .at(Place::new(decoded.side(), 0))
                .hint("`aprove restore` computes it"),
        );
    }

    let parts = Parts {
        inputs: &inputs,
        pairing: &pairing,
        scan: &scan,
        keys: &metadata.keys,
    };
    report::name_files_of_sets(&files, &mut findings);
    let mut report = report::build(files, &Scope::Alone(&parts), &findings);
    report.conclusion = conclude::conclude(decoded.side(), &evidence, &findings);
    report.manifest.clone_from(&recorded.sidecar);
    mark_held(&mut report, &recorded, &evidence);
    report
}

/// The side of a pair on which there is nothing.
fn absent<M: Default>() -> Container<M> {
    Container {
        shards: Vec::new(),
        tensors: Vec::new(),
        metadata: M::default(),
        findings: Vec::new(),
        complete: false,
    }
}

/// The digests that the pass computed.
pub(super) struct Seen {
    /// Of each file of the model; none where not all of one was read.
    pub(super) files: Vec<Option<[u8; 32]>>,
    /// SHA-256 of each file, where it was computed.
    sha256: Vec<Option<[u8; 32]>>,
    /// Of each tensor that was read, by its place in the list.
    pub(super) tensors: BTreeMap<usize, [u8; 32]>,
    /// Whether the footer of an APR file has the right CRC-32.
    pub(super) crc_holds: bool,
}

impl Seen {
    fn of(decoded: &Decoded, scan: &Scan) -> Self {
        // The APR file comes first, then the shards.
        let (skipped, footer) = match decoded {
            Decoded::Apr(apr) => (0, apr.metadata.footer),
            Decoded::Gguf(_) | Decoded::Unknown(_) => (1, None),
        };
        let (files, sha256) = (&scan.blake3, &scan.sha256);
        let of_model = |digests: &[Option<[u8; 32]>]| {
            let digests = digests.iter().skip(skipped);
            digests.take(decoded.shards().len()).copied().collect()
        };
        let tensors = scan.alone.iter();
        let [computed, _] = scan.crc;
        Self {
            files: of_model(files),
            sha256: of_model(sha256),
            tensors: tensors
                .map(|alone| (alone.index, alone.digests.blake3))
                .collect(),
            crc_holds: footer.is_some_and(|(_, stored)| computed == Some(stored)),
        }
    }

    /// SHA-256 of a model of one file, where it was computed.
    pub(super) fn sha256(&self) -> Option<String> {
        let first = self.sha256.first().copied().flatten();
        first.map(|digest| hex(&digest))
    }
}

/// A sum of 32 bits finds a byte by chance in a large file: one inside the tensors counts only where a recorded digest
/// says that the same tensor is damaged, and one before them only where no tensor is.
fn drop_chance(decoded: &Decoded, evidence: &Evidence, findings: &mut Vec<Finding>) {
    let unlike = &evidence.unlike_record;
    let is_told = |finding: &Finding| {
        let place = finding.places.first();
        let Some(span) = place.and_then(|place| place.span) else {
            return unlike.is_empty();
        };
        let mut tensors = decoded.tensors().iter();
        match tensors.find(|tensor| tensor.span.contains(span.offset)) {
            Some(tensor) => unlike.contains(&escape(&tensor.name)),
            None => unlike.is_empty(),
        }
    };
    findings.retain(|finding| finding.code != Code::AprDamaged || is_told(finding));
}

/// Tensors that share their bytes with too many others; what lies outside the file has a finding of the decoder.
fn not_read(decoded: &Decoded, scan: &Scan, findings: &[Finding]) -> Option<Finding> {
    let missing = decoded.tensors().len().checked_sub(scan.alone.len())?;
    let is_told = findings.iter().any(policy::is_not_read);
    (missing > 0 && !is_told).then(|| {
        Finding::new(
            Code::TensorNotCompared,
            Effect::Undecided,
            format!("{missing} tensors were not read: their bytes are those of other tensors"),
        )
    })
}

/// What has no weights is no model: nothing of it can be held against anything that is worth a verdict.
fn no_tensors(decoded: &Decoded) -> Option<Finding> {
    let is_vocabulary = match decoded {
        Decoded::Gguf(gguf) => gguf.metadata.get(b"tokenizer.ggml.tokens").is_some(),
        Decoded::Apr(_) | Decoded::Unknown(_) => false,
    };
    let what = if is_vocabulary {
        "a vocabulary without weights"
    } else {
        "metadata without weights"
    };
    let is_empty = decoded.is_complete() && decoded.tensors().is_empty();
    is_empty.then(|| {
        let text = format!("{what}, not a model: there is no tensor to check");
        Finding::new(Code::NothingCompared, Effect::Undecided, text)
            .at(Place::new(decoded.side(), 0))
            .hint("check the model itself; `aprove inspect FILE` shows what is in this file")
    })
}

fn file_rows(input: &Input<'_>, decoded: &Decoded, scan: &Scan, seen: &Seen) -> Vec<FileRow> {
    let files = input.shards.iter().zip(decoded.shards()).enumerate();
    let row = |(shard, ((name, source), parts)): (usize, (&(String, &dyn Source), _))| {
        let errors = scan.errors.iter().filter(|unread| unread.shard == shard);
        let unread = errors.map(|unread| unread.span).collect();
        let [blake3, sha256] =
            [&seen.files, &seen.sha256].map(|all| all.get(shard).copied().flatten());
        FileRow {
            blake3: blake3.map(|digest| hex(&digest)),
            sha256: sha256.map(|digest| hex(&digest)),
            origin: source.origin().cloned(),
            ..file_row(decoded.format(), shard, name, parts, unread)
        }
    };
    files.map(row).collect()
}

/// Marks the tensors whose bytes hold a recorded digest, and those whose bytes do not.
fn mark_held(report: &mut Report, recorded: &Recorded, evidence: &Evidence) {
    let unlike = &evidence.unlike_record;
    let counts = &mut report.counts;
    for (index, row) in report.tensors.iter_mut().enumerate() {
        let Some((_, side)) = row.sides.all().next() else {
            unreachable!("a row of one model has its tensor");
        };
        let slot = if unlike.contains(&side.name) || recorded.unlike.contains(&index) {
            row.result = TensorResult::Different;
            &mut counts.tensors_different
        } else if recorded.held.contains(&index) {
            row.result = TensorResult::BytesEqual;
            &mut counts.bytes_equal
        } else {
            continue;
        };
        *slot += 1;
        counts.tensors_not_compared = counts.tensors_not_compared.saturating_sub(1);
        counts.tensors_compared += 1;
        counts.tensor_bytes_compared += side.size;
    }
}

/// How many bytes of tensors a model has.
pub(super) fn tensor_bytes(report: &Report) -> u64 {
    let sides = report.tensors.iter();
    sides
        .filter_map(|row| row.sides.all().next())
        .fold(0, |sum, (_, side)| sum.saturating_add(side.size))
}
