//! Which tensor of the APR file is which tensor of the GGUF.

use std::collections::{BTreeMap, BTreeSet};

use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::decode::container::{Container, Tensor};
use crate::decode::types::BlockType;
use crate::decode::{apr, gguf};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// Two tensors that should hold the same, as indices into the tensors of the two containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) gguf: usize,
    pub(crate) apr: usize,
    /// Whether the APR tensor is the copy of a tied embedding.
    pub(crate) tied: bool,
}

/// The tensors of both files, matched.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// In the order of the GGUF; a tied copy follows the embedding.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) only_gguf: Vec<usize>,
    pub(crate) only_apr: Vec<usize>,
}

/// Matches by name, under the naming rules of every producer.
pub(crate) fn pair(
    apr: &Container<apr::Metadata>,
    gguf: &Container<gguf::Metadata>,
    findings: &mut Vec<Finding>,
) -> Pairing {
    let mut by_name: BTreeMap<Vec<u8>, Vec<usize>> = BTreeMap::new();
    for (index, tensor) in apr.tensors.iter().enumerate() {
        by_name
            .entry(gguf_name(&tensor.name))
            .or_default()
            .push(index);
    }
    let has_output = gguf.tensors.iter().any(|tensor| tensor.name == OUTPUT);
    let mut pairing = Pairing::default();
    let mut used = BTreeSet::new();
    for (index, tensor) in gguf.tensors.iter().enumerate() {
        let Some(found) = by_name.get(&tensor.name) else {
            pairing.only_gguf.push(index);
            continue;
        };
        for &apr_index in found {
            used.insert(apr_index);
            pairing.pairs.push(Pair {
                gguf: index,
                apr: apr_index,
                tied: false,
            });
        }
        if found.len() > 1 {
            findings.push(same_name(apr, found, tensor));
        }
        if tensor.name == EMBEDDING && !has_output {
            for &apr_index in by_name.get(OUTPUT).into_iter().flatten() {
                used.insert(apr_index);
                pairing.pairs.push(Pair {
                    gguf: index,
                    apr: apr_index,
                    tied: true,
                });
            }
        }
    }
    pairing.only_apr = (0..apr.tensors.len())
        .filter(|index| !used.contains(index))
        .collect();
    report_unmatched(apr, gguf, &pairing, findings);
    for pair in &pairing.pairs {
        if let (Some(a), Some(g)) = (apr.tensors.get(pair.apr), gguf.tensors.get(pair.gguf)) {
            report_shape(a, g, findings);
        }
    }
    pairing
}

fn report_unmatched(
    apr: &Container<apr::Metadata>,
    gguf: &Container<gguf::Metadata>,
    pairing: &Pairing,
    findings: &mut Vec<Finding>,
) {
    for tensor in pairing
        .only_gguf
        .iter()
        .filter_map(|&index| gguf.tensors.get(index))
    {
        findings.push(
            Finding::new(
                "tensor.missing",
                Effect::Different,
                format!(
                    "{} is in the GGUF and not in the APR file",
                    escape(&tensor.name)
                ),
            )
            .at(place(Side::Gguf, tensor)),
        );
    }
    for tensor in pairing
        .only_apr
        .iter()
        .filter_map(|&index| apr.tensors.get(index))
    {
        findings.push(
            Finding::new(
                "tensor.extra",
                Effect::Different,
                format!(
                    "{} is in the APR file and not in the GGUF",
                    escape(&tensor.name)
                ),
            )
            .at(place(Side::Apr, tensor)),
        );
    }
    for pair in pairing.pairs.iter().filter(|pair| pair.tied) {
        if let Some(tensor) = apr.tensors.get(pair.apr) {
            findings.push(
                Finding::new(
                    "tensor.tied-duplicate",
                    Effect::Note,
                    format!(
                        "{} is a copy of the embedding, to which the GGUF ties its output",
                        escape(&tensor.name)
                    ),
                )
                .at(place(Side::Apr, tensor)),
            );
        }
    }
}

fn same_name(apr: &Container<apr::Metadata>, found: &[usize], tensor: &Tensor) -> Finding {
    let finding = Finding::new(
        "tensor.extra",
        Effect::Different,
        format!(
            "{} tensors of the APR file stand for {}",
            found.len(),
            escape(&tensor.name)
        ),
    );
    found
        .iter()
        .filter_map(|&index| apr.tensors.get(index))
        .fold(finding, |finding, tensor| {
            finding.at(place(Side::Apr, tensor))
        })
}

/// Matrices stand as `[rows, columns]` in an APR, where a GGUF has `ne = [columns, rows]`; other ranks are the same.
fn report_shape(a: &Tensor, g: &Tensor, findings: &mut Vec<Finding>) {
    let mut expected = g.dims.clone();
    if expected.len() == 2 {
        expected.reverse();
    }
    // A GGUF scalar has no dimensions, which an APR cannot express.
    if expected.is_empty() {
        expected.push(1);
    }
    if a.dims == expected {
        return;
    }
    findings.push(
        Finding::new(
            "tensor.shape",
            Effect::Different,
            format!(
                "{} has another shape than {}",
                escape(&a.name),
                escape(&g.name)
            ),
        )
        .at(Place::new(Side::Apr, 0)
            .region(RegionKind::IndexEntry)
            .span(a.info_span)
            .name(a.name.clone()))
        .at(Place::new(Side::Gguf, g.shard)
            .region(RegionKind::TensorInfo)
            .span(g.info_span)
            .name(g.name.clone()))
        .expected_found(format!("{expected:?}"), format!("{:?}", a.dims)),
    );
}

pub(crate) fn place(side: Side, tensor: &Tensor) -> Place {
    Place::new(side, tensor.shard)
        .region(RegionKind::Tensor)
        .span(tensor.span)
        .name(tensor.name.clone())
}

/// How the data of a pair can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Comparison {
    /// Same type: byte by byte.
    Bytes(&'static BlockType),
    /// Stored as F32: value by value, after decoding the GGUF's blocks.
    DecodedF32 {
        gguf: &'static BlockType,
        apr: &'static BlockType,
    },
    /// Two types, or two sizes, that are not the same and no decoded F32: only the values can be set side by side.
    Types {
        gguf: &'static BlockType,
        apr: &'static BlockType,
    },
}

/// Decides how a pair is compared; none when one of the two cannot be interpreted.
pub(crate) fn comparison(a: &Tensor, g: &Tensor) -> Option<Comparison> {
    let (apr, gguf) = (a.block_type?, g.block_type?);
    if !a.sound || !g.sound {
        return None;
    }
    Some(if apr.id == gguf.id && a.span.length == g.span.length {
        Comparison::Bytes(apr)
    } else if apr.name == "F32" && gguf.name != "F32" && crate::decode::blocks::can_decode(gguf) {
        Comparison::DecodedF32 { gguf, apr }
    } else {
        Comparison::Types { gguf, apr }
    })
}
