//! The verification of a pair: decode both, pair the tensors, read everything once, compare, judge.

use std::io;

use crate::compare::metadata::record::SourceRecord;
use crate::compare::metadata::{self, Outcome};
use crate::compare::pairing::{self, Pairing};
use crate::compare::scan::{self, Inputs, Scan};
use crate::decode::container::{Container, Format, Shard};
use crate::explain::judge::Judge;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::observer::Observer;
use crate::report::{self, FileRow, Parts, Report, file_row, hex};
use crate::source::Source;
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
        Err(finding) => nothing_compared(&[a, b], *finding),
    }
}

/// The report where nothing could be compared.
pub(crate) fn nothing_compared(inputs: &[&Input<'_>], finding: Finding) -> Report {
    report::build(rows_of_unknown(inputs), None, vec![finding])
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
        let scan = scan::scan(&inputs, &pairing, options, observer);
        let metadata = if apr.complete && gguf.complete {
            metadata::compare(&apr, &gguf)
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
        findings.extend(scan.warnings.iter().cloned());
        let files = self.file_rows(&inputs, &scan);
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
                .filter(|unread| (unread.side, unread.shard) == (side, shard))
                .fold(0_u64, |sum, unread| sum.saturating_add(unread.span.length))
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

fn records_of(apr: &Container<apr::Metadata>) -> Vec<SourceRecord> {
    let document = apr.metadata.document.as_ref();
    document
        .and_then(|document| metadata::record::read(document).ok().flatten())
        .unwrap_or_default()
}
