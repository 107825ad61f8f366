//! The K types: a super-block of 256 elements whose groups have small scales under one F16 scale `d`.
//!
//! `Q2_K` and `Q5_K` also have minima under `dmin`.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside super-blocks of fixed size"
)]

use super::half::half;

/// 16 bytes of scale and minimum (4 bits each), 64 bytes of quants, `d`, `dmin`; groups of 16.
pub(crate) fn q2_k(block: &[u8; 84]) -> [f32; 256] {
    let (scales, quants) = (&block[..16], &block[16..80]);
    let (d, dmin) = (half(block[80], block[81]), half(block[82], block[83]));
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(scales[group] & 0xF);
        let min = dmin * f32::from(scales[group] >> 4);
        let (quants, shift) = two_bits_of(quants, group);
        for (value, quant) in values.iter_mut().zip(quants) {
            *value = scale * f32::from(quant >> shift & 3) - min;
        }
    }
    values
}

/// 32 bytes of third bits, 64 bytes of quants, 12 bytes of scales (6 bits each), `d`; groups of 16.
pub(crate) fn q3_k(block: &[u8; 110]) -> [f32; 256] {
    let (third_bits, quants, scales) = (&block[..32], &block[32..96], &block[96..108]);
    let d = half(block[108], block[109]);
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let scale = d * f32::from(q3_k_scale(scales, group) - 32);
        let (quants, shift) = two_bits_of(quants, group);
        let third_bits = &third_bits[group % 2 * 16..];
        for ((value, quant), third) in values.iter_mut().zip(quants).zip(third_bits) {
            let low = i8::from_le_bytes([quant >> shift & 3]);
            let missing = if third >> (group / 2) & 1 == 1 { 0 } else { 4 };
            *value = scale * f32::from(low - missing);
        }
    }
    values
}

/// `d`, `dmin`, 12 bytes of scales and minima (6 bits each), 32 bytes of fifth bits, 128 bytes of quants; groups of 32.
pub(crate) fn q5_k(block: &[u8; 176]) -> [f32; 256] {
    let (d, dmin) = (half(block[0], block[1]), half(block[2], block[3]));
    let (scales, fifth_bits, quants) = (&block[4..16], &block[16..48], &block[48..]);
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale, min) = scale_and_min(scales, group);
        let (scale, min) = (d * f32::from(scale), dmin * f32::from(min));
        let quants = &quants[group / 2 * 32..];
        for ((value, quant), fifth) in values.iter_mut().zip(quants).zip(fifth_bits) {
            let low = quant >> (group % 2 * 4) & 0xF;
            let fifth = (fifth >> group & 1) << 4;
            *value = scale * f32::from(low + fifth) - min;
        }
    }
    values
}

/// The bytes and the shift at which the two low bits of a group of 16 stand: 8 groups share 32 bytes.
fn two_bits_of(quants: &[u8], group: usize) -> (&[u8], usize) {
    let start = group / 8 * 32 + group % 2 * 16;
    (&quants[start..start + 16], group % 8 / 2 * 2)
}

/// The low four bits stand in bytes 0 to 7, the high two in bytes 8 to 11.
fn q3_k_scale(scales: &[u8], group: usize) -> i8 {
    let low = scales[group % 8] >> (group / 8 * 4) & 0xF;
    let high = scales[8 + group % 4] >> (group / 4 * 2) & 3;
    i8::from_le_bytes([low | high << 4])
}

/// Groups 0 to 3 have six bits in one byte; the others borrow the top two bits of those bytes.
fn scale_and_min(scales: &[u8], group: usize) -> (u8, u8) {
    match group {
        0..4 => (scales[group] & 63, scales[group + 4] & 63),
        _ => (
            scales[group + 4] & 0xF | scales[group - 4] >> 6 << 4,
            scales[group + 4] >> 4 | scales[group] >> 6 << 4,
        ),
    }
}
