//! Exact dequantisation, one file per family of types (rule 1).
//!
//! A block's values are products that fit f32 and at most one rounded addition, so the result does not depend on how a
//! compiler or a machine evaluates them. [`k_quants`], [`legacy`] and [`plain`] are the formulas, and for the types that are
//! rarer [`gguf_file::values`]; [`vectors`] has their bits on x86.
#![expect(
    clippy::indexing_slicing,
    reason = "blocks are arrays of a fixed length, and every index is a loop counter below it"
)]

mod k_quants;
mod legacy;
mod plain;
#[cfg(target_arch = "x86_64")]
mod vectors;

use std::ops::Range;

use gguf_file::values;

use crate::{
    arithmetic::instruction_set::{Instructions, Set},
    model::WeightType,
};

/// The same columns of consecutive rows of a file.
#[derive(Debug)]
pub(crate) struct Cut<'a> {
    rows: &'a [u8],
    row_bytes: usize,
    /// The wanted bytes of each row.
    wanted: Range<usize>,
}

/// Dequantises the rows of a cut, each to the start of the next `stride` values; an incomplete block is left out.
pub(crate) fn dequantise(
    instructions: Instructions,
    weight_type: WeightType,
    cut: &Cut<'_>,
    values: &mut [f32],
    stride: usize,
) {
    match instructions.set() {
        Set::Scalar => compiled(weight_type, cut, values, stride),
        #[cfg(target_arch = "aarch64")]
        Set::Neon => compiled(weight_type, cut, values, stride),
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "code for instructions that not every CPU has")]
        // SAFETY: an `Instructions` holds a set that the CPU has.
        Set::Avx2 => unsafe { vectors::with_avx2(weight_type, cut, values, stride) },
        #[cfg(target_arch = "x86_64")]
        #[expect(unsafe_code, reason = "code for instructions that not every CPU has")]
        // SAFETY: an `Instructions` holds a set that the CPU has.
        Set::Avx512 => unsafe { vectors::with_avx512(weight_type, cut, values, stride) },
    }
}

impl<'a> Cut<'a> {
    /// Whole rows.
    pub(crate) const fn whole(rows: &'a [u8], row_bytes: usize) -> Self {
        Self {
            rows,
            row_bytes,
            wanted: 0..row_bytes,
        }
    }

    /// Some columns, from the first of a block on.
    pub(crate) fn columns(
        weight_type: WeightType,
        rows: &'a [u8],
        row_bytes: usize,
        columns: &Range<usize>,
    ) -> Self {
        let (elements, bytes) = weight_type.block();
        let place = |column: usize| (column / elements) * bytes;
        Self {
            rows,
            row_bytes,
            wanted: place(columns.start)..place(columns.end),
        }
    }

    #[inline(always)]
    #[expect(
        clippy::indexing_slicing,
        reason = "columns of a tensor lie in its rows"
    )]
    fn pieces(&self) -> impl Iterator<Item = &'a [u8]> {
        let rows = self.rows.chunks_exact(self.row_bytes.max(1));
        rows.map(|row| &row[self.wanted.clone()])
    }
}

/// The formulas, for any CPU.
#[inline(always)]
fn compiled(weight_type: WeightType, cut: &Cut<'_>, out: &mut [f32], stride: usize) {
    match weight_type {
        WeightType::F32 => blocks(cut, out, stride, plain::f32),
        WeightType::F16 => blocks(cut, out, stride, plain::f16),
        WeightType::BF16 => blocks(cut, out, stride, plain::bf16),
        WeightType::Q4_0 => blocks(cut, out, stride, legacy::q4_0),
        WeightType::Q4_1 => blocks(cut, out, stride, legacy::q4_1),
        WeightType::Q5_0 => blocks(cut, out, stride, legacy::q5_0),
        WeightType::Q5_1 => blocks(cut, out, stride, legacy::q5_1),
        WeightType::Q8_0 => blocks(cut, out, stride, legacy::q8_0),
        WeightType::Q2K => blocks(cut, out, stride, k_quants::q2_k),
        WeightType::Q3K => blocks(cut, out, stride, k_quants::q3_k),
        WeightType::Q4K => blocks(cut, out, stride, k_quants::q4_k),
        WeightType::Q5K => blocks(cut, out, stride, k_quants::q5_k),
        WeightType::Q6K => blocks(cut, out, stride, k_quants::q6_k),
        WeightType::Iq1S => blocks(cut, out, stride, read(values::iq1_s)),
        WeightType::Iq1M => blocks(cut, out, stride, read(values::iq1_m)),
        WeightType::Iq2Xxs => blocks(cut, out, stride, read(values::iq2_xxs)),
        WeightType::Iq2Xs => blocks(cut, out, stride, read(values::iq2_xs)),
        WeightType::Iq2S => blocks(cut, out, stride, read(values::iq2_s)),
        WeightType::Iq3Xxs => blocks(cut, out, stride, read(values::iq3_xxs)),
        WeightType::Iq3S => blocks(cut, out, stride, read(values::iq3_s)),
        WeightType::Iq4Nl => blocks(cut, out, stride, read(values::iq4_nl)),
        WeightType::Iq4Xs => blocks(cut, out, stride, read(values::iq4_xs)),
        WeightType::Tq1_0 => blocks(cut, out, stride, read(values::tq1_0)),
        WeightType::Tq2_0 => blocks(cut, out, stride, read(values::tq2_0)),
        WeightType::Mxfp4 => blocks(cut, out, stride, read(values::mxfp4)),
        WeightType::Nvfp4 => blocks(cut, out, stride, read(values::nvfp4)),
        WeightType::Q1_0 => blocks(cut, out, stride, read(values::q1_0)),
        WeightType::Q2_0 => blocks(cut, out, stride, read(values::q2_0)),
    }
}

/// Applies the function of a type to each block of `BYTES` bytes and `ELEMENTS` values of each row.
#[inline(always)]
fn blocks<const BYTES: usize, const ELEMENTS: usize>(
    cut: &Cut<'_>,
    values: &mut [f32],
    stride: usize,
    block: impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]),
) {
    for (bytes, values) in cut.pieces().zip(values.chunks_mut(stride.max(1))) {
        let (sources, _) = bytes.as_chunks();
        let (targets, _) = values.as_chunks_mut();
        for (source, target) in sources.iter().zip(targets) {
            block(source, target);
        }
    }
}

/// A function that returns values as one that writes them.
#[inline(always)]
fn read<const BYTES: usize, const ELEMENTS: usize>(
    block: impl Fn(&[u8; BYTES]) -> [f32; ELEMENTS],
) -> impl Fn(&[u8; BYTES], &mut [f32; ELEMENTS]) {
    move |bytes, values| *values = block(bytes)
}

/// The IEEE half at an offset, widened: the exponent of an f32 is 112 greater, and subnormals are converted exactly.
#[inline(always)]
fn half_at(block: &[u8], offset: usize) -> f32 {
    let half = u32::from(u16::from_le_bytes([block[offset], block[offset + 1]]));
    let (sign, magnitude) = ((half & 0x8000) << 16, (half & 0x7FFF) << 13);
    let magnitude = if magnitude < 0x7C00 << 13 {
        (f32::from_bits(magnitude) * 2f32.powi(112)).to_bits()
    } else {
        0x7F80_0000 | magnitude
    };
    f32::from_bits(sign | magnitude)
}

/// The little-endian word at an offset.
#[inline(always)]
const fn word_at(block: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes([
        block[offset],
        block[offset + 1],
        block[offset + 2],
        block[offset + 3],
    ])
}

/// A signed byte, widened.
#[inline(always)]
const fn signed(byte: u8) -> f32 {
    byte.cast_signed() as f32
}

/// The values of blocks by the formulas of the fixtures, or of the readers for the rarer types, which those of the verifier
/// agree with.
#[cfg(test)]
pub(crate) fn decoded(weight_type: WeightType, bytes: &[u8]) -> Vec<f32> {
    let known = weight_type.ggml_type();
    if fixtures::quantise::is_supported(known.id()) {
        return fixtures::quantise::decode(known.id(), bytes);
    }
    let mut values = Vec::new();
    values::decoder(known).unwrap()(bytes, &mut values);
    let values = values.as_chunks().0.iter();
    values.map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[cfg(test)]
mod tests {
    use fixtures::{blocks::random_blocks, random::Random};

    use super::*;

    #[test]
    fn every_type_agrees_with_the_formulas_of_its_elements() {
        for weight_type in WeightType::ALL {
            let id = weight_type.ggml_type().id();
            let mut random = Random::new(u64::from(id) + 7);
            let mut bytes = random_blocks(id, 256 * 40, &mut random);
            agrees(weight_type, &bytes, 256);
            agrees(weight_type, &bytes, 256 * 8);
            // Any bits at all: scales that are infinite, NaN, subnormal or zero as well.
            random.fill(&mut bytes);
            agrees(weight_type, &bytes, 256);
            for scale in [
                [0, 0],
                [0, 0x80],
                [0, 0x7C],
                [0, 0xFC],
                [1, 0x7E],
                [1, 0],
                [0xFF, 0x83],
            ] {
                set_scales(weight_type, &mut bytes, scale);
                agrees(weight_type, &bytes, 256);
            }
        }
    }

    /// Every set of instructions, for rows of that many columns.
    fn agrees(weight_type: WeightType, bytes: &[u8], columns: usize) {
        let (elements, block) = weight_type.block();
        let row_bytes = columns / elements * block;
        let expected = decoded(weight_type, bytes);
        for instructions in Instructions::available() {
            let mut found = vec![f32::NAN; expected.len()];
            let cut = Cut::whole(bytes, row_bytes);
            dequantise(instructions, weight_type, &cut, &mut found, columns);
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let same =
                    found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
                assert!(
                    same,
                    "{weight_type:?} {instructions:?} element {index}: {found} and not {expected}"
                );
            }
        }
    }

    /// Writes a half into every scale of a quantised type.
    fn set_scales(weight_type: WeightType, bytes: &mut [u8], scale: [u8; 2]) {
        let offsets: &[usize] = match weight_type {
            WeightType::F32 | WeightType::F16 | WeightType::BF16 => &[],
            WeightType::Q4_0 | WeightType::Q5_0 | WeightType::Q8_0 => &[0],
            WeightType::Q4_1 | WeightType::Q5_1 | WeightType::Q4K | WeightType::Q5K => &[0, 2],
            WeightType::Q2K => &[80, 82],
            WeightType::Q3K => &[108],
            WeightType::Q6K => &[208],
            WeightType::Iq1M | WeightType::Mxfp4 | WeightType::Nvfp4 => &[],
            WeightType::Tq1_0 => &[52],
            WeightType::Tq2_0 => &[64],
            _ => &[0],
        };
        for block in bytes.chunks_mut(weight_type.block().1) {
            for offset in offsets {
                block[*offset..offset + 2].copy_from_slice(&scale);
            }
        }
    }

    #[test]
    fn a_cut_takes_its_columns_of_each_row() {
        let mut random = Random::new(5);
        for weight_type in WeightType::ALL {
            let (elements, block) = weight_type.block();
            let bytes = random_blocks(weight_type.ggml_type().id(), 768 * 3, &mut random);
            let expected = decoded(weight_type, &bytes);
            let row_bytes = 768 / elements * block;
            let cut = Cut::columns(weight_type, &bytes, row_bytes, &(256..512));
            let mut found = [0.0; 300 * 3];
            dequantise(Instructions::best(), weight_type, &cut, &mut found, 300);
            for row in 0..3 {
                assert_eq!(
                    found[row * 300..][..256],
                    expected[row * 768 + 256..][..256]
                );
                assert_eq!(found[row * 300 + 256..][..44], [0.0; 44]);
            }
        }
    }

    #[test]
    fn every_half_is_widened_as_by_the_half_crate() {
        let halves: Vec<u8> = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
        for instructions in Instructions::available() {
            let mut values = vec![0.0; 1 << 16];
            let cut = Cut::whole(&halves, 1 << 17);
            dequantise(instructions, WeightType::F16, &cut, &mut values, 1 << 16);
            for (half, value) in (0..=u16::MAX).zip(values) {
                let expected = half::f16::from_bits(half).to_f32();
                assert!(
                    value.to_bits() == expected.to_bits() || value.is_nan() && expected.is_nan()
                );
            }
        }
    }

    #[test]
    fn widening_keeps_infinities_subnormals_and_the_sign_of_zero() {
        for instructions in Instructions::available() {
            let mut values = [0.0; 4];
            let cut = Cut::whole(&[0, 0x7C, 1, 0, 0, 0x80, 0, 0xFC], 8);
            dequantise(instructions, WeightType::F16, &cut, &mut values, 4);
            assert_eq!(values[0], f32::INFINITY);
            assert_eq!(values[1], 2f32.powi(-24));
            assert_eq!(values[2].to_bits(), (-0.0f32).to_bits());
            assert_eq!(values[3], f32::NEG_INFINITY);
        }
    }
}
