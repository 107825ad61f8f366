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
    Iq1S,
    Iq1M,
    Iq2Xxs,
    Iq2Xs,
    Iq2S,
    Iq3Xxs,
    Iq3S,
    Iq4Nl,
    Iq4Xs,
    Tq1_0,
    Tq2_0,
    Mxfp4,
    Nvfp4,
    Q1_0,
    Q2_0,
}

/// A tensor of a file: its type, its shape and where its bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name in the file.
    pub name: String,
    /// The storage type.
    pub weight_type: WeightType,
    /// The dimensions, the contiguous one first: one, two, or three for a slice of rows for each expert or head.
    pub dims: Vec<usize>,
    /// The file of a split set.
    pub shard: usize,
    /// Offset of the data from the start of the file.
    pub offset: u64,
    /// Length of the data in bytes; of a part of a slice for each, with what lies between them.
    pub size: u64,
    /// Bytes from a slice to the next one.
    pub stride: u64,
    /// Whether it is all of the tensor in the file, and not some rows of it.
    pub is_whole: bool,
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
            stride: size as u64,
            is_whole: true,
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

    /// Returns the number of slices: 1 for a matrix.
    pub fn slices(&self) -> usize {
        self.dims.get(2).copied().unwrap_or(1)
    }

    /// Returns a slice as a matrix.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "loading checked that all slices are in the file"
    )]
    pub fn slice(&self, slice: usize) -> Self {
        Self {
            dims: vec![self.columns(), self.rows()],
            offset: self.offset + self.stride * slice as u64,
            size: (self.rows() * self.row_bytes()) as u64,
            is_whole: self.is_whole && self.slices() == 1,
            ..self.clone()
        }
    }

    /// Returns some rows of each slice, or some values of a vector.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "loading checked that all rows are in the file"
    )]
    pub(crate) fn part(&self, first: usize, count: usize) -> Self {
        let (_, bytes) = self.weight_type.block();
        let mut part = self.clone();
        part.is_whole = false;
        let unit = match part.dims.as_mut_slice() {
            [values] => {
                *values = count;
                bytes
            }
            [_, rows, ..] => {
                *rows = count;
                self.row_bytes()
            }
            [] => unreachable!("a tensor has dimensions"),
        };
        part.offset += (first * unit) as u64;
        part.size = (count * unit) as u64 + part.stride * (self.slices() as u64 - 1);
        part
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
    pub const ALL: [Self; 28] = [
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
        Self::Iq1S,
        Self::Iq1M,
        Self::Iq2Xxs,
        Self::Iq2Xs,
        Self::Iq2S,
        Self::Iq3Xxs,
        Self::Iq3S,
        Self::Iq4Nl,
        Self::Iq4Xs,
        Self::Tq1_0,
        Self::Tq2_0,
        Self::Mxfp4,
        Self::Nvfp4,
        Self::Q1_0,
        Self::Q2_0,
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
            Self::Iq1S => GgmlType::Iq1S,
            Self::Iq1M => GgmlType::Iq1M,
            Self::Iq2Xxs => GgmlType::Iq2Xxs,
            Self::Iq2Xs => GgmlType::Iq2Xs,
            Self::Iq2S => GgmlType::Iq2S,
            Self::Iq3Xxs => GgmlType::Iq3Xxs,
            Self::Iq3S => GgmlType::Iq3S,
            Self::Iq4Nl => GgmlType::Iq4Nl,
            Self::Iq4Xs => GgmlType::Iq4Xs,
            Self::Tq1_0 => GgmlType::Tq1_0,
            Self::Tq2_0 => GgmlType::Tq2_0,
            Self::Mxfp4 => GgmlType::Mxfp4,
            Self::Nvfp4 => GgmlType::Nvfp4,
            Self::Q1_0 => GgmlType::Q1_0,
            Self::Q2_0 => GgmlType::Q2_0,
        }
    }

    /// Returns the encoding of APR, where it has one that every reader takes for this type.
    pub const fn encoding(self) -> Option<Encoding> {
        Some(match self {
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
            _ => return None,
        })
    }

    /// Elements and bytes of a block.
    #[expect(clippy::cast_possible_truncation, reason = "at most 256 and 292")]
    pub const fn block(self) -> (usize, usize) {
        let known = self.ggml_type();
        (known.block_size() as usize, known.block_bytes() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_have_the_blocks_of_their_types() {
        for weight_type in WeightType::ALL {
            let (elements, bytes) = weight_type.block();
            if let Some(encoding) = weight_type.encoding() {
                let row = encoding.byte_length(&[256]);
                assert_eq!(row, Some((256 / elements * bytes) as u64));
            }
        }
    }
}
