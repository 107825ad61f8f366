//! Kernels over shapes at random, with values that no model has: NaN, infinities, subnormals, zeros of both signs.

use std::iter::repeat_with;

use fixtures::{blocks::random_blocks, random::Random};
use ptx_interpreter::{Options, Schedule};

use super::{
    MODULE,
    device::{Device, bits, bytes},
    launches::{Panel, WEIGHT_TYPES},
};
use crate::{
    attention::{self, Heads},
    exp::silu,
    matmul::{Factor, matmul},
    model::Tensor,
    norm::rms_norm,
    source::Source,
};

#[test]
fn products_of_every_type_and_shape() {
    for seed in 0..130 {
        let mut random = Random::new(seed);
        let (_, weight_type) = WEIGHT_TYPES[seed as usize % 13];
        let (block, _) = weight_type.block();
        let below = |random: &mut Random, bound: u64| random.below(bound) as usize + 1;
        let columns = match block {
            256 => 256 * below(&mut random, 3),
            32 => 32 * below(&mut random, 19),
            _ => below(&mut random, 600),
        };
        let (rows, tokens) = (below(&mut random, 70), below(&mut random, 40));
        let id = weight_type.ggml_type().id();
        let mut raw = random_blocks(id, (rows * columns) as u64, &mut random);
        if seed % 3 == 0 {
            // Any bits at all in one block of seven.
            let blocks = raw.chunks_mut(weight_type.block().1);
            blocks.step_by(7).for_each(|block| random.fill(block));
        }
        let x = values(columns * tokens, &mut random);
        let matrix = Tensor::alone(weight_type, columns, rows, raw.len());
        let sources: [&dyn Source; 1] = [&raw];
        let factor = Factor {
            matrix: &matrix,
            sources: &sources,
            x: &x,
        };
        let expected = matmul(&[factor], &crate::options::Options::default()).unwrap();
        let mut device = device(seed);
        let panel = Panel {
            weight_type,
            raw: device.upload_padded(raw.clone()),
            rows,
            columns,
            first: 0,
            all_rows: rows,
        };
        let x = device.upload(&bytes(&x));
        let out = device.reserve(rows * tokens);
        device.product(panel, x, tokens, out).unwrap();
        let found = device.download(out).unwrap();
        let shape = format!("{weight_type:?} {rows} x {columns}, {tokens} tokens, seed {seed}");
        assert_eq!(bits(&found), bits(&expected[0]), "{shape}");
    }
}

#[test]
fn attention_of_every_shape() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut below = |bound: u64| random.below(bound) as usize + 1;
        let (tokens, dim, key_values, group) = (below(40), below(70), below(3), below(3));
        let heads = Heads {
            queries: key_values * group,
            key_values,
            dim,
            scale: 1.0 / (dim as f32).sqrt(),
        };
        let q = values(tokens * heads.queries * dim, &mut random);
        let k = values(tokens * key_values * dim, &mut random);
        let v = values(tokens * key_values * dim, &mut random);
        let scores = attention::scores(heads, &q, &k, 1);
        let probabilities = attention::softmax(heads, &scores, tokens, 1);
        let attended = attention::weighted(heads, &probabilities, &v, tokens, 1);
        let mut device = device(seed);
        let [q, k, v] = [q, k, v].map(|values| device.upload(&bytes(&values)));
        let found = device.scores(heads, tokens, q, k).unwrap();
        assert_eq!(
            bits(&device.download(found).unwrap()),
            bits(&scores),
            "{seed}"
        );
        let found = device.softmax(heads, tokens, found).unwrap();
        let on_device = device.download(found).unwrap();
        assert_eq!(bits(&on_device), bits(&probabilities), "{seed}");
        let found = device.weighted(heads, tokens, found, v).unwrap();
        assert_eq!(
            bits(&device.download(found).unwrap()),
            bits(&attended),
            "{seed}"
        );
    }
}

#[test]
fn norms_and_pairs_of_every_length() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let (n, rows) = (
            random.below(1200) as usize + 1,
            random.below(5) as usize + 1,
        );
        let a = values(n * rows, &mut random);
        let b = values(n * rows, &mut random);
        let vector = values(n, &mut random);
        let plain: Vec<f32> = (0..n * rows).map(|_| random.normal()).collect();
        let mut device = device(seed);
        let pairs = a.iter().zip(&b);
        let sums: Vec<f32> = pairs.clone().map(|(a, b)| a + b).collect();
        let products: Vec<f32> = pairs.map(|(a, b)| a * b).collect();
        let biased = a.iter().zip(vector.iter().cycle());
        let biased: Vec<f32> = biased.map(|(a, b)| a + b).collect();
        let expected = [
            rms_norm(&a, &vector, 1e-6),
            rms_norm(&plain, &vector, 1e-6),
            silu(&a),
            sums,
            products,
            biased,
        ];
        let [a, b, vector, plain] =
            [&a, &b, &vector, &plain].map(|values| device.upload(&bytes(values)));
        let found = [
            device.rms_norm(a, vector, 1e-6),
            device.rms_norm(plain, vector, 1e-6),
            device.silu(a),
            device.pair("add", a, b),
            device.pair("multiply", a, b),
            device.add_vector(a, vector),
        ];
        for (index, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let found = device.download(found.unwrap()).unwrap();
            assert_eq!(
                bits(&found),
                bits(&expected),
                "{index}, {rows} x {n}, seed {seed}"
            );
        }
    }
}

/// A device whose threads run in an order that follows from the seed.
pub(super) fn device(seed: u64) -> Device<'static> {
    let schedules = [
        Schedule::LowestFirst,
        Schedule::HighestFirst,
        Schedule::Random(seed),
    ];
    let options = Options {
        schedule: schedules[seed as usize % 3],
        races: seed.is_multiple_of(2),
        ..Options::default()
    };
    Device::new(&MODULE, options)
}

/// Values of a few sizes, with special ones in between: in some rows none, in some all kinds.
pub(super) fn values(count: usize, random: &mut Random) -> Vec<f32> {
    const SPECIAL: [f32; 9] = [
        0.0,
        -0.0,
        1e-45,
        -3e-39,
        f32::MIN_POSITIVE,
        f32::MAX,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ];
    let kinds = random.below(10);
    let value = || {
        if random.below(200) < kinds {
            SPECIAL[random.below(kinds) as usize]
        } else {
            random.normal() * [1.0, 1.0, 1e-20, 30.0][random.below(4) as usize]
        }
    };
    repeat_with(value).take(count).collect()
}
