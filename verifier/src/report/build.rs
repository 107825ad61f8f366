//! Turns what the passes found into rows.

use std::collections::{BTreeMap, HashMap};

use super::{
    CauseRow, Counts, DifferenceRow, FileRow, FindingRow, KeyRow, Mode, PlaceRow, Report,
    TensorRow, TensorSide, ValuesRow,
};
use crate::compare::metadata::{KeyResult, Status};
use crate::compare::pairing::Pairing;
use crate::compare::scan::tensor::{Digests, PairOutcome};
use crate::compare::scan::{Inputs, Scan};
use crate::decode::container::{Shard, Tensor};
use crate::explain::tensors::{Result as TensorResult, result};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;
use crate::verdict::Verdict;

/// What a report is made of when both files could be decoded.
pub(crate) struct Parts<'a> {
    pub(crate) inputs: &'a Inputs<'a>,
    pub(crate) pairing: &'a Pairing,
    pub(crate) scan: &'a Scan,
    pub(crate) keys: &'a [KeyResult],
}

/// Puts a report together. `findings` come in the order of causes.
pub(crate) fn build(
    files: Vec<FileRow>,
    parts: Option<&Parts<'_>>,
    mut findings: Vec<Finding>,
) -> Report {
    // What decides comes first; a stable sort keeps the order of causes.
    findings.sort_by_key(|finding| match finding.effect {
        Effect::Different | Effect::Undecided => 0,
        Effect::Warning => 1,
        Effect::Note => 2,
    });
    let tensors = parts.map(tensor_rows).unwrap_or_default();
    let keys = parts.map(|parts| parts.keys).unwrap_or_default();
    let mut counts = counts(&tensors);
    count_keys(keys, &mut counts);
    let mut reasons: Vec<String> = Vec::new();
    for finding in &findings {
        let decides = matches!(finding.effect, Effect::Different | Effect::Undecided);
        if decides && !reasons.iter().any(|reason| reason == finding.code) {
            reasons.push(finding.code.to_owned());
        }
    }
    Report {
        schema_version: 1,
        verdict: Verdict::of(&findings),
        reasons,
        mode: Mode::Pair,
        manifest: None,
        files,
        counts,
        behaviour: None,
        findings: findings.iter().map(finding_row).collect(),
        tensors,
        metadata: keys
            .iter()
            .map(|key| KeyRow {
                key: escape(&key.key),
                result: key.status.as_str().to_owned(),
            })
            .collect(),
    }
}

/// The row of one file. `unread` are stretches that could not be read.
pub(crate) fn file_row(
    format: &str,
    shard: usize,
    name: &str,
    parts: &Shard,
    unread: u64,
) -> FileRow {
    let undecoded = parts
        .regions
        .iter()
        .filter(|region| region.kind == RegionKind::Undecoded)
        .fold(0_u64, |sum, region| sum.saturating_add(region.span.length));
    FileRow {
        format: format.to_owned(),
        shard,
        name: escape(name.as_bytes()),
        size: parts.length,
        blake3: None,
        sha256: None,
        regions: parts.regions.len(),
        covered: parts
            .length
            .saturating_sub(undecoded)
            .saturating_sub(unread),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn finding_row(finding: &Finding) -> FindingRow {
    FindingRow {
        code: finding.code.to_owned(),
        effect: match finding.effect {
            Effect::Different => "different",
            Effect::Undecided => "undecided",
            Effect::Warning => "warning",
            Effect::Note => "note",
        }
        .to_owned(),
        message: finding.message.clone(),
        places: finding.places.iter().map(place_row).collect(),
        expected: finding.expected.clone(),
        found: finding.found.clone(),
        cause: finding.cause.as_ref().map(|cause| CauseRow {
            code: cause.code.to_owned(),
            text: cause.text.clone(),
        }),
        hint: finding.hint.clone(),
    }
}

fn place_row(place: &Place) -> PlaceRow {
    PlaceRow {
        file: place.side.as_str().to_owned(),
        shard: place.shard,
        region: place.region.map(|region| region.as_str().to_owned()),
        offset: place.span.map(|span| span.offset),
        length: place.span.map(|span| span.length),
        name: place.name.as_ref().map(|name| escape(name)),
        detail: place.detail.clone(),
    }
}

fn tensor_rows(parts: &Parts<'_>) -> Vec<TensorRow> {
    let (apr, gguf) = (&parts.inputs.apr.tensors, &parts.inputs.gguf.tensors);
    let alone: HashMap<(Side, usize), &Digests> = parts
        .scan
        .alone
        .iter()
        .map(|alone| ((alone.side, alone.index), &alone.digests))
        .collect();
    let alone = |side, index| alone.get(&(side, index)).copied();
    let pairs = parts
        .pairing
        .pairs
        .iter()
        .zip(&parts.scan.pairs)
        .filter_map(|(pair, outcome)| {
            let (a, g) = (apr.get(pair.apr)?, gguf.get(pair.gguf)?);
            let outcome = outcome.as_ref();
            Some(TensorRow {
                result: result(a, g, outcome).as_str().to_owned(),
                tied: pair.tied,
                apr: Some(side(
                    a,
                    outcome
                        .map(|outcome| &outcome.apr)
                        .or_else(|| alone(Side::Apr, pair.apr)),
                )),
                gguf: Some(side(
                    g,
                    outcome
                        .map(|outcome| &outcome.gguf)
                        .or_else(|| alone(Side::Gguf, pair.gguf)),
                )),
                difference: outcome.and_then(|outcome| difference_row(a, g, outcome)),
                values: outcome.and_then(values_row),
            })
        });
    let only = |found: TensorSide, is_apr: bool| {
        let (apr, gguf) = if is_apr {
            (Some(found), None)
        } else {
            (None, Some(found))
        };
        TensorRow {
            result: TensorResult::NotCompared.as_str().to_owned(),
            tied: false,
            apr,
            gguf,
            difference: None,
            values: None,
        }
    };
    let only_gguf = parts.pairing.only_gguf.iter().filter_map(|&index| {
        Some(only(
            side(gguf.get(index)?, alone(Side::Gguf, index)),
            false,
        ))
    });
    let only_apr = parts
        .pairing
        .only_apr
        .iter()
        .filter_map(|&index| Some(only(side(apr.get(index)?, alone(Side::Apr, index)), true)));
    pairs.chain(only_gguf).chain(only_apr).collect()
}

fn side(tensor: &Tensor, digests: Option<&Digests>) -> TensorSide {
    TensorSide {
        name: escape(&tensor.name),
        r#type: match tensor.block_type {
            Some(block_type) => block_type.name.to_owned(),
            None => format!("id {}", tensor.type_id),
        },
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

fn difference_row(a: &Tensor, g: &Tensor, outcome: &PairOutcome) -> Option<DifferenceRow> {
    let found = outcome.difference.as_ref()?;
    let both = |tensor: &Tensor| {
        [found.first, found.last].map(|offset| tensor.span.offset.saturating_add(offset))
    };
    Some(DifferenceRow {
        bytes: found.bytes,
        runs: found.runs,
        blocks: found.blocks,
        blocks_total: a
            .block_type
            .and_then(|block_type| a.span.length.checked_div(block_type.bytes))?,
        first_block: found.first_block,
        last_block: found.last_block,
        apr: both(a),
        gguf: both(g),
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
        let slot = match row.result.as_str() {
            "bytes equal" => &mut counts.bytes_equal,
            "values equal" => &mut counts.values_equal,
            "different" => &mut counts.tensors_different,
            _ => &mut counts.tensors_not_compared,
        };
        *slot = slot.saturating_add(1);
        if row.result != TensorResult::NotCompared.as_str() {
            counts.tensors_compared = counts.tensors_compared.saturating_add(1);
            let size = row.apr.as_ref().map_or(0, |side| side.size);
            counts.tensor_bytes_compared = counts.tensor_bytes_compared.saturating_add(size);
        }
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
        };
        *slot = slot.saturating_add(1);
    }
}
