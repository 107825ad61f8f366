//! Blocks of 32 elements: the low nibbles are elements 0 to 15, the high ones 16 to 31.

use super::{half_at, signed, word_at};

/// 18 bytes, d at 0 and nibbles at 2: d * (q - 8).
pub(super) fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (i, value) in values.iter_mut().enumerate() {
        *value = d * (f32::from(nibble(&block[2..], i)) - 8.0);
    }
}

/// 20 bytes, d at 0, m at 2 and nibbles at 4: d * q + m.
pub(super) fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    for (i, value) in values.iter_mut().enumerate() {
        *value = d * f32::from(nibble(&block[4..], i)) + m;
    }
}

/// 22 bytes, d at 0, fifth bits at 2 and nibbles at 6: d * (q - 16).
pub(super) fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let (d, fifth) = (half_at(block, 0), word_at(block, 2));
    for (i, value) in values.iter_mut().enumerate() {
        *value = d * (f32::from(nibble(&block[6..], i) | bit(fifth, i) << 4) - 16.0);
    }
}

/// 24 bytes, d at 0, m at 2, fifth bits at 4 and nibbles at 8: d * q + m.
pub(super) fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let (d, m, fifth) = (half_at(block, 0), half_at(block, 2), word_at(block, 4));
    for (i, value) in values.iter_mut().enumerate() {
        *value = d * f32::from(nibble(&block[8..], i) | bit(fifth, i) << 4) + m;
    }
}

/// 34 bytes, d at 0 and signed bytes at 2: d * q.
pub(super) fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (value, q) in values.iter_mut().zip(&block[2..]) {
        *value = d * signed(*q);
    }
}

const fn nibble(quants: &[u8], i: usize) -> u8 {
    (quants[i % 16] >> (4 * (i / 16))) & 15
}

const fn bit(word: u32, i: usize) -> u8 {
    if word >> i & 1 == 1 { 1 } else { 0 }
}
