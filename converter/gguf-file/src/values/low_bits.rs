//! One or two bits for each value, and the ternary types.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside blocks of fixed size"
)]

use super::half::half;

/// `d`, then a bit for each element: +d or -d.
#[must_use]
pub fn q1_0(block: &[u8; 18]) -> [f32; 128] {
    let d = half(block[0], block[1]);
    std::array::from_fn(|i| {
        if block[2 + i / 8] >> (i % 8) & 1 == 1 {
            d
        } else {
            -d
        }
    })
}

/// `d`, then two bits for each element: -1 to 2.
#[must_use]
pub fn q2_0(block: &[u8; 18]) -> [f32; 64] {
    let d = half(block[0], block[1]);
    std::array::from_fn(|i| quant(block[2 + i / 4] >> (i % 4 * 2) & 3) * d)
}

/// 52 bytes of five base-3 digits each (the last four of them hold four), as fractions of 256, then `d`.
///
/// Digit `n` of the bytes 0 to 31 is for the elements from `32 * n`, of the bytes 32 to 47 for those from `160 + 16 * n`,
/// and of the last four for those from `240 + 4 * n`.
#[must_use]
pub fn tq1_0(block: &[u8; 54]) -> [f32; 256] {
    const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
    let d = half(block[52], block[53]);
    std::array::from_fn(|i| {
        let (byte, digit) = match i {
            ..160 => (i % 32, i / 32),
            160..240 => (32 + (i - 160) % 16, (i - 160) / 16),
            _ => (48 + (i - 240) % 4, (i - 240) / 4),
        };
        let fraction = block[byte].wrapping_mul(POWERS[digit]);
        let [_, digit] = (u16::from(fraction) * 3).to_le_bytes();
        quant(digit) * d
    })
}

/// 64 bytes of quants 0 to 2 for -1 to 1, then `d`; byte `m` of a half holds elements `m`, `32 + m`, `64 + m`, `96 + m`.
#[must_use]
pub fn tq2_0(block: &[u8; 66]) -> [f32; 256] {
    let d = half(block[64], block[65]);
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&block[group / 4 * 32..]) {
            *value = quant(byte >> (group % 4 * 2) & 3) * d;
        }
    }
    values
}

/// Quants count from -1.
fn quant(bits: u8) -> f32 {
    f32::from(i16::from(bits) - 1)
}
