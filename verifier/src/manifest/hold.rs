//! A manifest of ours against digests that a pass has computed already.

use std::collections::{BTreeMap, BTreeSet};

use super::bound::Bound;
use super::cap::cap;
use super::check::{Claim, ManifestCheck, Resolved, not_compared, syntax};
use super::kind::{Digests, Kind, Kinds};
use super::target::{Subject, Target};
use super::{Manifest, Rows, described};
use crate::decode::decoded::Decoded;
use crate::finding::{Effect, Finding, hex};
use crate::input::Input;
use crate::report::ManifestRow;

/// What came of it.
pub(crate) struct Held {
    pub(crate) findings: Vec<Finding>,
    pub(crate) row: ManifestRow,
    /// Tensors whose digest holds, by their place in the list, and tensors whose digest does not.
    pub(crate) equal: BTreeSet<usize>,
    pub(crate) unlike: BTreeSet<usize>,
}

/// Compares a manifest of ours with the BLAKE3 of files and tensors. Its SHA-256 are not looked at: they bind the same bytes.
pub(crate) fn hold(
    manifest: &Manifest,
    input: &Input<'_>,
    decoded: &Decoded,
    files: &[Option<[u8; 32]>],
    tensors: &BTreeMap<usize, [u8; 32]>,
) -> Held {
    let target = Target::new(input, decoded);
    let mut judge = ManifestCheck {
        target: &target,
        digests: digests(files, tensors),
        outcomes: BTreeMap::new(),
        findings: manifest.problems.iter().map(syntax).collect(),
    };
    let resolved = match &manifest.rows {
        Rows::Described(described) => described::resolve(described, &target),
        Rows::Listed(_) | Rows::Nothing => Resolved::default(),
    };
    judge.findings.extend(resolved.findings);
    let claims: Vec<Claim> = resolved
        .claims
        .into_iter()
        .filter(|claim| claim.kinds.contains(&Kind::Blake3))
        .collect();
    let mut wanted: BTreeMap<Subject, Kinds> = BTreeMap::new();
    for claim in &claims {
        let kinds = wanted.entry(claim.subject).or_default();
        kinds.extend(&claim.kinds);
    }
    for &subject in wanted.keys() {
        if !judge.digests.contains_key(&subject) {
            judge.findings.push(not_compared(&judge, subject));
        }
    }
    let mut bound = Bound::default();
    if matches!(manifest.rows, Rows::Described(_)) {
        judge.compare(&claims);
        if resolved.names_tensors {
            judge.find_missing_tensors(&wanted, Effect::Different);
        }
        bound = judge.bind(
            Effect::Undecided,
            "write the sidecar again with `aprove manifest`, or leave it out with --no-sidecar",
        );
    }
    let of_tensors = |is_equal: bool| {
        let outcomes = judge.outcomes.iter();
        let tensors = outcomes.filter_map(move |(subject, outcome)| match subject {
            Subject::Tensor(index) if outcome.equal == is_equal => Some(*index),
            Subject::Tensor(_) | Subject::File(_) | Subject::Model(_) | Subject::Set => None,
        });
        tensors.collect()
    };
    Held {
        equal: of_tensors(true),
        unlike: of_tensors(false),
        row: manifest.row(bound),
        findings: cap(judge.findings),
    }
}

fn digests(
    files: &[Option<[u8; 32]>],
    tensors: &BTreeMap<usize, [u8; 32]>,
) -> BTreeMap<Subject, Digests> {
    let files = files.iter().enumerate();
    let files = files.filter_map(|(shard, digest)| Some((Subject::File(shard), digest.as_ref()?)));
    let tensors = tensors.iter();
    let tensors = tensors.map(|(index, digest)| (Subject::Tensor(*index), digest));
    files
        .chain(tensors)
        .map(|(subject, digest)| (subject, Digests::from([(Kind::Blake3, hex(digest))])))
        .collect()
}
