//! Types whose quants are indices into a table of values, and the ternary `TQ2_0`.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside blocks of fixed size"
)]

use super::half;

pub(crate) fn iq4_nl(block: &[u8; 18]) -> [f32; 32] {
    let mut values = [0.0; 32];
    look_up(half(block[0], block[1]), &IQ4, &block[2..], &mut values);
    values
}

/// `d`, a `u16` with the high two bits of eight scales, four bytes with their low four bits, 128 bytes of indices.
pub(crate) fn iq4_xs(block: &[u8; 136]) -> [f32; 256] {
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

/// One exponent byte (E8M0, one half of it because the table holds doubled values), 16 bytes of indices.
pub(crate) fn mxfp4(block: &[u8; 17]) -> [f32; 32] {
    let exponent = u32::from(block[0]);
    let bits = match exponent {
        0 | 1 => 0x0020_0000 << exponent,
        _ => (exponent - 1) << 23,
    };
    let mut values = [0.0; 32];
    look_up(
        f32::from_bits(bits),
        &E2M1_DOUBLED,
        &block[1..],
        &mut values,
    );
    values
}

/// 64 bytes of quants 0 to 2 for -1 to 1, then `d`; byte `m` of a half holds elements `m`, `32 + m`, `64 + m`, `96 + m`.
pub(crate) fn tq2_0(block: &[u8; 66]) -> [f32; 256] {
    let d = half(block[64], block[65]);
    let mut values = [0.0; 256];
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        for (value, byte) in values.iter_mut().zip(&block[group / 4 * 32..]) {
            let quant = i16::from(byte >> (group % 4 * 2) & 3);
            *value = f32::from(quant - 1) * d;
        }
    }
    values
}

/// Low four bits for the first half of the values, high four bits for the second.
fn look_up(scale: f32, table: &[i8; 16], indices: &[u8], values: &mut [f32]) {
    let (first, second) = values.split_at_mut(16);
    for ((first, second), index) in first.iter_mut().zip(second).zip(indices) {
        *first = scale * f32::from(table[usize::from(index & 0xF)]);
        *second = scale * f32::from(table[usize::from(index >> 4)]);
    }
}

const IQ4: [i8; 16] = [
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
];

const E2M1_DOUBLED: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
