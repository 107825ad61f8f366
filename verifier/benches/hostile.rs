//! Files that cost a careless reader more than their bytes: the rate must not fall with the size.
//!
//! `cargo bench -p verifier --bench hostile`

use std::fmt;

use divan::{Bencher, black_box, counter::BytesCount};
use fixtures::hostile::{KINDS, Kind};
use verifier::{Input, Options, source::Source, verify};

fn main() {
    divan::main();
}

#[divan::bench(args = cases(), sample_count = 5, sample_size = 1)]
fn a_pair(bencher: Bencher<'_, '_>, case: &Case) {
    let [apr, gguf] = (case.kind.pair)(case.mebibytes << 20);
    let compare = || verify(&input(&apr), &input(&gguf), &Options::default(), &());
    bencher
        .counter(BytesCount::new(apr.len() + gguf.len()))
        .bench_local(|| black_box(compare()));
}

struct Case {
    kind: &'static Kind,
    mebibytes: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}, {} MiB", self.kind.name, self.mebibytes)
    }
}

fn cases() -> impl Iterator<Item = Case> {
    let sized = |kind| [1, 4, 16].map(|mebibytes| Case { kind, mebibytes });
    KINDS.iter().flat_map(sized)
}

fn input(bytes: &dyn Source) -> Input<'_> {
    Input {
        name: "model".to_owned(),
        shards: vec![("model".to_owned(), bytes)],
    }
}
