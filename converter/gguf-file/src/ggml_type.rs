//! The storage types of tensors.

use std::fmt;

macro_rules! types {
    ($($variant:ident $id:literal $name:literal $elements:literal $bytes:literal;)*) => {
        /// A storage type of ggml, with its block geometry.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum GgmlType {
            $(#[doc = concat!("`", $name, "`: ", $elements, " elements in ", $bytes, " bytes.")] $variant,)*
        }

        impl GgmlType {
            /// Every storage type, in the order of the ids.
            pub const ALL: [Self; [$($id),*].len()] = [$(Self::$variant),*];

            /// Id, name, elements per block and bytes per block.
            const fn row(self) -> (u32, &'static str, u64, u64) {
                match self {
                    $(Self::$variant => ($id, $name, $elements, $bytes),)*
                }
            }
        }
    };
}

// Variant, id, name, elements and bytes of a block.
types! {
    F32     0 "F32"       1   4;
    F16     1 "F16"       1   2;
    Q4_0    2 "Q4_0"     32  18;
    Q4_1    3 "Q4_1"     32  20;
    Q5_0    6 "Q5_0"     32  22;
    Q5_1    7 "Q5_1"     32  24;
    Q8_0    8 "Q8_0"     32  34;
    Q8_1    9 "Q8_1"     32  36;
    Q2K    10 "Q2_K"    256  84;
    Q3K    11 "Q3_K"    256 110;
    Q4K    12 "Q4_K"    256 144;
    Q5K    13 "Q5_K"    256 176;
    Q6K    14 "Q6_K"    256 210;
    Q8K    15 "Q8_K"    256 292;
    Iq2Xxs 16 "IQ2_XXS" 256  66;
    Iq2Xs  17 "IQ2_XS"  256  74;
    Iq3Xxs 18 "IQ3_XXS" 256  98;
    Iq1S   19 "IQ1_S"   256  50;
    Iq4Nl  20 "IQ4_NL"   32  18;
    Iq3S   21 "IQ3_S"   256 110;
    Iq2S   22 "IQ2_S"   256  82;
    Iq4Xs  23 "IQ4_XS"  256 136;
    I8     24 "I8"        1   1;
    I16    25 "I16"       1   2;
    I32    26 "I32"       1   4;
    I64    27 "I64"       1   8;
    F64    28 "F64"       1   8;
    Iq1M   29 "IQ1_M"   256  56;
    Bf16   30 "BF16"      1   2;
    Tq1_0  34 "TQ1_0"   256  54;
    Tq2_0  35 "TQ2_0"   256  66;
    Mxfp4  39 "MXFP4"    32  17;
    Nvfp4  40 "NVFP4"    64  36;
    Q1_0   41 "Q1_0"    128  18;
    Q2_0   42 "Q2_0"     64  18;
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
