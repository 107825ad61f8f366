//! Checks a model against a manifest: every row counts, and so does every tensor and file without one.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::kind::{Digests, Kind, Kinds};
use super::target::{Subject, Target};
use super::{Manifest, Problem, Rows, described, listed, stream};
use crate::finding::{Effect, Finding, Place, escape};
use crate::inspect::Decoded;
use crate::observer::Observer;
use crate::report::Report;
use crate::verify::Input;

/// One digest that a manifest claims.
pub(super) struct Claim {
    /// Where it stands in the manifest.
    pub(super) place: String,
    pub(super) subject: Subject,
    /// The kinds that the digest can be of.
    pub(super) kinds: Vec<Kind>,
    pub(super) digest: String,
}

/// What the rows of a manifest mean for one model.
#[derive(Default)]
pub(super) struct Resolved {
    pub(super) claims: Vec<Claim>,
    pub(super) findings: Vec<Finding>,
    /// Whether rows name tensors, so that each tensor needs one.
    pub(super) names_tensors: bool,
}

/// Checks a model against a manifest and reports as a verification does.
///
/// A wrong digest, size, type or shape, a row for something that is not there, a tensor or file without a row and a second
/// row for the same thing make the model different; unreadable rows and what the container itself lacks leave it undecided,
/// and so does a manifest of which nothing could be compared.
#[must_use]
pub fn check(
    manifest: &Manifest,
    input: &Input<'_>,
    threads: usize,
    observer: &dyn Observer,
) -> Report {
    let decoded = Decoded::of(input);
    let target = Target::new(input, &decoded);
    let resolved = match &manifest.rows {
        Rows::Described(described) => described::resolve(described, &target),
        Rows::Listed(lines) => listed::resolve(lines, &target),
        Rows::Nothing => Resolved::default(),
    };
    let mut findings = decoded.findings().to_vec();
    findings.extend(manifest.problems.iter().map(syntax));
    findings.extend(resolved.findings);

    let mut wanted: BTreeMap<Subject, Kinds> = BTreeMap::new();
    for claim in &resolved.claims {
        wanted
            .entry(claim.subject)
            .or_default()
            .extend(&claim.kinds);
    }
    let mut judge = Judge {
        target: &target,
        digests: BTreeMap::new(),
        outcomes: BTreeMap::new(),
        findings,
    };
    judge.hash(&wanted, threads, observer);
    judge.compare(&resolved.claims);
    if resolved.names_tensors {
        judge.find_missing_tensors(&wanted);
    }
    judge.find_limits();
    judge.check_unchanged();
    judge.report(resolved.names_tensors)
}

/// A row, or a manifest, that cannot be read.
pub(super) fn unreadable(place: &str, text: &str) -> Finding {
    Finding::new(
        "manifest.syntax",
        Effect::Undecided,
        format!("{place} cannot be read: {}", escape(text.as_bytes())),
    )
}

fn syntax(problem: &Problem) -> Finding {
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
        "manifest.mismatch",
        Effect::Different,
        format!("{name}: the {what} is not that of {row}"),
    )
    .at(place)
    .expected_found(escape(expected.as_bytes()), found)
}

/// A row for something that the model does not have.
pub(super) fn extra(row: &str, what: &str, name: &[u8]) -> Finding {
    Finding::new(
        "manifest.extra",
        Effect::Different,
        format!(
            "{row} names the {what} {}, which is not there",
            escape(name)
        ),
    )
}

/// How the claims for one subject came out.
#[derive(Clone, Copy)]
pub(super) struct Outcome {
    /// Whether all of them hold.
    pub(super) equal: bool,
    /// Whether a digest that cannot be forged was among those that agree.
    pub(super) strong: bool,
}

/// A check on its way from claims to a report.
pub(super) struct Judge<'a> {
    pub(super) target: &'a Target<'a>,
    /// What was computed.
    pub(super) digests: BTreeMap<Subject, Digests>,
    /// What was compared.
    pub(super) outcomes: BTreeMap<Subject, Outcome>,
    pub(super) findings: Vec<Finding>,
}

impl Judge<'_> {
    fn hash(&mut self, wanted: &BTreeMap<Subject, Kinds>, threads: usize, observer: &dyn Observer) {
        let mut subjects = Vec::new();
        let mut jobs = Vec::new();
        for (&subject, kinds) in wanted {
            match self.target.job(subject, kinds) {
                Some(job) => {
                    subjects.push(subject);
                    jobs.push(job);
                }
                None => {
                    let finding = Finding::new(
                        "manifest.not-compared",
                        Effect::Undecided,
                        format!(
                            "the rows for {} were not compared: not all of its bytes can be found",
                            self.name(subject)
                        ),
                    );
                    self.findings.push(finding.at(self.place(subject)));
                }
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
                        "io",
                        Effect::Undecided,
                        format!("{} cannot be read: {}", self.name(subject), unread.error),
                    )
                    .at(self.target.file_place(unread.shard).span(unread.span)),
                ),
            }
        }
    }

    fn compare(&mut self, claims: &[Claim]) {
        let mut seen = HashSet::new();
        let mut repeated = BTreeSet::new();
        for claim in claims {
            let Some(digests) = self.digests.get(&claim.subject) else {
                continue;
            };
            let holds = |kind: &&Kind| digests.get(kind) == Some(&claim.digest);
            let matched = claim.kinds.iter().find(holds).copied();
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
            if !seen.insert((claim.subject, kind)) && repeated.insert(claim.subject) {
                self.findings.push(
                    Finding::new(
                        "manifest.duplicate",
                        Effect::Different,
                        format!(
                            "{} is a second row for {}",
                            claim.place,
                            self.name(claim.subject)
                        ),
                    )
                    .at(self.place(claim.subject)),
                );
            }
            let outcome = self.outcomes.entry(claim.subject).or_insert(Outcome {
                equal: true,
                strong: false,
            });
            outcome.equal &= matched.is_some();
            outcome.strong |= matched.is_some_and(Kind::is_strong);
        }
        if self.outcomes.is_empty() {
            self.findings.push(Finding::new(
                "nothing-compared",
                Effect::Undecided,
                "no row of the manifest could be compared with anything",
            ));
        }
    }

    fn find_missing_tensors(&mut self, wanted: &BTreeMap<Subject, Kinds>) {
        for (index, tensor) in self.target.decoded.tensors().iter().enumerate() {
            if !wanted.contains_key(&Subject::Tensor(index)) {
                self.findings.push(
                    Finding::new(
                        "manifest.missing",
                        Effect::Different,
                        format!("the tensor {} has no row", escape(&tensor.name)),
                    )
                    .at(self.target.tensor_place(tensor)),
                );
            }
        }
    }

    /// Says what the rows that hold do not prove.
    fn find_limits(&mut self) {
        let holds = |subject| self.outcomes.get(&subject).filter(|outcome| outcome.equal);
        let strong = |subject| holds(subject).is_some_and(|outcome| outcome.strong);
        let mut findings = Vec::new();
        for (shard, name) in self
            .target
            .names
            .iter()
            .enumerate()
            .filter(|_| !self.outcomes.is_empty())
        {
            if self.outcomes.contains_key(&Subject::File(shard)) {
                continue;
            }
            let place = self.target.file_place(shard);
            let name = escape(name.as_bytes());
            findings.push(if shard == 0 && holds(Subject::BeforeFooter).is_some() {
                Finding::new(
                    "manifest.weak",
                    Effect::Note,
                    format!("{name}: header, metadata and padding are bound by a CRC-32 only"),
                )
                .at(place)
            } else {
                Finding::new(
                    "manifest.coverage",
                    Effect::Warning,
                    format!("{name}: header, metadata and padding are bound by no row"),
                )
                .at(place)
                .hint("write a manifest with whole-file digests to bind them")
            });
        }
        let weak = self.outcomes.iter().filter(|(subject, outcome)| {
            let covered = match subject {
                Subject::Tensor(index) => {
                    self.target
                        .decoded
                        .tensors()
                        .get(*index)
                        .is_some_and(|tensor| {
                            [
                                Subject::File(tensor.shard),
                                Subject::Model(tensor.shard),
                                Subject::Set,
                            ]
                            .into_iter()
                            .any(strong)
                        })
                }
                Subject::Model(shard) => strong(Subject::File(*shard)),
                Subject::File(_) | Subject::BeforeFooter | Subject::Set => true,
            };
            outcome.equal && !outcome.strong && !covered
        });
        let weak = weak.count();
        if weak > 0 {
            findings.push(Finding::new(
                "manifest.weak",
                Effect::Warning,
                format!(
                    "{weak} tensors or models are bound by xxh64, xxh3, sha1 or uuid only, which show accidents but no intent"
                ),
            ));
        }
        self.findings.extend(findings);
    }

    fn check_unchanged(&mut self) {
        for (shard, (name, source)) in self
            .target
            .names
            .iter()
            .zip(&self.target.sources)
            .enumerate()
        {
            if let Err(change) = source.check_unchanged() {
                let finding = Finding::new(
                    "input-changed",
                    Effect::Unreadable,
                    format!(
                        "{} changed while it was read: {change}",
                        escape(name.as_bytes())
                    ),
                );
                let finding = finding
                    .at(self.target.file_place(shard))
                    .hint("run again when nothing writes to the file");
                self.findings.insert(0, finding);
            }
        }
    }

    /// What a message calls a subject.
    fn name(&self, subject: Subject) -> String {
        let file = |shard: usize| {
            self.target
                .names
                .get(shard)
                .map_or_else(String::new, |name| escape(name.as_bytes()))
        };
        match subject {
            Subject::File(shard) => file(shard),
            Subject::BeforeFooter => format!("{} up to its footer", file(0)),
            Subject::Model(shard) => format!("all tensors of {}", file(shard)),
            Subject::Set => "all tensors of the split set".to_owned(),
            Subject::Tensor(index) => {
                let tensor = self.target.decoded.tensors().get(index);
                tensor.map_or_else(String::new, |tensor| escape(&tensor.name))
            }
        }
    }

    fn place(&self, subject: Subject) -> Place {
        match subject {
            Subject::File(shard) | Subject::Model(shard) => self.target.file_place(shard),
            Subject::BeforeFooter | Subject::Set => self.target.file_place(0),
            Subject::Tensor(index) => match self.target.decoded.tensors().get(index) {
                Some(tensor) => self.target.tensor_place(tensor),
                None => self.target.file_place(0),
            },
        }
    }
}
