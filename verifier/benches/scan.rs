//! Bytes and metadata of a pair of 32 MiB in memory: decode, pair, digest, compare, judge.
//!
//! `cargo bench -p verifier`

use divan::{Bencher, black_box, counter::BytesCount};
use fixtures::{apr, blocks::random_blocks, gguf::Tensor, models, random::Random};
use verifier::{Input, Options, Verdict, source::Source, verify};

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 2])]
fn a_pair(bencher: Bencher<'_, '_>, threads: usize) {
    let [apr, gguf] = pair();
    let options = Options {
        threads,
        ..Options::default()
    };
    let compare = || verify(&input(&apr), &input(&gguf), &options, &());
    assert_eq!(compare().verdict, Verdict::Verified);
    bencher
        .counter(BytesCount::new(apr.len() + gguf.len()))
        .bench_local(|| black_box(compare()));
}

/// The small qwen2 model and further tensors of Q4_K, as both files hold them.
fn pair() -> [Vec<u8>; 2] {
    let mut model = models::qwen2();
    let mut random = Random::new(1);
    for index in 0..8 {
        model.tensors.push(Tensor {
            name: format!("extra.{index}.weight").into_bytes(),
            dims: vec![4096, 1024],
            type_id: 12,
            data: random_blocks(12, 4096 * 1024, &mut random),
        });
    }
    [apr::from_model(&model).to_bytes(), model.to_bytes()]
}

fn input(bytes: &dyn Source) -> Input<'_> {
    Input {
        name: "model".to_owned(),
        shards: vec![("model".to_owned(), bytes)],
    }
}
