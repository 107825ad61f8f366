//! Ranges of a file.

/// A range of bytes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte from the start of the file.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
}

impl Span {
    /// Returns the offset of the first byte after the span.
    ///
    /// # Panics
    /// Panics when that passes 2^64; the spans of a parsed head do not.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a wrapped offset is a bug of the caller"
    )]
    pub const fn end(&self) -> u64 {
        self.offset + self.length
    }

    /// Returns the span between two offsets in their order.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "offsets in the wrong order are a bug of this crate"
    )]
    pub(crate) const fn between(offset: u64, end: u64) -> Self {
        Self {
            offset,
            length: end - offset,
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
