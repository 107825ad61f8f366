//! Turns what the passes found into rows.

use std::collections::{BTreeMap, HashMap};

use super::cap::capped;
use super::sides::Sides;
use super::verdict::{Compared, Verdict};
use super::{
    Counts, DifferenceRow, FileFormat, FileRow, FindingRow, KeyRow, Mode, Report, TensorResult,
    TensorRow, TensorSide, ValuesRow,
};
use crate::compare::inputs::{Inputs, Model};
use crate::compare::metadata::{KeyResult, Status};
use crate::compare::pairing::{Method, Pairing};
use crate::compare::scan::Scan;
use crate::compare::scan::tensor::{Digests, PairOutcome};
use crate::decode::container::{Shard, Tensor};
use crate::finding::{Effect, Finding, Side, escape, hex};
use crate::policy::Policy;
use crate::region::{RegionKind, Span};

/// What a report is made of when both files could be decoded.
pub(crate) struct Parts<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) pairing: &'a Pairing,
    pub(crate) scan: &'a Scan,
    pub(crate) keys: &'a [KeyResult],
}

/// What a report is about.
pub(crate) enum Scope<'a> {
    /// A pair that could be decoded.
    Pair(&'a Parts<'a>),
    /// A model and a manifest.
    Manifest {
        /// Rows that hold: where none does, nothing is left that a policy could let pass.
        rows: usize,
    },
    /// One model that was read and compared with what is recorded of it, if anything is.
    Alone(&'a Parts<'a>),
    /// One file on its own.
    Decoded,
    /// What was given is no pair.
    Nothing,
}

/// Puts a report together. `findings` come in the order of causes.
pub(crate) fn build(files: Vec<FileRow>, scope: &Scope<'_>, findings: &[Finding]) -> Report {
    let (tensors, keys) = match scope {
        Scope::Pair(parts) | Scope::Alone(parts) => (tensor_rows(parts), parts.keys),
        Scope::Manifest { .. } | Scope::Decoded | Scope::Nothing => Default::default(),
    };
    let mut counts = counts(&tensors);
    count_keys(keys, &mut counts);
    let compared = match scope {
        Scope::Pair(_) => Compared::Pair {
            tensor_bytes: counts.tensor_bytes_compared,
            keys: counts.keys_equal + counts.keys_changed,
            stages: None,
        },
        Scope::Manifest { rows } => Compared::Manifest {
            rows: *rows,
            stages: None,
        },
        Scope::Alone(_) | Scope::Decoded => Compared::Decoded,
        Scope::Nothing => Compared::Nothing,
    };
    let mut report = Report {
        schema_version: 3,
        tool: None,
        verdict: Verdict::Undecided,
        sentence: None,
        reasons: Vec::new(),
        conclusion: None,
        cause: None,
        next: None,
        gives_source_back: false,
        has_source_tensors: false,
        mode: match scope {
            Scope::Manifest { .. } => Mode::Manifest,
            Scope::Alone(_) => Mode::File,
            Scope::Pair(_) | Scope::Decoded | Scope::Nothing => Mode::Pair,
        },
        manifest: None,
        policy: None,
        files,
        counts,
        behaviour: None,
        findings: Vec::new(),
        first_difference: None,
        tensors,
        metadata: keys
            .iter()
            .map(|key| KeyRow {
                key: escape(&key.key),
                result: key.status,
                values: key.values.clone(),
            })
            .collect(),
        compared,
        all: Vec::new(),
        applied: Policy::default(),
        called: match scope {
            Scope::Pair(parts) => called(parts.inputs),
            Scope::Alone(_) | Scope::Manifest { .. } | Scope::Decoded | Scope::Nothing => None,
        },
    };
    report.add(findings);
    report
}

/// The names of files that their format does not tell apart.
fn called(inputs: &Inputs<'_>) -> Option<[String; 2]> {
    let called = inputs.models().map(|model| model.called.to_owned());
    inputs.are_of_one_format().then_some(called)
}

impl Report {
    /// Adds findings behind those that are there, what decides before what does not, and draws the verdict again.
    pub(crate) fn add(&mut self, findings: &[Finding]) {
        self.all.extend_from_slice(findings);
        self.draw();
    }

    /// Applies a policy, also to what is added later. What it lets pass stays in the report.
    pub fn set_policy(&mut self, policy: &Policy) {
        self.applied = policy.clone();
        self.draw();
    }

    /// Draws rows, reasons and the verdict from what was found and from the policy.
    fn draw(&mut self) {
        // The policy sees each finding; only then those of one kind are counted together.
        let mut groups: BTreeMap<Option<usize>, Vec<Finding>> = BTreeMap::new();
        for finding in &self.all {
            let group = groups.entry(self.applied.allows(finding)).or_default();
            group.push(finding.clone());
        }
        self.policy = self
            .applied
            .row(|index| groups.get(&Some(index)).map_or(0, Vec::len));
        let open = groups.entry(None).or_default();
        open.extend(self.applied.expired());
        self.findings.clear();
        for (allowed_by, group) in groups {
            let rows = capped(&group, self.counts.tensors_compared);
            self.findings
                .extend(rows.iter().map(|(finding, count)| FindingRow {
                    allowed_by,
                    count: *count,
                    ..FindingRow::from(finding)
                }));
        }
        // A stable sort keeps the order of causes.
        self.findings.sort_by_key(|finding| match finding.effect {
            Effect::Unreadable | Effect::Different | Effect::Undecided => {
                usize::from(finding.allowed_by.is_some())
            }
            Effect::Warning => 2,
            Effect::Note => 3,
        });
        self.reasons.clear();
        for finding in self.findings.iter().filter(|row| row.decides()) {
            if !self.reasons.contains(&finding.code) {
                self.reasons.push(finding.code);
            }
        }
        self.verdict = Verdict::of(&self.findings, self.compared, self.applied.fail_on);
        // Who is at fault was said of all findings together.
        let is_allowed = |row: &FindingRow| row.allowed_by.is_some() && row.effect.decides();
        if self.findings.iter().any(is_allowed) {
            self.conclusion = None;
        }
    }
}

/// The row of one file. `unread` are stretches that could not be read.
pub(crate) fn file_row(
    format: FileFormat,
    shard: usize,
    name: &str,
    parts: &Shard,
    unread: Vec<Span>,
) -> FileRow {
    let layout: Vec<_> = parts
        .regions
        .iter()
        .map(|one| (one.kind, one.span))
        .collect();
    let undecoded = layout
        .iter()
        .filter(|(kind, _)| *kind == RegionKind::Undecoded);
    let uncovered = undecoded.map(|(_, span)| span).chain(&unread);
    let uncovered = uncovered.fold(0_u64, |sum, span| sum + span.length);
    FileRow {
        format,
        side: None,
        shard,
        name: escape(name.as_bytes()),
        size: parts.length,
        origin: None,
        blake3: None,
        sha256: None,
        regions: parts.regions.len(),
        covered: parts.length.saturating_sub(uncovered),
        layout,
        unread,
    }
}

impl TensorResult {
    /// Judges one pair. Values are judged by their bits, with no tolerance.
    pub(crate) fn of(
        a: &Tensor,
        g: &Tensor,
        how: Option<Method>,
        outcome: Option<&PairOutcome>,
    ) -> Self {
        let (Some(how), Some(outcome)) = (how, outcome) else {
            return Self::NotCompared;
        };
        match how {
            Method::Bytes(_) if outcome.difference.is_none() => Self::BytesEqual,
            Method::DecodedF32 { .. }
                if outcome.values.is_some_and(|values| values.different == 0)
                    && a.elements()
                        .is_some_and(|count| Some(count) == g.elements()) =>
            {
                Self::ValuesEqual
            }
            Method::Bytes(_) | Method::DecodedF32 { .. } | Method::Types { .. } => Self::Different,
        }
    }
}

fn tensor_rows(parts: &Parts<'_>) -> Vec<TensorRow> {
    let [first, second] = parts.inputs.models();
    let sides = [first.side, second.side];
    let alone: HashMap<(Side, usize), &Digests> = parts
        .scan
        .alone
        .iter()
        .map(|alone| ((alone.side, alone.index), &alone.digests))
        .collect();
    let alone = |side, index| alone.get(&(side, index)).copied();
    let of = |model: &Model<'_>, index: usize, digests: Option<&Digests>| {
        let tensor = model.tensors.get(index)?;
        Some(side(tensor, digests.or_else(|| alone(model.side, index))))
    };
    let pairs = parts
        .pairing
        .pairs
        .iter()
        .zip(&parts.scan.pairs)
        .map(|(pair, outcome)| {
            let (a, g) = parts.inputs.tensors_of(*pair);
            let outcome = outcome.as_ref();
            let values = [
                of(first, pair.apr, outcome.map(|outcome| &outcome.apr)),
                of(second, pair.gguf, outcome.map(|outcome| &outcome.gguf)),
            ];
            TensorRow {
                result: TensorResult::of(a, g, pair.how, outcome),
                tied: pair.tied,
                sides: Sides::new(sides, values),
                difference: outcome.and_then(|outcome| difference_row(sides, a, g, outcome)),
                values: outcome.and_then(values_row),
            }
        });
    let only = |values| TensorRow {
        result: TensorResult::NotCompared,
        tied: false,
        sides: Sides::new(sides, values),
        difference: None,
        values: None,
    };
    let only_second = parts.pairing.only_gguf.iter();
    let only_second = only_second.map(|&index| only([None, of(second, index, None)]));
    let only_first = parts.pairing.only_apr.iter();
    let only_first = only_first.map(|&index| only([of(first, index, None), None]));
    pairs.chain(only_second).chain(only_first).collect()
}

fn side(tensor: &Tensor, digests: Option<&Digests>) -> TensorSide {
    TensorSide {
        name: escape(&tensor.name),
        r#type: tensor.type_name(),
        shape: tensor.dims.clone(),
        shard: tensor.shard,
        offset: tensor.span.offset,
        size: tensor.span.length,
        blake3: digests.map(|digests| hex(&digests.blake3)),
        sha256: digests
            .and_then(|digests| digests.sha256)
            .map(|digest| hex(&digest)),
    }
}

fn difference_row(
    sides: [Side; 2],
    a: &Tensor,
    g: &Tensor,
    outcome: &PairOutcome,
) -> Option<DifferenceRow> {
    let found = outcome.difference.as_ref()?;
    let both =
        |tensor: &Tensor| [found.first, found.last].map(|offset| tensor.span.offset + offset);
    Some(DifferenceRow {
        bytes: found.bytes,
        runs: found.runs,
        blocks: found.blocks,
        blocks_total: a
            .block_type
            .and_then(|block_type| a.span.length.checked_div(block_type.bytes))?,
        first_block: found.first_block,
        last_block: found.last_block,
        sides: Sides::new(sides, [Some(both(a)), Some(both(g))]),
        parts: found
            .parts
            .iter()
            .map(|(part, count)| ((*part).to_owned(), *count))
            .collect::<BTreeMap<_, _>>(),
    })
}

fn values_row(outcome: &PairOutcome) -> Option<ValuesRow> {
    let found = outcome.values?;
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    Some(ValuesRow {
        elements: found.elements,
        different: found.different,
        first: found.first,
        last: found.last,
        mean: found.mean.map(finite),
        standard_deviation: found.standard_deviation.map(finite),
        maximum_difference: finite(found.maximum),
        rms_difference: finite(found.root_mean_square),
    })
}

fn counts(tensors: &[TensorRow]) -> Counts {
    let mut counts = Counts::default();
    for row in tensors {
        match row.result {
            TensorResult::BytesEqual => counts.bytes_equal += 1,
            TensorResult::ValuesEqual => counts.values_equal += 1,
            TensorResult::Different => counts.tensors_different += 1,
            TensorResult::NotCompared => {
                counts.tensors_not_compared += 1;
                continue;
            }
        }
        counts.tensors_compared += 1;
        counts.tensor_bytes_compared += row.sides.first().map_or(0, |side| side.size);
    }
    counts
}

fn count_keys(keys: &[KeyResult], counts: &mut Counts) {
    for key in keys {
        let slot = match key.status {
            Status::Equal => &mut counts.keys_equal,
            Status::Lost => &mut counts.keys_lost,
            Status::Changed => &mut counts.keys_changed,
            Status::Invented => &mut counts.keys_invented,
            Status::OnlyA | Status::OnlyB => &mut counts.keys_of_one_file,
        };
        *slot += 1;
    }
}
