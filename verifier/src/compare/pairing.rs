//! Which tensor of the APR file is which tensor of the GGUF.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::code::Code;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name, naming};
use crate::decode::container::{Format, Tensor};
use crate::decode::types::BlockType;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// Two tensors that should hold the same, as indices into the tensors of the two models: `apr` is that of the first one,
/// which is the APR file where the formats are two.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) gguf: usize,
    pub(crate) apr: usize,
    /// Whether the APR tensor is the copy of a tied embedding.
    pub(crate) tied: bool,
    /// How their data are compared; none when one of the two cannot be interpreted.
    pub(crate) how: Option<Method>,
}

/// The tensors of both files, matched.
#[derive(Debug, Default)]
pub(crate) struct Pairing {
    /// In the order of the GGUF; a tied copy follows the embedding.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) only_gguf: Vec<usize>,
    pub(crate) only_apr: Vec<usize>,
}

impl<'a> Inputs<'a> {
    /// The tensors of a pair, which the pairing has made from both lists.
    pub(crate) fn tensors_of(&self, pair: Pair) -> (&'a Tensor, &'a Tensor) {
        let first = self.first.tensors.get(pair.apr);
        let second = self.second.tensors.get(pair.gguf);
        let Some(both) = first.zip(second) else {
            unreachable!("a pair is made of tensors of both files");
        };
        both
    }
}

/// Matches an APR file with a GGUF by name, under the naming rules of every producer.
#[expect(
    clippy::indexing_slicing,
    reason = "the numbers of tensors that were counted above"
)]
pub(crate) fn pair(inputs: &Inputs<'_>, findings: &mut Vec<Finding>) -> Pairing {
    let (apr, gguf) = (&inputs.first, &inputs.second);
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
    let pair_of = |index: usize, apr_index: usize, tied| Pair {
        gguf: index,
        apr: apr_index,
        tied,
        how: method(&apr.tensors[apr_index], &gguf.tensors[index]),
    };
    for (index, tensor) in gguf.tensors.iter().enumerate() {
        let Some(found) = by_name.get(&tensor.name) else {
            pairing.only_gguf.push(index);
            continue;
        };
        for &apr_index in found {
            used.insert(apr_index);
            pairing.pairs.push(pair_of(index, apr_index, false));
        }
        if found.len() > 1 {
            findings.push(same_name(apr, found, tensor));
        }
        if tensor.name == EMBEDDING && !has_output {
            for &apr_index in by_name.get(OUTPUT).into_iter().flatten() {
                used.insert(apr_index);
                pairing.pairs.push(pair_of(index, apr_index, true));
            }
        }
    }
    pairing.only_apr = (0..apr.tensors.len())
        .filter(|index| !used.contains(index))
        .collect();
    report_unmatched(apr, gguf, &pairing, findings);
    findings.extend(mixed_names(apr));
    for pair in &pairing.pairs {
        if let (Some(a), Some(g)) = (apr.tensors.get(pair.apr), gguf.tensors.get(pair.gguf)) {
            report_shape(inputs, a, g, findings);
        }
    }
    pairing
}

/// Matches two files of one format by name; of a name that stands several times, in the order of the files.
pub(crate) fn pair_of_one_format(inputs: &Inputs<'_>, findings: &mut Vec<Finding>) -> Pairing {
    let (first, second) = (&inputs.first, &inputs.second);
    let mut by_name: BTreeMap<Vec<u8>, VecDeque<usize>> = BTreeMap::new();
    for (index, tensor) in first.tensors.iter().enumerate() {
        let same_name = by_name.entry(common_name(first, tensor)).or_default();
        same_name.push_back(index);
    }
    let mut pairing = Pairing::default();
    for (index, tensor) in second.tensors.iter().enumerate() {
        let found = by_name.get_mut(&common_name(second, tensor));
        let found = found.and_then(VecDeque::pop_front);
        let Some((number, other)) =
            found.and_then(|found| Some((found, first.tensors.get(found)?)))
        else {
            pairing.only_gguf.push(index);
            continue;
        };
        if other.dims != tensor.dims {
            findings.push(other_shape(inputs, other, tensor, &tensor.dims));
        }
        pairing.pairs.push(Pair {
            gguf: index,
            apr: number,
            tied: false,
            how: method_of_one_format(other, tensor),
        });
    }
    pairing.only_apr = by_name.into_values().flatten().collect();
    pairing.only_apr.sort_unstable();
    pairing
}

/// The name by which a tensor is found in the other file; producers of APR files have several for one tensor.
fn common_name(model: &Model<'_>, tensor: &Tensor) -> Vec<u8> {
    match model.format() {
        Format::Apr => gguf_name(&tensor.name),
        Format::Gguf => tensor.name.clone(),
    }
}

/// Every known producer has one naming for all tensors of a file; a loader may know no other beside it.
fn mixed_names(apr: &Model<'_>) -> Option<Finding> {
    let mut named = apr.tensors.iter().filter_map(|tensor| {
        let naming = naming(&tensor.name)?;
        Some((naming, tensor))
    });
    let (first, other) = named.next()?;
    let (_, odd) = named.find(|(naming, _)| *naming != first)?;
    Some(
        Finding::new(
            Code::TensorNaming,
            Effect::Different,
            format!(
                "{} and {} are names of two namings, and no producer has two in one file",
                escape(&other.name),
                escape(&odd.name)
            ),
        )
        .at(place(Side::Apr, odd))
        .hint("convert again: `aprove convert`"),
    )
}

fn report_unmatched(
    apr: &Model<'_>,
    gguf: &Model<'_>,
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
                Code::TensorMissing,
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
                Code::TensorExtra,
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
                    Code::TensorTiedDuplicate,
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

fn same_name(apr: &Model<'_>, found: &[usize], tensor: &Tensor) -> Finding {
    let finding = Finding::new(
        Code::TensorExtra,
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
fn report_shape(inputs: &Inputs<'_>, a: &Tensor, g: &Tensor, findings: &mut Vec<Finding>) {
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
    findings.push(other_shape(inputs, a, g, &expected));
}

fn other_shape(inputs: &Inputs<'_>, a: &Tensor, b: &Tensor, expected: &[u64]) -> Finding {
    let mut message = format!("{} has another shape", escape(&a.name));
    if !inputs.are_of_one_format() {
        message.push_str(&format!(" than {}", escape(&b.name)));
    }
    Finding::new(Code::TensorShape, Effect::Different, message)
        .at(listed_place(&inputs.first, a))
        .at(listed_place(&inputs.second, b))
        .expected_found(format!("{expected:?}"), format!("{:?}", a.dims))
}

/// Where the list of tensors of a model describes one.
pub(crate) fn listed_place(model: &Model<'_>, tensor: &Tensor) -> Place {
    let region = match model.format() {
        Format::Apr => RegionKind::IndexEntry,
        Format::Gguf => RegionKind::TensorInfo,
    };
    Place::new(model.side, tensor.shard)
        .region(region)
        .span(tensor.info_span)
        .name(tensor.name.clone())
}

pub(crate) fn place(side: Side, tensor: &Tensor) -> Place {
    Place::new(side, tensor.shard)
        .region(RegionKind::Tensor)
        .span(tensor.span)
        .name(tensor.name.clone())
}

/// How the data of a pair can be compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
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
pub(crate) fn method(a: &Tensor, g: &Tensor) -> Option<Method> {
    let (apr, gguf) = (a.block_type?, g.block_type?);
    if !a.sound || !g.sound {
        return None;
    }
    Some(if apr.id == gguf.id && a.span.length == g.span.length {
        Method::Bytes(apr)
    } else if apr.name == "F32" && gguf.name != "F32" && crate::decode::blocks::can_decode(gguf) {
        Method::DecodedF32 { gguf, apr }
    } else {
        Method::Types { gguf, apr }
    })
}

/// The same for two files of one format: whichever of the two has another type, values that can be decoded are compared.
fn method_of_one_format(a: &Tensor, b: &Tensor) -> Option<Method> {
    let how = method(a, b)?;
    Some(match how {
        Method::Types { gguf, apr }
            if gguf.id != apr.id
                && crate::decode::blocks::can_decode(gguf)
                && crate::decode::blocks::can_decode(apr) =>
        {
            Method::DecodedF32 { gguf, apr }
        }
        how => how,
    })
}
