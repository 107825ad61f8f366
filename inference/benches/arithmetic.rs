//! The two costs of a forward: weights dequantised, and products.
//!
//! `cargo bench -p inference`
#![expect(clippy::unwrap_used, reason = "a mistake stops the measurement")]

use divan::{Bencher, black_box, counter::ItemsCount};
use fixtures::{blocks::random_blocks, random::Random, shapes};
use inference::{Options, Source, StageSink, Step, Tensor, WeightType, forward, internals, load};

fn main() {
    divan::main();
}

/// Values per second, of a matrix that stays in the cache.
#[divan::bench(args = ["F16", "BF16", "Q4_K", "Q6_K"])]
fn dequantise(bencher: Bencher<'_, '_>, name: &str) {
    let (weight_type, id) = match name {
        "F16" => (WeightType::F16, 1),
        "BF16" => (WeightType::BF16, 30),
        "Q4_K" => (WeightType::Q4K, 12),
        _ => (WeightType::Q6K, 14),
    };
    let (columns, rows) = (4096, 32);
    let bytes = random_blocks(id, 4096 * 32, &mut Random::new(1));
    let tensor = Tensor {
        stride: 0,
        is_whole: true,
        name: "weight".to_owned(),
        weight_type,
        dims: vec![columns, rows],
        shard: 0,
        offset: 0,
        size: bytes.len() as u64,
    };
    let sources: [&dyn Source; 1] = [&bytes];
    bencher
        .counter(ItemsCount::new(columns * rows))
        .bench_local(|| black_box(internals::rows(&tensor, &sources, 0, rows).unwrap()));
}

/// A forward of one layer with the shapes of Qwen2.5-1.5B: nearly all of its time goes into matmul, with tokens as columns.
#[divan::bench(args = [1, 8, 32], sample_count = 10)]
fn matmul(bencher: Bencher<'_, '_>, tokens: u32) {
    let mut bytes = Vec::new();
    shapes::write("qwen2.5-1.5b", Some(1), &mut bytes).unwrap();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let prompt: Vec<u32> = (0..tokens).collect();
    let options = Options::default();
    bencher
        .counter(ItemsCount::new(tokens))
        .bench_local(|| forward(&model, &sources, &prompt, &options, &mut Nothing).unwrap());
}

/// Forgets every stage.
struct Nothing;

impl StageSink for Nothing {
    fn stage(&mut self, _: Step, _: usize, _: &[f32]) {}
}
