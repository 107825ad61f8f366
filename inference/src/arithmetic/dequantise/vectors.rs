//! The common quantised types for x86 vectors: codes and scales as bytes, then widened, scaled and shifted.
//!
//! Every type is `scale * code - min` with a code that fits a signed byte: a type without a min subtracts +0, which
//! changes nothing, and one that adds its m subtracts -m. The product is exact (rule 1), so one rounding by a fused
//! instruction is that of the formula. Functions are named after the formulas that they follow, in the files beside this.
#![expect(unsafe_code, reason = "vectors are read and written through pointers")]

use std::arch::x86_64::*;

use gguf_file::values::{E2M1_DOUBLED, IQ4, e8m0_halved};

use super::{Cut, blocks, compiled, word_at};
use crate::model::WeightType;

/// A function that dequantises all types with some instructions, and writes with one of the functions below.
macro_rules! decoder {
    ($name:ident, $features:literal, $write:ident) => {
        #[target_feature(enable = $features)]
        pub(super) fn $name(
            weight_type: WeightType,
            cut: &Cut<'_>,
            values: &mut [f32],
            stride: usize,
        ) {
            /// Blocks of 32: codes, scale and min.
            macro_rules! block {
                ($decode:ident) => {
                    blocks(cut, values, stride, |block, values| {
                        let (codes, scale, min) = $decode(block);
                        $write(codes, [scale; 2], [min; 2], values);
                    })
                };
            }
            /// Super-blocks of 256: 16 scales and mins, then 32 codes at a time, by shifts that are constants.
            macro_rules! super_block {
                ($scales:ident, $codes:ident) => {
                    blocks(cut, values, stride, |block, values: &mut [f32; 256]| {
                        let (scales, mins) = $scales(block);
                        let (scales, mins) = (scales.as_chunks().0, mins.as_chunks().0);
                        let values = values.as_chunks_mut().0;
                        macro_rules! group {
                            ($s:literal) => {
                                $write($codes::<$s>(block), scales[$s], mins[$s], &mut values[$s])
                            };
                        }
                        group!(0);
                        group!(1);
                        group!(2);
                        group!(3);
                        group!(4);
                        group!(5);
                        group!(6);
                        group!(7);
                    })
                };
            }
            match weight_type {
                WeightType::Q4_0 => block!(q4_0),
                WeightType::Q4_1 => block!(q4_1),
                WeightType::Q5_0 => block!(q5_0),
                WeightType::Q5_1 => block!(q5_1),
                WeightType::Q8_0 => block!(q8_0),
                WeightType::Q2K => super_block!(q2_k_scales, q2_k),
                WeightType::Q3K => super_block!(q3_k_scales, q3_k),
                WeightType::Q4K => super_block!(q4_k_scales, q4_k),
                WeightType::Q5K => super_block!(q5_k_scales, q5_k),
                WeightType::Q6K => super_block!(q6_k_scales, q6_k),
                WeightType::Iq4Nl => block!(iq4_nl),
                WeightType::Mxfp4 => block!(mxfp4),
                WeightType::Iq4Xs => super_block!(iq4_xs_scales, iq4_xs),
                _ => compiled(weight_type, cut, values, stride),
            }
        }
    };
}

decoder!(with_avx2, "avx2,fma,f16c", write_8);
decoder!(
    with_avx512,
    "avx512f,avx512bw,avx512vl,avx2,fma,f16c",
    write_16
);

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q4_0(block: &[u8; 18]) -> (__m256i, f32, f32) {
    let codes = _mm256_sub_epi8(nibbles(&block[2..]), _mm256_set1_epi8(8));
    (codes, half(block, 0), 0.0)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q4_1(block: &[u8; 20]) -> (__m256i, f32, f32) {
    (nibbles(&block[4..]), half(block, 0), -half(block, 2))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q5_0(block: &[u8; 22]) -> (__m256i, f32, f32) {
    let codes = _mm256_or_si256(nibbles(&block[6..]), fifths(&block[2..]));
    let codes = _mm256_sub_epi8(codes, _mm256_set1_epi8(16));
    (codes, half(block, 0), 0.0)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q5_1(block: &[u8; 24]) -> (__m256i, f32, f32) {
    let codes = _mm256_or_si256(nibbles(&block[8..]), fifths(&block[4..]));
    (codes, half(block, 0), -half(block, 2))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q8_0(block: &[u8; 34]) -> (__m256i, f32, f32) {
    (load(&block[2..]), half(block, 0), 0.0)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q2_k_scales(block: &[u8; 84]) -> ([f32; 16], [f32; 16]) {
    let both = load_16(block);
    let low = _mm_set1_epi8(15);
    let mins = _mm_and_si128(_mm_srli_epi16::<4>(both), low);
    let scales = _mm_and_si128(both, low);
    (times(scales, half(block, 80)), times(mins, half(block, 82)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn q2_k<const S: usize>(block: &[u8; 84]) -> __m256i {
    bits(load(&block[16 + 32 * (S / 4)..]), 2 * (S % 4), 3)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q3_k_scales(block: &[u8; 110]) -> ([f32; 16], [f32; 16]) {
    let (a, b, upper) = (word_at(block, 96), word_at(block, 100), word_at(block, 104));
    let scales = _mm_setr_epi32(
        q3_k_scale_word(a, upper),
        q3_k_scale_word(b, upper >> 2),
        q3_k_scale_word(a >> 4, upper >> 4),
        q3_k_scale_word(b >> 4, upper >> 6),
    );
    let scales = _mm_sub_epi8(scales, _mm_set1_epi8(32));
    (times(scales, half(block, 108)), [0.0; 16])
}

#[inline]
#[target_feature(enable = "avx2")]
fn q3_k<const S: usize>(block: &[u8; 110]) -> __m256i {
    let crumbs = bits(load(&block[32 + 32 * (S / 4)..]), 2 * (S % 4), 3);
    let thirds = _mm256_slli_epi16::<2>(bits(load(block), S, 1));
    _mm256_sub_epi8(_mm256_or_si256(crumbs, thirds), _mm256_set1_epi8(4))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q4_k_scales(block: &[u8; 144]) -> ([f32; 16], [f32; 16]) {
    six_bits(block)
}

#[inline]
#[target_feature(enable = "avx2")]
fn q4_k<const S: usize>(block: &[u8; 144]) -> __m256i {
    bits(load(&block[16 + 32 * (S / 2)..]), 4 * (S % 2), 15)
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q5_k_scales(block: &[u8; 176]) -> ([f32; 16], [f32; 16]) {
    six_bits(block)
}

#[inline]
#[target_feature(enable = "avx2")]
fn q5_k<const S: usize>(block: &[u8; 176]) -> __m256i {
    let low = bits(load(&block[48 + 32 * (S / 2)..]), 4 * (S % 2), 15);
    let fifths = bits(load(&block[16..]), S, 1);
    _mm256_or_si256(low, _mm256_slli_epi16::<4>(fifths))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn q6_k_scales(block: &[u8; 210]) -> ([f32; 16], [f32; 16]) {
    (times(load_16(&block[192..]), half(block, 208)), [0.0; 16])
}

#[inline]
#[target_feature(enable = "avx2")]
fn q6_k<const S: usize>(block: &[u8; 210]) -> __m256i {
    let (h, g) = (S / 4, S % 4);
    let low = bits(load(&block[64 * h + 32 * (g % 2)..]), 4 * (g / 2), 15);
    let upper = bits(load(&block[128 + 32 * h..]), 2 * g, 3);
    let codes = _mm256_or_si256(low, _mm256_slli_epi16::<4>(upper));
    _mm256_sub_epi8(codes, _mm256_set1_epi8(32))
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn iq4_nl(block: &[u8; 18]) -> (__m256i, f32, f32) {
    (looked_up(&block[2..], &IQ4), half(block, 0), 0.0)
}

#[inline]
#[target_feature(enable = "avx2")]
fn mxfp4(block: &[u8; 17]) -> (__m256i, f32, f32) {
    (
        looked_up(&block[1..], &E2M1_DOUBLED),
        e8m0_halved(block[0]),
        0.0,
    )
}

#[inline]
#[target_feature(enable = "avx2,f16c")]
fn iq4_xs_scales(block: &[u8; 136]) -> ([f32; 16], [f32; 16]) {
    let (low, high) = (word_at(block, 4), u16::from_le_bytes([block[2], block[3]]));
    let d = half(block, 0);
    let scales = std::array::from_fn(|part| {
        let s = part / 2;
        let scale = low >> (4 * s) & 15 | (u32::from(high) >> (2 * s) & 3) << 4;
        d * (scale as f32 - 32.0)
    });
    (scales, [0.0; 16])
}

#[inline]
#[target_feature(enable = "avx2")]
fn iq4_xs<const S: usize>(block: &[u8; 136]) -> __m256i {
    looked_up(&block[8 + 16 * S..], &IQ4)
}

/// What a table of 16 bytes has at each nibble.
#[inline]
#[target_feature(enable = "avx2")]
fn looked_up(bytes: &[u8], table: &[i8; 16]) -> __m256i {
    // SAFETY: 16 bytes are read of 16.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), nibbles(bytes))
}

/// The scales and mins of Q4_K and Q5_K, each for two parts: d at 0, dmin at 2, 6 bits each in the 12 bytes at 4.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn six_bits(block: &[u8]) -> ([f32; 16], [f32; 16]) {
    let (a, b, c) = (word_at(block, 4), word_at(block, 8), word_at(block, 12));
    let scales = twice(a & 0x3F3F_3F3F, c & 0x0F0F_0F0F | upper_two(a));
    let mins = twice(b & 0x3F3F_3F3F, c >> 4 & 0x0F0F_0F0F | upper_two(b));
    (times(scales, half(block, 0)), times(mins, half(block, 2)))
}

/// The upper two bits of four bytes, where 6-bit numbers have them.
#[inline(always)]
const fn upper_two(word: u32) -> u32 {
    (word >> 6 & 0x0303_0303) << 4
}

/// Four scales of Q3_K.
#[inline(always)]
const fn q3_k_scale_word(low: u32, upper: u32) -> i32 {
    (low & 0x0F0F_0F0F | (upper & 0x0303_0303) << 4).cast_signed()
}

/// Each of eight bytes twice.
#[inline]
#[target_feature(enable = "avx2")]
fn twice(first: u32, last: u32) -> __m128i {
    let eight = _mm_setr_epi32(first.cast_signed(), last.cast_signed(), 0, 0);
    _mm_unpacklo_epi8(eight, eight)
}

/// `d` times each signed byte.
#[inline]
#[target_feature(enable = "avx2")]
fn times(bytes: __m128i, d: f32) -> [f32; 16] {
    let mut found = [0.0; 16];
    let halves = [bytes, _mm_unpackhi_epi64(bytes, bytes)];
    for (bytes, found) in halves.into_iter().zip(found.as_chunks_mut::<8>().0) {
        let bytes = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes));
        let products = _mm256_mul_ps(_mm256_set1_ps(d), bytes);
        // SAFETY: 8 values are written of 8.
        unsafe { _mm256_storeu_ps(found.as_mut_ptr(), products) };
    }
    found
}

/// The low nibbles of 16 bytes, then the high ones.
#[inline]
#[target_feature(enable = "avx2")]
fn nibbles(bytes: &[u8]) -> __m256i {
    let low = load_16(bytes);
    let both = _mm256_set_m128i(_mm_srli_epi16::<4>(low), low);
    _mm256_and_si256(both, _mm256_set1_epi8(15))
}

/// Each of 32 bits as 16 or 0.
#[inline]
#[target_feature(enable = "avx2")]
fn fifths(bytes: &[u8]) -> __m256i {
    // Each byte eight times, and of each time another bit.
    let places = _mm256_set_epi64x(
        0x0303_0303_0303_0303,
        0x0202_0202_0202_0202,
        0x0101_0101_0101_0101,
        0,
    );
    let spread = _mm256_shuffle_epi8(_mm256_set1_epi32(word_at(bytes, 0).cast_signed()), places);
    let bit = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
    let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, bit), bit);
    _mm256_and_si256(set, _mm256_set1_epi8(16))
}

/// Some bits of each byte, from `shift` on.
#[inline]
#[target_feature(enable = "avx2")]
#[expect(clippy::cast_possible_truncation, reason = "a shift is below 8")]
fn bits(bytes: __m256i, shift: usize, mask: i8) -> __m256i {
    // Bits that come from the neighbouring byte are masked out.
    let shifted = _mm256_srlv_epi32(bytes, _mm256_set1_epi32(shift as i32));
    _mm256_and_si256(shifted, _mm256_set1_epi8(mask))
}

/// The IEEE half at an offset, widened.
#[inline]
#[target_feature(enable = "avx2,f16c")]
fn half(block: &[u8], offset: usize) -> f32 {
    let half = u16::from_le_bytes([block[offset], block[offset + 1]]);
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(half))))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(bytes: &[u8]) -> __m256i {
    let bytes: &[u8; 32] = bytes.first_chunk().unwrap_or(&[0; 32]);
    // SAFETY: 32 bytes are read of 32.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_16(bytes: &[u8]) -> __m128i {
    let bytes: &[u8; 16] = bytes.first_chunk().unwrap_or(&[0; 16]);
    // SAFETY: 16 bytes are read of 16.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Writes two parts of 16 values, each with its scale and min, 8 values at a time.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn write_8(codes: __m256i, scales: [f32; 2], mins: [f32; 2], values: &mut [f32; 32]) {
    let (first, last) = (
        _mm256_castsi256_si128(codes),
        _mm256_extracti128_si256::<1>(codes),
    );
    let eights = [
        first,
        _mm_unpackhi_epi64(first, first),
        last,
        _mm_unpackhi_epi64(last, last),
    ];
    let values = values.as_chunks_mut::<8>().0;
    for (place, (codes, values)) in eights.into_iter().zip(values).enumerate() {
        let codes = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(codes));
        let (scale, min) = (scales[place / 2], mins[place / 2]);
        let found = _mm256_fmsub_ps(_mm256_set1_ps(scale), codes, _mm256_set1_ps(min));
        // SAFETY: 8 values are written of 8.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), found) };
    }
}

/// Writes two parts of 16 values, each with its scale and min, 16 values at a time.
#[inline]
#[target_feature(enable = "avx512f,avx2")]
fn write_16(codes: __m256i, scales: [f32; 2], mins: [f32; 2], values: &mut [f32; 32]) {
    let halves = [
        _mm256_castsi256_si128(codes),
        _mm256_extracti128_si256::<1>(codes),
    ];
    let values = values.as_chunks_mut::<16>().0;
    for (place, (codes, values)) in halves.into_iter().zip(values).enumerate() {
        let codes = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(codes));
        let (scale, min) = (scales[place], mins[place]);
        let found = _mm512_fmsub_ps(_mm512_set1_ps(scale), codes, _mm512_set1_ps(min));
        // SAFETY: 16 values are written of 16.
        unsafe { _mm512_storeu_ps(values.as_mut_ptr(), found) };
    }
}
