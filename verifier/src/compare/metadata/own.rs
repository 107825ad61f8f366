//! What an APR file says of its own tensors, held against its index.

use std::collections::BTreeMap;

use super::comparison::apr_place;
use super::equal::shorten;
use crate::code::Code;
use crate::compare::names::{EMBEDDING, OUTPUT, gguf_name};
use crate::decode::apr::{Document, Kind, Metadata, flags};
use crate::decode::container::{Container, Tensor};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::{RegionKind, Span};

pub(super) fn check(document: &Document, tensors: &[Tensor], findings: &mut Findings) {
    check_count(document, tensors, findings);
    check_shapes(document, tensors, findings);
}

/// The flags of a file of another producer may say less than the file holds, and not more.
pub(super) fn check_flags(apr: &Container<Metadata>, findings: &mut Findings) {
    let (Some(header), Some(document)) = (apr.metadata.header, &apr.metadata.document) else {
        return;
    };
    let mut expected = header.flags & !flags::SHARDED;
    if !apr.tensors.iter().any(is_quantised) {
        expected &= !flags::QUANTIZED;
    }
    if document.get("tokenizer.vocabulary").is_none() {
        expected &= !flags::HAS_VOCAB;
    }
    if header.flags != expected {
        // The importer with --preserve-q4k writes this one flag into every file: section 1.2 of the format page.
        let effect = match header.flags {
            flags::QUANTIZED => Effect::Warning,
            _ => Effect::Different,
        };
        findings.push(other_flags(effect, expected, header.flags));
    }
}

/// That the flags of the header are not those of the file.
pub(super) fn other_flags(effect: Effect, expected: u16, found: u16) -> Finding {
    let message = "the flags of the header do not describe the file";
    Finding::new(Code::MetaFlags, effect, message)
        .at(flags_place())
        .expected_found(format!("{expected:#06x}"), format!("{found:#06x}"))
}

/// Where the header has its flags.
pub(super) fn flags_place() -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Header)
        .span(Span::new(6, 2))
        .name("flags")
}

/// Whether a tensor has blocks.
pub(super) fn is_quantised(tensor: &Tensor) -> bool {
    let [f32, f16, bf16] = [0, 1, 30];
    ![f32, f16, bf16].contains(&tensor.type_id)
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
                Code::MetaParamCount,
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
                    Code::MetaTensorShapes,
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
