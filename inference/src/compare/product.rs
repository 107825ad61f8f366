//! Exact products: dequantised weights times activations, summed in f64.

use crate::{error::Error, matmul::rows, model::Tensor, parallel, source::Source};

/// Multiplies a matrix with several sets of token rows at once, so that its weights are read once.
///
/// Each set holds `columns` values per token; each result holds `rows` values per token.
pub(crate) fn products(
    matrix: &Tensor,
    sources: &[&dyn Source],
    sets: &[Vec<f64>],
    threads: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let (columns, height) = (matrix.columns().max(1), matrix.rows());
    let inputs: Vec<&[f64]> = sets
        .iter()
        .flat_map(|set| set.chunks_exact(columns))
        .collect();
    let width = inputs.len();
    // By row, then by set and token.
    let mut by_row = vec![0f64; height.saturating_mul(width)];
    let panels: Vec<_> = by_row
        .chunks_mut(PANEL.saturating_mul(width).max(1))
        .enumerate()
        .collect();
    parallel::for_each(threads, panels, |(panel, out)| {
        let count = out.len().checked_div(width).unwrap_or_default();
        let weights = rows(matrix, sources, panel.saturating_mul(PANEL), count)?;
        for (row, out) in weights.chunks(columns).zip(out.chunks_mut(width)) {
            for (out, x) in out.iter_mut().zip(&inputs) {
                *out = dot(row, x);
            }
        }
        Ok::<_, Error>(())
    })?;
    let mut first = 0usize;
    Ok(sets
        .iter()
        .map(|set| {
            let tokens = set.len().checked_div(columns).unwrap_or_default();
            let columns = first..first.saturating_add(tokens);
            first = columns.end;
            columns
                .flat_map(|column| by_row.iter().skip(column).step_by(width))
                .copied()
                .collect()
        })
        .collect())
}

/// Eight sums at a time, so that a compiler may use vectors; in f64 the order does not matter here.
fn dot(weights: &[f32], x: &[f64]) -> f64 {
    let mut sums = [0f64; 8];
    let (weights, x) = (weights.chunks(8), x.chunks(8));
    for (weights, x) in weights.zip(x) {
        for ((sum, w), x) in sums.iter_mut().zip(weights).zip(x) {
            *sum += f64::from(*w) * x;
        }
    }
    sums.iter().sum()
}

/// Rows that a thread dequantises at a time.
const PANEL: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WeightType;

    #[test]
    fn each_set_gets_its_own_product() {
        let weights: Vec<f32> = (0..70 * 5).map(|i| (i % 7) as f32 - 3.0).collect();
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let matrix = Tensor {
            name: "w".to_owned(),
            weight_type: WeightType::F32,
            dims: vec![5, 70],
            shard: 0,
            offset: 0,
            size: bytes.len() as u64,
        };
        let sets = [
            (0..10).map(f64::from).collect::<Vec<_>>(),
            (5..10).map(f64::from).collect(),
        ];
        let found = products(&matrix, &[&bytes], &sets, 2).unwrap();
        assert_eq!(found[0].len(), 140);
        assert_eq!(found[1], found[0][70..]);
        let expected: f64 = (0..5)
            .map(|k| f64::from(weights[69 * 5 + k]) * k as f64)
            .sum();
        assert_eq!(found[0][69], expected);
    }
}
