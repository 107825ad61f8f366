//! Types whose quants are numbers of points in a grid: eight values at once in the 1- and 2-bit types, four in the 3-bit ones.
//!
//! In every function a group has 32 elements, and an eight is a quarter of it.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "indices and shifts stay inside blocks of fixed size, and points inside their grids"
)]

use super::grids;
use super::half::half;

/// `d`; of each group four bytes of points and a word of four times seven signs and four bits of scale.
#[must_use]
pub fn iq2_xxs(block: &[u8; 66]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let bytes = &block[2 + 8 * group..];
        let word = word(&bytes[4..]);
        let point = grids::IQ2_XXS[usize::from(bytes[eight])];
        let scale = d * (0.5 + (word >> 28) as f32) * 0.25;
        signed(scale, of_eight(point), even_signs(word >> (7 * eight)))
    })
}

/// `d`; of each eight a word with nine bits of point and seven signs; of each group a byte with two scales.
#[must_use]
pub fn iq2_xs(block: &[u8; 74]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let at = 2 + 2 * (4 * group + eight);
        let word = u16::from_le_bytes([block[at], block[at + 1]]);
        let point = grids::IQ2_XS[usize::from(word & 511)];
        let scale = d * (0.5 + f32::from(nibble(block[66 + group], eight / 2))) * 0.25;
        signed(scale, of_eight(point), even_signs(u32::from(word >> 9)))
    })
}

/// `d`; of each eight the low byte of its point, and then its signs; of each group a byte with two more bits of each point,
/// and a byte with two scales.
#[must_use]
pub fn iq2_s(block: &[u8; 82]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let at = 4 * group + eight;
        let high = u16::from(block[66 + group] >> (2 * eight) & 3);
        let point = grids::IQ2_S[usize::from(u16::from(block[2 + at]) | high << 8)];
        let scale = d * (0.5 + f32::from(nibble(block[74 + group], eight / 2))) * 0.25;
        signed(scale, of_eight(point), block[34 + at])
    })
}

/// `d`; of each four its point; of each group a word of four times seven signs and four bits of scale.
#[must_use]
pub fn iq3_xxs(block: &[u8; 98]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let at = 2 + 2 * (4 * group + eight);
        let points = [block[at], block[at + 1]].map(|point| grids::IQ3_XXS[usize::from(point)]);
        let word = word(&block[66 + 4 * group..]);
        let scale = d * (0.5 + (word >> 28) as f32) * 0.5;
        let point = of_two_fours(points, &grids::IQ3_XXS_VALUES);
        signed(scale, point, even_signs(word >> (7 * eight)))
    })
}

/// `d`; of each four the low byte of its point; of each group a byte with the ninth bits; of each eight its signs; of two
/// groups a byte with their scales.
#[must_use]
pub fn iq3_s(block: &[u8; 110]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let at = 2 * (4 * group + eight);
        let points = [0, 1].map(|four| {
            let ninth = u16::from(block[66 + group] >> (2 * eight + four) & 1);
            grids::IQ3_S[usize::from(u16::from(block[2 + at + four]) | ninth << 8)]
        });
        let scale = d * (1.0 + 2.0 * f32::from(nibble(block[106 + group / 2], group % 2)));
        let point = of_two_fours(points, &grids::IQ3_S_VALUES);
        signed(scale, point, block[74 + 4 * group + eight])
    })
}

/// `d`; of each eight the low byte of its point; of each group a word with three more bits of each point, three bits of scale,
/// and the sign of what is added to every value.
#[must_use]
pub fn iq1_s(block: &[u8; 50]) -> [f32; 256] {
    let d = half(block[0], block[1]);
    eights(|group, eight| {
        let at = 34 + 2 * group;
        let word = u16::from_le_bytes([block[at], block[at + 1]]);
        let high = word >> (3 * eight) & 7;
        let point = grids::IQ1_S[usize::from(u16::from(block[2 + 4 * group + eight]) | high << 8)];
        shifted(d * odd(word >> 12), point, word >> 15 == 1)
    })
}

/// Of each eight the low byte of its point; of two eights a byte with three more bits of each point and the signs of what is
/// added; four words with three bits of scale for two eights, and in their top nibbles `d`.
#[must_use]
pub fn iq1_m(block: &[u8; 56]) -> [f32; 256] {
    let words: [u16; 4] =
        std::array::from_fn(|i| u16::from_le_bytes([block[48 + 2 * i], block[49 + 2 * i]]));
    let tops = words.map(|word| word >> 12);
    let d = (tops[0] | tops[1] << 4 | tops[2] << 8 | tops[3] << 12).to_le_bytes();
    let d = half(d[0], d[1]);
    eights(|group, eight| {
        let at = 4 * group + eight;
        let high = nibble(block[32 + at / 2], at % 2);
        let point = grids::IQ1_S[usize::from(u16::from(block[at]) | u16::from(high & 7) << 8)];
        let scale = words[group / 2] >> (6 * (group % 2) + 3 * (eight / 2));
        shifted(d * odd(scale), point, high & 8 == 8)
    })
}

/// A block from its eights, by group and place in the group.
fn eights(eight: impl Fn(usize, usize) -> [f32; 8]) -> [f32; 256] {
    let mut values = [0.0; 256];
    for (index, values) in values.as_chunks_mut().0.iter_mut().enumerate() {
        *values = eight(index / 4, index % 4);
    }
    values
}

/// The magnitudes of a point of the 2-bit grids, which are made of the same three.
fn of_eight(point: u16) -> [f32; 8] {
    std::array::from_fn(|k| f32::from(grids::IQ2_VALUES[usize::from(point >> (2 * k) & 3)]))
}

fn of_two_fours(points: [u16; 2], magnitudes: &[u8; 8]) -> [f32; 8] {
    std::array::from_fn(|k| f32::from(magnitudes[usize::from(points[k / 4] >> (3 * (k % 4)) & 7)]))
}

fn signed(scale: f32, magnitudes: [f32; 8], signs: u8) -> [f32; 8] {
    std::array::from_fn(|k| {
        let sign = if signs >> k & 1 == 1 { -1.0 } else { 1.0 };
        scale * magnitudes[k] * sign
    })
}

/// Seven signs, and the eighth that makes the number of minus signs even.
fn even_signs(bits: u32) -> u8 {
    let [seven, ..] = (bits & 127).to_le_bytes();
    let is_odd = seven.count_ones() % 2 == 1;
    seven | u8::from(is_odd) << 7
}

/// The values of a point of the 1-bit grid, each with an eighth more or less.
fn shifted(scale: f32, point: u16, is_less: bool) -> [f32; 8] {
    let shift = if is_less { -0.125 } else { 0.125 };
    std::array::from_fn(|k| {
        let value = grids::IQ1_VALUES[usize::from(point >> (2 * k) & 3)];
        scale * (f32::from(value) + shift)
    })
}

/// Three bits that stand for the odd numbers from 1 to 15.
fn odd(bits: u16) -> f32 {
    f32::from(2 * (bits & 7) + 1)
}

const fn nibble(byte: u8, place: usize) -> u8 {
    byte >> (4 * place) & 15
}

fn word(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
