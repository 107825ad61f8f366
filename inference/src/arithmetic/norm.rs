//! Norms (rule 3).
#![expect(
    clippy::indexing_slicing,
    reason = "the partial sums are an array of 256 and the indexes are below it"
)]

use crate::arithmetic::{instruction_set::Instructions, number::Real};

/// A norm of rows of `length` values: of the values, or where it is `centred` of their distances from the mean. Row i has
/// the weights i mod n, of as many as there are, or none; a bias is one addition.
pub(crate) fn norm<F: Real>(
    values: &[F],
    (length, centred, epsilon): (usize, bool, F),
    weight: Option<&[F]>,
    bias: Option<&[F]>,
) -> Vec<F> {
    Instructions::best().run(|| {
        let mut out = Vec::with_capacity(values.len());
        let mut weights = weight.map(|weight| weight.chunks(length).cycle());
        for row in values.chunks(length) {
            let mut row = row.to_vec();
            if centred {
                let mean = sum(&row) / F::from_count(length);
                for x in &mut row {
                    *x = *x - mean;
                }
            }
            let r = F::ONE / (sum_of_squares(&row) / F::from_count(length) + epsilon).square_root();
            for x in &mut row {
                *x *= r;
            }
            if let Some(weights) = weights.as_mut().and_then(Iterator::next) {
                for (x, w) in row.iter_mut().zip(weights) {
                    *x *= *w;
                }
            }
            for (x, b) in row.iter_mut().zip(bias.unwrap_or_default()) {
                *x += *b;
            }
            out.extend(row);
        }
        out
    })
}

/// The sum of a row, in the order of the squares.
#[inline(always)]
fn sum<F: Real>(row: &[F]) -> F {
    let mut sums = [F::default(); 256];
    for chunk in row.chunks(256) {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += *x;
        }
    }
    tree(&mut sums)
}

/// The sum in the order of the contract.
#[inline(always)]
fn sum_of_squares<F: Real>(row: &[F]) -> F {
    let mut sums = [F::default(); 256];
    for chunk in row.chunks(256) {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum = x.fma(*x, *sum);
        }
    }
    tree(&mut sums)
}

/// Adds a power of two of partial sums pairwise: the upper half to the lower half, until one is left.
#[inline(always)]
pub(crate) fn tree<F: Real>(sums: &mut [F]) -> F {
    let mut length = sums.len() / 2;
    while length > 0 {
        let (lower, upper) = sums.split_at_mut(length);
        for (low, high) in lower.iter_mut().zip(upper.iter().take(length)) {
            *low += *high;
        }
        length /= 2;
    }
    sums[0]
}

/// The norm of rows that are as long as their weight.
#[cfg(any(test, feature = "cuda"))]
pub(crate) fn rms_norm<F: Real>(values: &[F], weight: &[F], epsilon: F) -> Vec<F> {
    norm(values, (weight.len(), false, epsilon), Some(weight), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_normalised_to_its_weight() {
        let row: Vec<f32> = (0..1000).map(|i| (i as f32 * 0.7).sin() * 3.0).collect();
        let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / 1000.0;
        let out = rms_norm(&row, &vec![2.0; 1000], 1e-5);
        for (x, y) in row.iter().zip(out) {
            let expected = f64::from(*x) / (mean + 1e-5).sqrt() * 2.0;
            assert!((f64::from(y) - expected).abs() <= 4e-7 * expected.abs());
        }
    }

    #[test]
    fn the_tree_adds_the_upper_half_to_the_lower_half() {
        // 2^24 + 1 + 1: pairwise (2^24 + 1) is 2^24, whatever comes next is added in pairs as well.
        let mut sums = [16_777_216.0, 1.0, 1.0, 1.0];
        assert_eq!(tree::<f32>(&mut sums), 16_777_218.0);
    }

    #[test]
    fn rows_do_not_see_each_other() {
        let values: Vec<f32> = (0..128).map(|i| i as f32 - 40.0).collect();
        let weight = vec![1.5; 64];
        let both = rms_norm(&values, &weight, 1e-6);
        assert_eq!(both[64..], rms_norm(&values[64..], &weight, 1e-6));
    }
}
