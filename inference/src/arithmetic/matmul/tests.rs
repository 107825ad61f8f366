use std::{io, sync::Mutex};

use fixtures::{blocks::random_blocks, quantise, random::Random};
use gguf_file::ReadAt;

use super::*;
use crate::{arithmetic::dequantise::decoded, model::WeightType};

#[test]
fn the_sum_is_made_of_chains_of_256() {
    let example = Example::new(WeightType::F32, 600, 3, 2);
    let found = example.product(Instructions::best(), &Options::default());
    let weights: Vec<f32> = quantise::decode(0, &example.bytes);
    for (token, x) in example.x.chunks(600).enumerate() {
        for (row, w) in weights.chunks(600).enumerate() {
            let mut y = 0f32;
            for (w, x) in w.chunks(256).zip(x.chunks(256)) {
                y += w.iter().zip(x).fold(0f32, |p, (w, x)| w.mul_add(*x, p));
            }
            assert_eq!(found[token * 3 + row].to_bits(), y.to_bits());
        }
    }
}

#[test]
fn threads_and_panels_and_other_tokens_do_not_change_a_bit() {
    let example = Example::new(WeightType::Q4K, 512, 137, 9);
    let run = |threads, panel_bytes, example: &Example| {
        let options = Options {
            threads,
            panel_bytes,
            ..Options::default()
        };
        example.product(Instructions::best(), &options)
    };
    let expected = run(1, usize::MAX, &example);
    for threads in [1, 2, 5, 64] {
        for panel_bytes in [0, 2048, 5000, 20_000, 1 << 22] {
            assert_eq!(run(threads, panel_bytes, &example), expected);
        }
    }
    for tokens in [1, 2, 3, 4, 5, 8] {
        let fewer = example.with_x(example.x[..512 * tokens].to_vec());
        assert_eq!(run(1, 1 << 20, &fewer), expected[..137 * tokens]);
    }
}

#[test]
fn a_file_that_ends_early_is_an_error() {
    let mut example = Example::new(WeightType::F32, 512, 4, 1);
    example.bytes.truncate(100);
    let sources: [&dyn Source; 1] = [&example.bytes];
    let factor = example.factor(&sources);
    let error = matmul(&[factor], false, &Options::default()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
}

#[test]
fn every_instruction_set_gives_the_bits_of_the_reference() {
    let odd = [
        0.0,
        -0.0,
        1e-41,
        -1e-45,
        f32::MAX,
        f32::MIN,
        f32::INFINITY,
        f32::NAN,
        3e38,
    ];
    for (columns, rows, tokens) in [
        (1, 1, 1),
        (256, 16, 3),
        (300, 7, 8),
        (1000, 50, 17),
        (513, 61, 45),
        (270, 49, 2),
        (259, 33, 4),
        (257, 13, 33),
    ] {
        for outliers in [0, 1, 20] {
            let mut example = Example::new(WeightType::F32, columns, rows, tokens);
            for index in 0..outliers {
                let value = odd[index % odd.len()] * if index > 9 { 800.0 } else { 1.0 };
                let place = index * 7919 + columns;
                let weight = place % (columns * rows) * 4;
                example.bytes[weight..weight + 4].copy_from_slice(&value.to_le_bytes());
                let count = example.x.len();
                example.x[place % count] = value;
            }
            let [sets @ .., reference] = &Instructions::available()[..] else {
                unreachable!()
            };
            let expected = example.product(*reference, &Options::default());
            for set in sets {
                let found = example.product(*set, &Options::default());
                assert_eq!(
                    canonical(&found),
                    canonical(&expected),
                    "{set:?} {columns} {rows} {tokens} {outliers}"
                );
            }
        }
    }
}

#[test]
fn every_type_is_multiplied_as_its_decoded_weights() {
    for weight_type in WeightType::ALL {
        for tokens in [1, 6, 20] {
            let example = Example::new(weight_type, 512, 50, tokens);
            for set in Instructions::available() {
                assert_eq!(
                    canonical(&example.product(set, &Options::default())),
                    canonical(&example.decoded().product(set, &Options::default())),
                    "{weight_type:?} {tokens} {set:?}"
                );
            }
        }
    }
}

#[test]
fn factors_in_lock_step_have_the_bits_of_each_alone() {
    for tokens in [1, 5, 20] {
        let a = Example::new(WeightType::Q4_0, 544, 150, tokens);
        let changed = |row: usize| {
            let mut other = a.clone();
            // A nibble of the last block of the row.
            let last = (row + 1) * other.matrix.row_bytes() - 1;
            other.bytes[last] ^= 1;
            other
        };
        let mut other_x = a.x.clone();
        other_x[tokens * 544 - 3] += 1.0;
        let mut zero_x = a.x.clone();
        zero_x[5] = 0.0;
        let mut negative_zero_x = zero_x.clone();
        negative_zero_x[5] = -0.0;
        let mut late = a.decoded();
        late.bytes[(100 * 544 + 300) * 4] ^= 1;
        for others in [
            vec![a.clone()],
            vec![changed(0)],
            vec![changed(75), a.clone(), changed(149)],
            vec![a.with_x(other_x)],
            vec![a.decoded()],
            vec![late, a.clone()],
            vec![Example::new(WeightType::Q8_0, 544, 150, tokens)],
            vec![Example::new(WeightType::Q4_0, 544, 49, tokens), a.clone()],
            vec![Example::new(WeightType::Q4_0, 288, 150, tokens)],
            vec![Example::new(WeightType::Q4_0, 544, 150, tokens + 1)],
            vec![a.with_x(zero_x), a.with_x(negative_zero_x)],
            vec![],
        ] {
            let examples: Vec<_> = std::iter::once(a.clone()).chain(others).collect();
            for threads in [1, 2] {
                for panel_bytes in [3000, 4 << 20] {
                    let options = Options {
                        threads,
                        panel_bytes,
                        ..Options::default()
                    };
                    together(&examples, &options);
                }
            }
        }
    }
    assert!(matmul(&[], false, &Options::default()).unwrap().is_empty());
}

#[test]
fn every_byte_of_each_side_is_read_once_in_panels() {
    for (panel_bytes, most) in [(1, 288), (3000, 2880), (1 << 30, 150 * 288)] {
        let a = Example::new(WeightType::Q4_0, 512, 150, 3);
        let files = [(); 2].map(|()| Counted {
            bytes: a.bytes.clone(),
            read: Mutex::default(),
        });
        let sources = [0, 1].map(|side| [&files[side] as &dyn Source]);
        let factors = [0, 1].map(|side| a.factor(&sources[side]));
        let options = Options {
            threads: 2,
            panel_bytes,
            ..Options::default()
        };
        matmul(&factors, true, &options).unwrap();
        for file in &files {
            let mut read = file.read.lock().unwrap().clone();
            read.sort_unstable();
            let mut end = 0;
            for (offset, length) in read {
                assert_eq!(offset, end);
                assert!(length <= most, "{length}");
                end += length as u64;
            }
            assert_eq!(end, 150 * 288);
        }
    }
}

/// A file that records what is read of it.
struct Counted {
    bytes: Vec<u8>,
    read: Mutex<Vec<(u64, usize)>>,
}

impl ReadAt for Counted {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read.lock().unwrap().push((offset, buffer.len()));
        self.bytes.read_exact_at(offset, buffer)
    }
}

/// The shape of tiles of four lanes, such as those of 64-bit Arm, on any CPU.
#[test]
#[expect(
    unsafe_code,
    reason = "the kernels of vectors are for callers who checked the CPU"
)]
fn the_kernels_have_the_bits_of_the_reference_for_four_lanes() {
    use super::vector::{rows, tokens};

    let mut random = Random::new(4);
    let mut values = |count: usize| (0..count).map(|_| random.normal()).collect::<Vec<f32>>();
    for columns in [256, 255, 3] {
        let (weights, y) = (values(48 * BLOCK), values(48 * 28));
        for count in [4, 16, 28] {
            let x = values(columns * count);
            let mut found = y[..48 * count].to_vec();
            // SAFETY: arrays are on every CPU.
            unsafe { tokens::<[f32; 4], 6, 4, 12>(&weights, columns, &x, &mut found) };
            // Tile by tile, as the reference has its tokens.
            let mut expected = y[..48 * count].to_vec();
            for (x, y) in x.chunks(columns * 4).zip(expected.chunks_mut(48 * 4)) {
                scalar::product(&weights, columns, x, y);
            }
            assert_eq!(canonical(&found), canonical(&expected), "{columns} {count}");
        }
        let x = values(columns);
        let (mut found, mut expected) = (y[..48].to_vec(), y[..48].to_vec());
        // SAFETY: arrays are on every CPU.
        unsafe { rows::<[f32; 4], 1>(&weights, columns, &x, &mut found) };
        scalar::product(&weights, columns, &x, &mut expected);
        assert_eq!(canonical(&found), canonical(&expected), "{columns}");
    }
}

#[expect(unsafe_code, reason = "the trait is for pointers")]
// SAFETY: every function does what the trait says; the callers of the trait answer for the pointers.
unsafe impl vector::Vector for [f32; 4] {
    const LANES: usize = 4;
    type Square = [Self; 4];

    unsafe fn splat(value: f32) -> Self {
        [value; 4]
    }

    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller has checked the pointer.
        unsafe { from.cast::<Self>().read() }
    }

    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller has checked the pointer.
        unsafe { to.cast::<Self>().write(self) }
    }

    unsafe fn plus(self, other: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane] + other[lane])
    }

    unsafe fn fma(self, factor: Self, sum: Self) -> Self {
        [0, 1, 2, 3].map(|lane| self[lane].mul_add(factor[lane], sum[lane]))
    }

    unsafe fn square(from: *const f32) -> [Self; 4] {
        let row = |row: usize| {
            // SAFETY: the caller has checked the pointer.
            unsafe { from.add(row * BLOCK).cast::<Self>().read() }
        };
        [0, 1, 2, 3].map(|column| [0, 1, 2, 3].map(|lane| row(lane)[column]))
    }
}

/// All at once and one by one.
fn together(examples: &[Example], options: &Options) {
    let sources: Vec<[&dyn Source; 1]> = examples
        .iter()
        .map(|example| [&example.bytes as &dyn Source])
        .collect();
    let factors = examples.iter().zip(&sources);
    let factors: Vec<_> = factors
        .map(|(example, sources)| example.factor(sources))
        .collect();
    let same = factors
        .iter()
        .all(|factor| same_bits(factor.x, examples[0].x.as_slice()));
    for set in Instructions::available() {
        let found = matmul_with(set, &factors, same, options).unwrap();
        assert_eq!(found.len(), examples.len());
        for (index, (found, example)) in found.iter().zip(examples).enumerate() {
            let expected = example.product(set, options);
            assert_eq!(canonical(found), canonical(&expected), "{set:?} {index}");
        }
    }
}

/// A matrix with its file, and activations.
#[derive(Clone)]
struct Example {
    matrix: Tensor,
    bytes: Vec<u8>,
    x: Vec<f32>,
}

impl Example {
    fn new(weight_type: WeightType, columns: usize, rows: usize, tokens: usize) -> Self {
        let mut random = Random::new(9);
        let elements = (columns * rows) as u64;
        let bytes = random_blocks(weight_type.ggml_type().id(), elements, &mut random);
        let x = (0..columns * tokens).map(|_| random.normal()).collect();
        let matrix = Tensor::alone(weight_type, columns, rows, bytes.len());
        Self { matrix, bytes, x }
    }

    fn with_x(&self, x: Vec<f32>) -> Self {
        Self { x, ..self.clone() }
    }

    /// The same weights as F32.
    fn decoded(&self) -> Self {
        let weights = decoded(self.matrix.weight_type, &self.bytes);
        let mut decoded = self.clone();
        decoded.matrix.weight_type = WeightType::F32;
        decoded.bytes = weights.into_iter().flat_map(f32::to_le_bytes).collect();
        decoded
    }

    fn factor<'a>(&'a self, sources: &'a [&'a dyn Source]) -> Factor<'a> {
        Factor {
            matrix: &self.matrix,
            sources,
            x: &self.x,
        }
    }

    fn product(&self, instructions: Instructions, options: &Options) -> Vec<f32> {
        let sources: [&dyn Source; 1] = [&self.bytes];
        let results = matmul_with(instructions, &[self.factor(&sources)], false, options).unwrap();
        let [result] = <[Vec<f32>; 1]>::try_from(results).unwrap();
        result
    }
}

/// The bits, with one NaN: NaNs are compared as a class.
fn canonical(values: &[f32]) -> Vec<u32> {
    let nan = f32::NAN.to_bits();
    let bits = |value: &f32| if value.is_nan() { nan } else { value.to_bits() };
    values.iter().map(bits).collect()
}
