//! Spans and regions: every byte of a file belongs to exactly one region.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A range of bytes in one file, in whole-file offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

impl Span {
    /// Makes the span of `length` bytes at `offset`.
    #[must_use]
    pub const fn new(offset: u64, length: u64) -> Self {
        Self { offset, length }
    }

    /// Returns the offset after the last byte, saturating at `u64::MAX`.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Tells whether `offset` lies inside the span.
    #[must_use]
    pub const fn contains(self, offset: u64) -> bool {
        self.offset <= offset && offset < self.end()
    }
}

impl Span {
    /// Cuts the span into pieces of `step` bytes; the last may be shorter.
    pub(crate) fn pieces(self, step: u64) -> impl Iterator<Item = Self> {
        (0..self.length.div_ceil(step)).map(move |index| {
            let start = index.saturating_mul(step);
            let offset = self.offset.saturating_add(start);
            Self::new(offset, self.length.saturating_sub(start).min(step))
        })
    }

    /// The bytes of the span, out of those from the start of the file, which reach as far.
    pub(crate) fn of(self, bytes: &[u8]) -> &[u8] {
        let range = usize::try_from(self.offset)
            .ok()
            .zip(usize::try_from(self.end()).ok());
        let Some(part) = range.and_then(|(start, end)| bytes.get(start..end)) else {
            unreachable!("the span was made of these bytes");
        };
        part
    }
}

/// Adds a region, unless it is empty.
pub(crate) fn push(regions: &mut Vec<Region>, kind: RegionKind, span: Span, label: &[u8]) {
    if span.length > 0 {
        regions.push(Region {
            kind,
            span,
            label: label.to_vec(),
        });
    }
}

/// Adds what was not reached as one region, so that the regions end where the file does.
pub(crate) fn close(regions: &mut Vec<Region>, length: u64) {
    let end = regions.last().map_or(0, |region| region.span.end());
    let rest = Span::new(end, length.saturating_sub(end));
    push(regions, RegionKind::Undecoded, rest, b"");
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.offset, self.end())
    }
}

/// What a region of a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RegionKind {
    /// The fixed header: 24 bytes of a GGUF, 64 bytes of an APR.
    Header,
    /// One key/value of a GGUF.
    #[serde(rename = "key/value")]
    KeyValue,
    /// One tensor info of a GGUF.
    #[serde(rename = "tensor info")]
    TensorInfo,
    /// The metadata JSON of an APR, without its padding.
    Metadata,
    /// One entry of the tensor index of an APR.
    #[serde(rename = "index entry")]
    IndexEntry,
    /// Zero bytes up to the next aligned offset.
    Padding,
    /// The data of one tensor, unpadded.
    Tensor,
    /// The CRC-32 at the end of an APR.
    Footer,
    /// Bytes after everything the format describes.
    Trailing,
    /// Bytes that could not be decoded because something before them is broken.
    Undecoded,
}

impl RegionKind {
    /// Returns the word used for this kind in messages and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::KeyValue => "key/value",
            Self::TensorInfo => "tensor info",
            Self::Metadata => "metadata",
            Self::IndexEntry => "index entry",
            Self::Padding => "padding",
            Self::Tensor => "tensor",
            Self::Footer => "footer",
            Self::Trailing => "trailing",
            Self::Undecoded => "undecoded",
        }
    }
}

/// One region of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// What the region holds.
    pub kind: RegionKind,
    /// The bytes it takes.
    pub span: Span,
    /// The key or tensor name it belongs to, raw; empty for header, footer, trailing bytes. For padding: what it follows.
    pub label: Vec<u8>,
}
