use fixtures::{blocks::random_blocks, random::Random};

use super::{
    super::{
        device::{Buffer, Device, UNTOUCHED, in_every_order},
        launches::{Panel, WEIGHT_TYPES},
    },
    any_values, normals, odd_values,
};
use crate::{
    arithmetic::matmul::{Factor, matmul, rows},
    model::{Tensor, WeightType, source::Source},
    options::Options,
};

#[test]
fn products_of_few_tokens_have_the_bits_of_a_cpu() {
    for weight_type in TAKEN_AS_THEY_ARE {
        for (rows, columns, tokens) in [
            (40, 1280, 1),
            (33, 256, 2),
            (7, 768, 3),
            (64, 512, 8),
            (35, 1024, 6),
        ] {
            few(weight_type, rows, columns, tokens);
        }
    }
    for (rows, columns, tokens) in [(3, 1, 1), (40, 300, 7), (33, 1055, 4)] {
        few(WeightType::F32, rows, columns, tokens);
    }
}

#[test]
fn products_of_many_tokens_have_the_bits_of_a_cpu() {
    for weight_type in TAKEN_AS_THEY_ARE {
        for (tile, rows, columns, tokens) in [
            (16, 140, 256, 9),
            (16, 128, 768, 17),
            (32, 40, 512, 33),
            (64, 130, 256, 20),
            (64, 20, 256, 65),
        ] {
            many(weight_type, tile, rows, columns, tokens);
        }
    }
    for (tile, rows, columns, tokens) in [(16, 5, 1, 1), (32, 130, 300, 20), (64, 20, 271, 65)] {
        many(WeightType::F32, tile, rows, columns, tokens);
    }
}

fn few(weight_type: WeightType, rows: usize, columns: usize, tokens: usize) {
    let product = Product::new(weight_type, rows, columns, tokens);
    let (partial, placed) = (product.partial_sums(), product.placed());
    in_every_order(|device| {
        let (panel, x) = product.put(device);
        let found = device.gemv(panel, x, tokens)?;
        device.holds(found, &partial)?;
        let out = device.untouched(placed.len());
        device.sum_partials(panel, found, tokens, out)?;
        device.holds(out, &placed)
    });
}

fn many(weight_type: WeightType, tile: usize, rows: usize, columns: usize, tokens: usize) {
    let product = Product::new(weight_type, rows, columns, tokens);
    let placed = product.placed();
    // Each block alone: its chain, added to +0.
    let partial: Vec<f32> = product.partial_sums().iter().map(|p| 0.0 + p).collect();
    in_every_order(|device| {
        let (panel, x) = product.put(device);
        let out = device.untouched(placed.len());
        device.gemm(panel, x, tokens, out, [tile, 1])?;
        device.holds(out, &placed)?;
        let whole = Panel {
            first: 0,
            all_rows: rows,
            ..panel
        };
        let out = device.reserve(partial.len());
        device.gemm(whole, x, tokens, out, [tile, columns.div_ceil(256)])?;
        device.holds(out, &partial)
    });
}

#[test]
fn products_of_every_type_and_shape() {
    for seed in 0..140 {
        let mut random = Random::new(seed);
        let (_, weight_type) = WEIGHT_TYPES[seed as usize % WEIGHT_TYPES.len()];
        let below = |random: &mut Random, bound: u64| random.below(bound) as usize + 1;
        let columns = match weight_type.block().0 {
            1 => below(&mut random, 600),
            elements => elements * below(&mut random, 768 / elements as u64),
        };
        let (rows, tokens) = (below(&mut random, 70), below(&mut random, 40));
        let mut matrix = Matrix::new(weight_type, columns, rows, &mut random);
        if seed % 3 == 0 {
            matrix.fill_one_block_of(7, &mut random);
        }
        let x = any_values(columns * tokens, &mut random);
        let product = Product { matrix, x };
        let mut device = Device::of_seed(seed);
        let (panel, x) = product.put(&mut device);
        let out = device.untouched(product.placed().len());
        device.product(panel, x, tokens, out).unwrap();
        let holds = device.holds(out, &product.placed());
        let shape = format!("{weight_type:?} {rows} x {columns}, {tokens} tokens, seed {seed}");
        assert_eq!(holds, Ok(()), "{shape}");
    }
}

#[test]
fn dequantised_blocks_have_the_bits_of_the_formulas() {
    for (_, weight_type) in WEIGHT_TYPES {
        let mut random = Random::new(11);
        let mut matrix = Matrix::new(weight_type, 512, 3, &mut random);
        matrix.is_dequantised();
        random.fill(&mut matrix.bytes);
        matrix.is_dequantised();
    }
}

#[test]
fn halves_are_widened_as_on_a_cpu() {
    let mut matrix = Matrix::new(WeightType::F16, 1 << 16, 1, &mut Random::new(1));
    matrix.bytes = (0..=u16::MAX).flat_map(u16::to_le_bytes).collect();
    matrix.is_dequantised();
}

/// A matrix of random blocks.
struct Matrix {
    tensor: Tensor,
    bytes: Vec<u8>,
}

impl Matrix {
    fn new(weight_type: WeightType, columns: usize, rows: usize, random: &mut Random) -> Self {
        let id = weight_type.ggml_type().id();
        let bytes = random_blocks(id, (columns * rows) as u64, random);
        let tensor = Tensor::alone(weight_type, columns, rows, bytes.len());
        Self { tensor, bytes }
    }

    /// Puts any bits at all in some blocks: scales that are huge, infinite, NaN, subnormal or zero as well.
    fn fill_one_block_of(&mut self, blocks: usize, random: &mut Random) {
        let (_, size) = self.tensor.weight_type.block();
        let blocks = self.bytes.chunks_mut(size).step_by(blocks);
        blocks.for_each(|block| random.fill(block));
    }

    fn decoded(&self) -> Vec<f32> {
        let sources: [&dyn Source; 1] = [&self.bytes];
        rows(&self.tensor, &sources, 0, self.tensor.rows()).unwrap()
    }

    fn is_dequantised(&self) {
        in_every_order(|device| {
            // Not one byte more than there is.
            let raw = device.upload(&self.bytes);
            let panel = Panel {
                raw,
                ..self.put(device)
            };
            let found = device.dequantise(panel)?;
            device.holds(found, &self.decoded())
        });
    }

    /// The matrix as a panel of a larger one.
    fn put(&self, device: &mut Device<'_>) -> Panel {
        let rows = self.tensor.rows();
        Panel {
            weight_type: self.tensor.weight_type,
            raw: device.upload_padded(self.bytes.clone()),
            rows,
            columns: self.tensor.columns(),
            first: FIRST,
            all_rows: FIRST + rows + 2,
        }
    }
}

/// A product with its activations.
struct Product {
    matrix: Matrix,
    x: Vec<f32>,
}

impl Product {
    fn new(weight_type: WeightType, rows: usize, columns: usize, tokens: usize) -> Self {
        let mut random = Random::new((rows * columns + tokens) as u64);
        let mut matrix = Matrix::new(weight_type, columns, rows, &mut random);
        let mut x = normals(columns * tokens, &mut random);
        if rows % 2 == 1 {
            matrix.fill_one_block_of(3, &mut random);
            x = odd_values(columns * tokens, &mut random);
        }
        Self { matrix, x }
    }

    fn put(&self, device: &mut Device<'_>) -> (Panel, Buffer) {
        (self.matrix.put(device), device.put(&self.x))
    }

    /// Results at their place among all rows: what lies around them is not written.
    fn placed(&self) -> Vec<f32> {
        let sources: [&dyn Source; 1] = [&self.matrix.bytes];
        let factor = Factor {
            matrix: &self.matrix.tensor,
            sources: &sources,
            x: &self.x,
        };
        let options = Options {
            threads: 1,
            panel_bytes: 1 << 20,
            ..Options::default()
        };
        let expected = matmul(&[factor], false, &options).unwrap().remove(0);
        let tokens = expected.chunks(self.matrix.tensor.rows());
        let placed = tokens.map(|row| [&[UNTOUCHED; FIRST], row, &[UNTOUCHED; 2]].concat());
        placed.flatten().collect()
    }

    /// The chain of each block, token and row.
    fn partial_sums(&self) -> Vec<f32> {
        let columns = self.matrix.tensor.columns();
        let weights = self.matrix.decoded();
        let mut sums = Vec::new();
        for block in (0..columns).step_by(256) {
            for x in self.x.chunks(columns) {
                for w in weights.chunks(columns) {
                    let end = columns.min(block + 256);
                    let pairs = w[block..end].iter().zip(&x[block..end]);
                    sums.push(pairs.fold(0f32, |p, (w, x)| w.mul_add(*x, p)));
                }
            }
        }
        sums
    }
}

const FIRST: usize = 3;
const TAKEN_AS_THEY_ARE: [WeightType; 3] = [WeightType::Q4K, WeightType::Q6K, WeightType::F32];
