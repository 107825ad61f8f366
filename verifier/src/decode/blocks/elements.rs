//! Which element of a block a byte of its quants belongs to.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "offsets inside one block, at most 292"
)]

use crate::decode::types::BlockType;

/// Returns the element of the block, counted from 0, that `bit` (0 the lowest) of `byte` belongs to.
///
/// None where the bit belongs to many elements (scales, `d`, `dmin`) or the layout is not an affine one.
/// Source: the loops of ggml's `dequantize_row_*`.
#[must_use]
pub fn element_of(block_type: &BlockType, byte: usize, bit: u32) -> Option<usize> {
    if block_type.parts.is_empty() {
        return Some(0);
    }
    let part = block_type.part_of(byte)?;
    let at = byte - part.start;
    let bit = bit as usize;
    let high = bit / 4;
    match (block_type.name, part.name) {
        ("Q4_0" | "Q4_1" | "Q5_0" | "Q5_1" | "IQ4_NL" | "MXFP4", "qs") => Some(at + 16 * high),
        ("Q5_0" | "Q5_1", "qh") => Some(8 * at + bit),
        ("Q8_0" | "Q8_1" | "Q8_K", "qs") => Some(at),
        ("Q4_K" | "Q5_K", "qs") => Some(64 * (at / 32) + at % 32 + 32 * high),
        ("Q5_K", "qh") | ("Q3_K", "hmask") => Some(32 * bit + at),
        ("Q6_K", "ql") => Some(128 * (at / 64) + at % 64 + 64 * high),
        ("Q6_K", "qh") | ("Q2_K" | "Q3_K" | "TQ2_0", "qs") => {
            Some(128 * (at / 32) + at % 32 + 32 * (bit / 2))
        }
        ("IQ4_XS", "qs") => Some(32 * (at / 16) + at % 16 + 16 * high),
        ("NVFP4", "qs") => Some(16 * (at / 8) + at % 8 + 8 * high),
        ("Q1_0", "qs") => Some(8 * at + bit),
        ("Q2_0", "qs") => Some(4 * at + bit / 2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::blocks::{can_decode, decode};
    use crate::decode::types::TYPES;

    /// Flips every bit of the quants and looks which value moves.
    #[test]
    fn the_element_of_a_bit_is_the_one_that_the_decoder_moves() {
        for block_type in TYPES
            .iter()
            .filter(|known| known.elements > 1 && can_decode(known))
        {
            let bytes = usize::try_from(block_type.bytes).unwrap();
            let mut block: Vec<u8> = (0..bytes)
                .map(|byte| u8::try_from((byte * 37 + 11) % 256).unwrap())
                .collect();
            for part in block_type.parts.iter().filter(|part| part.half) {
                block[part.start..part.end].copy_from_slice(&[0x00, 0x3c]);
            }
            if block_type.name == "MXFP4" {
                block[0] = 127;
            }
            if block_type.name == "NVFP4" {
                block[..4].fill(56);
            }
            let values = |block: &[u8]| {
                let mut values = Vec::new();
                decode(block_type, block, &mut values);
                values
            };
            let before = values(&block);
            for byte in 0..bytes {
                for bit in 0..8 {
                    let Some(element) = element_of(block_type, byte, bit) else {
                        continue;
                    };
                    block[byte] ^= 1 << bit;
                    let after = values(&block);
                    block[byte] ^= 1 << bit;
                    for (index, (x, y)) in before.iter().zip(&after).enumerate() {
                        if index != element {
                            assert_eq!(
                                x.to_bits(),
                                y.to_bits(),
                                "{} byte {byte} bit {bit}",
                                block_type.name
                            );
                        }
                    }
                }
            }
        }
    }
}
