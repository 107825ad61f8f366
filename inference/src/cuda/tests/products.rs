use fixtures::random::Random;
use ptx_interpreter::Module;

use super::{
    super::PTX,
    Matrix, odd_values,
    run::{Argument, bytes, check, input, outcome, output},
    values,
};
use crate::{
    matmul::{Factor, matmul},
    model::WeightType,
    options::Options,
    source::Source,
};

#[test]
fn products_of_few_tokens_have_the_bits_of_a_cpu() {
    for (name, weight_type) in MATMULS {
        for (rows, columns, tokens) in [
            (40, 1280, 1),
            (33, 256, 2),
            (7, 768, 3),
            (64, 512, 8),
            (35, 1024, 6),
        ] {
            few(name, weight_type, rows, columns, tokens);
        }
    }
    for (rows, columns, tokens) in [(3, 1, 1), (40, 300, 7), (33, 1055, 4)] {
        few("f32", WeightType::F32, rows, columns, tokens);
    }
}

#[test]
fn products_of_many_tokens_have_the_bits_of_a_cpu() {
    for (name, weight_type) in MATMULS {
        for (tile, rows, columns, tokens) in [
            (16, 140, 256, 9),
            (16, 128, 768, 17),
            (32, 40, 512, 33),
            (64, 130, 256, 20),
            (64, 20, 256, 65),
        ] {
            many(name, weight_type, tile, rows, columns, tokens);
        }
    }
    for (tile, rows, columns, tokens) in [(16, 5, 1, 1), (32, 130, 300, 20), (64, 20, 271, 65)] {
        many("f32", WeightType::F32, tile, rows, columns, tokens);
    }
}

fn few(name: &str, weight_type: WeightType, rows: usize, columns: usize, tokens: usize) {
    let product = Product::new(weight_type, rows, columns, tokens);
    let width = tokens.next_power_of_two();
    let (n, k, t) = (rows as u32, columns as u32, tokens as u32);
    let blocks = k.div_ceil(256);
    let partial = product.partial_sums();
    check(
        &format!("matmul_{name}_gemv_{width}"),
        [n.div_ceil(32), blocks.div_ceil(4), 1],
        &[
            input(&product.matrix.padded()),
            input(&bytes(&product.x)),
            output(&partial),
            Argument::U32(n),
            Argument::U32(k),
            Argument::U32(t),
        ],
    );
    check(
        "sum_partials",
        [n.div_ceil(256), t, 1],
        &[
            input(&bytes(&partial)),
            output(&placed(&product.expected(), rows)),
            Argument::U32(n),
            Argument::U32(blocks),
            Argument::U32(t),
            Argument::U32(FIRST),
            Argument::U32(FIRST + n + 2),
        ],
    );
}

fn many(
    name: &str,
    weight_type: WeightType,
    tile: u32,
    rows: usize,
    columns: usize,
    tokens: usize,
) {
    let product = Product::new(weight_type, rows, columns, tokens);
    let (n, k, t) = (rows as u32, columns as u32, tokens as u32);
    let run = |parts, y, first, all_rows| {
        check(
            &format!("matmul_{name}_gemm_{tile}"),
            [n.div_ceil(128), t.div_ceil(tile), parts],
            &[
                input(&product.matrix.padded()),
                input(&bytes(&product.x)),
                y,
                Argument::U32(n),
                Argument::U32(k),
                Argument::U32(t),
                Argument::U32(first),
                Argument::U32(all_rows),
            ],
        );
    };
    let whole = output(&placed(&product.expected(), rows));
    run(1, whole, FIRST, FIRST + n + 2);
    // Each block alone: its chain, added to +0.
    let partial: Vec<f32> = product.partial_sums().iter().map(|p| 0.0 + p).collect();
    run(k.div_ceil(256), output(&partial), 0, n);
}

#[test]
fn a_missing_barrier_and_another_rounding_are_found() {
    let name = "matmul_q4_k_gemv_4";
    let product = Product::new(WeightType::Q4K, 40, 512, 4);
    let partial = product.partial_sums();
    let (before, rest) = PTX.split_at(PTX.find(&format!(".entry {name}(")).unwrap());
    let (kernel, after) = rest.split_at(rest.find(".visible .entry ").unwrap());
    let outcome = |kernel: &str| {
        let module = Module::parse(&format!("{before}{kernel}{after}")).unwrap();
        let arguments = [
            input(&product.matrix.padded()),
            input(&bytes(&product.x)),
            output(&partial),
            Argument::U32(40),
            Argument::U32(512),
            Argument::U32(4),
        ];
        outcome(&module, name, [2, 1, 1], &arguments)
    };
    assert_eq!(outcome(kernel), Ok(()));
    assert!(outcome(&kernel.replacen("bar.sync \t0;", "", 1)).is_err());
    assert!(outcome(&kernel.replacen("neg.f32", "abs.f32", 1)).is_err());
    // The last step of a chain in two roundings.
    let (steps, last) = kernel.rsplit_once("fma.rn.f32").unwrap();
    let (operands, last) = last.split_once(';').unwrap();
    let operands: Vec<&str> = operands.split(',').map(str::trim).collect();
    let [to, w, x, p] = operands[..] else {
        panic!("{operands:?}");
    };
    let unfused = format!("mul.rn.f32 {to}, {w}, {x}; add.rn.f32 {to}, {to}, {p};");
    assert!(outcome(&format!("{steps}{unfused}{last}")).is_err());
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
        let mut x = values(columns * tokens, &mut random);
        if rows % 2 == 1 {
            // Any bits at all: scales that are huge, infinite, NaN, subnormal or zero as well.
            let blocks = matrix.bytes.chunks_mut(weight_type.block().1);
            blocks.step_by(3).for_each(|block| random.fill(block));
            x = odd_values(columns * tokens, &mut random);
        }
        Self { matrix, x }
    }

    fn expected(&self) -> Vec<f32> {
        let sources: [&dyn Source; 1] = [&self.matrix.bytes];
        let factor = Factor {
            matrix: &self.matrix.tensor,
            sources: &sources,
            x: &self.x,
        };
        let options = Options {
            threads: 1,
            panel_bytes: 1 << 20,
        };
        matmul(&[factor], &options).unwrap().remove(0)
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

/// Results of a panel at their place among all rows: what lies around them is not written.
fn placed(values: &[f32], rows: usize) -> Vec<Option<f32>> {
    let around = |count: usize| std::iter::repeat_n(None, count);
    let tokens = values.chunks(rows);
    tokens
        .flat_map(|row| {
            around(FIRST as usize)
                .chain(row.iter().copied().map(Some))
                .chain(around(2))
        })
        .collect()
}

const FIRST: u32 = 3;
const MATMULS: [(&str, WeightType); 3] = [
    ("q4_k", WeightType::Q4K),
    ("q6_k", WeightType::Q6K),
    ("f32", WeightType::F32),
];
