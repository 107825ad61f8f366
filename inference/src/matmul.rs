//! Matrix products in the order of rule 2, over weights that are streamed in panels of rows.

use crate::{
    dequantise::dequantise,
    error::Error,
    forward::Options,
    model::Tensor,
    parallel,
    source::{Source, read},
};

/// One side of a product: a matrix of a file and the activations that it multiplies.
#[derive(Clone, Copy)]
pub(crate) struct Factor<'a, F = f32> {
    pub(crate) matrix: &'a Tensor,
    pub(crate) sources: &'a [&'a dyn Source],
    /// `columns` values for each token.
    pub(crate) x: &'a [F],
}

/// Multiplies each token's `columns` values by the matrix; the result holds `rows` values per token.
///
/// # Errors
/// Fails when a read fails.
pub(crate) fn matmul(factors: &[Factor<'_>], options: &Options) -> Result<Vec<Vec<f32>>, Error> {
    factors.iter().map(|factor| one(factor, options)).collect()
}

/// The same structure in f64: the truth for other arithmetics, and not fast.
///
/// # Errors
/// Fails when a read fails.
pub(crate) fn in_f64(factor: &Factor<'_, f64>, options: &Options) -> Result<Vec<f64>, Error> {
    let (columns, rows) = (factor.matrix.columns(), factor.matrix.rows());
    let tokens = factor.x.len().checked_div(columns).unwrap_or_default();
    let mut y = vec![0f64; rows.saturating_mul(tokens)];
    let jobs: Vec<_> = y
        .chunks_mut(F64_ROWS.saturating_mul(tokens).max(1))
        .enumerate()
        .collect();
    parallel::for_each(options.threads, jobs, |(panel, y)| {
        let first = panel.saturating_mul(F64_ROWS);
        let count = y.len().checked_div(tokens).unwrap_or_default();
        let weights = self::rows(factor.matrix, factor.sources, first, count)?;
        for (weights, y) in weights.chunks(columns).zip(y.chunks_mut(tokens)) {
            for (x, y) in factor.x.chunks(columns).zip(y) {
                for (w, x) in weights.chunks(BLOCK).zip(x.chunks(BLOCK)) {
                    let pairs = w.iter().zip(x);
                    *y += pairs.fold(0.0, |p, (w, x)| f64::from(*w).mul_add(*x, p));
                }
            }
        }
        Ok::<_, Error>(())
    })?;
    Ok(transpose(&y, tokens))
}

fn one(factor: &Factor<'_>, options: &Options) -> Result<Vec<f32>, Error> {
    let Factor { matrix, sources, x } = *factor;
    let (columns, rows) = (matrix.columns(), matrix.rows());
    let tokens = x.len().checked_div(columns).unwrap_or_default();
    if tokens == 0 {
        return Ok(Vec::new());
    }
    let x = transpose(x, columns);
    // Lane = token: y[row][token].
    let mut y = vec![0f32; rows.saturating_mul(tokens)];
    let panel_rows = options
        .panel_bytes
        .checked_div(matrix.row_bytes())
        .unwrap_or_default()
        .min(rows.div_ceil(options.threads.max(1)))
        .max(1);
    let panels: Vec<_> = y
        .chunks_mut(panel_rows.saturating_mul(tokens))
        .enumerate()
        .map(|(panel, y)| (panel.saturating_mul(panel_rows), y))
        .collect();
    parallel::for_each(options.threads, panels, |(first, y)| {
        let rows = y.len().checked_div(tokens).unwrap_or_default();
        let bytes = read_rows(matrix, sources, first, rows)?;
        let mut weights = vec![0f32; columns];
        let mut partial = vec![0f32; tokens];
        for (bytes, y) in bytes.chunks(matrix.row_bytes()).zip(y.chunks_mut(tokens)) {
            dequantise(matrix.weight_type, bytes, &mut weights);
            row_times_tokens(&weights, &x, &mut partial, y);
        }
        Ok::<_, Error>(())
    })?;
    Ok(transpose(&y, tokens))
}

/// Reads and dequantises rows of a tensor.
///
/// # Errors
/// Fails when the read fails.
pub(crate) fn rows(
    tensor: &Tensor,
    sources: &[&dyn Source],
    first: usize,
    rows: usize,
) -> Result<Vec<f32>, Error> {
    let bytes = read_rows(tensor, sources, first, rows)?;
    let mut values = vec![0f32; rows.saturating_mul(tensor.columns())];
    dequantise(tensor.weight_type, &bytes, &mut values);
    Ok(values)
}

/// One row for all tokens, by the fastest code that this processor has. All of it gives the same bits: an fma rounds once,
/// in an instruction as in the library.
fn row_times_tokens(weights: &[f32], x: &[f32], partial: &mut [f32], y: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        #[expect(
            unsafe_code,
            reason = "code for instructions that not every processor has"
        )]
        // SAFETY: the processor has the two features that the function is compiled for.
        return unsafe { blocks_with_fma(weights, x, partial, y) };
    }
    blocks(weights, x, partial, y);
}

/// [`blocks`], compiled for processors with AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn blocks_with_fma(weights: &[f32], x: &[f32], partial: &mut [f32], y: &mut [f32]) {
    blocks(weights, x, partial, y);
}

/// In each block of 256 columns a chain of fma from +0 for each token, then the block's sum onto y.
#[inline(always)]
fn blocks(weights: &[f32], x: &[f32], partial: &mut [f32], y: &mut [f32]) {
    let tokens = y.len();
    for (weights, x) in weights
        .chunks(BLOCK)
        .zip(x.chunks(BLOCK.saturating_mul(tokens)))
    {
        partial.fill(0.0);
        for (w, x) in weights.iter().zip(x.chunks(tokens)) {
            for (p, x) in partial.iter_mut().zip(x) {
                *p = w.mul_add(*x, *p);
            }
        }
        for (y, p) in y.iter_mut().zip(&*partial) {
            *y += p;
        }
    }
}

fn read_rows(
    tensor: &Tensor,
    sources: &[&dyn Source],
    first: usize,
    rows: usize,
) -> Result<Vec<u8>, Error> {
    let row_bytes = tensor.row_bytes();
    let skipped = u64::try_from(first.saturating_mul(row_bytes)).unwrap_or(u64::MAX);
    let source = sources
        .get(tensor.shard)
        .ok_or_else(|| Error::model("sources", tensor.shard.saturating_add(1), sources.len()))?;
    read(
        *source,
        tensor.offset.saturating_add(skipped),
        rows.saturating_mul(row_bytes),
    )
}

/// Turns rows of `columns` values into columns.
fn transpose<F: Copy>(values: &[F], columns: usize) -> Vec<F> {
    (0..columns)
        .flat_map(|column| values.iter().skip(column).step_by(columns))
        .copied()
        .collect()
}

/// Rows that a thread takes at a time in f64.
const F64_ROWS: usize = 64;

/// The length of a chain.
const BLOCK: usize = 256;

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the shapes are those of the tests"
)]
mod tests {
    use fixtures::random::Random;

    use super::*;
    use crate::model::WeightType;

    #[test]
    fn the_sum_is_made_of_chains_of_256() {
        let (tensor, weights, x) = example(600, 3, 2);
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let found = product(&tensor, &bytes, &x, &Options::default()).unwrap();
        for (token, x) in x.chunks(600).enumerate() {
            for (row, w) in weights.chunks(600).enumerate() {
                let mut y = 0f32;
                for (w, x) in w.chunks(256).zip(x.chunks(256)) {
                    y += w.iter().zip(x).fold(0f32, |p, (w, x)| w.mul_add(*x, p));
                }
                assert_eq!(found[token * 3 + row].to_bits(), y.to_bits());
            }
        }
    }

    #[test]
    fn threads_and_panels_and_other_tokens_do_not_change_a_bit() {
        let (tensor, weights, x) = example(512, 37, 9);
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let run = |threads, panel_bytes, x: &[f32]| {
            let options = Options {
                threads,
                panel_bytes,
            };
            product(&tensor, &bytes, x, &options).unwrap()
        };
        let expected = run(1, usize::MAX, &x);
        for threads in [1, 2, 5, 64] {
            for panel_bytes in [0, 2048, 5000, 1 << 22] {
                assert_eq!(run(threads, panel_bytes, &x), expected);
            }
        }
        assert_eq!(run(1, 1 << 20, &x[..512 * 4]), expected[..37 * 4]);
    }

    #[test]
    fn a_file_that_ends_early_is_an_error() {
        let (tensor, _, x) = example(512, 4, 1);
        let error = product(&tensor, &[0; 100], &x, &Options::default()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }));
    }

    fn product(
        matrix: &Tensor,
        bytes: &[u8],
        x: &[f32],
        options: &Options,
    ) -> Result<Vec<f32>, Error> {
        let bytes = bytes.to_vec();
        let sources: [&dyn Source; 1] = [&bytes];
        let factor = Factor {
            matrix,
            sources: &sources,
            x,
        };
        Ok(matmul(&[factor], options)?.remove(0))
    }

    type Code = fn(&[f32], &[f32], &mut [f32], &mut [f32]);

    #[test]
    fn the_fast_code_gives_the_bits_of_the_reference_also_for_odd_values() {
        let mut random = Random::new(11);
        let odd = [
            0.0,
            -0.0,
            1e-41,
            -1e-45,
            f32::MAX,
            f32::MIN,
            f32::INFINITY,
            f32::NAN,
            3e38,
        ];
        for (columns, tokens) in [(1, 1), (256, 3), (300, 8), (1000, 17), (513, 45)] {
            for outliers in [0, 1, 20] {
                let mut values = |count: usize| -> Vec<f32> {
                    let mut values: Vec<f32> = (0..count).map(|_| random.normal()).collect();
                    for index in 0..outliers {
                        let place = (index * 7919 + columns) % count;
                        values[place] =
                            odd[index % odd.len()] * if index > 9 { 800.0 } else { 1.0 };
                    }
                    values
                };
                let (weights, x) = (values(columns), values(columns * tokens));
                let run = |code: Code| {
                    let (mut partial, mut y) = (vec![0.0; tokens], vec![0.0; tokens]);
                    code(&weights, &x, &mut partial, &mut y);
                    // NaNs are compared as a class.
                    y.iter()
                        .map(|value| {
                            if value.is_nan() {
                                f32::NAN.to_bits()
                            } else {
                                value.to_bits()
                            }
                        })
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    run(row_times_tokens),
                    run(blocks),
                    "{columns} {tokens} {outliers}"
                );
            }
        }
    }

    fn example(columns: usize, rows: usize, tokens: usize) -> (Tensor, Vec<f32>, Vec<f32>) {
        let mut random = Random::new(9);
        let mut values = |count| (0..count).map(|_| random.normal()).collect::<Vec<f32>>();
        let tensor = Tensor {
            name: "w".to_owned(),
            weight_type: WeightType::F32,
            dims: vec![columns, rows],
            shard: 0,
            offset: 0,
            size: (columns * rows * 4) as u64,
        };
        (tensor, values(columns * rows), values(columns * tokens))
    }
}
