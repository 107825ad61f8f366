//! The storage types of tensors, and the two meanings that some of their ids have.

use std::fmt;

/// The id of a storage type in the index.
///
/// The library of the format and the loader that serves models read some ids differently. The constants name what the
/// loader reads, which is the id of ggml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DType(pub u8);

/// What the bytes of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the variants are the types of ggml and Rust by their names"
)]
pub enum Encoding {
    F32,
    F16,
    BF16,
    F64,
    I8,
    U8,
    I32,
    I64,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Iq2Xxs,
    Iq2Xs,
    /// Per 32 values one f16 scale and 16 nibble bytes in the order of the format's own library.
    AprQ4,
    /// One f32 scale for the whole tensor, then an i8 per value.
    AprQ8,
}

impl DType {
    /// 32-bit float: every tool agrees.
    pub const F32: Self = Self(0);
    /// 16-bit float: every tool agrees.
    pub const F16: Self = Self(1);
    /// Blocks of 32 in 18 bytes: the library refuses the whole file.
    pub const Q4_0: Self = Self(2);
    /// Blocks of 32 in 20 bytes: the library says F64.
    pub const Q4_1: Self = Self(3);
    /// Blocks of 32 in 22 bytes: the library says I8.
    pub const Q5_0: Self = Self(6);
    /// Blocks of 32 in 24 bytes: the library says U8.
    pub const Q5_1: Self = Self(7);
    /// Super-blocks of 256 in 144 bytes: every tool agrees.
    pub const Q4_K: Self = Self(12);
    /// Super-blocks of 256 in 176 bytes: the library refuses the whole file.
    pub const Q5_K: Self = Self(13);
    /// Super-blocks of 256 in 210 bytes: every tool agrees.
    pub const Q6_K: Self = Self(14);
    /// Brain float: runs, but one command of the reference tool fails on it.
    pub const BF16: Self = Self(30);

    /// Returns what the id can mean, ggml's meaning first; nothing for an unknown id.
    pub const fn meanings(self) -> &'static [Encoding] {
        match self.0 {
            0 => &[Encoding::F32],
            1 => &[Encoding::F16],
            2 => &[Encoding::Q4_0],
            3 => &[Encoding::Q4_1, Encoding::F64],
            4 => &[Encoding::I32],
            5 => &[Encoding::I64],
            6 => &[Encoding::Q5_0, Encoding::I8],
            7 => &[Encoding::Q5_1, Encoding::U8],
            8 => &[Encoding::Q8_0, Encoding::AprQ4],
            9 => &[Encoding::Q8_1, Encoding::AprQ8],
            10 => &[Encoding::Q2K],
            11 => &[Encoding::Q3K],
            12 => &[Encoding::Q4K],
            13 => &[Encoding::Q5K],
            14 => &[Encoding::Q6K],
            16 => &[Encoding::Iq2Xxs],
            17 => &[Encoding::Iq2Xs],
            30 => &[Encoding::BF16],
            128 => &[Encoding::AprQ4],
            129 => &[Encoding::AprQ8],
            _ => &[],
        }
    }

    /// Returns the meaning that fits a tensor of these dims (in the order of the index) and this many bytes.
    pub fn encoding(self, dims: &[u64], size: u64) -> Option<Encoding> {
        self.meanings()
            .iter()
            .copied()
            .find(|encoding| encoding.byte_length(dims) == Some(size))
    }

    /// Tells whether a writer may use the id, in ggml's meaning: one that some real tool reads rightly.
    pub(crate) fn is_writable(self) -> bool {
        let writable = [
            Self::F32,
            Self::F16,
            Self::Q4_0,
            Self::Q4_1,
            Self::Q5_0,
            Self::Q5_1,
            Self::Q4_K,
            Self::Q5_K,
            Self::Q6_K,
            Self::BF16,
        ];
        writable.contains(&self)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meanings() {
            [] => write!(formatter, "{} (unknown)", self.0),
            [encoding] => write!(formatter, "{} ({})", self.0, encoding.name()),
            [ggml, library, ..] => write!(
                formatter,
                "{} ({} or {})",
                self.0,
                ggml.name(),
                library.name()
            ),
        }
    }
}

impl Encoding {
    /// Returns the name, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns the bytes of a tensor with these dims (in the order of the index).
    ///
    /// `None` when a row is not a whole number of blocks, or when the count passes 2^64.
    pub fn byte_length(self, dims: &[u64]) -> Option<u64> {
        let elements = dims
            .iter()
            .try_fold(1_u64, |product, dim| product.checked_mul(*dim))?;
        let (_, block_size, block_bytes) = self.row();
        match self {
            // Whole-tensor encodings, in which the last block may be short.
            Self::AprQ4 => elements.div_ceil(block_size).checked_mul(block_bytes),
            Self::AprQ8 if elements == 0 => Some(0),
            Self::AprQ8 => elements.checked_add(4),
            _ if row(dims).checked_rem(block_size)? != 0 => None,
            _ => elements.checked_div(block_size)?.checked_mul(block_bytes),
        }
    }

    /// Name, elements per block and bytes per block.
    const fn row(self) -> (&'static str, u64, u64) {
        match self {
            Self::F32 => ("F32", 1, 4),
            Self::F16 => ("F16", 1, 2),
            Self::BF16 => ("BF16", 1, 2),
            Self::F64 => ("F64", 1, 8),
            Self::I8 => ("I8", 1, 1),
            Self::U8 => ("U8", 1, 1),
            Self::I32 => ("I32", 1, 4),
            Self::I64 => ("I64", 1, 8),
            Self::Q4_0 => ("Q4_0", 32, 18),
            Self::Q4_1 => ("Q4_1", 32, 20),
            Self::Q5_0 => ("Q5_0", 32, 22),
            Self::Q5_1 => ("Q5_1", 32, 24),
            Self::Q8_0 => ("Q8_0", 32, 34),
            Self::Q8_1 => ("Q8_1", 32, 36),
            Self::Q2K => ("Q2_K", 256, 84),
            Self::Q3K => ("Q3_K", 256, 110),
            Self::Q4K => ("Q4_K", 256, 144),
            Self::Q5K => ("Q5_K", 256, 176),
            Self::Q6K => ("Q6_K", 256, 210),
            Self::Iq2Xxs => ("IQ2_XXS", 256, 66),
            Self::Iq2Xs => ("IQ2_XS", 256, 74),
            Self::AprQ4 => ("AprQ4", 32, 18),
            Self::AprQ8 => ("AprQ8", 1, 1),
        }
    }
}

/// The contiguous dim: the last one of a matrix, whose dims are turned round, else the first one as in GGUF.
fn row(dims: &[u64]) -> u64 {
    match dims {
        [_, columns] => *columns,
        [first, ..] => *first,
        [] => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_with_two_meanings_is_read_by_size() {
        for (id, size, expected) in [
            (3, 20, Encoding::Q4_1),
            (3, 256, Encoding::F64),
            (6, 22, Encoding::Q5_0),
            (6, 32, Encoding::I8),
            (7, 24, Encoding::Q5_1),
            (7, 32, Encoding::U8),
            (8, 34, Encoding::Q8_0),
            (8, 18, Encoding::AprQ4),
        ] {
            assert_eq!(DType(id).encoding(&[32], size), Some(expected));
        }
        assert_eq!(DType(3).encoding(&[32], 128), None);
        assert_eq!(DType(99).encoding(&[32], 128), None);
    }

    #[test]
    fn every_id_has_its_meaning() {
        // Blocks of ggml as gguf-py has them; those of the library from 128 on.
        for (id, elements, size, expected) in [
            (0, 32, 128, Encoding::F32),
            (1, 32, 64, Encoding::F16),
            (2, 32, 18, Encoding::Q4_0),
            (4, 32, 128, Encoding::I32),
            (5, 32, 256, Encoding::I64),
            (9, 64, 72, Encoding::Q8_1),
            (9, 64, 68, Encoding::AprQ8),
            (10, 256, 84, Encoding::Q2K),
            (11, 256, 110, Encoding::Q3K),
            (12, 256, 144, Encoding::Q4K),
            (13, 256, 176, Encoding::Q5K),
            (14, 256, 210, Encoding::Q6K),
            (16, 256, 66, Encoding::Iq2Xxs),
            (17, 256, 74, Encoding::Iq2Xs),
            (30, 32, 64, Encoding::BF16),
            (128, 32, 18, Encoding::AprQ4),
            (129, 32, 36, Encoding::AprQ8),
        ] {
            let found = DType(id).encoding(&[elements], size);
            assert_eq!(found, Some(expected), "{id}");
        }
    }

    #[test]
    fn whole_tensor_encodings_end_anywhere() {
        assert_eq!(Encoding::AprQ4.byte_length(&[33]), Some(36));
        assert_eq!(Encoding::AprQ8.byte_length(&[33]), Some(37));
        assert_eq!(Encoding::AprQ8.byte_length(&[0]), Some(0));
    }

    #[test]
    fn rows_are_whole_blocks_along_the_contiguous_dim() {
        assert_eq!(Encoding::Q4K.byte_length(&[3, 256]), Some(432));
        assert_eq!(Encoding::Q4K.byte_length(&[256, 3]), None);
        assert_eq!(Encoding::Q4K.byte_length(&[256, 3, 2]), Some(864));
        assert_eq!(Encoding::Q4K.byte_length(&[3, 2, 256]), None);
    }

    #[test]
    fn lengths_never_wrap() {
        assert_eq!(Encoding::F32.byte_length(&[1 << 62]), None);
        assert_eq!(Encoding::F32.byte_length(&[1 << 40, 1 << 40]), None);
        assert_eq!(Encoding::AprQ8.byte_length(&[u64::MAX - 1]), None);
        assert_eq!(Encoding::F32.byte_length(&[0, 5]), Some(0));
    }

    #[test]
    fn ids_are_shown_with_every_meaning() {
        let texts = [12, 3, 99].map(|id| DType(id).to_string());
        assert_eq!(texts, ["12 (Q4_K)", "3 (Q4_1 or F64)", "99 (unknown)"]);
    }
}
