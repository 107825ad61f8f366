//! The tensor data, what lies between them, and the end of the file.

use crate::{
    error::Findings,
    file::Tensor,
    flags,
    header::Header,
    index::slice,
    span::{Region, RegionKind, Span, align64},
    text::{Grouped, Quoted, to_u64},
};

/// Builds the partition from the front: each region starts where the one before ended.
#[derive(Debug)]
pub(crate) struct Regions<'a> {
    file: &'a [u8],
    end: u64,
    regions: Vec<Region>,
}

impl<'a> Regions<'a> {
    pub(crate) const fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            end: 0,
            regions: Vec::new(),
        }
    }

    /// Adds the region up to an offset, as far as the file goes; nothing when it is empty.
    pub(crate) fn add(&mut self, kind: RegionKind, end: u64) {
        let span = Span::between(self.end, end.min(to_u64(self.file.len())));
        if span.length > 0 {
            self.regions.push(Region { kind, span });
            self.end = span.end();
        }
    }

    /// Adds padding up to an offset, and reports its first byte that is not zero.
    pub(crate) fn pad(&mut self, end: u64, code: &'static str, findings: &mut Findings) {
        let padding = slice(self.file, Span::between(self.end, end));
        if let Some((offset, byte)) = (self.end..).zip(padding).find(|(_, byte)| **byte != 0) {
            findings.add(
                code,
                offset,
                format_args!("a byte of padding is {byte:#04x}, not zero"),
            );
        }
        self.add(RegionKind::Padding, end);
    }

    pub(crate) fn into_vec(self) -> Vec<Region> {
        self.regions
    }
}

/// Reports what is wrong from the first tensor to the end, and adds the regions.
pub(crate) fn check(
    tensors: &[Tensor<'_>],
    header: &Header,
    regions: &mut Regions<'_>,
    findings: &mut Findings,
) {
    let file_length = to_u64(regions.file.len());
    for tensor in tensors {
        check_place(tensor, file_length, findings);
    }
    let data_end = walk(tensors, header.data_offset, regions, findings);
    regions.pad(data_end, "apr.data.padding", findings);
    // Tensors that are cut are reported by themselves.
    if file_length < data_end && tensors.iter().all(|tensor| tensor.data.is_some()) {
        let missing = Grouped(data_end.saturating_sub(file_length));
        let text = format_args!("{missing} bytes of padding are missing after the last tensor");
        findings.add("apr.data.padding", file_length, text);
    }
    check_end(header, data_end, regions, findings);
}

fn check_place(tensor: &Tensor<'_>, file_length: u64, findings: &mut Findings) {
    let (name, span) = (Quoted(&tensor.entry.name), tensor.span);
    if !tensor.entry.offset.is_multiple_of(64) {
        let text = format_args!(
            "tensor {name}: offset {} is no multiple of 64",
            Grouped(tensor.entry.offset)
        );
        findings.add("apr.data.align", span.offset, text);
    }
    if tensor.data.is_none() {
        let present = file_length.saturating_sub(span.offset);
        let missing = Grouped(span.length.saturating_sub(present));
        let text = format_args!(
            "tensor {name}: {missing} of {} bytes are missing",
            Grouped(span.length)
        );
        findings.add("apr.data.bounds", span.offset, text);
    }
}

/// Walks the tensors in the order of their data, which need not be the order of their names.
///
/// Returns the padded end of the last one.
fn walk(
    tensors: &[Tensor<'_>],
    data_offset: u64,
    regions: &mut Regions<'_>,
    findings: &mut Findings,
) -> u64 {
    let mut order: Vec<_> = tensors
        .iter()
        .enumerate()
        .filter(|(_, tensor)| tensor.span.length > 0)
        .collect();
    order.sort_by_key(|(_, tensor)| tensor.span);
    let mut padded_end = data_offset;
    // The tensor that reaches farthest so far.
    let mut last: Option<&Tensor<'_>> = None;
    for (index, tensor) in order {
        let (name, span) = (Quoted(&tensor.entry.name), tensor.span);
        if let Some(last) = last.filter(|last| span.offset < last.span.end()) {
            let shared = last.span.end().min(span.end()).saturating_sub(span.offset);
            let last = Quoted(&last.entry.name);
            let text = format_args!(
                "tensor {name} shares {} bytes with tensor {last}",
                Grouped(shared)
            );
            findings.add("apr.data.overlap", span.offset, text);
        }
        regions.pad(span.offset.min(padded_end), "apr.data.padding", findings);
        if span.offset > padded_end {
            let length = Grouped(span.offset.saturating_sub(padded_end));
            let text = format_args!("{length} bytes before tensor {name} belong to no tensor");
            findings.add("apr.data.hole", padded_end, text);
            regions.add(RegionKind::Hole, span.offset);
        }
        regions.add(RegionKind::Tensor(index), span.end());
        if last.is_none_or(|last| span.end() > last.span.end()) {
            last = Some(tensor);
            // Tensors are padded from the data start on, and that is a multiple of 64 unless it was reported.
            let length = align64(span.end().saturating_sub(data_offset)).unwrap_or(u64::MAX);
            padded_end = data_offset.saturating_add(length);
        }
    }
    padded_end
}

/// The footer is optional in files that do not say how their matrices lie.
fn check_end(header: &Header, data_end: u64, regions: &mut Regions<'_>, findings: &mut Findings) {
    let file = regions.file;
    let file_length = to_u64(file.len());
    let footer = slice(
        file,
        Span {
            offset: data_end,
            length: 4,
        },
    );
    match <[u8; 4]>::try_from(footer) {
        Ok(footer) => {
            let stored = u32::from_le_bytes(footer);
            let computed = crc32fast::hash(slice(file, Span::between(0, data_end)));
            if stored != computed {
                let text = format_args!(
                    "the footer is {stored:08x}, the bytes before it give {computed:08x}"
                );
                findings.add("apr.footer.crc", data_end, text);
            }
            regions.add(RegionKind::Footer, data_end.saturating_add(4));
        }
        Err(_) if header.flags & flags::LAYOUT_ROW_MAJOR != 0 => {
            let text =
                "the footer is missing, though the flags say that the matrices lie row by row";
            findings.add("apr.footer.missing", file_length, text);
        }
        Err(_) => findings.add(
            "apr.footer.absent",
            file_length,
            "there is no footer, which is optional here",
        ),
    }
    let trailing = Span::between(regions.end, file_length);
    if trailing.length > 0 {
        findings.add(
            "apr.trailing",
            trailing.offset,
            format_args!("{} bytes after the end", Grouped(trailing.length)),
        );
        regions.add(RegionKind::Trailing, file_length);
    }
}
