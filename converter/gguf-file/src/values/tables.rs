//! Types whose quants are indices into a table of values.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside blocks of fixed size"
)]

use super::half::half;

/// `d`, then four bits for each element: indices into [`IQ4`].
#[must_use]
pub fn iq4_nl(block: &[u8; 18]) -> [f32; 32] {
    let mut values = [0.0; 32];
    look_up(half(block[0], block[1]), &IQ4, &block[2..], &mut values);
    values
}

/// `d`, a `u16` with the high two bits of eight scales, four bytes with their low four bits, 128 bytes of indices.
#[must_use]
pub fn iq4_xs(block: &[u8; 136]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    let high = u16::from_le_bytes([block[2], block[3]]);
    let (low, quants) = (&block[4..8], &block[8..]);
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let low = u16::from(low[group / 2] >> (group % 2 * 4) & 0xF);
        let scale = low | (high >> (group * 2) & 3) << 4;
        let scale = d * (f32::from(scale) - 32.0);
        look_up(scale, &IQ4, &quants[group * 16..group * 16 + 16], values);
    }
    values
}

/// One exponent byte (E8M0), 16 bytes of indices.
#[must_use]
pub fn mxfp4(block: &[u8; 17]) -> [f32; 32] {
    let mut values = [0.0; 32];
    look_up(
        e8m0_halved(block[0]),
        &E2M1_DOUBLED,
        &block[1..],
        &mut values,
    );
    values
}

/// Half of two to the exponent, because the table holds doubled values.
#[must_use]
pub fn e8m0_halved(code: u8) -> f32 {
    let exponent = u32::from(code);
    f32::from_bits(match exponent {
        0 | 1 => 0x0020_0000 << exponent,
        _ => (exponent - 1) << 23,
    })
}

/// Four scales (E4M3 without sign, halved because the table holds doubled values), then eight bytes of indices for each 16.
#[must_use]
pub fn nvfp4(block: &[u8; 36]) -> [f32; 64] {
    let mut values = [0.0; 64];
    for (group, values) in values.chunks_exact_mut(16).enumerate() {
        let indices = &block[4 + 8 * group..][..8];
        look_up(e4m3_halved(block[group]), &E2M1_DOUBLED, indices, values);
    }
    values
}

/// Zero for the code of NaN as well, as ggml has it.
fn e4m3_halved(code: u8) -> f32 {
    let (exponent, mantissa) = (u32::from(code >> 3 & 15), u32::from(code & 7));
    match (code, exponent) {
        (0 | 0x7F, _) => 0.0,
        (_, 0) => mantissa as f32 * 2f32.powi(-10),
        _ => f32::from_bits((exponent + 119) << 23 | mantissa << 20),
    }
}

/// Low four bits for the first half of the values, high four bits for the second.
fn look_up(scale: f32, table: &[i8; 16], indices: &[u8], values: &mut [f32]) {
    let (first, second) = values.split_at_mut(values.len() / 2);
    for ((first, second), index) in first.iter_mut().zip(second).zip(indices) {
        *first = scale * f32::from(table[usize::from(index & 0xF)]);
        *second = scale * f32::from(table[usize::from(index >> 4)]);
    }
}

/// The values of `IQ4_NL` and `IQ4_XS`.
pub const IQ4: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

/// The values of E2M1, doubled so that they are whole.
pub const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
