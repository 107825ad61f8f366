//! The numbers that a forward computes with: f32 under `f32-fixed-2`, or f64 as the reference to judge other engines by.

use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub};

use crate::{
    arithmetic::{
        exp::exp32,
        matmul::{self, Factor},
    },
    error::Error,
    options::Options,
};

/// A floating point number with the operations of the contract; each rounds once.
///
/// The code of every stage but the matrix products is written once over this trait, so that f64 has the same structure.
pub(crate) trait Real:
    Copy
    + Default
    + PartialOrd
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + MulAssign
    + DivAssign
{
    const ONE: Self;
    const NEG_INFINITY: Self;

    /// `self * b + c` with one rounding.
    fn fma(self, b: Self, c: Self) -> Self;
    fn square_root(self) -> Self;
    /// e to this power.
    fn exponential(self) -> Self;
    /// Exact.
    fn from_f32(value: f32) -> Self;
    /// The one rounding of what was computed in f64.
    fn from_f64(value: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// The products of sides in lock step; `same` says that their activations have the same bits.
    fn products(
        factors: &[Factor<'_, Self>],
        same: bool,
        options: &Options,
    ) -> Result<Vec<Vec<Self>>, Error>;

    /// A function of the `libm` crate in f64, rounded once.
    fn through_f64(self, function: impl Fn(f64) -> f64) -> Self {
        Self::from_f64(function(self.to_f64()))
    }

    /// 1 / (1 + e^-x): one addition and one division.
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::ONE / (Self::ONE + (-self).exponential())
    }

    /// The smaller of two; the other one where one is NaN.
    fn least(self, other: Self) -> Self {
        if other < self { other } else { self }
    }

    /// The greater of two.
    fn greatest(self, other: Self) -> Self {
        if other > self { other } else { self }
    }

    /// A count: a row has far fewer than 2^24 values.
    fn from_count(count: usize) -> Self {
        Self::from_f64(count as f64)
    }
}

impl Real for f32 {
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn square_root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        exp32(self)
    }

    fn from_f32(value: f32) -> Self {
        value
    }

    #[expect(clippy::cast_possible_truncation, reason = "the rounding is meant")]
    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self.into()
    }

    fn products(
        factors: &[Factor<'_, Self>],
        same: bool,
        options: &Options,
    ) -> Result<Vec<Vec<Self>>, Error> {
        matmul::matmul(factors, same, options)
    }
}

impl Real for f64 {
    const ONE: Self = 1.0;
    const NEG_INFINITY: Self = Self::NEG_INFINITY;

    #[inline(always)]
    fn fma(self, b: Self, c: Self) -> Self {
        self.mul_add(b, c)
    }

    #[inline(always)]
    fn square_root(self) -> Self {
        self.sqrt()
    }

    #[inline(always)]
    fn exponential(self) -> Self {
        libm::exp(self)
    }

    fn from_f32(value: f32) -> Self {
        value.into()
    }

    #[inline(always)]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    fn products(
        factors: &[Factor<'_, Self>],
        _same: bool,
        options: &Options,
    ) -> Result<Vec<Vec<Self>>, Error> {
        factors
            .iter()
            .map(|factor| matmul::in_f64(factor, options))
            .collect()
    }
}
