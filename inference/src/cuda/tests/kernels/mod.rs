//! Kernels one by one against the code of this crate, bit for bit: over shapes that are picked, in every order of threads,
//! and over shapes at random, with values that no model has.

mod attention;
mod layers;
mod products;
pub(super) mod spans;

use std::iter::repeat_with;

use fixtures::random::Random;

fn normals(count: usize, random: &mut Random) -> Vec<f32> {
    (0..count).map(|_| random.normal()).collect()
}

/// Values with zeros of both signs, subnormals, and huge ones.
fn odd_values(count: usize, random: &mut Random) -> Vec<f32> {
    let mut values = normals(count, random);
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

/// Values of a few sizes, with special ones in between: in some rows none, in some all kinds.
fn any_values(count: usize, random: &mut Random) -> Vec<f32> {
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
