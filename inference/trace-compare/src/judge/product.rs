//! Exact products: dequantised weights times activations, summed in f64.

use super::rounding::{Rounding, sum_corrections};
use inference::internals::{self, rows};
use inference::{Error, Source, Tensor, WeightType, internals::read};

/// Multiplies a matrix with the activations of all tokens under several roundings.
pub(crate) fn rounded_products(
    matrix: &Tensor,
    sources: &[&dyn Source],
    activations: &[f32],
    roundings: &[Rounding],
    threads: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let columns = matrix.columns();
    let round = |rounding: &Rounding| rounding.apply(activations, columns);
    let sets: Vec<_> = roundings.iter().map(round).collect();
    let mut results = products(matrix, sources, &sets, threads)?;
    for (result, rounding) in results.iter_mut().zip(roundings) {
        if *rounding == Rounding::Q8_1 {
            let corrections = sum_corrections(activations, columns);
            add_minima(matrix, sources, &corrections, result)?;
        }
    }
    Ok(results)
}

/// The same of a matrix with a slice for each expert or head: `slices` names that of each result. A row of activations is used
/// by as many results in turn as there are for each row.
pub(crate) fn rounded_products_of_slices(
    matrix: &Tensor,
    sources: &[&dyn Source],
    activations: &[f32],
    slices: &[usize],
    roundings: &[Rounding],
    threads: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let rows: Vec<&[f32]> = activations.chunks(matrix.columns()).collect();
    let each = slices.len() / rows.len().max(1);
    let mut results = vec![vec![0.0; slices.len() * matrix.rows()]; roundings.len()];
    for slice in 0..matrix.slices() {
        let places = slices.iter().enumerate();
        let places = places.filter(|(_, used)| **used == slice);
        let places: Vec<usize> = places.map(|(place, _)| place).collect();
        let taken = places.iter().filter_map(|place| rows.get(place / each));
        let taken: Vec<f32> = taken.copied().flatten().copied().collect();
        let matrix = matrix.slice(slice);
        let found = rounded_products(&matrix, sources, &taken, roundings, threads)?;
        for (result, found) in results.iter_mut().zip(found) {
            let mut to: Vec<&mut [f64]> = result.chunks_mut(matrix.rows()).collect();
            for (place, row) in places.iter().zip(found.chunks(matrix.rows())) {
                if let Some(to) = to.get_mut(*place) {
                    to.copy_from_slice(row);
                }
            }
        }
    }
    Ok(results)
}

/// Multiplies a matrix with several sets of token rows at once, so that its weights are read once.
///
/// Each set holds `columns` values per token; each result holds `rows` values per token.
fn products(
    matrix: &Tensor,
    sources: &[&dyn Source],
    sets: &[Vec<f64>],
    threads: usize,
) -> Result<Vec<Vec<f64>>, Error> {
    let (columns, height) = (matrix.columns(), matrix.rows());
    let inputs: Vec<&[f64]> = sets
        .iter()
        .flat_map(|set| set.chunks_exact(columns))
        .collect();
    let width = inputs.len();
    // By row, then by set and token.
    let mut by_row = vec![0f64; height * width];
    let panels: Vec<_> = by_row
        .chunks_mut((PANEL * width).max(1))
        .enumerate()
        .collect();
    internals::for_each(threads, panels, |(panel, out)| {
        let count = out.len() / width;
        let weights = rows(matrix, sources, panel * PANEL, count)?;
        let mut wide = vec![0f64; columns];
        for (row, out) in weights.chunks(columns).zip(out.chunks_mut(width)) {
            for (wide, weight) in wide.iter_mut().zip(row) {
                *wide = f64::from(*weight);
            }
            for (out, x) in out.iter_mut().zip(&inputs) {
                *out = dot(&wide, x);
            }
        }
        Ok::<_, Error>(())
    })?;
    let mut first = 0usize;
    Ok(sets
        .iter()
        .map(|set| {
            let tokens = set.len() / columns;
            let columns = first..first + tokens;
            first = columns.end;
            columns
                .flat_map(|column| by_row.iter().skip(column).step_by(width))
                .copied()
                .collect()
        })
        .collect())
}

/// Adds the minimum of each block of weights times what the block's sum of activations is corrected by, to `rows` values for
/// each token.
fn add_minima(
    matrix: &Tensor,
    sources: &[&dyn Source],
    corrections: &[f64],
    result: &mut [f64],
) -> Result<(), Error> {
    let (WeightType::Q4_1 | WeightType::Q5_1, Some(source)) =
        (matrix.weight_type, sources.get(matrix.shard))
    else {
        return Ok(());
    };
    let (_, block_bytes) = matrix.weight_type.block();
    let blocks = matrix.row_bytes() / block_bytes;
    let mut offset = matrix.offset;
    for row in 0..matrix.rows() {
        let bytes = read(*source, offset, matrix.row_bytes())?;
        offset += bytes.len() as u64;
        // The scale, then the minimum, both f16.
        let minima: Vec<f64> = bytes
            .chunks(block_bytes)
            .filter_map(|block| block.get(2..)?.first_chunk().copied())
            .map(|bytes| half::f16::from_le_bytes(bytes).to_f64())
            .collect();
        let tokens = result.iter_mut().skip(row).step_by(matrix.rows());
        for (result, corrections) in tokens.zip(corrections.chunks(blocks)) {
            let products = minima.iter().zip(corrections);
            *result += products.map(|(minimum, sum)| minimum * sum).sum::<f64>();
        }
    }
    Ok(())
}

/// Eight sums at a time, so that a compiler may use vectors; in f64 the order does not matter here.
fn dot(weights: &[f64], x: &[f64]) -> f64 {
    let mut sums = [0f64; 8];
    let ((weights, last), (x, last_x)) = (weights.as_chunks::<8>(), x.as_chunks::<8>());
    for (weights, x) in weights.iter().zip(x) {
        for ((sum, w), x) in sums.iter_mut().zip(weights).zip(x) {
            *sum += w * x;
        }
    }
    let rest = last.iter().zip(last_x).map(|(w, x)| w * x);
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}

/// Rows that a thread dequantises at a time.
const PANEL: usize = 64;

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the integers of the test are small"
)]
mod tests {
    use fixtures::{blocks::random_blocks, random::Random};

    use super::*;

    #[test]
    fn each_set_gets_its_own_product() {
        let weights: Vec<f32> = (0..70 * 5).map(|i| (i % 7) as f32 - 3.0).collect();
        let bytes: Vec<u8> = weights.iter().flat_map(|w| w.to_le_bytes()).collect();
        let matrix = Tensor {
            stride: 0,
            is_whole: true,
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

    #[test]
    fn each_row_is_multiplied_with_its_slice() {
        let weights: Vec<u8> = (0..3 * 2 * 4)
            .flat_map(|i| (i as f32).to_le_bytes())
            .collect();
        let matrix = Tensor {
            stride: 2 * 4 * 4,
            is_whole: true,
            name: "w".to_owned(),
            weight_type: WeightType::F32,
            dims: vec![4, 2, 3],
            shard: 0,
            offset: 0,
            size: weights.len() as u64,
        };
        let rows = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        let found = |slices: &[usize]| {
            let none = [Rounding::None];
            rounded_products_of_slices(&matrix, &[&weights], &rows, slices, &none, 1).unwrap()
        };
        // One slice for each row, and two.
        assert_eq!(found(&[2, 0]), [[16.0, 20.0, 1.0, 5.0]]);
        let expected = [16.0, 20.0, 0.0, 4.0, 9.0, 13.0, 1.0, 5.0];
        assert_eq!(found(&[2, 0, 1, 0]), [expected]);
    }

    /// The product of ggml, block by block: `d * dx * sum of (q * qx) + m * s`, with integers and stored sums.
    #[test]
    fn q8_1_rounds_the_sums_that_minima_are_multiplied_by() {
        let mut random = Random::new(3);
        let (rows, blocks, tokens) = (3usize, 4usize, 2usize);
        let bytes = random_blocks(3, (rows * blocks * 32) as u64, &mut random);
        let matrix = Tensor {
            stride: 0,
            is_whole: true,
            name: "w".to_owned(),
            weight_type: WeightType::Q4_1,
            dims: vec![blocks * 32, rows],
            shard: 0,
            offset: 0,
            size: bytes.len() as u64,
        };
        let x: Vec<f32> = (0..tokens * blocks * 32).map(|_| random.normal()).collect();
        let roundings = [Rounding::Q8_1, Rounding::Q8_0];
        let found = rounded_products(&matrix, &[&bytes], &x, &roundings, 1).unwrap();
        let half = |bytes: &[u8]| half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f64();
        for token in 0..tokens {
            for row in 0..rows {
                let mut expected = 0.0;
                for block in 0..blocks {
                    let weights = &bytes[(row * blocks + block) * 20..][..20];
                    let x = &x[(token * blocks + block) * 32..][..32];
                    let largest = x.iter().fold(0f32, |max, x| max.max(x.abs()));
                    let scale = half::f16::from_f32(largest / 127.0).to_f64();
                    let q: Vec<i32> = x
                        .iter()
                        .map(|x| (x * (127.0 / largest)).round_ties_even() as i32)
                        .collect();
                    let nibble = |i: usize| i32::from(weights[4 + i % 16] >> (4 * (i / 16)) & 15);
                    let integers: i32 = (0..32).map(|i| nibble(i) * q[i]).sum();
                    let sum = (largest / 127.0) * q.iter().sum::<i32>() as f32;
                    expected += half(weights) * scale * f64::from(integers)
                        + half(&weights[2..]) * half::f16::from_f32(sum).to_f64();
                }
                let found = [0, 1].map(|set| (found[set][token * rows + row] - expected).abs());
                assert!(found[0] < 1e-9 * expected.abs().max(1.0), "{found:?}");
                assert!(found[1] > 100.0 * found[0], "{found:?}");
            }
        }
    }
}
