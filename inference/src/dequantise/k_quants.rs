//! Super-blocks of 256 elements.
//!
//! In every function i is the element, s = i / 32 its group of 32 and l = i mod 32 its place there, h = i / 128 its half
//! and g = (i mod 128) / 32 its quarter of the half.

use super::{half_at, signed};

/// 84 bytes, scales and mins as nibbles at 0, quants at 16, d at 80 and dmin at 82: d * scale * q - dmin * min.
pub(super) fn q2_k(block: &[u8; 84], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (i, value) in values.iter_mut().enumerate() {
        let (scale, min) = (block[i / 16] & 15, block[i / 16] >> 4);
        let q = crumb(&block[16..], i);
        *value = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

/// 110 bytes, third bits at 0, quants at 32, 6-bit scales at 96 and d at 108: d * (scale - 32) * (q - 4).
pub(super) fn q3_k(block: &[u8; 110], values: &mut [f32; 256]) {
    let d = half_at(block, 108);
    let scales = &block[96..108];
    for (i, value) in values.iter_mut().enumerate() {
        let (s, l, j) = (i / 32, i % 32, i / 16);
        let q = crumb(&block[32..], i) | (block[l] >> s & 1) << 2;
        let low = if j < 8 {
            scales[j] & 15
        } else {
            scales[j - 8] >> 4
        };
        let scale = low | (scales[8 + j % 4] >> (2 * (j / 4)) & 3) << 4;
        *value = d * (f32::from(scale) - 32.0) * (f32::from(q) - 4.0);
    }
}

/// 144 bytes, d at 0, dmin at 2, 6-bit scales and mins at 4 and nibbles at 16: d * scale * q - dmin * min.
pub(super) fn q4_k(block: &[u8; 144], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (i, value) in values.iter_mut().enumerate() {
        let (scale, min) = scale_and_min(&block[4..16], i / 32);
        let q = group_nibble(&block[16..], i);
        *value = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

/// 176 bytes, as [`q4_k`] but with fifth bits at 16 and nibbles at 48.
pub(super) fn q5_k(block: &[u8; 176], values: &mut [f32; 256]) {
    let (d, dmin) = (half_at(block, 0), half_at(block, 2));
    for (i, value) in values.iter_mut().enumerate() {
        let (s, l) = (i / 32, i % 32);
        let (scale, min) = scale_and_min(&block[4..16], s);
        let q = group_nibble(&block[48..], i) | (block[16 + l] >> s & 1) << 4;
        *value = d * f32::from(scale) * f32::from(q) - dmin * f32::from(min);
    }
}

/// 210 bytes, low nibbles at 0, upper two bits at 128, signed scales at 192 and d at 208: d * scale * (q - 32).
pub(super) fn q6_k(block: &[u8; 210], values: &mut [f32; 256]) {
    let d = half_at(block, 208);
    for (i, value) in values.iter_mut().enumerate() {
        let (l, h, g) = (i % 32, i / 128, i % 128 / 32);
        let low = block[64 * h + 32 * (g % 2) + l] >> (4 * (g / 2)) & 15;
        let q = low | crumb(&block[128..], i) << 4;
        *value = d * signed(block[192 + i / 16]) * (f32::from(q) - 32.0);
    }
}

/// The two bits of element i: 32 bytes for each half, two bits for each quarter.
const fn crumb(quants: &[u8], i: usize) -> u8 {
    quants[32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3
}

/// The nibble of element i: 32 bytes for each pair of groups, the low nibbles for the first.
const fn group_nibble(quants: &[u8], i: usize) -> u8 {
    let s = i / 32;
    quants[32 * (s / 2) + i % 32] >> (4 * (s % 2)) & 15
}

/// The scale and the min of group s, 6 bits each, packed in 12 bytes.
const fn scale_and_min(scales: &[u8], s: usize) -> (u8, u8) {
    if s < 4 {
        (scales[s] & 63, scales[s + 4] & 63)
    } else {
        (
            scales[s + 4] & 15 | scales[s - 4] >> 6 << 4,
            scales[s + 4] >> 4 | scales[s] >> 6 << 4,
        )
    }
}
