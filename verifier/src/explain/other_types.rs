//! Tensors that two files store in different types: a quantised copy has hundreds of them.
//!
//! That the types are unlike and that the values are is said apart, so that a policy that lets a type pass lets no values pass.

use std::collections::BTreeMap;

use super::tensors::type_name;
use crate::code::Code;
use crate::compare::inputs::Inputs;
use crate::compare::pairing::{listed_place, place};
use crate::compare::scan::tensor::PairOutcome;
use crate::decode::container::Tensor;
use crate::finding::{Effect, Finding, escape};

type Pair<'a> = (&'a Tensor, &'a Tensor);

/// The pairs that were taken so far.
#[derive(Default)]
pub(super) struct OtherTypes<'a> {
    pairs: Vec<Pair<'a>>,
    /// Those with other values.
    unlike: Vec<Pair<'a>>,
    /// How many values of them differ, and how many there are.
    values: (u64, u64),
    /// Those of a type whose values are not known.
    unknown: Vec<Pair<'a>>,
}

impl<'a> OtherTypes<'a> {
    /// Takes a pair whose types differ.
    pub(super) fn take(&mut self, a: &'a Tensor, b: &'a Tensor, outcome: &PairOutcome) {
        self.pairs.push((a, b));
        let Some(values) = outcome.values else {
            return self.unknown.push((a, b));
        };
        let counts = [a, b].map(|tensor| tensor.elements().unwrap_or(values.elements));
        let total = counts[0].max(counts[1]);
        let different = values.different + counts[0].abs_diff(counts[1]);
        if different > 0 {
            self.unlike.push((a, b));
            self.values.0 = self.values.0.saturating_add(different);
            self.values.1 = self.values.1.saturating_add(total);
        }
    }

    /// That the types are unlike, as one finding.
    pub(super) fn types(&self, inputs: &Inputs<'_>) -> Option<Finding> {
        let (a, b) = self.pairs.first()?;
        let total = self.pairs.len();
        let (first, second) = (inputs.first.called, inputs.second.called);
        let mut message = if total == 1 {
            format!("{} is stored in another type: ", escape(&a.name))
        } else {
            format!("{total} tensors are stored in other types: ")
        };
        let mut counts: BTreeMap<[&str; 2], usize> = BTreeMap::new();
        for (a, b) in &self.pairs {
            *counts.entry([a, b].map(|one| type_name(one))).or_default() += 1;
        }
        let types: Vec<String> = counts
            .iter()
            .map(|([a, b], count)| {
                let types = format!("{a} in {first}, {b} in {second}");
                if counts.len() == 1 {
                    types
                } else {
                    format!("{count} times {types}")
                }
            })
            .collect();
        message.push_str(&types.join("; "));
        if !self.unlike.is_empty() {
            message.push_str("; decoded, their values differ");
        } else if self.unknown.is_empty() {
            message.push_str("; the decoded values are the same");
        }
        let finding = Finding::new(Code::TensorType, Effect::Different, message);
        let finding = match total {
            1 => finding.expected_found(type_name(b), type_name(a)),
            _ => finding,
        };
        // A policy judges a finding by its names: all of them are here.
        Some(self.pairs.iter().fold(finding, |finding, (a, b)| {
            finding
                .at(listed_place(&inputs.first, a))
                .at(listed_place(&inputs.second, b))
        }))
    }

    /// That the values are unlike, or that nobody can tell.
    pub(super) fn values(&self, inputs: &Inputs<'_>) -> impl Iterator<Item = Finding> {
        let subject = |pairs: &[Pair<'_>]| {
            let (a, _) = pairs.first()?;
            Some(match pairs.len() {
                1 => escape(&a.name),
                count => format!("{count} tensors in other types"),
            })
        };
        let (different, total) = self.values;
        let unlike = subject(&self.unlike).map(|subject| {
            let message = format!(
                "{subject}: {different} of {total} values are not the same, decoded from both types"
            );
            let finding = Finding::new(Code::TensorValues, Effect::Different, message);
            at_all(finding, &self.unlike, inputs)
        });
        let unknown = subject(&self.unknown).map(|subject| {
            let message =
                format!("{subject}: the values of one of the two types are not decoded here");
            let finding = Finding::new(Code::TensorNotCompared, Effect::Undecided, message);
            at_all(finding, &self.unknown, inputs)
        });
        unlike.into_iter().chain(unknown)
    }
}

/// Names all tensors, by which a policy judges a finding.
fn at_all(finding: Finding, pairs: &[Pair<'_>], inputs: &Inputs<'_>) -> Finding {
    pairs.iter().fold(finding, |finding, (a, b)| {
        finding
            .at(place(inputs.first.side, a))
            .at(place(inputs.second.side, b))
    })
}
