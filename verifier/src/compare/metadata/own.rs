//! What an APR file says of its own tensors, held against its index.

use std::collections::BTreeMap;

use super::comparison::apr_place;
use super::equal::shorten;
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::decode::apr::{Document, Kind};
use crate::decode::container::Tensor;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding};

pub(super) fn check(document: &Document, tensors: &[Tensor], findings: &mut Findings) {
    check_count(document, tensors, findings);
    check_shapes(document, tensors, findings);
}

/// `param_count` counts the elements; of a tied model, some producers count the copy of the embedding and store none, or
/// the other way round.
fn check_count(document: &Document, tensors: &[Tensor], findings: &mut Findings) {
    let Some((json, found)) = document
        .get("param_count")
        .and_then(|json| Some((json, document.u64(json)?)))
    else {
        return;
    };
    let elements = |tensor: &Tensor| {
        let mut dims = tensor.dims.iter();
        dims.try_fold(1_u64, |product, extent| product.checked_mul(*extent))
    };
    let named = |name: &[u8]| tensors.iter().find(|one| gguf_name(&one.name) == name);
    let stored = tensors
        .iter()
        .try_fold(0_u64, |sum, tensor| sum.checked_add(elements(tensor)?));
    let copy = named(EMBEDDING).and_then(elements);
    let other = stored
        .zip(copy)
        .and_then(|(stored, copy)| match named(OUTPUT) {
            Some(_) => stored.checked_sub(copy),
            None => stored.checked_add(copy),
        });
    // Some writers leave it at zero.
    if found != 0 && Some(found) != stored && Some(found) != other {
        findings.push(
            Finding::new(
                "meta.param_count",
                Effect::Different,
                "param_count is not the number of elements of the tensors",
            )
            .at(apr_place(document, "param_count", json))
            .expected_found(
                stored.map_or_else(|| "a sum".to_owned(), |sum| sum.to_string()),
                found.to_string(),
            ),
        );
    }
}

/// `tensor_shapes` repeats the dims of the index.
fn check_shapes(document: &Document, tensors: &[Tensor], findings: &mut Findings) {
    let Some(Kind::Object(shapes)) = document.get("tensor_shapes").map(|json| &json.kind) else {
        return;
    };
    let index: BTreeMap<&[u8], &[u64]> = tensors
        .iter()
        .map(|tensor| (tensor.name.as_slice(), tensor.dims.as_slice()))
        .collect();
    for (key, shape) in shapes {
        let name = document.name(key);
        let dims = index.get(name.as_bytes());
        let same = match (&shape.kind, dims) {
            (Kind::Array(extents), Some(dims)) => {
                extents.len() == dims.len()
                    && extents
                        .iter()
                        .zip(*dims)
                        .all(|(json, extent)| document.u64(json) == Some(*extent))
            }
            _ => false,
        };
        if !same {
            findings.push(
                Finding::new(
                    "meta.tensor_shapes",
                    Effect::Different,
                    "tensor_shapes does not repeat the dims of the index",
                )
                .at(apr_place(document, "tensor_shapes", shape).detail(shorten(&name)))
                .expected_found(
                    dims.map_or_else(|| "no such tensor".to_owned(), |dims| format!("{dims:?}")),
                    shorten(document.text(shape)),
                ),
            );
        }
    }
}
