//! Values of the types with one or two bits or a base-3 digit for each element, and of NVFP4. Source: ggml's
//! `dequantize_row_*`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the blocks are arrays of the exact size; indices are bounded by the loops"
)]

use super::scales::{E2M1_DOUBLED, half_at};

pub(super) fn q1_0(block: &[u8; 18], values: &mut [f32; 128]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let is_plus = block[2 + element / 8] & 1 << (element % 8) != 0;
        *value = if is_plus { d } else { -d };
    }
}

/// 0 to 3 are -1 to 2.
pub(super) fn q2_0(block: &[u8; 18], values: &mut [f32; 64]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let quant = block[2 + element / 4] >> (2 * (element % 4)) & 3;
        *value = (f32::from(quant) - 1.0) * d;
    }
}

/// A byte holds five digits as a fraction of 256: multiplied by 3 to the n its first digit is digit n. The three runs of bytes
/// give 5 x 32, 5 x 16 and 4 x 4 elements, digit by digit.
pub(super) fn tq1_0(block: &[u8; 54], values: &mut [f32; 256]) {
    let d = half_at(block, 52);
    let mut values = values.iter_mut();
    for (bytes, digits) in [(&block[..32], 5), (&block[32..48], 5), (&block[48..52], 4)] {
        for digit in 0..digits {
            for (byte, value) in bytes.iter().zip(values.by_ref()) {
                let rest = (u16::from(*byte) * 3u16.pow(digit)) & 0xff;
                *value = (f32::from((rest * 3) >> 8) - 1.0) * d;
            }
        }
    }
}

/// Four scales without sign (E4M3) and four times 16 values of E2M1, low nibbles first.
pub(super) fn nvfp4(block: &[u8; 36], values: &mut [f32; 64]) {
    for (element, value) in values.iter_mut().enumerate() {
        let (part, at) = (element / 16, element % 16);
        let quant = block[4 + 8 * part + at % 8] >> (4 * (at / 8)) & 15;
        *value = f32::from(E2M1_DOUBLED[usize::from(quant)]) * e4m3(block[part]) * 0.5;
    }
}

/// The top bit is not looked at, except that 0x7f alone, and not 0xff, is the code that ggml takes for zero.
fn e4m3(code: u8) -> f32 {
    let mantissa = f32::from(code & 7);
    match i32::from(code >> 3 & 15) {
        _ if code == 0x7f => 0.0,
        0 => mantissa / 512.0,
        exponent => (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7),
    }
}
