//! The storage types of tensors.

use std::fmt;

/// A storage type of ggml, with its block geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum GgmlType {
    /// 32-bit float.
    F32,
    /// 16-bit float.
    F16,
    /// Blocks of 32 elements in 18 bytes.
    Q4_0,
    /// Blocks of 32 elements in 20 bytes.
    Q4_1,
    /// Blocks of 32 elements in 22 bytes.
    Q5_0,
    /// Blocks of 32 elements in 24 bytes.
    Q5_1,
    /// Blocks of 32 elements in 34 bytes.
    Q8_0,
    /// Blocks of 32 elements in 36 bytes.
    Q8_1,
    /// Blocks of 256 elements in 84 bytes.
    Q2K,
    /// Blocks of 256 elements in 110 bytes.
    Q3K,
    /// Blocks of 256 elements in 144 bytes.
    Q4K,
    /// Blocks of 256 elements in 176 bytes.
    Q5K,
    /// Blocks of 256 elements in 210 bytes.
    Q6K,
    /// Blocks of 256 elements in 292 bytes.
    Q8K,
    /// Blocks of 256 elements in 66 bytes.
    Iq2Xxs,
    /// Blocks of 256 elements in 74 bytes.
    Iq2Xs,
    /// Blocks of 256 elements in 98 bytes.
    Iq3Xxs,
    /// Blocks of 256 elements in 50 bytes.
    Iq1S,
    /// Blocks of 32 elements in 18 bytes.
    Iq4Nl,
    /// Blocks of 256 elements in 110 bytes.
    Iq3S,
    /// Blocks of 256 elements in 82 bytes.
    Iq2S,
    /// Blocks of 256 elements in 136 bytes.
    Iq4Xs,
    /// Signed 8-bit integer.
    I8,
    /// Signed 16-bit integer.
    I16,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
    /// 64-bit float.
    F64,
    /// Blocks of 256 elements in 56 bytes.
    Iq1M,
    /// Brain float: the upper half of an F32.
    Bf16,
    /// Blocks of 256 elements in 54 bytes.
    Tq1_0,
    /// Blocks of 256 elements in 66 bytes.
    Tq2_0,
    /// Blocks of 32 elements in 17 bytes.
    Mxfp4,
    /// Blocks of 64 elements in 36 bytes.
    Nvfp4,
    /// Blocks of 128 elements in 18 bytes.
    Q1_0,
    /// Blocks of 64 elements in 18 bytes.
    Q2_0,
}

/// Why an id names no storage type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TypeError {
    /// The id had a meaning once; ggml took it away.
    Removed {
        /// The former name.
        name: &'static str,
    },
    /// The id is not in the table: a newer or a forked producer.
    Unknown,
}

impl GgmlType {
    /// Every storage type, in the order of the ids.
    pub const ALL: [Self; 35] = [
        Self::F32,
        Self::F16,
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q8_1,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Q8K,
        Self::Iq2Xxs,
        Self::Iq2Xs,
        Self::Iq3Xxs,
        Self::Iq1S,
        Self::Iq4Nl,
        Self::Iq3S,
        Self::Iq2S,
        Self::Iq4Xs,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F64,
        Self::Iq1M,
        Self::Bf16,
        Self::Tq1_0,
        Self::Tq2_0,
        Self::Mxfp4,
        Self::Nvfp4,
        Self::Q1_0,
        Self::Q2_0,
    ];

    /// Returns the type with this id.
    ///
    /// # Errors
    /// Fails when the id was removed from ggml or is not known.
    pub fn from_id(id: u32) -> Result<Self, TypeError> {
        if let Some((_, name)) = REMOVED.iter().find(|(removed, _)| *removed == id) {
            return Err(TypeError::Removed { name });
        }
        Self::ALL
            .into_iter()
            .find(|ggml_type| ggml_type.id() == id)
            .ok_or(TypeError::Unknown)
    }

    /// Returns the id that files hold.
    pub const fn id(self) -> u32 {
        self.row().0
    }

    /// Returns the name that ggml prints, such as `Q4_K`.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// Returns the number of elements in a block.
    pub const fn block_size(self) -> u64 {
        self.row().2
    }

    /// Returns the number of bytes in a block.
    pub const fn block_bytes(self) -> u64 {
        self.row().3
    }

    /// Id, name, elements per block and bytes per block.
    const fn row(self) -> (u32, &'static str, u64, u64) {
        match self {
            Self::F32 => (0, "F32", 1, 4),
            Self::F16 => (1, "F16", 1, 2),
            Self::Q4_0 => (2, "Q4_0", 32, 18),
            Self::Q4_1 => (3, "Q4_1", 32, 20),
            Self::Q5_0 => (6, "Q5_0", 32, 22),
            Self::Q5_1 => (7, "Q5_1", 32, 24),
            Self::Q8_0 => (8, "Q8_0", 32, 34),
            Self::Q8_1 => (9, "Q8_1", 32, 36),
            Self::Q2K => (10, "Q2_K", 256, 84),
            Self::Q3K => (11, "Q3_K", 256, 110),
            Self::Q4K => (12, "Q4_K", 256, 144),
            Self::Q5K => (13, "Q5_K", 256, 176),
            Self::Q6K => (14, "Q6_K", 256, 210),
            Self::Q8K => (15, "Q8_K", 256, 292),
            Self::Iq2Xxs => (16, "IQ2_XXS", 256, 66),
            Self::Iq2Xs => (17, "IQ2_XS", 256, 74),
            Self::Iq3Xxs => (18, "IQ3_XXS", 256, 98),
            Self::Iq1S => (19, "IQ1_S", 256, 50),
            Self::Iq4Nl => (20, "IQ4_NL", 32, 18),
            Self::Iq3S => (21, "IQ3_S", 256, 110),
            Self::Iq2S => (22, "IQ2_S", 256, 82),
            Self::Iq4Xs => (23, "IQ4_XS", 256, 136),
            Self::I8 => (24, "I8", 1, 1),
            Self::I16 => (25, "I16", 1, 2),
            Self::I32 => (26, "I32", 1, 4),
            Self::I64 => (27, "I64", 1, 8),
            Self::F64 => (28, "F64", 1, 8),
            Self::Iq1M => (29, "IQ1_M", 256, 56),
            Self::Bf16 => (30, "BF16", 1, 2),
            Self::Tq1_0 => (34, "TQ1_0", 256, 54),
            Self::Tq2_0 => (35, "TQ2_0", 256, 66),
            Self::Mxfp4 => (39, "MXFP4", 32, 17),
            Self::Nvfp4 => (40, "NVFP4", 64, 36),
            Self::Q1_0 => (41, "Q1_0", 128, 18),
            Self::Q2_0 => (42, "Q2_0", 64, 18),
        }
    }
}

impl fmt::Display for GgmlType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Ids that ggml once used: two early formats and the layouts interleaved for ARM.
const REMOVED: [(u32, &str); 8] = [
    (4, "Q4_2"),
    (5, "Q4_3"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (36, "IQ4_NL_4_4"),
    (37, "IQ4_NL_4_8"),
    (38, "IQ4_NL_8_8"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_below_the_count_is_a_type_or_was_removed() {
        let valid = (0..43).filter(|id| GgmlType::from_id(*id).is_ok()).count();
        let removed = (0..43)
            .filter(|id| matches!(GgmlType::from_id(*id), Err(TypeError::Removed { .. })))
            .count();
        assert_eq!((valid, removed), (35, 8));
        for id in [43, 45, u32::MAX] {
            assert_eq!(GgmlType::from_id(id), Err(TypeError::Unknown));
        }
    }

    #[test]
    fn ids_survive_the_way_there_and_back() {
        for ggml_type in GgmlType::ALL {
            assert_eq!(GgmlType::from_id(ggml_type.id()), Ok(ggml_type));
        }
    }

    #[test]
    fn super_blocks_have_the_sizes_of_their_parts() {
        // Scale and min as f16, 12 bytes of 6-bit scales and mins, then 4 (or 5) bits per element.
        assert_eq!(GgmlType::Q4K.block_bytes(), 2 + 2 + 12 + 256 / 2);
        assert_eq!(GgmlType::Q5K.block_bytes(), 2 + 2 + 12 + 256 / 8 + 256 / 2);
        // Four low bits, two high bits, one i8 scale per 16 elements, the f16 scale.
        assert_eq!(
            GgmlType::Q6K.block_bytes(),
            256 / 2 + 256 / 4 + 256 / 16 + 2
        );
        assert_eq!(GgmlType::Q8_0.block_bytes(), 2 + 32);
        // One byte of exponent and 4 bits per element; four such scales for NVFP4.
        assert_eq!(GgmlType::Mxfp4.block_bytes(), 1 + 32 / 2);
        assert_eq!(GgmlType::Nvfp4.block_bytes(), 4 + 64 / 2);
    }
}
