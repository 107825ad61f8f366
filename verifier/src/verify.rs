//! The verification of a pair: decode both, pair the tensors, read everything once, compare, judge.

use std::io;

use crate::code::Code;
use crate::compare::metadata::record::SourceRecord;
use crate::compare::metadata::{self, Digests, Outcome};
use crate::compare::pairing::{self, Pairing};
use crate::compare::scan::{self, Inputs, Scan};
use crate::decode::container::{Container, Format, Shard};
use crate::explain::judge::Judge;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::observer::Observer;
use crate::report::{self, FileFormat, FileRow, Parts, Report, Scope, file_row, hex};
use crate::source::{Held, Source};
use crate::{
    decode::{apr, gguf},
    explain::{culprit, evidence::Evidence, sniff},
    manifest,
};

/// One model as the user named it: a file, or the files of a split set in order.
pub struct Input<'a> {
    /// What the user calls it.
    pub name: String,
    /// Base name and bytes of every file.
    pub shards: Vec<(String, &'a dyn Source)>,
}

/// How to verify.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Number of threads for the pass over the data.
    pub threads: usize,
    /// Which files get a SHA-256 beside their BLAKE3. It is one chain, which no cores can share.
    pub file_sha256: FileSha256,
    /// Whether every tensor gets a SHA-256 beside its BLAKE3.
    pub tensor_sha256: bool,
}

/// The files whose SHA-256 is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileSha256 {
    /// None.
    None,
    /// The APR file.
    Apr,
    /// All of them.
    All,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 1,
            file_sha256: FileSha256::None,
            tensor_sha256: false,
        }
    }
}

/// Compares two models, in either order; the formats are told by content. A manifest is never taken for a model:
/// [`manifest::check`] compares a model with one.
#[must_use]
pub fn verify(a: &Input<'_>, b: &Input<'_>, options: &Options, observer: &dyn Observer) -> Report {
    for (listed, other) in [(a, b), (b, a)] {
        if let [(name, source)] = listed.shards.as_slice()
            && manifest::is_in_place_of_model(*source)
        {
            let finding = manifest_for_model(name, &other.name);
            return nothing_compared(&[a, b], finding);
        }
    }
    match roles(a, b) {
        Ok((apr, gguf)) => Pair { apr, gguf }.verify(options, observer),
        Err(findings) => {
            let mut report = report::build(rows_of_unknown(&[a, b]), &Scope::Nothing, &findings);
            report.conclusion = culprit::conclude(&Evidence::default(), &findings);
            report
        }
    }
}

/// The report where nothing could be compared.
pub(crate) fn nothing_compared(inputs: &[&Input<'_>], finding: Finding) -> Report {
    report::build(rows_of_unknown(inputs), &Scope::Nothing, &[finding])
}

fn manifest_for_model(name: &str, other: &str) -> Finding {
    let (name, other) = (escape(name.as_bytes()), escape(other.as_bytes()));
    Finding::new(
        "pair.manifest",
        Effect::Undecided,
        format!("{name} is a manifest, not a model: nothing was compared"),
    )
    .hint(format!("verify {other} --manifest {name}"))
}

/// Finds out which input is the APR file. A file that is no model ends here: nothing follows for the other one. A file of
/// no kind that is known takes the role that is left, since it may be a model that is damaged at its start.
fn roles<'a, 'i>(
    a: &'a Input<'i>,
    b: &'a Input<'i>,
) -> Result<(&'a Input<'i>, &'a Input<'i>), Vec<Finding>> {
    let refuse = |text: &str| {
        Err(vec![Finding::new(
            Code::PairFormats,
            Effect::Undecided,
            text,
        )])
    };
    let (of_a, of_b) = match (kind_of(a), kind_of(b)) {
        (Ok(of_a), Ok(of_b)) => (of_a, of_b),
        (Err(error), _) => return Err(vec![unreadable(a, &error)]),
        (_, Err(error)) => return Err(vec![unreadable(b, &error)]),
    };
    let others = [(&of_a, &of_b), (&of_b, &of_a)].map(|(file, other)| match file {
        FileKind::NoModel(finding) => Some(match other {
            FileKind::Model(Format::Apr) => finding.clone().at(Place::new(Side::Gguf, 0)),
            FileKind::Model(Format::Gguf) => finding.clone().at(Place::new(Side::Apr, 0)),
            FileKind::NoModel(_) | FileKind::Unknown => *finding.clone(),
        }),
        FileKind::Model(_) | FileKind::Unknown => None,
    });
    let others: Vec<Finding> = others.into_iter().flatten().collect();
    if !others.is_empty() {
        return Err(others);
    }
    let (apr, gguf) = match (of_a, of_b) {
        (FileKind::Model(Format::Apr), FileKind::Model(Format::Apr)) => {
            return refuse("both files are APR files; give the GGUF that one was made from");
        }
        (FileKind::Model(Format::Gguf), FileKind::Model(Format::Gguf)) => {
            return refuse("both files are GGUF files; give the APR file made from one");
        }
        (FileKind::Model(Format::Apr), _) | (_, FileKind::Model(Format::Gguf)) => (a, b),
        (_, FileKind::Model(Format::Apr)) | (FileKind::Model(Format::Gguf), _) => (b, a),
        _ => return refuse("neither file is an APR file or a GGUF file"),
    };
    if apr.shards.len() != 1 || gguf.shards.is_empty() {
        return refuse("an APR model is one file");
    }
    Ok((apr, gguf))
}

/// What an input is by its first bytes.
enum FileKind {
    Model(Format),
    NoModel(Box<Finding>),
    Unknown,
}

fn kind_of(input: &Input<'_>) -> io::Result<FileKind> {
    let Some((name, source)) = input.shards.first() else {
        return Ok(FileKind::Unknown);
    };
    let length = source.length();
    let held = usize::try_from(length.min(sniff::SAMPLE)).map_err(io::Error::other)?;
    let mut start = vec![0; held];
    source.read_exact_at(0, &mut start)?;
    Ok(match start.as_slice() {
        [b'G', b'G', b'U', b'F', ..] => FileKind::Model(Format::Gguf),
        [b'A', b'P', b'R', _, ..] => FileKind::Model(Format::Apr),
        start => match sniff::not_a_model(name, start, length) {
            Some(finding) => FileKind::NoModel(Box::new(finding)),
            None => FileKind::Unknown,
        },
    })
}

fn unreadable(input: &Input<'_>, error: &io::Error) -> Finding {
    let name = escape(input.name.as_bytes());
    Finding::new(
        Code::Io,
        Effect::Unreadable,
        format!("{name} cannot be read: {error}"),
    )
}

pub(crate) fn rows_of_unknown(inputs: &[&Input<'_>]) -> Vec<FileRow> {
    let shards = inputs.iter().flat_map(|input| {
        let format = match kind_of(input) {
            Ok(FileKind::Model(Format::Apr)) => FileFormat::Apr,
            Ok(FileKind::Model(Format::Gguf)) => FileFormat::Gguf,
            Ok(FileKind::NoModel(_) | FileKind::Unknown) | Err(_) => FileFormat::Unknown,
        };
        let shards = input.shards.iter().enumerate();
        shards.map(move |(shard, file)| (format, shard, file))
    });
    shards
        .map(|(format, shard, (name, source))| {
            let parts = Shard {
                length: source.length(),
                regions: Vec::new(),
            };
            FileRow {
                covered: 0,
                ..file_row(format, shard, name, &parts, 0)
            }
        })
        .collect()
}

struct Pair<'a, 'i> {
    apr: &'a Input<'i>,
    gguf: &'a Input<'i>,
}

impl Pair<'_, '_> {
    fn verify(&self, options: &Options, observer: &dyn Observer) -> Report {
        let [(_, apr_source)] = self.apr.shards.as_slice() else {
            unreachable!("an APR model is one file, which the roles are given by");
        };
        let gguf_sources: Vec<&dyn Source> =
            self.gguf.shards.iter().map(|(_, source)| *source).collect();
        let apr = apr::decode(*apr_source);
        let gguf = gguf::decode(&gguf_sources);
        // What was decoded is what is digested: the pass takes these bytes from memory and does not read them again.
        let footer = apr
            .metadata
            .footer
            .map(|(span, sum)| (span, sum.to_le_bytes()));
        let apr_held = Held::new(*apr_source, &apr.metadata.head, footer);
        let gguf_held: Vec<Held<'_>> = gguf_sources
            .iter()
            .zip(&gguf.metadata.shards)
            .map(|(source, head)| Held::new(*source, &head.bytes, None))
            .collect();
        let gguf_sources: Vec<&dyn Source> =
            gguf_held.iter().map(|held| held as &dyn Source).collect();
        let inputs = Inputs {
            apr: &apr,
            gguf: &gguf,
            apr_source: &apr_held,
            gguf_sources: &gguf_sources,
        };

        let mut structure = Vec::new();
        // Tensors are only missed in a list that was read to its end.
        let pairing = if apr.complete && gguf.complete {
            pairing::pair(&apr, &gguf, &mut structure)
        } else {
            Pairing {
                only_apr: (0..apr.tensors.len()).collect(),
                only_gguf: (0..gguf.tensors.len()).collect(),
                ..Pairing::default()
            }
        };
        let scan = scan::scan(&inputs, &pairing, options, observer);
        let metadata = if apr.complete && gguf.complete {
            let digests = scan.blake3.get(1..).unwrap_or_default();
            metadata::compare(&apr, &gguf, Digests::Of(digests))
        } else {
            Outcome {
                records: records_of(&apr),
                ..Outcome::default()
            }
        };
        let judge = Judge {
            inputs: &inputs,
            pairing: &pairing,
            scan: &scan,
            metadata: &metadata,
        };
        let (mut findings, evidence) = judge.findings(structure);
        let files = self.file_rows(&inputs, &scan);
        findings.extend(scan.warnings.iter().cloned());
        self.check_unchanged(&mut findings);
        let parts = Parts {
            inputs: &inputs,
            pairing: &pairing,
            scan: &scan,
            keys: &metadata.keys,
        };
        let mut report = report::build(files, &Scope::Pair(&parts), &findings);
        report.conclusion = culprit::conclude(&evidence, &findings);
        report
    }

    fn file_rows(&self, inputs: &Inputs<'_>, scan: &Scan) -> Vec<FileRow> {
        let unread = |side, shard| {
            scan.errors
                .iter()
                .filter(|unread| (unread.side, unread.shard) == (side, shard))
                .fold(0_u64, |sum, unread| sum.saturating_add(unread.span.length))
        };
        let apr = self
            .apr
            .shards
            .iter()
            .zip(&inputs.apr.shards)
            .map(|((name, _), parts)| {
                file_row(FileFormat::Apr, 0, name, parts, unread(Side::Apr, 0))
            });
        let gguf = self.gguf.shards.iter().zip(&inputs.gguf.shards).enumerate();
        let gguf = gguf.map(|(shard, ((name, _), parts))| {
            file_row(
                FileFormat::Gguf,
                shard,
                name,
                parts,
                unread(Side::Gguf, shard),
            )
        });
        apr.chain(gguf)
            .zip(scan.blake3.iter().zip(&scan.sha256))
            .map(|(row, (blake3, sha256))| FileRow {
                blake3: blake3.as_ref().map(|digest| hex(digest)),
                sha256: sha256.as_ref().map(|digest| hex(digest)),
                ..row
            })
            .collect()
    }

    /// The verdict is about the bytes that were read; they must still be the file.
    fn check_unchanged(&self, findings: &mut Vec<Finding>) {
        for (input, side) in [(self.apr, Side::Apr), (self.gguf, Side::Gguf)] {
            for (shard, (name, source)) in input.shards.iter().enumerate() {
                if let Err(change) = source.check_unchanged() {
                    findings.insert(
                        0,
                        Finding::new(
                            "input-changed",
                            Effect::Unreadable,
                            format!(
                                "{} changed while it was read: {change}",
                                escape(name.as_bytes())
                            ),
                        )
                        .at(Place::new(side, shard))
                        .hint("run again when nothing writes to the file"),
                    );
                }
            }
        }
    }
}

fn records_of(apr: &Container<apr::Metadata>) -> Vec<SourceRecord> {
    let document = apr.metadata.document.as_ref();
    document
        .and_then(|document| metadata::record::read(document).ok().flatten())
        .map(|record| record.sources)
        .unwrap_or_default()
}
