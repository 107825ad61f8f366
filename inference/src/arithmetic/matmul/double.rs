//! The structure of rule 2 in f64: the reference for other arithmetics, not optimised.

use super::{BLOCK, Factor, rows};
use crate::{arithmetic::thread_pool, error::Error, options::Options};

/// Multiplies each token's `columns` values by the matrix; the result holds `rows` values per token.
///
/// # Errors
/// Fails when a read fails.
pub(crate) fn in_f64(factor: &Factor<'_, f64>, options: &Options) -> Result<Vec<f64>, Error> {
    let (count, columns, tokens) = factor.shape();
    // Row-major: a job writes the sums of its rows.
    let mut y = vec![0f64; count * tokens];
    let jobs: Vec<_> = y.chunks_mut(ROWS * tokens).enumerate().collect();
    thread_pool::for_each(options.threads, jobs, |(job, y)| {
        let first = job * ROWS;
        let count = y.len() / tokens;
        let weights = rows(factor.matrix, factor.sources, first, count)?;
        for (weights, y) in weights.chunks(columns).zip(y.chunks_mut(tokens)) {
            for (x, y) in factor.x.chunks(columns).zip(y) {
                for (weights, x) in weights.chunks(BLOCK).zip(x.chunks(BLOCK)) {
                    let steps = weights.iter().zip(x);
                    *y += steps.fold(0f64, |p, (w, x)| f64::from(*w).mul_add(*x, p));
                }
            }
        }
        Ok::<_, Error>(())
    })?;
    let token = |token: usize| y.iter().skip(token).step_by(tokens);
    Ok((0..tokens).flat_map(token).copied().collect())
}

/// Rows that a thread decodes at a time.
const ROWS: usize = 64;
