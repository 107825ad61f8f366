//! AVX2 and FMA: 8 lanes, 16 registers.
#![expect(unsafe_code, reason = "code for instructions that not every CPU has")]

use std::arch::x86_64::*;

use super::{
    BLOCK,
    vector::{Vector, rows, tokens},
};

/// See [`tokens`]: 12 registers hold sums.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { tokens::<__m256, 6, 2, 6>(weights, columns, x, y) }
}

/// The same: all vectors are short.
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn few_lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    lanes_are_tokens(weights, columns, x, y);
}

/// See [`rows`].
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn lanes_are_rows<const T: usize>(
    weights: &[f32],
    columns: usize,
    x: &[f32],
    y: &mut [f32],
) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { rows::<__m256, T>(weights, columns, x, y) }
}

// SAFETY: every function does what the trait says; the callers of the trait answer for CPU and pointers.
unsafe impl Vector for __m256 {
    const LANES: usize = 8;
    type Square = [Self; 8];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { _mm256_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm256_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, sum: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm256_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn square(from: *const f32) -> [Self; 8] {
        // SAFETY: the caller has checked the CPU and the pointer: 8 rows of 8 values, BLOCK from one to the next.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for (row, target) in rows.iter_mut().enumerate() {
                *target = _mm256_loadu_ps(from.add(row.wrapping_mul(BLOCK)));
            }
            // Of each four rows the four columns of each half, a column per vector.
            let mut halves = [[_mm256_setzero_ps(); 4]; 2];
            for (half, four) in halves.iter_mut().zip(rows.as_chunks().0) {
                let [a, b, c, d]: [Self; 4] = *four;
                let low_ab = _mm256_unpacklo_ps(a, b);
                let high_ab = _mm256_unpackhi_ps(a, b);
                let low_cd = _mm256_unpacklo_ps(c, d);
                let high_cd = _mm256_unpackhi_ps(c, d);
                *half = [
                    _mm256_shuffle_ps::<0b01_00_01_00>(low_ab, low_cd),
                    _mm256_shuffle_ps::<0b11_10_11_10>(low_ab, low_cd),
                    _mm256_shuffle_ps::<0b01_00_01_00>(high_ab, high_cd),
                    _mm256_shuffle_ps::<0b11_10_11_10>(high_ab, high_cd),
                ];
            }
            let [[a, b, c, d], [e, f, g, h]] = halves;
            [
                _mm256_permute2f128_ps::<0x20>(a, e),
                _mm256_permute2f128_ps::<0x20>(b, f),
                _mm256_permute2f128_ps::<0x20>(c, g),
                _mm256_permute2f128_ps::<0x20>(d, h),
                _mm256_permute2f128_ps::<0x31>(a, e),
                _mm256_permute2f128_ps::<0x31>(b, f),
                _mm256_permute2f128_ps::<0x31>(c, g),
                _mm256_permute2f128_ps::<0x31>(d, h),
            ]
        }
    }
}
