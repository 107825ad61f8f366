//! Advanced SIMD of 64-bit Arm: 4 lanes, 32 registers.
#![expect(unsafe_code, reason = "code for instructions that not every CPU has")]

use std::arch::aarch64::*;

use super::{
    BLOCK,
    vector::{Vector, rows, tokens},
};

/// See [`tokens`]: 24 registers hold sums.
#[target_feature(enable = "neon")]
pub(super) fn lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { tokens::<float32x4_t, 6, 4, 12>(weights, columns, x, y) }
}

/// The same: all vectors are short.
#[target_feature(enable = "neon")]
pub(super) fn few_lanes_are_tokens(weights: &[f32], columns: usize, x: &[f32], y: &mut [f32]) {
    lanes_are_tokens(weights, columns, x, y);
}

/// See [`rows`].
#[target_feature(enable = "neon")]
pub(super) fn lanes_are_rows<const T: usize>(
    weights: &[f32],
    columns: usize,
    x: &[f32],
    y: &mut [f32],
) {
    // SAFETY: this function is compiled for the instructions, so its caller has checked them.
    unsafe { rows::<float32x4_t, T>(weights, columns, x, y) }
}

// SAFETY: every function does what the trait says; the callers of the trait answer for CPU and pointers.
unsafe impl Vector for float32x4_t {
    const LANES: usize = 4;
    type Square = [Self; 4];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has checked the CPU and the pointer.
        unsafe { vst1q_f32(to, self) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { vaddq_f32(self, other) }
    }

    #[inline(always)]
    unsafe fn fma(self, factor: Self, sum: Self) -> Self {
        // SAFETY: the caller has checked the CPU.
        unsafe { vfmaq_f32(sum, self, factor) }
    }

    #[inline(always)]
    unsafe fn square(from: *const f32) -> [Self; 4] {
        // SAFETY: the caller has checked the CPU and the pointer: 4 rows of 4 values, BLOCK from one to the next.
        unsafe {
            let row = |row: usize| vld1q_f32(from.add(row.wrapping_mul(BLOCK)));
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            let even_ab = vreinterpretq_f64_f32(vtrn1q_f32(a, b));
            let odd_ab = vreinterpretq_f64_f32(vtrn2q_f32(a, b));
            let even_cd = vreinterpretq_f64_f32(vtrn1q_f32(c, d));
            let odd_cd = vreinterpretq_f64_f32(vtrn2q_f32(c, d));
            [
                vreinterpretq_f32_f64(vtrn1q_f64(even_ab, even_cd)),
                vreinterpretq_f32_f64(vtrn1q_f64(odd_ab, odd_cd)),
                vreinterpretq_f32_f64(vtrn2q_f64(even_ab, even_cd)),
                vreinterpretq_f32_f64(vtrn2q_f64(odd_ab, odd_cd)),
            ]
        }
    }
}
