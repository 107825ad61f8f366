//! The first quantised types: 32 elements share a scale `d`, and in the `_1` types a minimum `m`.
//!
//! Element `j` of the first half is in the low four bits of byte `j` of the quants, element `16 + j` in the high
//! four. The fifth bits of the `Q5` types stand in one `u32` per block.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside blocks of fixed size"
)]

use super::half::half;

pub(crate) fn q4_0(block: &[u8; 18]) -> [f32; 32] {
    let d = half(block[0], block[1]);
    let quants = &block[2..];
    let mut values = [0.0; 32];
    for j in 0..16 {
        values[j] = f32::from(low(quants[j]) - 8) * d;
        values[j + 16] = f32::from(high(quants[j]) - 8) * d;
    }
    values
}

pub(crate) fn q4_1(block: &[u8; 20]) -> [f32; 32] {
    let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
    let quants = &block[4..];
    let mut values = [0.0; 32];
    for j in 0..16 {
        values[j] = f32::from(low(quants[j])) * d + m;
        values[j + 16] = f32::from(high(quants[j])) * d + m;
    }
    values
}

pub(crate) fn q5_0(block: &[u8; 22]) -> [f32; 32] {
    let d = half(block[0], block[1]);
    let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
    let quants = &block[6..];
    let mut values = [0.0; 32];
    for j in 0..16 {
        values[j] = f32::from((low(quants[j]) | fifth_bit(fifth, j)) - 16) * d;
        values[j + 16] = f32::from((high(quants[j]) | fifth_bit(fifth, j + 16)) - 16) * d;
    }
    values
}

pub(crate) fn q5_1(block: &[u8; 24]) -> [f32; 32] {
    let (d, m) = (half(block[0], block[1]), half(block[2], block[3]));
    let fifth = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
    let quants = &block[8..];
    let mut values = [0.0; 32];
    for j in 0..16 {
        values[j] = f32::from(low(quants[j]) | fifth_bit(fifth, j)) * d + m;
        values[j + 16] = f32::from(high(quants[j]) | fifth_bit(fifth, j + 16)) * d + m;
    }
    values
}

pub(crate) fn q8_0(block: &[u8; 34]) -> [f32; 32] {
    let d = half(block[0], block[1]);
    let mut values = [0.0; 32];
    for (value, quant) in values.iter_mut().zip(&block[2..]) {
        *value = f32::from(quant.cast_signed()) * d;
    }
    values
}

fn low(byte: u8) -> i16 {
    i16::from(byte & 0xF)
}

fn high(byte: u8) -> i16 {
    i16::from(byte >> 4)
}

/// The fifth bit of an element, in its place.
fn fifth_bit(bits: u32, element: usize) -> i16 {
    if bits >> element & 1 == 1 { 16 } else { 0 }
}
