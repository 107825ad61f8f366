//! How fast the product is: `cargo test --release -p inference figures -- --ignored --nocapture`.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use fixtures::{blocks::random_blocks, random::Random};

use super::*;
use crate::model::{WeightType, source::FileSource};

/// Prints the best and the median of several runs: the best is what the code can do, the rest is the machine's load.
#[test]
#[ignore = "a benchmark"]
fn figures_of_the_product() {
    println!(
        "product of K {COLUMNS} N {ROWS}, read from a cached file, GFLOP/s: best (median) of {RUNS}"
    );
    for weight_type in [WeightType::Q4K, WeightType::Q6K] {
        let file = File::new(weight_type);
        for instructions in fast() {
            for threads in [1, 2] {
                print!(
                    "{weight_type:?} {:?} {threads} threads:",
                    instructions.set()
                );
                for tokens in [1, 4, 8, 16, 32, 64, 128] {
                    let x = vec![0.5f32; COLUMNS * tokens];
                    let options = Options {
                        threads,
                        ..Options::default()
                    };
                    let sources: [&dyn Source; 1] = [&file.source];
                    let factor = Factor {
                        matrix: &file.matrix,
                        sources: &sources,
                        x: &x,
                    };
                    let factors = [factor];
                    let seconds = measure(|| {
                        matmul_with(instructions, &factors, false, &options).unwrap();
                    });
                    let operations = (2 * COLUMNS * ROWS * tokens) as f64;
                    let [best, median] = seconds.map(|seconds| operations / seconds / 1e9);
                    print!("  T {tokens} {best:.0} ({median:.0})");
                }
                println!();
            }
        }
    }
}

/// Prints what a pair costs, as a multiple of one file, with all instructions and two threads.
#[test]
#[ignore = "a benchmark"]
fn figures_of_a_pair() {
    let [file, copy] = [WeightType::Q4K, WeightType::Q4K].map(File::new);
    let wide = file.decoded();
    for tokens in [1, 16, 32] {
        let x = vec![0.5f32; COLUMNS * tokens];
        let other_x = vec![0.25f32; COLUMNS * tokens];
        let one = measure_factors(&[(&file, &x)]);
        print!("pair in times of one file at T {tokens}:");
        for (name, second) in [
            ("equal", (&copy, &x)),
            ("equal weights as F32", (&wide, &x)),
            ("other activations", (&copy, &other_x)),
        ] {
            let both = measure_factors(&[(&file, &x), second]);
            print!("  {name} {:.2}", both / one);
        }
        println!();
    }
}

/// The best time of a product of files and activations.
fn measure_factors(factors: &[(&File, &Vec<f32>)]) -> f64 {
    let same = factors.iter().all(|(_, x)| *x == factors[0].1);
    let sources: Vec<[&dyn Source; 1]> = factors
        .iter()
        .map(|(file, _)| [&file.source as &dyn Source])
        .collect();
    let factors = factors
        .iter()
        .zip(&sources)
        .map(|((file, x), sources)| Factor {
            matrix: &file.matrix,
            sources,
            x,
        });
    let factors: Vec<_> = factors.collect();
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    let [best, _] = measure(|| {
        matmul(&factors, same, &options).unwrap();
    });
    best
}

/// Prints how fast each type is decoded by one thread, with the values in the first cache.
#[test]
#[ignore = "a benchmark"]
fn figures_of_dequantisation() {
    println!("dequantisation, G weights/s (GB/s of the file): best of {RUNS}");
    for weight_type in WeightType::ALL {
        print!("{weight_type:?}:");
        let id = weight_type.ggml_type().id();
        let bytes = random_blocks(id, (COLUMNS * 48) as u64, &mut Random::new(1));
        let row_bytes = bytes.len() / 48;
        for instructions in fast() {
            let mut values = vec![0.0; BLOCK * 48];
            let [best, _] = measure(|| {
                for start in (0..COLUMNS).step_by(BLOCK) {
                    let columns = start..start + BLOCK;
                    let cut = Cut::columns(weight_type, &bytes, row_bytes, &columns);
                    dequantise(instructions, weight_type, &cut, &mut values, BLOCK);
                }
            });
            let weights = (COLUMNS * 48) as f64 / best / 1e9;
            let read = bytes.len() as f64 / best / 1e9;
            print!("  {:?} {weights:.1} ({read:.1})", instructions.set());
        }
        println!();
    }
}

/// All but the reference.
fn fast() -> Vec<Instructions> {
    let mut all = Instructions::available();
    all.pop();
    all
}

/// The best and the median time.
fn measure(mut work: impl FnMut()) -> [f64; 2] {
    let mut seconds: Vec<_> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    [seconds[0], seconds[RUNS / 2]]
}

/// A matrix in a file.
struct File {
    source: FileSource,
    matrix: Tensor,
}

impl File {
    fn new(weight_type: WeightType) -> Self {
        let elements = (COLUMNS * ROWS) as u64;
        let bytes = random_blocks(weight_type.ggml_type().id(), elements, &mut Random::new(1));
        Self::with(weight_type, &bytes)
    }

    /// The same weights as F32.
    fn decoded(&self) -> Self {
        let weights = rows(&self.matrix, &[&self.source], 0, ROWS).unwrap();
        let bytes: Vec<u8> = weights.into_iter().flat_map(f32::to_le_bytes).collect();
        Self::with(WeightType::F32, &bytes)
    }

    fn with(weight_type: WeightType, bytes: &[u8]) -> Self {
        let matrix = Tensor::alone(weight_type, COLUMNS, ROWS, bytes.len());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, bytes).unwrap();
        let source = FileSource::open(file.path()).unwrap();
        Self { source, matrix }
    }
}

const COLUMNS: usize = 3584;
const ROWS: usize = 4096;
const RUNS: usize = 31;
