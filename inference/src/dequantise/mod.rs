//! Exact dequantisation, one file per family of types (rule 1).
//!
//! A block's values are products that fit f32 and at most one rounded addition, so the result does not depend on how a
//! compiler or a machine evaluates them.
#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "blocks are arrays of a fixed length, and every index is a loop counter below it"
)]

mod k_quants;
mod legacy;
mod plain;

use crate::model::WeightType;

/// Dequantises whole blocks: `bytes` holds `values.len()` elements of the type, the last incomplete block is left out.
pub(crate) fn dequantise(weight_type: WeightType, bytes: &[u8], values: &mut [f32]) {
    match weight_type {
        WeightType::F32 => plain::f32(bytes, values),
        WeightType::F16 => plain::f16(bytes, values),
        WeightType::BF16 => plain::bf16(bytes, values),
        WeightType::Q4_0 => blocks(bytes, values, legacy::q4_0),
        WeightType::Q4_1 => blocks(bytes, values, legacy::q4_1),
        WeightType::Q5_0 => blocks(bytes, values, legacy::q5_0),
        WeightType::Q5_1 => blocks(bytes, values, legacy::q5_1),
        WeightType::Q8_0 => blocks(bytes, values, legacy::q8_0),
        WeightType::Q2K => blocks(bytes, values, k_quants::q2_k),
        WeightType::Q3K => blocks(bytes, values, k_quants::q3_k),
        WeightType::Q4K => blocks(bytes, values, k_quants::q4_k),
        WeightType::Q5K => blocks(bytes, values, k_quants::q5_k),
        WeightType::Q6K => blocks(bytes, values, k_quants::q6_k),
    }
}

/// Applies the function of a type to each block of `BYTES` bytes and `ELEMENTS` values.
fn blocks<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    values: &mut [f32],
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let (sources, _) = bytes.as_chunks();
    let (targets, _) = values.as_chunks_mut();
    for (source, target) in sources.iter().zip(targets) {
        block(source, target);
    }
}

/// The IEEE half at an offset, widened.
fn half_at(block: &[u8], offset: usize) -> f32 {
    half::f16::from_le_bytes([block[offset], block[offset + 1]]).to_f32()
}

/// The little-endian word at an offset.
fn word_at(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([
        block[offset],
        block[offset + 1],
        block[offset + 2],
        block[offset + 3],
    ])
}

/// A signed byte, widened.
const fn signed(byte: u8) -> f32 {
    byte.cast_signed() as f32
}

#[cfg(test)]
mod tests {
    use fixtures::{blocks::random_blocks, quantise, random::Random};

    use super::*;

    #[test]
    fn every_type_agrees_with_the_element_formulas_of_the_fixtures() {
        for weight_type in WeightType::ALL {
            let id = weight_type.ggml_type().id();
            let bytes = random_blocks(id, 256 * 40, &mut Random::new(u64::from(id) + 7));
            let expected = quantise::decode(id, &bytes);
            let mut found = vec![f32::NAN; 256 * 40];
            dequantise(weight_type, &bytes, &mut found);
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let same =
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
                assert!(
                    same,
                    "{weight_type:?} element {index}: {found} and not {expected}"
                );
            }
        }
    }

    #[test]
    fn widening_keeps_infinities_subnormals_and_the_sign_of_zero() {
        let mut values = [0.0; 4];
        dequantise(
            WeightType::F16,
            &[0, 0x7C, 1, 0, 0, 0x80, 0, 0xFC],
            &mut values,
        );
        assert_eq!(values[0], f32::INFINITY);
        assert_eq!(values[1], 2f32.powi(-24));
        assert_eq!(values[2].to_bits(), (-0.0f32).to_bits());
        assert_eq!(values[3], f32::NEG_INFINITY);
    }
}
