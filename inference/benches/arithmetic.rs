//! The two costs of a forward: weights dequantised, and products.
//!
//! `cargo bench -p inference`
#![expect(clippy::unwrap_used, reason = "a mistake stops the measurement")]

use divan::{Bencher, black_box, counter::ItemsCount};
use fixtures::{blocks::random_blocks, random::Random, shapes};
use inference::{
    Mode, Options, Side, Source, StageSink, Step, Tensor, WeightType, forward, forward_pair,
    internals, load,
};

fn main() {
    divan::main();
}

/// Values per second, of a matrix that stays in the cache.
#[divan::bench(args = WeightType::ALL)]
fn dequantise(bencher: Bencher<'_, '_>, weight_type: WeightType) {
    let (columns, rows) = (4096, 32);
    let id = weight_type.ggml_type().id();
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
#[divan::bench(args = [1, 8, 32, 128], sample_count = 10)]
fn matmul(bencher: Bencher<'_, '_>, tokens: u32) {
    let bytes = qwen();
    let sources: [&dyn Source; 1] = [&bytes];
    let model = load(&sources).unwrap();
    let prompt: Vec<u32> = (0..tokens).collect();
    let options = Options::default();
    bencher
        .counter(ItemsCount::new(tokens))
        .bench_local(|| forward(&model, &sources, &prompt, &options, &mut Nothing).unwrap());
}

/// The same beside an equal model: what a pair costs more than one file.
#[divan::bench(args = [1, 8, 32], sample_count = 10)]
fn pair(bencher: Bencher<'_, '_>, tokens: u32) {
    let bytes = [qwen(), qwen()];
    let [first, second] = bytes.each_ref().map(|bytes| [bytes as &dyn Source]);
    let [a, b] = [&first[..], &second].map(|sources| (load(sources).unwrap(), sources));
    let [a, b] = [&a, &b].map(|(model, sources)| Side { model, sources });
    let prompt: Vec<u32> = (0..tokens).collect();
    let options = Options::default();
    bencher
        .counter(ItemsCount::new(tokens))
        .bench_local(|| forward_pair(a, b, &[&prompt], &options, Mode::Free, &mut |_| {}).unwrap());
}

fn qwen() -> Vec<u8> {
    let mut bytes = Vec::new();
    shapes::write("qwen2.5-1.5b", Some(1), &mut bytes).unwrap();
    bytes
}

/// Forgets every stage.
struct Nothing;

impl StageSink for Nothing {
    fn stage(&mut self, _: Step, _: usize, _: &[f32]) {}
}
