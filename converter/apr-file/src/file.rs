//! A file that was read.

use serde_json::{Map, Value};

use crate::{
    data,
    dtype::{DType, Encoding},
    error::{Error, Finding, Findings},
    header::Header,
    index::{self, TensorEntry, slice},
    metadata,
    span::{Region, RegionKind, Span, align64},
    text::{Grouped, to_u64},
};

/// A file with everything it holds, and everything that is wrong with it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AprFile<'a> {
    /// The header.
    pub header: Header,
    /// The metadata as they stand in the file, without padding.
    pub metadata_bytes: &'a [u8],
    /// The metadata; `None` when they are no JSON object.
    pub metadata: Option<Map<String, Value>>,
    /// The tensors in the order of the index.
    pub tensors: Vec<Tensor<'a>>,
    /// The partition of the file: in order, without gap or overlap, from 0 to the file's length.
    pub regions: Vec<Region>,
    /// What is wrong, in the order of the checks: header, metadata, index, data, end.
    pub findings: Vec<Finding>,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor<'a> {
    /// The entry of the index.
    pub entry: TensorEntry,
    /// Where the entry stands.
    pub entry_span: Span,
    /// Where the data stand, which may be outside the file.
    pub span: Span,
    /// The data; `None` when they are not wholly inside the file.
    pub data: Option<&'a [u8]>,
}

impl<'a> AprFile<'a> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// Fails when the file cannot be taken apart: it is too short, another format or version, its sections do not fit
    /// into it in their order, the index ends early or holds a name that is not UTF-8.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let mut findings = Findings::default();
        let header = Header::read(bytes, &mut findings)?;
        let metadata_span = Span {
            offset: header.metadata_offset,
            length: header.metadata_size.into(),
        };
        check_sections(&header, metadata_span, to_u64(bytes.len()))?;

        let metadata_bytes = slice(bytes, metadata_span);
        let metadata = metadata::read(metadata_bytes, metadata_span.offset, &mut findings);
        let entries = index::read(bytes, &header)?;
        let index_end = entries
            .last()
            .map_or(header.index_offset, |(_, span)| span.end());
        check_offsets(&header, index_end, &mut findings);

        let mut regions = data::Regions::new(bytes);
        regions.add(RegionKind::Header, to_u64(Header::LENGTH));
        regions.pad(header.metadata_offset, "apr.header.offsets", &mut findings);
        regions.add(RegionKind::Metadata, metadata_span.end());
        regions.pad(header.index_offset, "apr.meta.padding", &mut findings);
        regions.add(RegionKind::Index, index_end);
        regions.pad(header.data_offset, "apr.index.padding", &mut findings);

        index::check(&entries, &mut findings);
        let tensors: Vec<_> = entries
            .into_iter()
            .map(|(entry, entry_span)| place(bytes, &header, entry, entry_span))
            .collect();
        data::check(&tensors, &header, &mut regions, &mut findings);
        let (regions, findings) = (regions.into_vec(), findings.into_vec(to_u64(bytes.len())));
        Ok(Self {
            header,
            metadata_bytes,
            metadata,
            tensors,
            regions,
            findings,
        })
    }

    /// Returns the tensor with this name, the first one if there are several.
    pub fn tensor(&self, name: &str) -> Option<&Tensor<'a>> {
        self.tensors.iter().find(|tensor| tensor.entry.name == name)
    }
}

impl Tensor<'_> {
    /// Returns what the bytes are: the one meaning of the type that fits dims and size.
    pub fn encoding(&self) -> Option<Encoding> {
        DType(self.entry.dtype).encoding(&self.entry.dims, self.entry.size)
    }
}

/// Header, metadata, index and data must come in this order and inside the file, or nothing can be read.
fn check_sections(header: &Header, metadata: Span, file_length: u64) -> Result<(), Error> {
    let sections = [
        (
            12,
            "metadata offset",
            to_u64(Header::LENGTH),
            metadata.offset,
        ),
        (24, "index offset", metadata.end(), header.index_offset),
        (32, "data offset", header.index_offset, header.data_offset),
    ];
    for (offset, field, least, found) in sections {
        if found < least {
            let expected = format_args!("at least {}", Grouped(least));
            return Err(Error::unreadable(
                "apr.header.offsets",
                offset,
                field,
                expected,
                Grouped(found),
            ));
        }
    }
    if header.data_offset > file_length {
        let expected = format_args!("{} bytes before the data", Grouped(header.data_offset));
        return Err(Error::unreadable(
            "apr.short",
            file_length,
            "file",
            expected,
            Grouped(file_length),
        ));
    }
    Ok(())
}

/// The offsets follow from the lengths; anything else hides bytes between the sections.
fn check_offsets(header: &Header, index_end: u64, findings: &mut Findings) {
    let metadata_end =
        align64(header.metadata_size.into()).and_then(|length| length.checked_add(64));
    let index_length = align64(index_end.saturating_sub(header.index_offset));
    let data = index_length.and_then(|length| length.checked_add(header.index_offset));
    let offsets = [
        (12, "metadata offset", header.metadata_offset, Some(64)),
        (24, "index offset", header.index_offset, metadata_end),
        (32, "data offset", header.data_offset, data),
    ];
    for (offset, field, found, expected) in offsets {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            let text = format_args!("{field} is {}, not {}", Grouped(found), Grouped(expected));
            findings.add("apr.header.offsets", offset, text);
        }
    }
}

fn place<'a>(bytes: &'a [u8], header: &Header, entry: TensorEntry, entry_span: Span) -> Tensor<'a> {
    let span = Span {
        offset: header.data_offset.saturating_add(entry.offset),
        length: entry.size,
    };
    let end = header
        .data_offset
        .checked_add(entry.offset)
        .and_then(|start| start.checked_add(entry.size));
    let inside = end.is_some_and(|end| end <= to_u64(bytes.len()));
    Tensor {
        entry,
        entry_span,
        span,
        data: inside.then(|| slice(bytes, span)),
    }
}
