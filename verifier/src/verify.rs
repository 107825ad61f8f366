//! The verification of a pair: decode both, pair the tensors, read everything once, compare, judge.

use crate::code::Code;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::metadata::record::SourceRecord;
use crate::compare::metadata::{self, Compared, Digests};
use crate::compare::pairing::{self, Pairing};
use crate::compare::scan::{self, Scan};
use crate::decode::apr;
use crate::decode::container::Container;
use crate::decode::decoded::Decoded;
use crate::explain::given_back::GivenBack;
use crate::explain::judge::Judge;
use crate::finding::{Effect, Finding, Side, escape, hex};
use crate::input::{FileSha256, Input, Options, changed};
use crate::observer::Observer;
use crate::report::{self, FileRow, Parts, Report, Scope, file_row};
use crate::roles::{Given, nothing_compared, roles, rows_of_unknown};
use crate::source::Source;
use crate::{
    explain::{blob, culprit, evidence::Evidence, excerpt, publisher, same_format},
    manifest,
};

/// Compares two models; the formats are told by content, and the order of an APR file and a GGUF is free. A manifest is never taken for a model:
/// [`manifest::check`] compares a model with one.
#[must_use]
pub fn verify(a: &Input<'_>, b: &Input<'_>, options: &Options, observer: &dyn Observer) -> Report {
    for (listed, other) in [(a, b), (b, a)] {
        if let [(name, source)] = listed.shards.as_slice()
            && manifest::is_in_place_of_model(*source)
        {
            let finding = manifest_for_model(name, &other.name);
            return nothing_compared(&[a, b], &[finding]);
        }
    }
    match roles(a, b) {
        Ok(pair) => Pair(pair).verify(options, observer),
        Err(findings) => {
            let mut report = report::build(rows_of_unknown(&[a, b]), &Scope::Nothing, &findings);
            report.conclusion = culprit::conclude(&Evidence::default(), &findings);
            report
        }
    }
}

fn manifest_for_model(name: &str, other: &str) -> Finding {
    let (name, other) = (escape(name.as_bytes()), escape(other.as_bytes()));
    Finding::new(
        Code::PairManifest,
        Effect::Undecided,
        format!("{name} is a manifest, not a model: nothing was compared"),
    )
    .hint(format!("verify {other} --manifest {name}"))
}

/// Two models of known formats.
struct Pair<'a, 'i>([Given<'a, 'i>; 2]);

impl Pair<'_, '_> {
    fn verify(&self, options: &Options, observer: &dyn Observer) -> Report {
        let Self(given) = self;
        let decoded = given.map(|given| {
            let sources: Vec<&dyn Source> = given.input.sources().collect();
            Decoded::of_format(given.format, &sources).on(given.side)
        });
        // What was decoded is what is digested: the pass takes these bytes from memory and does not read them again.
        let [of_first, of_second] = &decoded;
        let held = [
            of_first.held(given[0].input),
            of_second.held(given[1].input),
        ];
        let [first, second] = held.each_ref().map(|held| {
            let sources = held.iter().map(|held| held as &dyn Source);
            sources.collect::<Vec<_>>()
        });
        let called = self.called();
        let inputs = Inputs {
            first: model(of_first, given[0].side, &called[0], &first),
            second: model(of_second, given[1].side, &called[1], &second),
        };

        let mut structure = Vec::new();
        // Tensors are only missed in a list that was read to its end.
        let are_complete = inputs.first.complete && inputs.second.complete;
        let pairing = if !are_complete {
            Pairing {
                only_apr: (0..inputs.first.tensors.len()).collect(),
                only_gguf: (0..inputs.second.tensors.len()).collect(),
                ..Pairing::default()
            }
        } else if inputs.are_of_one_format() {
            pairing::pair_of_one_format(&inputs, &mut structure)
        } else {
            pairing::pair(&inputs, &mut structure)
        };
        let mut options = *options;
        // One chain that no cores can share: unless it was asked for, only where there is something to hold it against, a
        // name or a record of version 1.
        let is_named = |given: &Given<'_, '_>| blob::digest_of_name(given.input).is_some();
        if given.iter().any(is_named) || decoded.iter().any(records_sha256) {
            options.file_sha256 = FileSha256::All;
        }
        let scan = scan::scan(&inputs, &pairing, &options, observer);
        let starts = [(&given[0], 0), (&given[1], first.len())];
        let named = starts.map(|(given, file)| {
            let sha256 = scan.sha256.get(file).copied().flatten();
            (given, sha256.map(|digest| hex(&digest)))
        });
        let files = self.file_rows(&inputs, &scan);
        let hold = named.each_ref().map(|(given, sha256)| {
            let name = blob::holds(given.input, sha256.as_deref());
            let publisher = publisher::holds(&files, given.side);
            name.zip(publisher)
                .map(|(a, b)| a && b)
                .or(name)
                .or(publisher)
        });
        let (metadata, judged) = judge(&decoded, &inputs, &pairing, &scan, hold, structure);
        let (mut findings, known) = judged;
        for (given, sha256) in named {
            findings.extend(blob::finding(given.side, given.input, sha256.as_deref()));
        }
        findings.splice(0..0, publisher::findings(&files));
        findings.extend(scan.warnings.iter().cloned());
        self.check_unchanged(&mut findings);
        report::name_files_of_sets(&files, &mut findings);
        let parts = Parts {
            inputs: &inputs,
            pairing: &pairing,
            scan: &scan,
            keys: &metadata.keys,
        };
        let mut report = report::build(files, &Scope::Pair(&parts), &findings);
        let unpublished = publisher::conclude(&findings, &called);
        let judged = match known {
            Known::OfConversion(evidence) => {
                report.gives_source_back = evidence.given_back == GivenBack::Alone;
                report.has_source_tensors =
                    evidence.given_back == GivenBack::WithGguf && !metadata.differs();
                culprit::conclude(&evidence, &findings)
            }
            Known::OfOneFormat(facts) => same_format::conclude(&facts, &findings),
        };
        report.conclusion = unpublished.or(judged);
        report.first_difference = excerpt::first_difference(&inputs, &pairing, &scan, &findings);
        report
    }

    /// What sentences call the files: by their formats, else by their names, else by their positions.
    fn called(&self) -> [String; 2] {
        let Self([first, second]) = self;
        if first.format != second.format {
            return ["the APR file", "the GGUF"].map(str::to_owned);
        }
        let name = |given: &Given<'_, '_>| match given.input.shards.as_slice() {
            [] => String::new(),
            [(name, _)] => escape(name.as_bytes()),
            [(name, _), ..] => format!("the set of {}", escape(name.as_bytes())),
        };
        let names = [name(first), name(second)];
        if names[0] == names[1] {
            ["the first file", "the second file"].map(str::to_owned)
        } else {
            names
        }
    }

    fn file_rows(&self, inputs: &Inputs<'_>, scan: &Scan) -> Vec<FileRow> {
        let unread = |side, shard| {
            let errors = scan.errors.iter();
            let of_file = errors.filter(|unread| (unread.side, unread.shard) == (side, shard));
            of_file.map(|unread| unread.span).collect()
        };
        let files = self
            .0
            .iter()
            .zip(inputs.models())
            .flat_map(|(given, model)| {
                let shards = given.input.shards.iter().zip(model.shards).enumerate();
                shards.map(|(shard, ((name, source), parts))| {
                    let unread = unread(given.side, shard);
                    FileRow {
                        origin: source.origin().cloned(),
                        side: Some(given.side).filter(|_| inputs.are_of_one_format()),
                        ..file_row(given.format.into(), shard, name, parts, unread)
                    }
                })
            });
        files
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
        for given in &self.0 {
            for change in changed(given.side, given.input) {
                findings.insert(0, change);
            }
        }
    }
}

/// What is known of a pair beside the findings.
enum Known {
    OfConversion(Evidence),
    OfOneFormat(same_format::Facts),
}

/// Compares the metadata, and puts all findings in the order of causes.
fn judge(
    decoded: &[Decoded; 2],
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    scan: &Scan,
    digests_hold: [Option<bool>; 2],
    structure: Vec<Finding>,
) -> (Compared, (Vec<Finding>, Known)) {
    let are_complete = inputs.first.complete && inputs.second.complete;
    match decoded {
        [Decoded::Apr(apr), Decoded::Gguf(gguf)] => {
            let metadata = if are_complete {
                let [[_, blake3 @ ..], [_, sha256 @ ..]] =
                    [scan.blake3.as_slice(), scan.sha256.as_slice()]
                else {
                    unreachable!("the pass has an entry for the APR file");
                };
                let digests = Digests::Of { blake3, sha256 };
                metadata::compare(apr, gguf, digests)
            } else {
                Compared {
                    records: records_of(apr),
                    ..Compared::default()
                }
            };
            let judge = Judge {
                inputs,
                apr,
                gguf,
                pairing,
                scan,
                digests_hold,
                metadata: &metadata,
            };
            let (findings, evidence) = judge.findings(structure);
            (metadata, (findings, Known::OfConversion(evidence)))
        }
        [Decoded::Apr(_), Decoded::Apr(_)] | [Decoded::Gguf(_), Decoded::Gguf(_)] => {
            let metadata = if are_complete {
                metadata::same_format::compare(inputs)
            } else {
                Compared::default()
            };
            let judge = same_format::FormatJudge {
                inputs,
                pairing,
                scan,
                digests_hold,
                metadata: &metadata,
            };
            let (findings, facts) = judge.findings(structure);
            (metadata, (findings, Known::OfOneFormat(facts)))
        }
        [Decoded::Gguf(_), Decoded::Apr(_)]
        | [Decoded::Unknown(_), _]
        | [_, Decoded::Unknown(_)] => {
            unreachable!("of two formats, which the roles give, the APR file is the first")
        }
    }
}

fn model<'a>(
    decoded: &'a Decoded,
    side: Side,
    called: &'a str,
    sources: &'a [&'a dyn Source],
) -> Model<'a> {
    match decoded {
        Decoded::Apr(container) => Model::apr(side, called, container, sources),
        Decoded::Gguf(container) => Model::gguf(side, called, container, sources),
        Decoded::Unknown(_) => unreachable!("a model has one of two formats"),
    }
}

/// Whether it records the SHA-256 of its source.
fn records_sha256(decoded: &Decoded) -> bool {
    let Decoded::Apr(apr) = decoded else {
        return false;
    };
    let document = apr.metadata.document.as_ref();
    document.is_some_and(metadata::record::is_of_version_1)
}

fn records_of(apr: &Container<apr::Metadata>) -> Vec<SourceRecord> {
    let document = apr.metadata.document.as_ref();
    document
        .and_then(|document| metadata::record::read(document).ok().flatten())
        .map(|record| record.sources)
        .unwrap_or_default()
}
