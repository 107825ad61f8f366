//! Tensors that two files of one format store in different types, as one finding: a quantised copy has hundreds of them.

use std::collections::BTreeMap;

use super::tensors::type_name;
use crate::code::Code;
use crate::compare::inputs::Inputs;
use crate::compare::pairing::listed_place;
use crate::compare::scan::tensor::PairOutcome;
use crate::decode::container::Tensor;
use crate::finding::{Effect, Finding, escape};
use crate::report::TensorResult;

/// The pairs that were taken so far.
#[derive(Default)]
pub(super) struct OtherTypes<'a> {
    pairs: Vec<(&'a Tensor, &'a Tensor)>,
    /// How many pairs have these two types.
    counts: BTreeMap<[&'static str; 2], usize>,
    with_equal_values: usize,
    /// Values that differ, where both types can be decoded.
    different_values: u64,
}

impl<'a> OtherTypes<'a> {
    /// Takes a pair whose types differ; tells whether it is one.
    pub(super) fn take(
        &mut self,
        a: &'a Tensor,
        b: &'a Tensor,
        result: TensorResult,
        outcome: Option<&PairOutcome>,
    ) -> bool {
        if result == TensorResult::NotCompared || a.block_type == b.block_type {
            return false;
        }
        self.pairs.push((a, b));
        let count = self.counts.entry([type_name(a), type_name(b)]).or_default();
        *count += 1;
        let is_equal = result == TensorResult::ValuesEqual;
        self.with_equal_values += usize::from(is_equal);
        let values = outcome.and_then(|outcome| outcome.values);
        let different = values.map_or(0, |values| values.different);
        self.different_values += different;
        true
    }

    /// What is to be said of all of them.
    pub(super) fn finding(&self, inputs: &Inputs<'_>) -> Option<Finding> {
        let (a, b) = self.pairs.first()?;
        let total = self.pairs.len();
        let (first, second) = (inputs.first.called, inputs.second.called);
        let mut message = if total == 1 {
            format!("{} is stored in another type: ", escape(&a.name))
        } else {
            format!("{total} tensors are stored in other types: ")
        };
        let types: Vec<String> = self
            .counts
            .iter()
            .map(|([a, b], count)| {
                let types = format!("{a} in {first}, {b} in {second}");
                if self.counts.len() == 1 {
                    types
                } else {
                    format!("{count} times {types}")
                }
            })
            .collect();
        message.push_str(&types.join("; "));
        if self.with_equal_values == total {
            message.push_str("; the decoded values are the same");
        } else if self.different_values > 0 {
            message.push_str("; decoded, their values differ");
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
}
