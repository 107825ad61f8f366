//! The tensor data: where each tensor lies, what lies between, and the regions of it all.

use super::ShardHead;
use super::tensors::Info;
use crate::code::Code;
use crate::decode::container::Tensor;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape, follow};
use crate::region::{Region, RegionKind, Span, push};
use crate::source::Source;

/// Gives every tensor its span in the file and completes the partition. Padding is checked where it is read.
pub(super) fn lay_out(
    source: &dyn Source,
    shard: usize,
    parts: &mut ShardHead,
    infos: Vec<Info>,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Vec<Tensor> {
    let length = source.length();
    let Some(data_offset) = parts.infos_end.checked_next_multiple_of(parts.alignment) else {
        return Vec::new();
    };
    parts.data_offset = data_offset;
    check_order(shard, parts, &infos, findings);
    let sizes: Vec<Option<u64>> = infos.iter().map(|info| info.size).collect();
    let mut tensors: Vec<Tensor> = infos
        .into_iter()
        .map(|info| place_tensor(shard, parts, info, length, findings))
        .collect();

    let mut order: Vec<usize> = (0..tensors.len()).collect();
    order.sort_by_key(|&index| {
        tensors
            .get(index)
            .map(|tensor| (tensor.span.offset, tensor.span.length))
    });
    let mut cursor = parts.infos_end;
    let mut last: Vec<u8> = Vec::new();
    // The tensor before, where nobody knows how long it is: what follows up to the next one is its own, and no padding.
    let mut is_open = false;
    for index in order {
        let Some(tensor) = tensors.get_mut(index) else {
            continue;
        };
        let begins = (cursor..length).contains(&tensor.span.offset);
        let is_endless = begins && sizes.get(index).is_none_or(Option::is_none);
        if !is_endless && (!tensor.sound || tensor.span.length == 0) {
            continue;
        }
        if tensor.span.offset < cursor {
            tensor.sound = false;
            findings.push(
                Finding::new(
                    Code::GgufOffsetOverlap,
                    Effect::Undecided,
                    format!("{} lies over {}", escape(&tensor.name), escape(&last)),
                )
                .at(place(shard, &tensor.name, tensor.span)),
            );
            continue;
        }
        push(
            regions,
            if is_open {
                RegionKind::Undecoded
            } else {
                RegionKind::Padding
            },
            between(cursor, tensor.span.offset),
            &last,
        );
        push(regions, RegionKind::Tensor, tensor.span, &tensor.name);
        is_open = is_endless;
        cursor = tensor.span.end();
        last.clone_from(&tensor.name);
    }
    if is_open {
        push(
            regions,
            RegionKind::Undecoded,
            between(cursor, length),
            &last,
        );
    } else {
        end(shard, parts, cursor, length, &last, regions, findings);
    }
    tensors
}

/// After the last tensor: padding up to the alignment, then bytes that nothing describes.
fn end(
    shard: usize,
    parts: &ShardHead,
    cursor: u64,
    length: u64,
    last: &[u8],
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) {
    let padded = cursor
        .checked_next_multiple_of(parts.alignment)
        .unwrap_or(u64::MAX);
    let padding_end = padded.min(length);
    push(
        regions,
        RegionKind::Padding,
        between(cursor, padding_end),
        last,
    );
    let has_data = parts.tensor_count > 0;
    if length < padded && has_data && cursor <= length {
        findings.push(
            Finding::new(
                Code::GgufPaddingMissing,
                Effect::Warning,
                format!("the last tensor is not padded to {} bytes", parts.alignment),
            )
            .at(Place::new(Side::Gguf, shard)
                .span(Span::new(length, padded.saturating_sub(length)))),
        );
    }
    let trailing = Span::new(padding_end, length.saturating_sub(padding_end));
    // A tensor that could not be placed may own these bytes: they are not called trailing then.
    if trailing.length > 0 && !findings.iter().any(is_about_extent) {
        push(regions, RegionKind::Trailing, trailing, b"");
        findings.push(
            Finding::new(
                Code::GgufTrailing,
                Effect::Different,
                follow(trailing.length, "the last tensor"),
            )
            .at(Place::new(Side::Gguf, shard)
                .region(RegionKind::Trailing)
                .span(trailing)),
        );
    }
}

fn is_about_extent(finding: &Finding) -> bool {
    match finding.code {
        Code::GgufTensorBytes
        | Code::GgufTensorDim
        | Code::GgufTensorElements
        | Code::GgufTensorEmpty
        | Code::GgufTensorRank
        | Code::GgufTensorRow
        | Code::GgufTensorScalar => finding.effect == Effect::Undecided,
        Code::GgufTypeRemoved
        | Code::GgufTypeUnknown
        | Code::GgufOffsetAlign
        | Code::GgufOffsetOrder
        | Code::GgufOffsetOverlap
        | Code::GgufOffsetRange
        | Code::GgufOffsetWrap
        | Code::GgufTruncated => true,
        _ => false,
    }
}

fn place_tensor(
    shard: usize,
    parts: &ShardHead,
    info: Info,
    length: u64,
    findings: &mut Findings,
) -> Tensor {
    let name = escape(&info.name);
    let start = parts.data_offset.checked_add(info.offset);
    let end = start
        .zip(info.size)
        .and_then(|(start, size)| start.checked_add(size));
    let mut sound = info.size.is_some();
    let mut refuse = |code, text: String, expected: String, found: u64| {
        findings.push(
            Finding::new(code, Effect::Undecided, format!("{name}: {text}"))
                .at(Place::new(Side::Gguf, shard)
                    .region(RegionKind::TensorInfo)
                    .span(info.span)
                    .name(info.name.clone()))
                .expected_found(expected, found.to_string()),
        );
        sound = false;
    };
    if start.is_none()
        || info.size.is_some() && end.is_none()
        || start.is_some_and(|start| start > length.max(parts.data_offset))
    {
        match start.filter(|_| info.offset <= i64::MAX.unsigned_abs()) {
            Some(start) => refuse(
                Code::GgufTruncated,
                "the data begins after the end of the file".to_owned(),
                format!("a file of at least {} bytes", end.unwrap_or(start)),
                length,
            ),
            None => refuse(
                Code::GgufOffsetRange,
                "the offset lies outside any file".to_owned(),
                format!("an offset within the {length} bytes of the file"),
                info.offset,
            ),
        }
    } else if !info.offset.is_multiple_of(parts.alignment) {
        refuse(
            Code::GgufOffsetAlign,
            "the offset is not aligned".to_owned(),
            format!("a multiple of {}", parts.alignment),
            info.offset,
        );
    } else if let Some(end) = end
        && end > length
    {
        refuse(
            Code::GgufTruncated,
            format!(
                "{} bytes of its data are missing",
                end.saturating_sub(length)
            ),
            format!("a file of at least {end} bytes"),
            length,
        );
    }
    let start = start.unwrap_or(0);
    Tensor {
        span: Span::new(start, info.size.unwrap_or(0)),
        name: info.name,
        type_id: info.type_id,
        block_type: info.block_type,
        dims: info.dims,
        shard,
        info_span: info.span,
        sound,
    }
}

/// Strict profile: each offset is the padded sum of the sizes before it, in file order.
fn check_order(shard: usize, parts: &ShardHead, infos: &[Info], findings: &mut Findings) {
    let mut expected = 0_u64;
    for info in infos {
        if info.offset != expected {
            if info.offset.is_multiple_of(parts.alignment) && info.offset <= i64::MAX.unsigned_abs()
            {
                findings.push(
                    Finding::new(
                        Code::GgufOffsetOrder,
                        Effect::Undecided,
                        format!(
                            "{}: a gap, an overlap or another order than the infos",
                            escape(&info.name)
                        ),
                    )
                    .at(place(shard, &info.name, info.span))
                    .expected_found(expected.to_string(), info.offset.to_string()),
                );
            }
            return;
        }
        // Of a tensor without a known size nothing can be said about the next offset.
        let Some(size) = info.size else {
            return;
        };
        let next = expected
            .checked_add(size)
            .and_then(|end| end.checked_next_multiple_of(parts.alignment))
            .filter(|&end| end <= i64::MAX.unsigned_abs());
        let Some(next) = next else {
            findings.push(
                Finding::new(
                    Code::GgufOffsetWrap,
                    Effect::Undecided,
                    format!(
                        "{}: the padded sizes up to here add up to more than any file",
                        escape(&info.name)
                    ),
                )
                .at(place(shard, &info.name, info.span)),
            );
            return;
        };
        expected = next;
    }
}

/// The span between two offsets; empty when they are in the wrong order.
const fn between(start: u64, end: u64) -> Span {
    Span::new(start, end.saturating_sub(start))
}

fn place(shard: usize, name: &[u8], span: Span) -> Place {
    Place::new(Side::Gguf, shard).span(span).name(name)
}
