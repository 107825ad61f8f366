//! What the pass says about each tensor.

use std::collections::{HashMap, HashSet};

use crate::code::Code;
use crate::compare::names::OUTPUT;
use crate::compare::pairing::{Comparison, Pair, Pairing, comparison, place};
use crate::compare::scan::tensor::PairOutcome;
use crate::compare::scan::{Inputs, Scan};
use crate::decode::blocks::NotFinite;
use crate::decode::container::Tensor;
use crate::explain::cause;
use crate::explain::judge::missing_finding;
use crate::finding::{Effect, Finding, Side, escape};
use crate::region::{RegionKind, Span};
use crate::report::TensorResult;

/// Judges one pair. Values are judged by their bits, with no tolerance.
pub(crate) fn result(a: &Tensor, g: &Tensor, outcome: Option<&PairOutcome>) -> TensorResult {
    let (Some(how), Some(outcome)) = (comparison(a, g), outcome) else {
        return TensorResult::NotCompared;
    };
    match how {
        Comparison::Bytes(_) if outcome.difference.is_none() => TensorResult::BytesEqual,
        Comparison::DecodedF32 { .. }
            if outcome.values.is_some_and(|values| values.different == 0)
                && elements(a).is_some_and(|count| Some(count) == elements(g)) =>
        {
            TensorResult::ValuesEqual
        }
        Comparison::Bytes(_) | Comparison::DecodedF32 { .. } | Comparison::Types { .. } => {
            TensorResult::Different
        }
    }
}

fn elements(tensor: &Tensor) -> Option<u64> {
    tensor
        .dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim))
}

/// Everything that the pass found in tensors and between them. `damaged` says which file is known to be the damaged one.
pub(crate) fn findings(
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    scan: &Scan,
    damaged: Option<Side>,
    missing: Option<&HashSet<Vec<u8>>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for padding in &scan.not_zero {
        let shards = match padding.side {
            Side::Apr => &inputs.apr.shards,
            Side::Gguf => &inputs.gguf.shards,
        };
        if let Some(parts) = shards.get(padding.shard) {
            findings.push(padding.found.finding(padding.side, padding.shard, parts));
        }
    }
    let holders = holders(inputs, pairing, scan);
    let mut decoded = Vec::new();
    for (pair, outcome) in pairing.pairs.iter().zip(&scan.pairs) {
        let (Some(a), Some(g)) = (
            inputs.apr.tensors.get(pair.apr),
            inputs.gguf.tensors.get(pair.gguf),
        ) else {
            continue;
        };
        if pair.tied && missing.is_some_and(|missing| missing.contains(OUTPUT)) {
            findings.push(missing_finding(vec![place(Side::Apr, a)]));
            continue;
        }
        match result(a, g, outcome.as_ref()) {
            TensorResult::BytesEqual => {}
            TensorResult::ValuesEqual => decoded.push((a, g)),
            TensorResult::NotCompared => findings.push(not_compared(a, g)),
            TensorResult::Different => {
                if let Some(outcome) = outcome {
                    findings.push(different(inputs, *pair, outcome, &holders, damaged));
                }
            }
        }
        if let Some(outcome) = outcome {
            not_finite(a, g, outcome, &mut findings);
        }
    }
    for alone in &scan.alone {
        let tensors = match alone.side {
            Side::Apr => &inputs.apr.tensors,
            Side::Gguf => &inputs.gguf.tensors,
        };
        if let (Some(tensor), Some(found)) = (tensors.get(alone.index), alone.not_finite) {
            findings.push(not_finite_finding(&[(alone.side, tensor, found)]));
        }
    }
    findings.extend(values_equal(&decoded));
    findings
}

/// The GGUF tensors by the digest of their bytes: whose data is it that stands in the wrong place?
fn holders<'a>(
    inputs: &'a Inputs<'_>,
    pairing: &Pairing,
    scan: &Scan,
) -> HashMap<[u8; 32], &'a Tensor> {
    let mut holders = HashMap::new();
    for (pair, outcome) in pairing.pairs.iter().zip(&scan.pairs) {
        if let (Some(tensor), Some(outcome)) = (inputs.gguf.tensors.get(pair.gguf), outcome) {
            holders.entry(outcome.gguf.blake3).or_insert(tensor);
        }
    }
    holders
}

fn different(
    inputs: &Inputs<'_>,
    pair: Pair,
    outcome: &PairOutcome,
    holders: &HashMap<[u8; 32], &Tensor>,
    damaged: Option<Side>,
) -> Finding {
    let (Some(a), Some(g)) = (
        inputs.apr.tensors.get(pair.apr),
        inputs.gguf.tensors.get(pair.gguf),
    ) else {
        return Finding::new("tensor.bytes", Effect::Different, "a tensor differs");
    };
    let name = escape(&a.name);
    if pair.tied && is_no_copy(a, g, outcome) {
        return Finding::new(
            Code::TensorExtra,
            Effect::Different,
            format!(
                "{name} is no copy of the embedding, and the GGUF has no {}: it is missing there, or does not belong here",
                escape(OUTPUT)
            ),
        )
        .at(place(Side::Apr, a));
    }
    if let Some(other) = holders.get(&outcome.apr.blake3)
        && other.name != g.name
    {
        return Finding::new(
            "tensor.swapped",
            Effect::Different,
            format!("{name} holds the data of {}", escape(&other.name)),
        )
        .at(place(Side::Apr, a))
        .at(place(Side::Gguf, other))
        .cause(
            "cause.swapped",
            "the data of two tensors were exchanged, or one was written twice",
        );
    }
    if let Some(difference) = &outcome.difference {
        let blocks = a
            .block_type
            .and_then(|block_type| a.span.length.checked_div(block_type.bytes))
            .unwrap_or(0);
        let unit = if difference.part.is_some() {
            "blocks"
        } else {
            "elements"
        };
        let at = |side, tensor: &Tensor| {
            let first = tensor.span.offset.saturating_add(difference.first);
            let length = difference
                .last
                .saturating_sub(difference.first)
                .saturating_add(1);
            place(side, tensor)
                .span(Span::new(first, length))
                .detail(cause::fine_place(difference))
        };
        let mut places = [at(Side::Apr, a), at(Side::Gguf, g)];
        let is_gguf_damaged = damaged == Some(Side::Gguf);
        if is_gguf_damaged {
            places.reverse();
        }
        let mut finding = Finding::new(
            "tensor.bytes",
            Effect::Different,
            format!(
                "{name}: {} of {blocks} {unit} {}, {} in {}",
                difference.blocks,
                if difference.blocks == 1 {
                    "differs"
                } else {
                    "differ"
                },
                counted(difference.bytes, "byte"),
                counted(difference.runs, "run")
            ),
        );
        finding.places = places.to_vec();
        finding.cause = cause::of_tensor(inputs, a, g, outcome);
        let mut finding = cause::with_bytes(finding, inputs, a, g, difference.first);
        if is_gguf_damaged {
            std::mem::swap(&mut finding.expected, &mut finding.found);
        }
        return finding;
    }
    if let Some(Comparison::DecodedF32 { gguf, .. }) = comparison(a, g) {
        let values = outcome.values;
        let element = values.and_then(|values| values.first).unwrap_or(0);
        return Finding::new(
            "tensor.values",
            Effect::Different,
            format!(
                "{name}: {} of {} values are not those that {} decodes to",
                values.map_or(0, |values| values.different),
                values.map_or(0, |values| values.elements),
                gguf.name
            ),
        )
        .at(place(Side::Apr, a).detail(format!("element {element}")))
        .at(place(Side::Gguf, g).detail(format!("element {element}")));
    }
    if a.block_type == g.block_type {
        return Finding::new(
            "tensor.size",
            Effect::Different,
            format!("{name} has another size than {}", escape(&g.name)),
        )
        .at(place(Side::Apr, a))
        .at(place(Side::Gguf, g))
        .expected_found(
            format!("{} bytes", g.span.length),
            format!("{} bytes", a.span.length),
        );
    }
    let type_name = |tensor: &Tensor| {
        tensor
            .block_type
            .map_or("unknown", |block_type| block_type.name)
    };
    Finding::new(
        "tensor.type",
        Effect::Different,
        format!("{name} has another type than {}", escape(&g.name)),
    )
    .at(place(Side::Apr, a)
        .region(RegionKind::IndexEntry)
        .span(a.info_span))
    .at(place(Side::Gguf, g)
        .region(RegionKind::TensorInfo)
        .span(g.info_span))
    .expected_found(type_name(g), type_name(a))
}

/// Whether a tensor that stands for a tied embedding has so little of it that it is another tensor.
fn is_no_copy(a: &Tensor, g: &Tensor, outcome: &PairOutcome) -> bool {
    let Some(difference) = &outcome.difference else {
        return a.block_type != g.block_type;
    };
    let blocks = a
        .block_type
        .map_or(0, |of| a.span.length.div_ceil(of.bytes));
    difference.blocks > blocks / 2
}

fn not_compared(a: &Tensor, g: &Tensor) -> Finding {
    Finding::new(
        "tensor.not-compared",
        Effect::Undecided,
        format!(
            "{} could not be compared: one of the two cannot be interpreted or read",
            escape(&a.name)
        ),
    )
    .at(place(Side::Apr, a))
    .at(place(Side::Gguf, g))
}

/// One finding for all tensors that were decoded to F32: it is a named category, not an error.
fn values_equal(decoded: &[(&Tensor, &Tensor)]) -> Option<Finding> {
    if decoded.is_empty() {
        return None;
    }
    let sum = |side: fn(&(&Tensor, &Tensor)) -> u64| {
        decoded.iter().map(side).fold(0_u64, u64::saturating_add)
    };
    let (apr, gguf) = (
        sum(|pair| pair.0.span.length),
        sum(|pair| pair.1.span.length),
    );
    let finding = Finding::new(
        "tensor.values-equal",
        Effect::Warning,
        format!(
            "{} tensors are stored as decoded F32 with exactly the decoded values: {apr} bytes for {gguf}",
            decoded.len()
        ),
    );
    Some(
        decoded
            .iter()
            .fold(finding, |finding, (a, _)| finding.at(place(Side::Apr, a))),
    )
}

fn not_finite(a: &Tensor, g: &Tensor, outcome: &PairOutcome, findings: &mut Vec<Finding>) {
    let found: Vec<_> = [
        (Side::Apr, a, outcome.not_finite[0]),
        (Side::Gguf, g, outcome.not_finite[1]),
    ]
    .into_iter()
    .filter_map(|(side, tensor, found)| Some((side, tensor, found?)))
    .collect();
    if !found.is_empty() {
        findings.push(not_finite_finding(&found));
    }
}

fn not_finite_finding(found: &[(Side, &Tensor, NotFinite)]) -> Finding {
    let scale = found.iter().any(|(_, _, found)| found.part.is_some());
    let code = if scale {
        "tensor.scale-not-finite"
    } else {
        "tensor.value-not-finite"
    };
    let (name, count) = found
        .first()
        .map_or((String::new(), 0), |(_, tensor, found)| {
            (escape(&tensor.name), found.count)
        });
    let what = if scale { "block scales" } else { "values" };
    let finding = Finding::new(
        code,
        Effect::Different,
        format!("{name}: {count} {what} are NaN or infinite"),
    );
    found
        .iter()
        .fold(finding, |finding, (side, tensor, found)| {
            let detail = match found.part {
                Some(part) => format!("block {}, {part}", found.block),
                None => format!("element {}", found.block),
            };
            let length = if found.part.is_some() {
                2
            } else {
                tensor.block_type.map_or(1, |block_type| block_type.bytes)
            };
            let offset = tensor.span.offset.saturating_add(found.offset as u64);
            finding.at(place(*side, tensor)
                .span(Span::new(offset, length))
                .detail(detail))
        })
}

/// A number with its noun, in the plural unless it is one.
fn counted(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
