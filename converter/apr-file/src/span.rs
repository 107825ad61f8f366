//! Stretches of a file.

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

/// A stretch of the file with its meaning.
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
    /// The 64 bytes of header.
    Header,
    /// The metadata, without padding.
    Metadata,
    /// The tensor index, without padding.
    Index,
    /// Bytes up to the next multiple of 64, which must be zero.
    Padding,
    /// Data of the tensor with this index; where tensors overlap, the first one has the bytes.
    Tensor(usize),
    /// Bytes between tensors that belong to none.
    Hole,
    /// The CRC-32 at the end.
    Footer,
    /// Bytes after the end.
    Trailing,
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

/// Rounds up to a multiple of 64; `None` when the sum passes 2^64.
pub const fn align64(value: u64) -> Option<u64> {
    match value.checked_add(63) {
        Some(sum) => Some(sum & !63),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_never_wraps() {
        assert_eq!(
            [0, 1, 64, 65].map(align64),
            [Some(0), Some(64), Some(64), Some(128)]
        );
        assert_eq!(align64(u64::MAX - 63), Some(u64::MAX - 63));
        assert_eq!(align64(u64::MAX - 62), None);
    }
}
