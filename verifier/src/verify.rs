//! The verification of a pair: decode both, pair the tensors, read everything once, compare, judge.

use std::io;

use sha2::{Digest as _, Sha256};

use crate::compare::metadata::record::SourceRecord;
use crate::compare::metadata::{self, Digests, Outcome};
use crate::compare::pairing::{self, Pairing};
use crate::compare::scan::{self, Inputs, Scan};
use crate::decode::container::{Container, Format, Shard};
use crate::explain::judge::Judge;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::observer::Observer;
use crate::region::Span;
use crate::report::{self, FileRow, Parts, Report, file_row, hex};
use crate::source::{Source, read_through};
use crate::{
    decode::{apr, gguf},
    explain::cause,
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
    /// Whether BLAKE3 and SHA-256 of the whole files are computed as well: the numbers of other tools, at the cost of two
    /// more hashes over every byte.
    pub file_digests: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 1,
            file_digests: false,
        }
    }
}

/// Compares two models, in either order; the formats are told by content. A manifest in the place of one of them checks
/// the other against it.
#[must_use]
pub fn verify(a: &Input<'_>, b: &Input<'_>, options: &Options, observer: &dyn Observer) -> Report {
    for (listed, model) in [(a, b), (b, a)] {
        if let [(_, source)] = listed.shards.as_slice()
            && let Some(manifest) = manifest::read(*source)
        {
            return manifest::check(&manifest, model, options.threads, observer);
        }
    }
    match roles(a, b) {
        Ok((apr, gguf)) => Pair { apr, gguf }.verify(options, observer),
        Err(finding) => report::build(rows_of_unknown(&[a, b]), None, vec![*finding]),
    }
}

/// Finds out which input is the APR file. An input of no known format takes the role that is left, so that what is wrong
/// with it can be said.
fn roles<'a, 'i>(
    a: &'a Input<'i>,
    b: &'a Input<'i>,
) -> Result<(&'a Input<'i>, &'a Input<'i>), Box<Finding>> {
    let refuse = |code, text: String| Err(Box::new(Finding::new(code, Effect::Undecided, text)));
    let formats = (format_of(a), format_of(b));
    let (apr, gguf) = match formats {
        (Ok(Some(Format::Apr)), Ok(Some(Format::Apr))) => {
            return refuse(
                "pair.formats",
                "both files are APR files; give the GGUF that one was made from".to_owned(),
            );
        }
        (Ok(Some(Format::Gguf)), Ok(Some(Format::Gguf))) => {
            return refuse(
                "pair.formats",
                "both files are GGUF files; give the APR file made from one".to_owned(),
            );
        }
        (Ok(None), Ok(None)) => {
            let hint = not_a_model(a).or_else(|| not_a_model(b));
            return Err(Box::new(hint.unwrap_or_else(|| {
                Finding::new(
                    "pair.formats",
                    Effect::Undecided,
                    "neither file is an APR file or a GGUF file",
                )
            })));
        }
        (Ok(Some(Format::Apr)), Ok(_)) | (Ok(None), Ok(Some(Format::Gguf))) => (a, b),
        (Ok(_), Ok(_)) => (b, a),
        (Err(error), _) => {
            return refuse(
                "io",
                format!("{} cannot be read: {error}", escape(a.name.as_bytes())),
            );
        }
        (_, Err(error)) => {
            return refuse(
                "io",
                format!("{} cannot be read: {error}", escape(b.name.as_bytes())),
            );
        }
    };
    if apr.shards.len() != 1 || gguf.shards.is_empty() {
        return refuse("pair.formats", "an APR model is one file".to_owned());
    }
    Ok((apr, gguf))
}

fn format_of(input: &Input<'_>) -> io::Result<Option<Format>> {
    let start = start_of(input, 4)?;
    Ok(match start.as_slice() {
        b"GGUF" => Some(Format::Gguf),
        [b'A', b'P', b'R', _] => Some(Format::Apr),
        _ => None,
    })
}

fn not_a_model(input: &Input<'_>) -> Option<Finding> {
    cause::not_a_model(&start_of(input, 512).ok()?)
}

fn start_of(input: &Input<'_>, length: u64) -> io::Result<Vec<u8>> {
    let Some((_, source)) = input.shards.first() else {
        return Ok(Vec::new());
    };
    let mut start = vec![0; usize::try_from(source.length().min(length)).unwrap_or(0)];
    source.read_exact_at(0, &mut start)?;
    Ok(start)
}

fn rows_of_unknown(inputs: &[&Input<'_>]) -> Vec<FileRow> {
    let shards = inputs
        .iter()
        .flat_map(|input| input.shards.iter().enumerate());
    shards
        .map(|(shard, (name, source))| {
            let parts = Shard {
                length: source.length(),
                regions: Vec::new(),
            };
            FileRow {
                covered: 0,
                ..file_row("unknown", shard, name, &parts, 0)
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
        let Some((_, apr_source)) = self.apr.shards.first() else {
            return report::build(Vec::new(), None, Vec::new());
        };
        let gguf_sources: Vec<&dyn Source> =
            self.gguf.shards.iter().map(|(_, source)| *source).collect();
        let apr = apr::decode(*apr_source);
        let gguf = gguf::decode(&gguf_sources);
        let inputs = Inputs {
            apr: &apr,
            gguf: &gguf,
            apr_source: *apr_source,
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
        let scan = scan::scan(
            &inputs,
            &pairing,
            options.threads,
            options.file_digests,
            observer,
        );
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
        let mut findings = self.not_models();
        findings.extend(judge.findings(structure));
        let mut files = self.file_rows(&inputs, &scan);
        if options.file_digests {
            self.add_sha256(&mut files, &metadata.records, &mut findings);
        }
        self.check_unchanged(&mut findings);
        let parts = Parts {
            inputs: &inputs,
            pairing: &pairing,
            scan: &scan,
            keys: &metadata.keys,
        };
        report::build(files, Some(&parts), findings)
    }

    fn not_models(&self) -> Vec<Finding> {
        let named = |input, side| {
            let finding: Option<Finding> = not_a_model(input);
            finding.map(|finding| finding.at(Place::new(side, 0)))
        };
        named(self.apr, Side::Apr)
            .into_iter()
            .chain(named(self.gguf, Side::Gguf))
            .collect()
    }

    fn file_rows(&self, inputs: &Inputs<'_>, scan: &Scan) -> Vec<FileRow> {
        let unread = |side, shard| {
            scan.errors
                .iter()
                .filter(|(error_side, error_shard, ..)| {
                    (*error_side, *error_shard) == (side, shard)
                })
                .fold(0_u64, |sum, (_, _, span, _)| {
                    sum.saturating_add(span.length)
                })
        };
        let apr = self
            .apr
            .shards
            .iter()
            .zip(&inputs.apr.shards)
            .map(|((name, _), parts)| file_row("apr", 0, name, parts, unread(Side::Apr, 0)));
        let gguf = self.gguf.shards.iter().zip(&inputs.gguf.shards).enumerate();
        let gguf = gguf.map(|(shard, ((name, _), parts))| {
            file_row("gguf", shard, name, parts, unread(Side::Gguf, shard))
        });
        apr.chain(gguf)
            .zip(scan.roots.iter().zip(&scan.blake3))
            .map(|(row, (root, blake3))| FileRow {
                root: root.as_ref().map(|digest| hex(digest)),
                blake3: blake3.as_ref().map(|digest| hex(digest)),
                ..row
            })
            .collect()
    }

    fn add_sha256(
        &self,
        files: &mut [FileRow],
        records: &[SourceRecord],
        findings: &mut Vec<Finding>,
    ) {
        let sources = self.apr.shards.iter().chain(&self.gguf.shards);
        for (row, (name, source)) in files.iter_mut().zip(sources) {
            match sha256(*source) {
                Ok(digest) => row.sha256 = Some(hex(&digest)),
                Err(error) => findings.push(Finding::new(
                    "io",
                    Effect::Undecided,
                    format!("{} cannot be read: {error}", escape(name.as_bytes())),
                )),
            }
        }
        let sources = files.iter().filter(|row| row.format == "gguf");
        for (row, record) in sources
            .zip(records)
            .filter(|_| records.len() == self.gguf.shards.len())
        {
            if row
                .sha256
                .as_ref()
                .zip(record.sha256.as_ref())
                .is_some_and(|(found, recorded)| found != recorded)
            {
                findings.push(
                    Finding::new(
                        "source.changed",
                        Effect::Different,
                        "the GGUF does not have the SHA-256 that the artifact records",
                    )
                    .at(Place::new(Side::Gguf, row.shard))
                    .expected_found(
                        record.sha256.clone().unwrap_or_default(),
                        row.sha256.clone().unwrap_or_default(),
                    ),
                );
            }
        }
    }

    /// The verdict is about the bytes that were read; they must still be the file.
    fn check_unchanged(&self, findings: &mut Vec<Finding>) {
        for (input, side) in [(self.apr, Side::Apr), (self.gguf, Side::Gguf)] {
            for (shard, (name, source)) in input.shards.iter().enumerate() {
                if let Err(change) = source.check_unchanged() {
                    findings.insert(
                        0,
                        Finding::new(
                            "input_changed",
                            Effect::Undecided,
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

fn sha256(source: &dyn Source) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let whole = Span::new(0, source.length());
    read_through(source, whole, &mut Vec::new(), |_, bytes| {
        hasher.update(bytes);
    })?;
    Ok(hasher.finalize().into())
}

fn records_of(apr: &Container<apr::Metadata>) -> Vec<SourceRecord> {
    let document = apr.metadata.document.as_ref();
    document
        .and_then(|document| metadata::record::read(document).ok().flatten())
        .map(|record| record.sources)
        .unwrap_or_default()
}
