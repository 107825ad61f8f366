//! The two kernels of every vector instruction set, over what the sets have in common.
//!
//! A chain is sequential, so a vector holds a step of several chains: of as many tokens, or, where there are few of
//! them, of as many rows. Registers hold the chains of a tile of rows and tokens from the first to the last column.
#![expect(
    unsafe_code,
    reason = "vectors are read and written through pointers, and their instructions are not on every CPU"
)]

use super::BLOCK;

/// A vector of f32 in a register.
///
/// # Safety
/// Callers of any function make sure that the CPU has the instructions, and that pointers are good for a vector:
/// [`Vector::LANES`] values, for [`Vector::square`] as many rows of them with [`BLOCK`] values from one to the next.
pub(super) unsafe trait Vector: Copy {
    /// Values in a vector.
    const LANES: usize;
    /// As many vectors as a vector has lanes.
    type Square: AsRef<[Self]>;

    /// The same value in every lane.
    unsafe fn splat(value: f32) -> Self;
    /// Reads a vector.
    unsafe fn load(from: *const f32) -> Self;
    /// Writes a vector.
    unsafe fn store(self, to: *mut f32);
    /// `self + other`, rounded once.
    unsafe fn plus(self, other: Self) -> Self;
    /// `self * factor + sum`, rounded once.
    unsafe fn fma(self, factor: Self, sum: Self) -> Self;
    /// Reads rows and returns their columns.
    unsafe fn square(from: *const f32) -> Self::Square;
}

/// Lane = token: adds the chains of one block of columns to `y[tile][row][lane]`.
///
/// `weights` holds rows of [`BLOCK`] values, `x[tile][column][lane]` the activations. Tiles of `N` vectors and `R` rows
/// are kept in registers, of `S` rows where a vector is left over.
///
/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn tokens<V: Vector, const R: usize, const N: usize, const S: usize>(
    weights: &[f32],
    columns: usize,
    x: &[f32],
    y: &mut [f32],
) {
    let rows = weights.len() / BLOCK;
    let step = columns * V::LANES;
    let tiles = x.len() / step;
    assert!(columns <= BLOCK && rows.is_multiple_of(R) && rows.is_multiple_of(S));
    assert!(y.len() == tiles * rows * V::LANES);
    let stride = rows * V::LANES;
    let wide = tiles / N * N;
    for tile in (0..wide).step_by(N) {
        for row in (0..rows).step_by(R) {
            // SAFETY: `row + R` is at most the rows of `weights` and of each tile of `y`, `tile + N` at most the tiles of
            // `x` and `y`.
            unsafe {
                tile_of_tokens::<V, R, N>(
                    weights.as_ptr().add(row * BLOCK),
                    columns,
                    x.as_ptr().add(tile * step),
                    y.as_mut_ptr().add(tile * stride + row * V::LANES),
                    stride,
                );
            }
        }
    }
    for tile in wide..tiles {
        for row in (0..rows).step_by(S) {
            // SAFETY: as above, with `S` rows and one tile.
            unsafe {
                tile_of_tokens::<V, S, 1>(
                    weights.as_ptr().add(row * BLOCK),
                    columns,
                    x.as_ptr().add(tile * step),
                    y.as_mut_ptr().add(tile * stride + row * V::LANES),
                    stride,
                );
            }
        }
    }
}

/// # Safety
/// The CPU has the instructions of `V`; `weights` is good for `R` rows of `columns` values, `x` for `N` tiles of
/// `columns` vectors and `y` for `R` vectors at each of `N` places `stride` apart.
#[inline(always)]
unsafe fn tile_of_tokens<V: Vector, const R: usize, const N: usize>(
    weights: *const f32,
    columns: usize,
    x: *const f32,
    y: *mut f32,
    stride: usize,
) {
    let step = columns * V::LANES;
    // SAFETY: the promises of the caller; column < columns, row < R, n < N.
    unsafe {
        let mut sums = [[V::splat(0.0); N]; R];
        for column in 0..columns {
            let mut lanes = [V::splat(0.0); N];
            for (n, lanes) in lanes.iter_mut().enumerate() {
                *lanes = V::load(x.add(n * step).add(column * V::LANES));
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let weight = V::splat(*weights.add(row * BLOCK).add(column));
                for (sum, lanes) in sums.iter_mut().zip(lanes) {
                    *sum = lanes.fma(weight, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            for (n, sum) in sums.iter().enumerate() {
                let y = y.add(n * stride + row * V::LANES);
                V::load(y).plus(*sum).store(y);
            }
        }
    }
}

/// Lane = row: adds the chains of one block of columns to `y[token][row]`, for `T` tokens.
///
/// `weights` holds rows of [`BLOCK`] values, `x[column][token]` the activations.
///
/// # Safety
/// The CPU has the instructions of `V`.
#[inline(always)]
pub(super) unsafe fn rows<V: Vector, const T: usize>(
    weights: &[f32],
    columns: usize,
    x: &[f32],
    y: &mut [f32],
) {
    let rows = weights.len() / BLOCK;
    assert!(columns <= BLOCK && rows.is_multiple_of(V::LANES));
    assert!(x.len() == columns * T && y.len() == rows * T);
    for row in (0..rows).step_by(V::LANES) {
        // SAFETY: `row + LANES` is at most the rows of `weights` and of each token of `y`; BLOCK is a multiple of LANES,
        // so a square stays inside its rows. `x` has `T` values for each column.
        unsafe {
            let mut sums = [V::splat(0.0); T];
            let weights = weights.as_ptr().add(row * BLOCK);
            let whole = columns / V::LANES * V::LANES;
            for column in (0..whole).step_by(V::LANES) {
                let square = V::square(weights.add(column));
                let x = x.as_ptr().add(column * T);
                for (column, weights) in square.as_ref().iter().enumerate() {
                    for (token, sum) in sums.iter_mut().enumerate() {
                        let x = V::splat(*x.add(column * T + token));
                        *sum = weights.fma(x, *sum);
                    }
                }
            }
            let rest = x.as_chunks::<T>().0.iter().skip(whole);
            if rest.len() > 0 {
                let square = V::square(weights.add(whole));
                for (weights, x) in square.as_ref().iter().zip(rest) {
                    for (sum, x) in sums.iter_mut().zip(x) {
                        *sum = weights.fma(V::splat(*x), *sum);
                    }
                }
            }
            for (token, sum) in sums.into_iter().enumerate() {
                let y = y.as_mut_ptr().add(token * rows + row);
                V::load(y).plus(sum).store(y);
            }
        }
    }
}
