//! Checks a model against a manifest: every row counts, and so does every tensor and file without one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::bound::Bound;
use super::cap::cap;
use super::kind::{Digests, Kind, Kinds};
use super::target::{Subject, Target};
use super::{Manifest, Problem, Rows, described, listed, stream};
use crate::code::Code;
use crate::decode::decoded::Decoded;
use crate::explain::common::malformed;
use crate::explain::recorded::metadata_of;
use crate::explain::{blob, publisher};
use crate::finding::{Effect, Finding, Place, escape};
use crate::input::{Input, changed};
use crate::observer::Observer;
use crate::origin::Origin;
use crate::report::Report;

/// One digest that a manifest claims.
pub(super) struct Claim {
    /// Where it stands in the manifest.
    pub(super) place: String,
    pub(super) subject: Subject,
    /// The kinds that the digest can be of.
    pub(super) kinds: Vec<Kind>,
    pub(super) digest: String,
    /// The folder of the file that it names, where it names one.
    pub(super) folder: Option<Vec<u8>>,
    /// Where several rows have the name of one file in several folders, and no folder tells which is its own. Those of one
    /// folder must hold, for all files of a set; the others are of other files.
    pub(super) one_of: Option<OneOf>,
}

/// A row that may be of another file of the same name.
#[derive(Clone, Copy)]
pub(super) struct OneOf {
    /// Whether it may be the row of this file all the same, so that it must hold.
    pub(super) may_be_own: bool,
}

/// What the rows of a manifest mean for one model.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) claims: Vec<Claim>,
    pub(super) findings: Vec<Finding>,
    /// Whether rows name tensors, so that each tensor needs one.
    pub(super) names_tensors: bool,
    /// Whether the rows of an artifact are those of its source, so that names and what is stored may be others.
    pub(super) is_of_source: bool,
    /// Tensors whose rows cannot be compared.
    pub(super) not_compared: Vec<usize>,
}

/// How to check.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions<'a> {
    /// The folder that the model lies in, by each path to it that is known: rows of one name in several folders are told by it.
    pub folders: &'a [String],
    /// Number of threads.
    pub threads: usize,
    /// Whether a manifest that leaves header and metadata unbound can verify a model.
    pub allow_unbound_metadata: bool,
    /// Whether every file gets its BLAKE3 and its SHA-256, whatever the manifest has.
    pub file_digests: bool,
}

/// Checks a model against a manifest and reports as a verification does.
///
/// A wrong digest, size, type or shape, a row for something that is not there, a tensor without a row and a second
/// row with another digest make the model different. Unreadable rows, a file of a set or metadata that no row binds, and a
/// manifest of which nothing could be compared leave it undecided, and so does a model that is cut or malformed, whatever else differs. What
/// is not a model is not compared.
#[must_use]
pub fn check(
    manifest: &Manifest,
    input: &Input<'_>,
    options: &CheckOptions<'_>,
    observer: &dyn Observer,
) -> Report {
    let decoded = Decoded::of(input);
    let target = Target::new(input, &decoded).in_folders(options.folders);
    let mut judge = ManifestCheck {
        target: &target,
        digests: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        findings: malformed(decoded.findings()).collect(),
    };
    // What an artifact says of itself must hold, whatever a manifest says of the artifact.
    if let Decoded::Apr(apr) = &decoded {
        let of_record = metadata_of(apr).findings.into_iter();
        let decides = |finding: &Finding| finding.effect.decides();
        judge.findings.extend(of_record.filter(decides));
    }
    if matches!(decoded, Decoded::Unknown(_)) {
        judge.findings.splice(0..0, changed(decoded.side(), input));
        return judge.report(manifest, false, Bound::default());
    }
    let mut resolved = match &manifest.rows {
        Rows::Described(described) => described::resolve(described, &target),
        Rows::Listed(lines) => listed::resolve(lines, &target),
        Rows::Nothing => Resolved::default(),
    };
    judge.findings.extend(manifest.problems.iter().map(syntax));
    judge.findings.append(&mut resolved.findings);
    judge.findings.extend(not_held(&manifest.rows, &decoded));

    let mut wanted: BTreeMap<Subject, Kinds> = BTreeMap::new();
    for claim in &resolved.claims {
        wanted
            .entry(claim.subject)
            .or_default()
            .extend(&claim.kinds);
    }
    let is_named = blob::digest_of_name(input).is_some();
    for (shard, (_, source)) in input.shards.iter().enumerate() {
        let kinds: &[Kind] = if options.file_digests {
            &[Kind::Blake3, Kind::Sha256]
        } else if is_named || source.origin().is_some_and(Origin::is_published) {
            &[Kind::Sha256]
        } else {
            continue;
        };
        let wanted = wanted.entry(Subject::File(shard)).or_default();
        wanted.extend(kinds);
    }
    judge.hash(&wanted, options.threads, observer);
    judge.tell_apart(&mut resolved.claims);
    judge.compare(&resolved.claims);
    judge.find_mixed_set(&resolved.claims);
    if resolved.names_tensors {
        let not_compared = resolved.not_compared.iter().copied();
        wanted.extend(not_compared.map(|index| (Subject::Tensor(index), Kinds::new())));
        let effect = if resolved.is_of_source {
            Effect::Undecided
        } else {
            Effect::Different
        };
        judge.find_missing_tensors(&wanted, effect);
    }
    let effect = if options.allow_unbound_metadata {
        Effect::Warning
    } else {
        Effect::Undecided
    };
    let bound = judge.bind(
        effect,
        "check against a digest of the whole file, or allow it with --allow-unbound-metadata",
    );
    judge.hold_published(input);
    judge.findings = cap(judge.findings);
    // What differs is said before what could not be compared.
    judge.findings.sort_by_key(|finding| finding.effect);
    judge.findings.splice(0..0, changed(decoded.side(), input));
    judge.report(manifest, resolved.names_tensors, bound)
}

/// What a manifest says of the sources of an artifact, and the artifact does not record.
fn not_held(rows: &Rows, decoded: &Decoded) -> Option<Finding> {
    let (Rows::Described(described), Decoded::Apr(_)) = (rows, decoded) else {
        return None;
    };
    let sources = described
        .sources
        .as_ref()
        .is_some_and(|sources| !sources.is_empty());
    let text = "the names and SHA-256 of the sources were held against nothing: `verify SOURCE.gguf --manifest FILE`, with this manifest, does that";
    sources.then(|| Finding::new(Code::ManifestNotCompared, Effect::Note, text))
}

/// A row, or a manifest, that cannot be read.
pub(super) fn unreadable(place: &str, text: &str) -> Finding {
    Finding::new(
        Code::ManifestSyntax,
        Effect::Undecided,
        format!("{place} cannot be read: {}", escape(text.as_bytes())),
    )
}

pub(super) fn syntax(problem: &Problem) -> Finding {
    unreadable(&problem.place, &problem.text)
}

/// Something that differs from what a row says of it, in words.
pub(super) fn mismatch(
    place: Place,
    row: &str,
    name: &str,
    what: &str,
    expected: &str,
    found: &str,
) -> Finding {
    Finding::new(
        Code::ManifestMismatch,
        Effect::Different,
        format!("{name}: the {what} is not that of {row}"),
    )
    .at(place)
    .expected_found(escape(expected.as_bytes()), found)
}

/// Rows for bytes that could not be digested.
pub(super) fn not_compared(judge: &ManifestCheck<'_>, subject: Subject) -> Finding {
    Finding::new(
        Code::ManifestNotCompared,
        Effect::Undecided,
        format!(
            "the rows for {} were not compared: its bytes are not all in the file, or are those of other tensors",
            judge.name(subject)
        ),
    )
    .at(judge.place(subject))
}

/// A row for something that the model does not have.
pub(super) fn extra(row: &str, what: &str, name: &[u8]) -> Finding {
    Finding::new(
        Code::ManifestExtra,
        Effect::Different,
        format!(
            "{row} names the {what} {}, which is not there",
            escape(name)
        ),
    )
}

/// How the claims for one subject came out.
pub(super) struct Held {
    /// Whether all of them hold.
    pub(super) equal: bool,
    /// The kinds of the digests that agree.
    pub(super) held: Kinds,
}

/// A check on its way from claims to a report.
pub(super) struct ManifestCheck<'a> {
    pub(super) target: &'a Target<'a>,
    /// What was computed.
    pub(super) digests: BTreeMap<Subject, Digests>,
    /// What was compared.
    pub(super) outcomes: BTreeMap<Subject, Held>,
    pub(super) findings: Vec<Finding>,
}

impl ManifestCheck<'_> {
    fn hash(&mut self, wanted: &BTreeMap<Subject, Kinds>, threads: usize, observer: &dyn Observer) {
        let mut subjects = Vec::new();
        let mut jobs = Vec::new();
        let mut tensor_bytes_left: u64 = self.target.sources.iter().map(|file| file.length()).sum();
        for (&subject, kinds) in wanted {
            // A hostile file has any number of tensors that lie over each other, each as long as the file.
            let job = self.target.job(subject, kinds).filter(|job| {
                let needed = match subject {
                    Subject::Tensor(_) => job.length(),
                    Subject::File(_) | Subject::Model(_) | Subject::Set => 0,
                };
                let left = tensor_bytes_left.checked_sub(needed);
                tensor_bytes_left = left.unwrap_or(tensor_bytes_left);
                left.is_some()
            });
            match job {
                Some(job) => {
                    subjects.push(subject);
                    jobs.push(job);
                }
                None => self.findings.push(not_compared(self, subject)),
            }
        }
        let results = stream::run(&self.target.sources, &jobs, threads, observer);
        for (subject, result) in subjects.into_iter().zip(results) {
            match result {
                Ok(digests) => {
                    self.digests.insert(subject, digests);
                }
                Err(unread) => self.findings.push(
                    Finding::new(
                        Code::Io,
                        Effect::Undecided,
                        format!("{} cannot be read: {}", self.name(subject), unread.error),
                    )
                    .at(self.target.file_place(unread.shard).span(unread.span)),
                ),
            }
        }
    }

    /// What a publisher, or the name of a file, says of its bytes must hold, whatever a manifest says of them.
    fn hold_published(&mut self, input: &Input<'_>) {
        let rows = self.file_rows();
        let sha256 = rows.first().and_then(|row| row.sha256.as_deref());
        let named = blob::finding(self.target.decoded.side(), input, sha256);
        self.findings.extend(publisher::findings(&rows));
        self.findings.extend(named);
    }

    /// The kind of which the digest of a claim is, where it is that of the bytes.
    pub(super) fn matched(&self, claim: &Claim) -> Option<Kind> {
        let digests = self.digests.get(&claim.subject)?;
        let mut kinds = claim.kinds.iter();
        let holds = |kind: &&Kind| digests.get(kind) == Some(&claim.digest);
        kinds.find(holds).copied()
    }

    pub(super) fn compare(&mut self, claims: &[Claim]) {
        let mut seen = HashMap::new();
        let mut repeated = BTreeSet::new();
        for claim in claims {
            let Some(digests) = self.digests.get(&claim.subject) else {
                continue;
            };
            let matched = self.matched(claim);
            if matched.is_none() {
                let found: Vec<String> = claim
                    .kinds
                    .iter()
                    .filter_map(|kind| Some(format!("{} {}", kind.name(), digests.get(kind)?)))
                    .collect();
                let kinds: Vec<&str> = claim.kinds.iter().map(|kind| kind.name()).collect();
                self.findings.push(mismatch(
                    self.place(claim.subject),
                    &claim.place,
                    &self.name(claim.subject),
                    &kinds.join(" or "),
                    &claim.digest,
                    &found.join(", "),
                ));
            }
            let kind = matched.or(claim.kinds.first().copied());
            // A row that says the same again, as of lists that were joined, takes nothing back.
            let first = seen.entry((claim.subject, kind)).or_insert(&claim.digest);
            if *first != &claim.digest && repeated.insert(claim.subject) {
                self.findings.push(
                    Finding::new(
                        Code::ManifestDuplicate,
                        Effect::Different,
                        format!(
                            "{} is a second row for {}, with another digest",
                            claim.place,
                            self.name(claim.subject)
                        ),
                    )
                    .at(self.place(claim.subject)),
                );
            }
            let outcome = self.outcomes.entry(claim.subject).or_insert(Held {
                equal: true,
                held: Kinds::new(),
            });
            outcome.equal &= matched.is_some();
            outcome.held.extend(matched);
        }
        if self.outcomes.is_empty() {
            self.findings.push(Finding::new(
                Code::NothingCompared,
                Effect::Undecided,
                "no row of the manifest could be compared with anything",
            ));
        }
    }

    pub(super) fn find_missing_tensors(
        &mut self,
        wanted: &BTreeMap<Subject, Kinds>,
        effect: Effect,
    ) {
        for (index, tensor) in self.target.decoded.tensors().iter().enumerate() {
            if !wanted.contains_key(&Subject::Tensor(index)) {
                self.findings.push(
                    Finding::new(
                        Code::ManifestMissing,
                        effect,
                        format!("the tensor {} has no row", escape(&tensor.name)),
                    )
                    .at(self.target.tensor_place(tensor)),
                );
            }
        }
    }

    /// What a message calls a subject.
    pub(super) fn name(&self, subject: Subject) -> String {
        let file = |shard: usize| {
            self.target
                .names
                .get(shard)
                .map_or_else(String::new, |name| escape(name.as_bytes()))
        };
        match subject {
            Subject::File(shard) => file(shard),
            Subject::Model(shard) => format!("all tensors of {}", file(shard)),
            Subject::Set => "all tensors of the split set".to_owned(),
            Subject::Tensor(index) => {
                let tensor = self.target.decoded.tensors().get(index);
                tensor.map_or_else(String::new, |tensor| escape(&tensor.name))
            }
        }
    }

    pub(super) fn place(&self, subject: Subject) -> Place {
        match subject {
            Subject::File(shard) | Subject::Model(shard) => self.target.file_place(shard),
            Subject::Set => self.target.file_place(0),
            Subject::Tensor(index) => match self.target.decoded.tensors().get(index) {
                Some(tensor) => self.target.tensor_place(tensor),
                None => self.target.file_place(0),
            },
        }
    }
}
