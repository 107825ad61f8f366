//! Blocks of 32 elements: the low nibbles are elements 0 to 15, the high ones 16 to 31.

use super::{half_at, signed, word_at};

/// 18 bytes, d at 0 and nibbles at 2: d * (q - 8).
#[inline(always)]
pub(super) fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    each(&block[2..], values, |q, _| d * (f32::from(q) - 8.0));
}

/// 20 bytes, d at 0, m at 2 and nibbles at 4: d * q + m.
#[inline(always)]
pub(super) fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let (d, m) = (half_at(block, 0), half_at(block, 2));
    each(&block[4..], values, |q, _| d * f32::from(q) + m);
}

/// 22 bytes, d at 0, fifth bits at 2 and nibbles at 6: d * (q - 16).
#[inline(always)]
pub(super) fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let (d, fifth) = (half_at(block, 0), word_at(block, 2));
    each(&block[6..], values, |q, i| {
        d * (f32::from(q | bit(fifth, i) << 4) - 16.0)
    });
}

/// 24 bytes, d at 0, m at 2, fifth bits at 4 and nibbles at 8: d * q + m.
#[inline(always)]
pub(super) fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let (d, m, fifth) = (half_at(block, 0), half_at(block, 2), word_at(block, 4));
    each(&block[8..], values, |q, i| {
        d * f32::from(q | bit(fifth, i) << 4) + m
    });
}

/// 34 bytes, d at 0 and signed bytes at 2: d * q.
#[inline(always)]
pub(super) fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let d = half_at(block, 0);
    for (value, q) in values.iter_mut().zip(&block[2..]) {
        *value = d * signed(*q);
    }
}

/// Applies a formula to the nibble of each element and its number.
#[inline(always)]
fn each(quants: &[u8], values: &mut [f32; 32], value: impl Fn(u8, usize) -> f32) {
    let (low, high) = values.split_at_mut(16);
    for (i, ((q, low), high)) in quants.iter().zip(low).zip(high).enumerate() {
        *low = value(q & 15, i);
        *high = value(q >> 4, i + 16);
    }
}

#[inline(always)]
const fn bit(word: u32, i: usize) -> u8 {
    (word >> i & 1) as u8
}
