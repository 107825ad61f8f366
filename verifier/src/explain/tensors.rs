//! What the pass says about each tensor.

use std::collections::{HashMap, HashSet};

use crate::code::{CauseCode, Code};
use crate::compare::inputs::Inputs;
use crate::compare::names::OUTPUT;
use crate::compare::pairing::{Method, Pair, Pairing, listed_place, place};
use crate::compare::scan::Scan;
use crate::compare::scan::tensor::PairOutcome;
use crate::decode::blocks::NotFinite;
use crate::decode::container::Tensor;
use crate::explain::cause;
use crate::explain::judge::missing_finding;
use crate::explain::other_types::OtherTypes;
use crate::finding::{Effect, Finding, Side, counted, escape};
use crate::region::Span;
use crate::report::TensorResult;

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
        let model = inputs.of(padding.side);
        if let Some(parts) = model.shards.get(padding.shard) {
            let found = &padding.found;
            findings.push(found.finding(model.side, model.format(), padding.shard, parts));
        }
    }
    let holders = holders(inputs, pairing, scan);
    let mut decoded = Vec::new();
    let mut other_types = OtherTypes::default();
    let search = cause::Search::of(inputs);
    for (pair, outcome) in pairing.pairs.iter().zip(&scan.pairs) {
        let (Some(a), Some(g)) = (
            inputs.first.tensors.get(pair.apr),
            inputs.second.tensors.get(pair.gguf),
        ) else {
            continue;
        };
        if pair.tied && missing.is_some_and(|missing| missing.contains(OUTPUT)) {
            findings.push(missing_finding(vec![place(inputs.first.side, a)]));
            continue;
        }
        let Some(outcome) = outcome.as_ref().filter(|_| pair.how.is_some()) else {
            findings.push(not_compared(inputs, a, g));
            continue;
        };
        if inputs.are_of_one_format() && a.block_type != g.block_type {
            other_types.take(a, g, outcome);
        } else {
            match TensorResult::of(a, g, pair.how, Some(outcome)) {
                TensorResult::BytesEqual => {}
                TensorResult::ValuesEqual => decoded.push((a, g)),
                TensorResult::NotCompared => unreachable!("what has an outcome was compared"),
                TensorResult::Different => {
                    let known = (&holders, &search);
                    let found = different(inputs, *pair, outcome, known, damaged);
                    if found.code == Code::TensorType {
                        other_types.take(a, g, outcome);
                    }
                    findings.push(found);
                }
            }
        }
        not_finite(inputs, a, g, outcome, &mut findings);
    }
    for alone in &scan.alone {
        let tensors = inputs.of(alone.side).tensors;
        if let (Some(tensor), Some(found)) = (tensors.get(alone.index), alone.not_finite) {
            findings.push(not_finite_finding(&[(alone.side, tensor, found)]));
        }
    }
    findings.extend(values_equal(&decoded));
    // Of two formats each tensor has a finding about its type already.
    if inputs.are_of_one_format() {
        findings.extend(other_types.types(inputs));
    }
    findings.extend(other_types.values(inputs));
    findings
}

/// The tensors of the second file by the digest of their bytes: whose data is it that stands in the wrong place?
fn holders<'a>(
    inputs: &'a Inputs<'_>,
    pairing: &Pairing,
    scan: &Scan,
) -> HashMap<[u8; 32], &'a Tensor> {
    let mut holders = HashMap::new();
    for (pair, outcome) in pairing.pairs.iter().zip(&scan.pairs) {
        if let (Some(tensor), Some(outcome)) = (inputs.second.tensors.get(pair.gguf), outcome) {
            holders.entry(outcome.gguf.blake3).or_insert(tensor);
        }
    }
    holders
}

fn different(
    inputs: &Inputs<'_>,
    pair: Pair,
    outcome: &PairOutcome,
    (holders, search): (&HashMap<[u8; 32], &Tensor>, &cause::Search),
    damaged: Option<Side>,
) -> Finding {
    let (Some(a), Some(g)) = (
        inputs.first.tensors.get(pair.apr),
        inputs.second.tensors.get(pair.gguf),
    ) else {
        return Finding::new(Code::TensorBytes, Effect::Different, "a tensor differs");
    };
    let name = escape(&a.name);
    let [of_a, of_g] = inputs.models().map(|model| model.side);
    if pair.tied && is_no_copy(a, g, outcome) {
        return Finding::new(
            Code::TensorExtra,
            Effect::Different,
            format!(
                "{name} is no copy of the embedding, and the GGUF has no {}: it is missing there, or does not belong here",
                escape(OUTPUT)
            ),
        )
        .at(place(of_a, a));
    }
    if let Some(other) = holders.get(&outcome.apr.blake3)
        && other.name != g.name
    {
        return Finding::new(
            Code::TensorSwapped,
            Effect::Different,
            format!("{name} holds the data of {}", escape(&other.name)),
        )
        .at(place(of_a, a))
        .at(place(of_g, other))
        .cause(
            CauseCode::Swapped,
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
            let first = tensor.span.offset + difference.first;
            let length = difference.last.saturating_sub(difference.first) + 1;
            place(side, tensor)
                .span(Span::new(first, length))
                .detail(cause::fine_place(difference))
        };
        let mut places = [at(of_a, a), at(of_g, g)];
        let is_second_damaged = damaged == Some(of_g);
        if is_second_damaged {
            places.reverse();
        }
        let mut finding = Finding::new(
            Code::TensorBytes,
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
        finding.cause = cause::of_tensor(inputs, a, g, outcome, search);
        let mut finding = cause::with_bytes(finding, inputs, a, g, difference.first);
        if is_second_damaged {
            std::mem::swap(&mut finding.expected, &mut finding.found);
        }
        return finding;
    }
    if let Some(Method::DecodedF32 { gguf, .. }) = pair.how {
        let values = outcome.values;
        let element = values.and_then(|values| values.first).unwrap_or(0);
        return Finding::new(
            Code::TensorValues,
            Effect::Different,
            format!(
                "{name}: {} of {} values are not those that {} decodes to",
                values.map_or(0, |values| values.different),
                values.map_or(0, |values| values.elements),
                gguf.name
            ),
        )
        .at(place(of_a, a).detail(format!("element {element}")))
        .at(place(of_g, g).detail(format!("element {element}")));
    }
    if a.block_type == g.block_type {
        return Finding::new(
            Code::TensorSize,
            Effect::Different,
            format!("{name} has another size than {}", escape(&g.name)),
        )
        .at(place(of_a, a))
        .at(place(of_g, g))
        .expected_found(
            format!("{} bytes", g.span.length),
            format!("{} bytes", a.span.length),
        );
    }
    Finding::new(
        Code::TensorType,
        Effect::Different,
        format!("{name} has another type than {}", escape(&g.name)),
    )
    .at(listed_place(&inputs.first, a))
    .at(listed_place(&inputs.second, g))
    .expected_found(type_name(g), type_name(a))
}

/// What a tensor is stored as.
pub(super) fn type_name(tensor: &Tensor) -> &'static str {
    tensor
        .block_type
        .map_or("unknown", |block_type| block_type.name)
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

fn not_compared(inputs: &Inputs<'_>, a: &Tensor, g: &Tensor) -> Finding {
    Finding::new(
        Code::TensorNotCompared,
        Effect::Undecided,
        format!(
            "{} could not be compared: one of the two cannot be interpreted or read",
            escape(&a.name)
        ),
    )
    .at(place(inputs.first.side, a))
    .at(place(inputs.second.side, g))
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
        Code::TensorValuesEqual,
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

fn not_finite(
    inputs: &Inputs<'_>,
    a: &Tensor,
    g: &Tensor,
    outcome: &PairOutcome,
    findings: &mut Vec<Finding>,
) {
    let found: Vec<_> = [
        (inputs.first.side, a, outcome.not_finite[0]),
        (inputs.second.side, g, outcome.not_finite[1]),
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
        Code::TensorScaleNotFinite
    } else {
        Code::TensorValueNotFinite
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
            let offset = tensor.span.offset + found.offset as u64;
            finding.at(place(*side, tensor)
                .span(Span::new(offset, length))
                .detail(detail))
        })
}
