//! Stretches of a file.

/// A range of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A range of bytes of the file with its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// What the bytes are.
    pub kind: RegionKind,
    /// Where they are.
    pub span: Span,
}

/// What the bytes of a region are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegionKind {
    /// The 24 bytes of magic, version and counts.
    Header,
    /// The key/value with this index.
    KeyValue(usize),
    /// The info of the tensor with this index.
    TensorInfo(usize),
    /// Bytes up to the next multiple of the alignment, which must be zero.
    Padding,
    /// The data of the tensor with this index.
    Tensor(usize),
}

impl Span {
    /// Returns the offset of the first byte after the span.
    pub const fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Returns the span between two offsets, empty when `end` comes first.
    pub(crate) const fn between(offset: u64, end: u64) -> Self {
        Self {
            offset,
            length: end.saturating_sub(offset),
        }
    }
}
