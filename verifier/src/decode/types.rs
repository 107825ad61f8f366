//! The tensor types: elements and bytes of a block, and which bytes of a block are what.
//!
//! Ids, sizes and block layouts are those of ggml's public type table and `block_*` structures. The table is typed here
//! on purpose, apart from the converter's; a test compares both with a third one.

/// One ggml tensor type.
#[derive(Debug, PartialEq, Eq)]
pub struct BlockType {
    /// The ggml id.
    pub id: u32,
    /// The name that ggml prints in capitals.
    pub name: &'static str,
    /// Elements of one block, 1 for plain types.
    pub elements: u64,
    /// Bytes of one block.
    pub bytes: u64,
    /// The fields of one block, in order; empty for plain types.
    pub parts: &'static [Part],
}

/// One field of a block.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// The name that ggml gives it: `d`, `dmin`, `scales`, `qs`, `qh`, `ql`.
    pub name: &'static str,
    /// First byte within the block.
    pub start: usize,
    /// Byte after the last one.
    pub end: usize,
    /// Whether the bytes are IEEE half-precision numbers, which must be finite.
    pub half: bool,
}

/// What a ggml id stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeId {
    /// A type of the table.
    Known(&'static BlockType),
    /// An id that ggml has withdrawn.
    Removed,
    /// An id that is not assigned, or newer than the table.
    Unknown,
}

/// Looks up a ggml id.
#[must_use]
pub fn ggml_type(id: u32) -> TypeId {
    if let Some(known) = TYPES.iter().find(|known| known.id == id) {
        TypeId::Known(known)
    } else if REMOVED.contains(&id) {
        TypeId::Removed
    } else {
        TypeId::Unknown
    }
}

impl BlockType {
    /// Returns the bytes that `elements` take, or none when they are not whole blocks or the size overflows.
    ///
    /// Divides first: the product of elements and block bytes may wrap where the size itself does not.
    #[must_use]
    pub const fn size_of(&self, elements: u64) -> Option<u64> {
        if !elements.is_multiple_of(self.elements) {
            return None;
        }
        match elements.checked_div(self.elements) {
            Some(blocks) => blocks.checked_mul(self.bytes),
            None => None,
        }
    }

    /// Returns the field that holds this byte of a block.
    #[must_use]
    pub fn part_of(&self, byte: usize) -> Option<&'static Part> {
        self.parts
            .iter()
            .find(|part| (part.start..part.end).contains(&byte))
    }
}

macro_rules! types {
    ($($id:literal $name:literal $elements:literal $bytes:literal [$($kind:ident $part:ident $start:literal..$end:literal),*];)*) => {
        /// All ids of the table, with which a test walks both sides.
        pub const TYPES: &[BlockType] = &[$(BlockType {
            id: $id,
            name: $name,
            elements: $elements,
            bytes: $bytes,
            parts: &[$(Part {
                name: stringify!($part),
                start: $start,
                end: $end,
                half: types!($kind),
            }),*],
        }),*];
    };
    (half) => { true };
    (rest) => { false };
}

// Id, name, elements and bytes of a block, and its fields: `half` are IEEE half-precision numbers.
types! {
     0 "F32"       1   4 [];
     1 "F16"       1   2 [];
     2 "Q4_0"     32  18 [half d 0..2, rest qs 2..18];
     3 "Q4_1"     32  20 [half d 0..2, half m 2..4, rest qs 4..20];
     6 "Q5_0"     32  22 [half d 0..2, rest qh 2..6, rest qs 6..22];
     7 "Q5_1"     32  24 [half d 0..2, half m 2..4, rest qh 4..8, rest qs 8..24];
     8 "Q8_0"     32  34 [half d 0..2, rest qs 2..34];
     9 "Q8_1"     32  36 [half d 0..2, half s 2..4, rest qs 4..36];
    10 "Q2_K"    256  84 [rest scales 0..16, rest qs 16..80, half d 80..82, half dmin 82..84];
    11 "Q3_K"    256 110 [rest hmask 0..32, rest qs 32..96, rest scales 96..108, half d 108..110];
    12 "Q4_K"    256 144 [half d 0..2, half dmin 2..4, rest scales 4..16, rest qs 16..144];
    13 "Q5_K"    256 176 [half d 0..2, half dmin 2..4, rest scales 4..16, rest qh 16..48, rest qs 48..176];
    14 "Q6_K"    256 210 [rest ql 0..128, rest qh 128..192, rest scales 192..208, half d 208..210];
    15 "Q8_K"    256 292 [rest d 0..4, rest qs 4..260, rest bsums 260..292];
    16 "IQ2_XXS" 256  66 [half d 0..2, rest qs 2..66];
    17 "IQ2_XS"  256  74 [half d 0..2, rest qs 2..66, rest scales 66..74];
    18 "IQ3_XXS" 256  98 [half d 0..2, rest qs 2..98];
    19 "IQ1_S"   256  50 [half d 0..2, rest qs 2..34, rest qh 34..50];
    20 "IQ4_NL"   32  18 [half d 0..2, rest qs 2..18];
    21 "IQ3_S"   256 110 [half d 0..2, rest qs 2..66, rest qh 66..74, rest signs 74..106, rest scales 106..110];
    22 "IQ2_S"   256  82 [half d 0..2, rest qs 2..66, rest qh 66..74, rest scales 74..82];
    23 "IQ4_XS"  256 136 [half d 0..2, rest scales 2..8, rest qs 8..136];
    24 "I8"        1   1 [];
    25 "I16"       1   2 [];
    26 "I32"       1   4 [];
    27 "I64"       1   8 [];
    28 "F64"       1   8 [];
    29 "IQ1_M"   256  56 [rest qs 0..32, rest qh 32..48, rest scales 48..56];
    30 "BF16"      1   2 [];
    34 "TQ1_0"   256  54 [rest qs 0..48, rest qh 48..52, half d 52..54];
    35 "TQ2_0"   256  66 [rest qs 0..64, half d 64..66];
    39 "MXFP4"    32  17 [rest e 0..1, rest qs 1..17];
    40 "NVFP4"    64  36 [rest d 0..4, rest qs 4..36];
    41 "Q1_0"    128  18 [half d 0..2, rest qs 2..18];
    42 "Q2_0"     64  18 [half d 0..2, rest qs 2..18];
}

/// Ids that ggml has withdrawn: `Q4_2`, `Q4_3`, the repacked `Q4_0` and `IQ4_NL` variants.
const REMOVED: [u32; 8] = [4, 5, 31, 32, 33, 36, 37, 38];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_a_block_cover_it() {
        for known in TYPES {
            let mut end = 0;
            for part in known.parts {
                assert_eq!(part.start, end, "{}", known.name);
                end = part.end;
            }
            if !known.parts.is_empty() {
                assert_eq!(end as u64, known.bytes, "{}", known.name);
            }
        }
    }

    #[test]
    fn a_size_that_would_wrap_is_none() {
        let TypeId::Known(q4_0) = ggml_type(2) else {
            panic!()
        };
        assert_eq!(q4_0.size_of(64), Some(36));
        assert_eq!(q4_0.size_of(33), None);
        // 18 bytes for 32 elements: 2^63 elements fit into u64 bytes, though elements times 18 would not.
        assert_eq!(q4_0.size_of(1 << 63), Some((1 << 58) * 18));
        let TypeId::Known(i64) = ggml_type(27) else {
            panic!()
        };
        assert_eq!(i64.size_of(1 << 62), None);
    }

    #[test]
    fn removed_and_unknown_ids_are_told_apart() {
        assert_eq!(ggml_type(31), TypeId::Removed);
        assert_eq!(ggml_type(43), TypeId::Unknown);
        assert_eq!(TYPES.len(), 35);
    }
}
