//! Values of blocks as f32, the arithmetic of ggml's `dequantize_row_*`.
//!
//! Products and sums are single-precision in the order that ggml uses, so that a tensor stored as decoded F32 can be
//! compared value for value, bit for bit. Source of every layout: ggml's block structures (`ggml-common.h`).

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the blocks are arrays of the exact size; indices are bounded by the loops"
)]

use half::{bf16, f16};

use super::scales::{E2M1_DOUBLED, half_at};
use super::{grid_points, low_bits};
use crate::decode::types::BlockType;

/// Tells whether [`decode`] knows the type.
#[must_use]
pub fn can_decode(block_type: &BlockType) -> bool {
    decoder(block_type).is_some()
}

/// Appends the values of whole blocks to `values`; bytes after the last whole block are left alone.
///
/// Appends nothing when [`can_decode`] says no.
pub fn decode(block_type: &BlockType, bytes: &[u8], values: &mut Vec<f32>) {
    if let Some(decode) = decoder(block_type) {
        decode(bytes, values);
    }
}

/// Appends the values of whole blocks of one type.
type Decoder = fn(&[u8], &mut Vec<f32>);

fn decoder(block_type: &BlockType) -> Option<Decoder> {
    Some(match block_type.name {
        "F32" => |bytes, values| plain(bytes, values, f32::from_le_bytes),
        "F16" => |bytes, values| plain(bytes, values, |value| f16::from_le_bytes(value).to_f32()),
        "BF16" => |bytes, values| plain(bytes, values, |value| bf16::from_le_bytes(value).to_f32()),
        "Q1_0" => |bytes, values| each(bytes, values, low_bits::q1_0),
        "Q2_0" => |bytes, values| each(bytes, values, low_bits::q2_0),
        "Q4_0" => |bytes, values| each(bytes, values, q4_0),
        "Q4_1" => |bytes, values| each(bytes, values, q4_1),
        "Q5_0" => |bytes, values| each(bytes, values, q5_0),
        "Q5_1" => |bytes, values| each(bytes, values, q5_1),
        "Q8_0" => |bytes, values| each(bytes, values, q8_0),
        "Q2_K" => |bytes, values| each(bytes, values, q2_k),
        "Q3_K" => |bytes, values| each(bytes, values, q3_k),
        "Q4_K" => |bytes, values| each(bytes, values, q4_k),
        "Q5_K" => |bytes, values| each(bytes, values, q5_k),
        "Q6_K" => |bytes, values| each(bytes, values, q6_k),
        "TQ1_0" => |bytes, values| each(bytes, values, low_bits::tq1_0),
        "TQ2_0" => |bytes, values| each(bytes, values, tq2_0),
        "IQ1_S" => |bytes, values| each(bytes, values, grid_points::iq1_s),
        "IQ1_M" => |bytes, values| each(bytes, values, grid_points::iq1_m),
        "IQ2_XXS" => |bytes, values| each(bytes, values, grid_points::iq2_xxs),
        "IQ2_XS" => |bytes, values| each(bytes, values, grid_points::iq2_xs),
        "IQ2_S" => |bytes, values| each(bytes, values, grid_points::iq2_s),
        "IQ3_XXS" => |bytes, values| each(bytes, values, grid_points::iq3_xxs),
        "IQ3_S" => |bytes, values| each(bytes, values, grid_points::iq3_s),
        "IQ4_NL" => |bytes, values| each(bytes, values, iq4_nl),
        "IQ4_XS" => |bytes, values| each(bytes, values, iq4_xs),
        "MXFP4" => |bytes, values| each(bytes, values, mxfp4),
        "NVFP4" => |bytes, values| each(bytes, values, low_bits::nvfp4),
        _ => return None,
    })
}

fn plain<const BYTES: usize>(
    bytes: &[u8],
    values: &mut Vec<f32>,
    value: impl Fn([u8; BYTES]) -> f32,
) {
    values.extend(bytes.as_chunks().0.iter().map(|&bytes| value(bytes)));
}

fn each<const BYTES: usize, const ELEMENTS: usize>(
    bytes: &[u8],
    values: &mut Vec<f32>,
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    let mut decoded = [0.0; ELEMENTS];
    for bytes in bytes.as_chunks::<BYTES>().0 {
        block(bytes, &mut decoded);
        values.extend_from_slice(&decoded);
    }
}

/// Two nibbles of 16 bytes: the low ones are elements 0 to 15, the high ones 16 to 31.
fn nibbles(quants: &[u8], element: usize) -> u8 {
    if element < 16 {
        quants[element] & 15
    } else {
        quants[element - 16] >> 4
    }
}

fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        *value = (f32::from(nibbles(&block[2..], element)) - 8.0) * d;
    }
}

fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (element, value) in values.iter_mut().enumerate() {
        *value = f32::from(nibbles(&block[4..], element)) * d + m;
    }
}

/// The fifth bit of element i is bit i of the little-endian `qh`.
fn five_bits(high: &[u8], quants: &[u8], element: usize) -> u8 {
    nibbles(quants, element) | (high[element / 8] >> (element % 8) & 1) << 4
}

fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        *value = (f32::from(five_bits(&block[2..6], &block[6..], element)) - 16.0) * d;
    }
}

fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (element, value) in values.iter_mut().enumerate() {
        *value = f32::from(five_bits(&block[4..8], &block[8..], element)) * d + m;
    }
}

fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        *value = f32::from(block[2 + element].cast_signed()) * d;
    }
}

/// Two bits of element i: half i / 128, shift by 32 elements, byte i % 32.
fn two_bits(quants: &[u8], element: usize) -> u8 {
    quants[32 * (element / 128) + element % 32] >> (2 * (element % 128 / 32)) & 3
}

fn q2_k(block: &[u8; 84], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (element, value) in values.iter_mut().enumerate() {
        let scale = block[element / 16];
        let (dl, ml) = (d * f32::from(scale & 15), dmin * f32::from(scale >> 4));
        *value = dl * f32::from(two_bits(&block[16..80], element)) - ml;
    }
}

fn q3_k(block: &[u8; 110], values: &mut [f32; 256]) {
    let d = half_at(block, 108);
    for (element, value) in values.iter_mut().enumerate() {
        let scale = q3_k_scale(&block[96..108], element / 16);
        let high = block[element % 32] >> (element / 32) & 1;
        let quant =
            f32::from(two_bits(&block[32..96], element)) - if high == 0 { 4.0 } else { 0.0 };
        *value = d * (f32::from(scale) - 32.0) * quant;
    }
}

/// Scale i of 16, six bits: the low four in nibbles of bytes 0 to 7, the high two in bytes 8 to 11.
fn q3_k_scale(scales: &[u8], index: usize) -> u8 {
    let low = if index < 8 {
        scales[index] & 15
    } else {
        scales[index - 8] >> 4
    };
    low | (scales[8 + index % 4] >> (2 * (index / 4)) & 3) << 4
}

/// Scale and min j of 8, six bits each, packed into 12 bytes (ggml's `get_scale_min_k4`).
fn scale_min(scales: &[u8], index: usize) -> (f32, f32) {
    let (scale, min) = if index < 4 {
        (scales[index] & 63, scales[index + 4] & 63)
    } else {
        (
            scales[index + 4] & 15 | scales[index - 4] >> 6 << 4,
            scales[index + 4] >> 4 | scales[index] >> 6 << 4,
        )
    };
    (f32::from(scale), f32::from(min))
}

/// The nibble of element i in the K order: 64 elements share 32 bytes, low nibbles first.
fn k_nibble(quants: &[u8], element: usize) -> u8 {
    quants[32 * (element / 64) + element % 32] >> (4 * (element % 64 / 32)) & 15
}

fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (element, value) in values.iter_mut().enumerate() {
        let (scale, min) = scale_min(&block[4..16], element / 32);
        *value = d * scale * f32::from(k_nibble(&block[16..], element)) - dmin * min;
    }
}

fn q5_k(block: &[u8; 176], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (element, value) in values.iter_mut().enumerate() {
        let (scale, min) = scale_min(&block[4..16], element / 32);
        let high = block[16 + element % 32] >> (element / 32) & 1;
        let quant = k_nibble(&block[48..], element) | high << 4;
        *value = d * scale * f32::from(quant) - dmin * min;
    }
}

fn q6_k(block: &[u8; 210], values: &mut [f32; 256]) {
    let d = half_at(block, 208);
    for (element, value) in values.iter_mut().enumerate() {
        let within = element % 128;
        let low = block[64 * (element / 128) + within % 64] >> (4 * (within / 64)) & 15;
        let high = two_bits(&block[128..192], element);
        let scale = block[192 + element / 16].cast_signed();
        *value = d * f32::from(scale) * (f32::from(low | high << 4) - 32.0);
    }
}

fn iq4_nl(block: &[u8; 18], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        *value = d * f32::from(IQ4_VALUES[usize::from(nibbles(&block[2..], element))]);
    }
}

fn iq4_xs(block: &[u8; 136], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    let high = u16::from_le_bytes([block[2], block[3]]);
    for (element, value) in values.iter_mut().enumerate() {
        let sub = element / 32;
        let low = block[4 + sub / 2] >> (4 * (sub % 2)) & 15;
        let scale = f32::from(u16::from(low) | (high >> (2 * sub) & 3) << 4) - 32.0;
        let quant = nibbles(&block[8 + 16 * sub..], element % 32);
        *value = d * scale * f32::from(IQ4_VALUES[usize::from(quant)]);
    }
}

/// MXFP4: a shared power of two (E8M0) and sixteen E2M1 values, doubled in the table, so half the scale.
fn mxfp4(block: &[u8; 17], values: &mut [f32; 32]) {
    let exponent = u32::from(block[0]);
    let d = f32::from_bits(if exponent < 2 {
        0x0020_0000 << exponent
    } else {
        (exponent - 1) << 23
    });
    for (element, value) in values.iter_mut().enumerate() {
        *value = f32::from(E2M1_DOUBLED[usize::from(nibbles(&block[1..], element))]) * d;
    }
}

fn tq2_0(block: &[u8; 66], values: &mut [f32; 256]) {
    let d = half_at(block, 64);
    for (element, value) in values.iter_mut().enumerate() {
        *value = (f32::from(two_bits(&block[..64], element)) - 1.0) * d;
    }
}

const IQ4_VALUES: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::{TYPES, TypeId, ggml_type};

    #[test]
    fn every_decodable_type_gives_one_value_per_element() {
        for block_type in TYPES.iter().filter(|known| can_decode(known)) {
            let mut values = Vec::new();
            decode(
                block_type,
                &vec![0; usize::try_from(2 * block_type.bytes).unwrap()],
                &mut values,
            );
            assert_eq!(
                values.len() as u64,
                2 * block_type.elements,
                "{}",
                block_type.name
            );
        }
    }

    #[test]
    fn a_q4_k_block_decodes_by_the_formula() {
        let TypeId::Known(q4_k) = ggml_type(12) else {
            panic!()
        };
        let mut block = vec![0_u8; 144];
        block[0..2].copy_from_slice(&f16::from_f32(0.5).to_le_bytes());
        block[2..4].copy_from_slice(&f16::from_f32(0.25).to_le_bytes());
        block[4] = 3; // scale 0
        block[8] = 2; // min 0
        block[16] = 0x75; // element 0: 5, element 32: 7
        let mut values = Vec::new();
        decode(q4_k, &block, &mut values);
        assert_eq!(values[0], 0.5 * 3.0 * 5.0 - 0.25 * 2.0);
        assert_eq!(values[1], -0.5);
        assert_eq!(values[32], 0.0);
    }
}
