//! The tensor data and the end of the file.

use super::header::{Header, flags};
use super::index::Entry;
use super::{Metadata, align};
use crate::code::Code;
use crate::decode::container::{Container, Tensor};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape, follow};
use crate::region::{Region, RegionKind, Span, push};
use crate::source::Source;

/// Gives every tensor its span, checks the spans against one another and the file, and completes the partition.
pub(super) fn lay_out(
    source: &dyn Source,
    index_end: u64,
    header: &Header,
    entries: Vec<Entry>,
    regions: &mut Vec<Region>,
    container: &mut Container<Metadata>,
    findings: &mut Findings,
) {
    let length = source.length();
    if header.data_offset != index_end {
        findings.push(
            Finding::new(
                Code::AprHeaderOffsets,
                Effect::Undecided,
                "the data does not begin after the index",
            )
            .at(Place::new(Side::Apr, 0)
                .region(RegionKind::Header)
                .span(Span::new(32, 8)))
            .expected_found(index_end.to_string(), header.data_offset.to_string()),
        );
        if header.data_offset < index_end {
            return;
        }
        push(
            regions,
            RegionKind::Undecoded,
            Span::new(
                index_end,
                header.data_offset.min(length).saturating_sub(index_end),
            ),
            b"",
        );
    }
    let whole = end_of_all(header.data_offset, &entries);
    let mut tensors: Vec<Tensor> = entries
        .into_iter()
        .map(|entry| place_tensor(entry, header.data_offset, length, whole, findings))
        .collect();
    let data_end = partition(
        &mut tensors,
        header.data_offset,
        length,
        whole,
        regions,
        findings,
    );
    container.metadata.footer = end(source, header, data_end, regions, findings);
    container.tensors = tensors;
}

/// Where a whole file ends its data: it holds the padded sizes of all tensors, none longer than up to the next. What ends beyond
/// that is wrong, not cut.
fn end_of_all(start: u64, entries: &[Entry]) -> u64 {
    let mut spans: Vec<_> = entries.iter().map(|one| (one.offset, one.size)).collect();
    spans.sort_unstable();
    let next = spans.iter().skip(1).map(|next| next.0);
    let rooms = next.chain([u64::MAX]).zip(&spans);
    rooms.fold(start, |sum, (next, (offset, size))| {
        let room = next.saturating_sub(*offset);
        let taken = align(*size);
        sum.saturating_add(if room == 0 { taken } else { taken.min(room) })
    })
}

fn place_tensor(
    entry: Entry,
    data_offset: u64,
    length: u64,
    whole: u64,
    findings: &mut Findings,
) -> Tensor {
    let start = data_offset.checked_add(entry.offset);
    let end = start.and_then(|start| start.checked_add(entry.size));
    let name = escape(&entry.name);
    let at_entry = || {
        Place::new(Side::Apr, 0)
            .region(RegionKind::IndexEntry)
            .span(entry.span)
            .name(entry.name.clone())
    };
    let mut sound = entry.block_type.is_some();
    match end {
        Some(end) if end <= length => {}
        Some(end) if end <= whole => {
            sound = false;
            let missing = end.saturating_sub(length).min(entry.size);
            findings.push(
                Finding::new(
                    Code::AprTruncated,
                    Effect::Undecided,
                    format!(
                        "{name}: {missing} of {} bytes are after the end of the file",
                        entry.size
                    ),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Tensor)
                    .span(Span::new(length, missing))
                    .name(entry.name.clone()))
                .expected_found(
                    format!("a file of at least {end} bytes"),
                    format!("{length} bytes"),
                )
                .hint("fetch or convert the file again"),
            );
        }
        _ => {
            sound = false;
            findings.push(
                Finding::new(
                    Code::AprDataBounds,
                    Effect::Undecided,
                    format!("{name}: its offset and size lead beyond the data of all tensors"),
                )
                .at(at_entry())
                .expected_found(
                    format!("offset and size within {length} bytes"),
                    format!("{} and {}", entry.offset, entry.size),
                ),
            );
        }
    }
    if !entry.offset.is_multiple_of(64) {
        findings.push(
            Finding::new(
                Code::AprDataAlign,
                Effect::Different,
                format!("{name}: the data is not aligned"),
            )
            .at(at_entry())
            .expected_found("a multiple of 64", entry.offset.to_string()),
        );
    }
    Tensor {
        span: Span::new(start.unwrap_or(u64::MAX), entry.size),
        name: entry.name,
        type_id: entry.dtype.into(),
        block_type: entry.block_type,
        dims: entry.dims,
        shard: 0,
        info_span: entry.span,
        sound,
    }
}

/// Adds the regions of the data in order of offset; returns where the padded data ends.
fn partition(
    tensors: &mut [Tensor],
    data_offset: u64,
    length: u64,
    whole: u64,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> u64 {
    let mut order: Vec<&mut Tensor> = tensors.iter_mut().collect();
    order.sort_by(|a, b| (a.span, &a.name).cmp(&(b.span, &b.name)));
    let mut cursor = data_offset;
    let mut last: Option<&Tensor> = None;
    for tensor in order {
        let Span { offset, .. } = tensor.span;
        if tensor.span.end() > whole.max(length) || tensor.span.length == 0 {
            continue;
        }
        if offset < cursor {
            let other = last
                .map(|last| (escape(&last.name), last.name.clone()))
                .unwrap_or_default();
            findings.push(
                Finding::new(
                    Code::AprDataOverlap,
                    Effect::Different,
                    format!("{} lies over {}", escape(&tensor.name), other.0),
                )
                .at(place(tensor))
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Tensor)
                    .name(other.1))
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::IndexEntry)
                    .span(tensor.info_span)
                    .name(tensor.name.clone())),
            );
            continue;
        }
        let padded = align(cursor).min(offset);
        let label = last.map(|last| last.name.as_slice()).unwrap_or_default();
        push(
            regions,
            RegionKind::Padding,
            Span::new(cursor, padded.min(length).saturating_sub(cursor)),
            label,
        );
        if offset > padded {
            let hole = Span::new(padded, offset.min(length).saturating_sub(padded));
            push(regions, RegionKind::Undecoded, hole, label);
            findings.push(
                Finding::new(
                    Code::AprDataHole,
                    Effect::Different,
                    format!(
                        "{} bytes before {} belong to no tensor",
                        hole.length,
                        escape(&tensor.name)
                    ),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Undecoded)
                    .span(hole)
                    .name(label)),
            );
        }
        let held = tensor.span.end().min(length).saturating_sub(offset);
        // A tensor that is cut has no digest of its own: what is left of it is read like other undecoded bytes.
        let kind = if held == tensor.span.length {
            RegionKind::Tensor
        } else {
            RegionKind::Undecoded
        };
        push(regions, kind, Span::new(offset, held), &tensor.name);
        cursor = tensor.span.end();
        last = Some(tensor);
    }
    let padded = align(cursor);
    let label = last.map(|last| last.name.clone()).unwrap_or_default();
    push(
        regions,
        RegionKind::Padding,
        Span::new(cursor, padded.min(length).saturating_sub(cursor)),
        &label,
    );
    padded
}

/// Footer, trailing bytes, or what is missing of them.
fn end(
    source: &dyn Source,
    header: &Header,
    data_end: u64,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Option<(Span, u32)> {
    let length = source.length();
    let left = length.checked_sub(data_end);
    let row_major = header.flags & flags::ROW_MAJOR != 0;
    let mut bytes = [0; 4];
    let span = Span::new(data_end, 4);
    match left {
        Some(0) if row_major => findings.push(
            Finding::new(Code::AprFooterMissing, Effect::Different, "the footer is missing")
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Footer)
                    .span(Span::new(length, 0)))
                .expected_found("4 bytes of CRC-32", "end of file"),
        ),
        Some(0) => findings.push(
            Finding::new(
                Code::AprFooterAbsent,
                Effect::Note,
                "there is no footer, as this producer writes none: nothing guards the metadata and the index",
            )
            .at(Place::new(Side::Apr, 0).span(Span::new(length, 0))),
        ),
        None | Some(1..=3) => {
            // Tensors that lack bytes were named already; else padding or footer are cut.
            if !findings.iter().any(|finding| finding.code == Code::AprTruncated) {
                let expected = data_end.saturating_add(4);
                findings.push(
                    Finding::new(
                        Code::AprTruncated,
                        Effect::Undecided,
                        format!("the last {} bytes are missing", expected.saturating_sub(length)),
                    )
                    .at(Place::new(Side::Apr, 0)
                        .region(if left.is_some() { RegionKind::Footer } else { RegionKind::Padding })
                        .span(Span::new(length, expected.saturating_sub(length))))
                    .expected_found(format!("{expected} bytes"), format!("{length} bytes"))
                    .hint("fetch or convert the file again"),
                );
            }
        }
        Some(more) => match source.read_exact_at(data_end, &mut bytes) {
            Err(error) => findings.push(
                Finding::new(Code::Io, Effect::Undecided, format!("the footer cannot be read: {error}"))
                    .at(Place::new(Side::Apr, 0).region(RegionKind::Footer).span(span)),
            ),
            Ok(()) => {
                push(regions, RegionKind::Footer, span, b"");
                let trailing = Span::new(span.end(), more.saturating_sub(4));
                push(regions, RegionKind::Trailing, trailing, b"");
                if trailing.length > 0 {
                    findings.push(
                        Finding::new(
                            Code::AprTrailing,
                            Effect::Different,
                            follow(trailing.length, "the footer"),
                        )
                        .at(Place::new(Side::Apr, 0)
                            .region(RegionKind::Trailing)
                            .span(trailing)),
                    );
                }
                return Some((span, u32::from_le_bytes(bytes)));
            }
        },
    }
    None
}

fn place(tensor: &Tensor) -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Tensor)
        .span(tensor.span)
        .name(tensor.name.clone())
}
