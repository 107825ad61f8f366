//! Every kernel against the code of this crate, bit for bit.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "the shapes are those of the tests"
)]

mod attention;
mod dequantise;
mod layers;
mod products;
mod run;

use fixtures::{blocks::random_blocks, random::Random};

use crate::{
    matmul::rows,
    model::{Tensor, WeightType},
    source::Source,
};

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

    /// The bytes, up to a multiple of four.
    fn padded(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(bytes.len().next_multiple_of(4), 0xFF);
        bytes
    }

    fn decoded(&self) -> Vec<f32> {
        let sources: [&dyn Source; 1] = [&self.bytes];
        rows(&self.tensor, &sources, 0, self.tensor.rows()).unwrap()
    }
}

fn values(count: usize, random: &mut Random) -> Vec<f32> {
    (0..count).map(|_| random.normal()).collect()
}

/// Values with zeros of both signs, subnormals, and huge ones.
fn odd_values(count: usize, random: &mut Random) -> Vec<f32> {
    let mut values = values(count, random);
    for (index, value) in values.iter_mut().enumerate() {
        match index % 97 {
            31 => *value = -0.0,
            32 => *value = 0.0,
            53 => *value *= 1e-40,
            71 => *value *= 1e15,
            _ => {}
        }
    }
    values
}
