//! The type of a tensor, and where its bytes are.

use apr_file::Encoding;
use gguf_file::GgmlType;

/// The types that weights may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are the names of the types")]
pub enum WeightType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

/// A tensor of a file: its type, its shape and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// The storage type.
    pub weight_type: WeightType,
    /// The dimensions, the contiguous one first: one or two.
    pub dims: Vec<usize>,
    /// The file of a split set.
    pub shard: usize,
    /// Offset of the data from the start of the file.
    pub offset: u64,
    /// Length of the data in bytes.
    pub size: u64,
}

impl Tensor {
    /// A matrix whose bytes are all of its file.
    #[cfg(test)]
    pub(crate) fn alone(weight_type: WeightType, columns: usize, rows: usize, size: usize) -> Self {
        Self {
            name: "weight".to_owned(),
            weight_type,
            dims: vec![columns, rows],
            shard: 0,
            offset: 0,
            size: size as u64,
        }
    }

    /// Returns the contiguous dimension.
    pub fn columns(&self) -> usize {
        self.dims.first().copied().unwrap_or(1)
    }

    /// Returns the number of rows: 1 for a vector.
    pub fn rows(&self) -> usize {
        self.dims.get(1).copied().unwrap_or(1)
    }

    /// The bytes of a row; loading checked that rows are whole blocks.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "blocks are not empty, and a row is no longer than its file"
    )]
    pub fn row_bytes(&self) -> usize {
        let (elements, bytes) = self.weight_type.block();
        self.columns() / elements * bytes
    }
}

impl WeightType {
    /// Every type.
    pub const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
    ];

    /// Returns the type of GGUF.
    pub const fn ggml_type(self) -> GgmlType {
        match self {
            Self::F32 => GgmlType::F32,
            Self::F16 => GgmlType::F16,
            Self::BF16 => GgmlType::Bf16,
            Self::Q4_0 => GgmlType::Q4_0,
            Self::Q4_1 => GgmlType::Q4_1,
            Self::Q5_0 => GgmlType::Q5_0,
            Self::Q5_1 => GgmlType::Q5_1,
            Self::Q8_0 => GgmlType::Q8_0,
            Self::Q2K => GgmlType::Q2K,
            Self::Q3K => GgmlType::Q3K,
            Self::Q4K => GgmlType::Q4K,
            Self::Q5K => GgmlType::Q5K,
            Self::Q6K => GgmlType::Q6K,
        }
    }

    /// Returns the encoding of APR.
    pub const fn encoding(self) -> Encoding {
        match self {
            Self::F32 => Encoding::F32,
            Self::F16 => Encoding::F16,
            Self::BF16 => Encoding::BF16,
            Self::Q4_0 => Encoding::Q4_0,
            Self::Q4_1 => Encoding::Q4_1,
            Self::Q5_0 => Encoding::Q5_0,
            Self::Q5_1 => Encoding::Q5_1,
            Self::Q8_0 => Encoding::Q8_0,
            Self::Q2K => Encoding::Q2K,
            Self::Q3K => Encoding::Q3K,
            Self::Q4K => Encoding::Q4K,
            Self::Q5K => Encoding::Q5K,
            Self::Q6K => Encoding::Q6K,
        }
    }

    /// Elements and bytes of a block.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_of_both_formats() {
        for weight_type in WeightType::ALL {
            let (elements, bytes) = weight_type.block();
            let ggml = weight_type.ggml_type();
            let expected = (ggml.block_size(), ggml.block_bytes());
            assert_eq!((elements as u64, bytes as u64), expected);
            let row = weight_type.encoding().byte_length(&[256]);
            assert_eq!(row, Some((256 / elements * bytes) as u64));
        }
    }
}
