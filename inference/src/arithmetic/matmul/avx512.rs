//! AVX-512: 16 lanes, 32 registers.
#![expect(unsafe_code, reason = "code for instructions that not every CPU has")]

use std::arch::x86_64::*;

use super::{
    BLOCK,
    vector::{Vector, rows, tokens},
};

/// See [`tokens`]: 24 registers hold sums.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
pub(super) fn lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { tokens::<__m512, 12, 2, 12>(weights, columns, x, y) }
}

/// See [`tokens`], for 8 lanes: half a vector would stay empty.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
pub(super) fn few_lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { tokens::<__m256, 12, 2, 12>(weights, columns, x, y) }
}

/// See [`rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
pub(super) fn lanes_are_rows<const T: usize>(
    weights: &[f32],
    columns: usize,
    x: &[f32],
    y: &mut [f32],
) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { rows::<__m512, T>(weights, columns, x, y) }
}

// SAFETY: every function does what the trait says; the callers of the trait answer for CPU and pointers.
unsafe impl Vector for __m512 {
    const LANES: usize = 16;
    type Square = [Self; 16];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { _mm512_storeu_ps(to, self) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm512_add_ps(self, other) }
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, sum: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { _mm512_fmadd_ps(self, factor, sum) }
    }

    #[inline(always)]
    unsafe fn square(from: *const f32) -> [Self; 16] {
        // SAFETY: the caller has checked the CPU and the pointer: 16 rows of 16 values, BLOCK from one to the next.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for (row, target) in rows.iter_mut().enumerate() {
                *target = _mm512_loadu_ps(from.add(row.wrapping_mul(BLOCK)));
            }
            // Of each four rows the four columns of each quarter, a column per vector.
            let mut quarters = [[_mm512_setzero_ps(); 4]; 4];
            for (quarter, four) in quarters.iter_mut().zip(rows.as_chunks().0) {
                let [a, b, c, d]: [Self; 4] = *four;
                let low_ab = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let high_ab = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let low_cd = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let high_cd = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                *quarter = [
                    _mm512_castpd_ps(_mm512_unpacklo_pd(low_ab, low_cd)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(low_ab, low_cd)),
                    _mm512_castpd_ps(_mm512_unpacklo_pd(high_ab, high_cd)),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(high_ab, high_cd)),
                ];
            }
            // Column c of every quarter: 128 bits of each of the four vectors.
            let [q0, q1, q2, q3] = quarters;
            let mut columns = [_mm512_setzero_ps(); 16];
            let places = q0.into_iter().zip(q1).zip(q2.into_iter().zip(q3));
            for (column, ((a, b), (c, d))) in places.enumerate() {
                let low_ab = _mm512_shuffle_f32x4::<0b01_00_01_00>(a, b);
                let high_ab = _mm512_shuffle_f32x4::<0b11_10_11_10>(a, b);
                let low_cd = _mm512_shuffle_f32x4::<0b01_00_01_00>(c, d);
                let high_cd = _mm512_shuffle_f32x4::<0b11_10_11_10>(c, d);
                let found = [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(low_ab, low_cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(low_ab, low_cd),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(high_ab, high_cd),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(high_ab, high_cd),
                ];
                for (target, found) in columns.iter_mut().skip(column).step_by(4).zip(found) {
                    *target = found;
                }
            }
            columns
        }
    }
}
