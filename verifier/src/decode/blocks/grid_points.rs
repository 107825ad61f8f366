//! Values of the types whose quants are numbers of points in a grid. Source: `dequantize_row_iq*` of ggml.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "the blocks are arrays of the exact size; points have as many bits as their grids"
)]

use half::f16;

use super::grids;
use super::scales::half_at;

/// Element i: i / 32 is its part, i / 8 % 4 the run of eight in the part, i % 8 its place in the run.
#[derive(Clone, Copy)]
struct At {
    part: usize,
    run: usize,
    place: usize,
}

impl At {
    const fn of(element: usize) -> Self {
        Self {
            part: element / 32,
            run: element / 8 % 4,
            place: element % 8,
        }
    }

    /// The run, counted through the block.
    const fn runs(self) -> usize {
        4 * self.part + self.run
    }
}

fn u16_at(block: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([block[at], block[at + 1]])
}

fn u32_at(block: &[u8], at: usize) -> u32 {
    u32::from(u16_at(block, at)) | u32::from(u16_at(block, at + 2)) << 16
}

/// One of the two nibbles of a byte, widened.
fn nibble(byte: u8, index: usize) -> f32 {
    f32::from(byte >> (4 * index) & 15)
}

/// The sign of a place, when the signs are stored as they are.
const fn sign(signs: u8, place: usize) -> f32 {
    if signs & 1 << place == 0 { 1.0 } else { -1.0 }
}

/// The sign of a place, when seven are stored: there is always an even number of minus signs.
const fn even_sign(seven: u32, place: usize) -> f32 {
    let seven = seven & 0x7f;
    let bit = if place == 7 {
        seven.count_ones() & 1
    } else {
        seven >> place & 1
    };
    if bit == 0 { 1.0 } else { -1.0 }
}

fn of_two_bits(point: u16, place: usize) -> f32 {
    f32::from(grids::IQ2_VALUES[usize::from(point >> (2 * place) & 3)])
}

/// `place` counts through two points of four values.
fn of_three_bits(point: u16, values: &[u8; 8], place: usize) -> f32 {
    f32::from(values[usize::from(point >> (3 * (place % 4)) & 7)])
}

pub(super) fn iq2_xxs(block: &[u8; 66], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let scale_and_signs = u32_at(block, 6 + 8 * at.part);
        let point = grids::IQ2_XXS[usize::from(block[2 + 8 * at.part + at.run])];
        let db = d * (0.5 + (scale_and_signs >> 28) as f32) * 0.25;
        *value = db
            * of_two_bits(point, at.place)
            * even_sign(scale_and_signs >> (7 * at.run), at.place);
    }
}

pub(super) fn iq2_xs(block: &[u8; 74], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let quant = u16_at(block, 2 + 2 * at.runs());
        let point = grids::IQ2_XS[usize::from(quant & 0x1ff)];
        let db = d * (0.5 + nibble(block[66 + at.part], at.run / 2)) * 0.25;
        *value = db * of_two_bits(point, at.place) * even_sign(u32::from(quant >> 9), at.place);
    }
}

pub(super) fn iq2_s(block: &[u8; 82], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let high = usize::from(block[66 + at.part] >> (2 * at.run) & 3);
        let point = grids::IQ2_S[usize::from(block[2 + at.runs()]) | high << 8];
        let db = d * (0.5 + nibble(block[74 + at.part], at.run / 2)) * 0.25;
        *value = db * of_two_bits(point, at.place) * sign(block[34 + at.runs()], at.place);
    }
}

pub(super) fn iq3_xxs(block: &[u8; 98], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let scale_and_signs = u32_at(block, 66 + 4 * at.part);
        let point = grids::IQ3_XXS[usize::from(block[2 + element / 4])];
        let db = d * (0.5 + (scale_and_signs >> 28) as f32) * 0.5;
        *value = db
            * of_three_bits(point, &grids::IQ3_XXS_VALUES, at.place)
            * even_sign(scale_and_signs >> (7 * at.run), at.place);
    }
}

pub(super) fn iq3_s(block: &[u8; 110], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let high = usize::from(block[66 + at.part] >> (element / 4 % 8) & 1);
        let point = grids::IQ3_S[usize::from(block[2 + element / 4]) | high << 8];
        let db = d * (1.0 + 2.0 * nibble(block[106 + at.part / 2], at.part % 2));
        *value = db
            * of_three_bits(point, &grids::IQ3_S_VALUES, at.place)
            * sign(block[74 + at.runs()], at.place);
    }
}

/// d * (2 * scale + 1) * (grid +- 1/8), where three bits are the scale and one is the sign of the eighth.
fn iq1(d: f32, scale: u16, point: usize, is_minus: bool, place: usize) -> f32 {
    let grid = f32::from(grids::IQ1_VALUES[usize::from(grids::IQ1_S[point] >> (2 * place) & 3)]);
    let delta = if is_minus { -0.125 } else { 0.125 };
    d * f32::from(2 * (scale & 7) + 1) * (grid + delta)
}

pub(super) fn iq1_s(block: &[u8; 50], values: &mut [f32; 256]) {
    let d = half_at(block, 0);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let high = u16_at(block, 34 + 2 * at.part);
        let point = usize::from(block[2 + at.runs()]) | usize::from(high >> (3 * at.run) & 7) << 8;
        *value = iq1(d, high >> 12, point, high & 0x8000 != 0, at.place);
    }
}

pub(super) fn iq1_m(block: &[u8; 56], values: &mut [f32; 256]) {
    let d = iq1_m_scale(block);
    for (element, value) in values.iter_mut().enumerate() {
        let at = At::of(element);
        let high = usize::from(block[32 + at.runs() / 2] >> (4 * (at.runs() % 2)));
        let point = usize::from(block[at.runs()]) | (high & 7) << 8;
        let scales = u16_at(block, 48 + 2 * (at.part / 2));
        let scale = scales >> (6 * (at.part % 2) + 3 * (at.run / 2));
        *value = iq1(d, scale, point, high & 8 != 0, at.place);
    }
}

/// The half whose nibbles are the top ones of the four words of scales of IQ1_M, the low nibble in the first.
pub(super) fn iq1_m_scale(block: &[u8; 56]) -> f32 {
    let bits = (0..4).map(|word| (u16_at(block, 48 + 2 * word) & 0xf000) >> (12 - 4 * word));
    f16::from_bits(bits.sum()).to_f32()
}
