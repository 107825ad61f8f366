use fixtures::random::Random;

use super::{
    super::device::{Device, UNTOUCHED, count, in_every_order},
    any_values, normals, odd_values,
};
use crate::{
    arithmetic::{activation::silu, exp::exp32, norm::rms_norm, rope::Table},
    model::{Pairing, Rope, Scaling},
};

#[test]
fn rows_are_normalised_as_on_a_cpu() {
    let mut random = Random::new(3);
    for (n, tokens) in [(1, 1), (64, 6), (256, 2), (1000, 3), (3584, 1)] {
        let values = if n == 64 { odd_values } else { normals };
        let (x, weight) = (values(n * tokens, &mut random), normals(n, &mut random));
        in_every_order(|device| {
            let [on_device, weights] = [&x, &weight].map(|values| device.put(values));
            let found = device.rms_norm(on_device, weights, 1e-6)?;
            device.holds(found, &rms_norm(&x, &weight, 1e-6))
        });
    }
}

#[test]
fn heads_are_rotated_as_on_a_cpu() {
    let mut random = Random::new(4);
    for (pairing, heads, head_dim, dims, tokens) in [
        (Pairing::Neox, 3, 64, 64, 5),
        (Pairing::Norm, 2, 80, 32, 7),
        (Pairing::Neox, 1, 10, 6, 2),
    ] {
        let rope = Rope {
            pairing,
            base: 10_000.0,
            dims,
            scaling: Scaling::None,
            magnitude: 1.0,
            still: Vec::new(),
        };
        let table = Table::new(&rope, None, tokens);
        let x = normals(heads * head_dim * tokens, &mut random);
        let mut expected = x.clone();
        table.rotate(&mut expected, heads * head_dim, (head_dim, 0));
        in_every_order(|device| {
            let (values, turns) = (device.put(&x), device.put(&table.pairs()));
            let is_neox = pairing == Pairing::Neox;
            device.rotate(values, turns, [heads, head_dim, dims], is_neox)?;
            device.holds(values, &expected)
        });
    }
}

#[test]
fn vectors_are_added_and_multiplied_as_on_a_cpu() {
    let mut random = Random::new(5);
    let (a, b) = (odd_values(777, &mut random), odd_values(777, &mut random));
    let bias = normals(111, &mut random);
    in_every_order(|device| {
        let [on_a, on_b, vector] = [&a, &b, &bias].map(|values| device.put(values));
        let found = device.pair("add", on_a, on_b)?;
        device.holds(found, &pairwise(&a, &b, |a, b| a + b))?;
        let found = device.pair("multiply", on_a, on_b)?;
        device.holds(found, &pairwise(&a, &b, |a, b| a * b))?;
        let found = device.add_vector(on_a, vector)?;
        device.holds(found, &pairwise(&a, &bias, |a, b| a + b))
    });
}

#[test]
fn norms_and_pairs_of_every_length() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let n = random.below(1200) as usize + 1;
        let rows = random.below(5) as usize + 1;
        let a = any_values(n * rows, &mut random);
        let b = any_values(n * rows, &mut random);
        let vector = any_values(n, &mut random);
        let plain = normals(n * rows, &mut random);
        let mut device = Device::of_seed(seed);
        let [on_a, on_b, on_vector, on_plain] =
            [&a, &b, &vector, &plain].map(|values| device.put(values));
        let found = [
            device.rms_norm(on_a, on_vector, 1e-6),
            device.rms_norm(on_plain, on_vector, 1e-6),
            device.silu(on_a),
            device.pair("add", on_a, on_b),
            device.pair("multiply", on_a, on_b),
            device.add_vector(on_a, on_vector),
        ];
        let expected = [
            rms_norm(&a, &vector, 1e-6),
            rms_norm(&plain, &vector, 1e-6),
            silu(&a),
            pairwise(&a, &b, |a, b| a + b),
            pairwise(&a, &b, |a, b| a * b),
            pairwise(&a, &vector, |a, b| a + b),
        ];
        for (index, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let holds = device.holds(found.unwrap(), &expected);
            assert_eq!(holds, Ok(()), "{index}, {rows} x {n}, seed {seed}");
        }
    }
}

#[test]
fn rows_are_copied() {
    let mut random = Random::new(3);
    let from = odd_values(3 * 700, &mut random);
    let ids = [4, 0, 4, 6];
    let rows = ids.map(|id| &from[id as usize * 111..][..111]);
    // Rows 130 to 430 of 700, for every token.
    let is_copied = |at: usize| (130..430).contains(&(at % 700));
    let copied = from.iter().enumerate();
    let copied = copied.map(|(at, value)| if is_copied(at) { *value } else { UNTOUCHED });
    let copied: Vec<f32> = copied.collect();
    in_every_order(|device| {
        let (table, ids) = (device.put(&from), device.put(&ids));
        let found = device.gather_rows(table, ids, 111)?;
        device.holds(found, &rows.concat())?;
        let out = device.untouched(from.len());
        device.copy_rows(table, out, [300, 130, 700])?;
        device.holds(out, &copied)
    });
}

#[test]
fn exponentials_have_the_bits_of_a_cpu() {
    // Both ends of the range, zeros, infinities and NaNs of both signs, and values near 1.
    for first in [
        0x42B1_7200,
        0xC2CF_F100,
        0xFFFF_FF00,
        0x7F7F_FF00,
        0xFF7F_FF00,
        0x3F7F_FF00,
        0x7FFF_FF00,
        0xC2AE_AC00u32,
    ] {
        let x = (0..512).map(|i| f32::from_bits(first.wrapping_add(i)));
        let expected: Vec<f32> = x.map(exp32).collect();
        in_every_order(|device| {
            let out = device.reserve(512);
            let arguments = [out.into(), count(first as usize), count(512)];
            device.launch("exp32_all", [2, 1, 1], &arguments)?;
            device.holds(out, &expected)
        });
    }
    let x = (0..=u32::MAX).step_by(1_048_573).map(f32::from_bits);
    let x: Vec<f32> = x.collect();
    in_every_order(|device| {
        let on_device = device.put(&x);
        let found = device.silu(on_device)?;
        device.holds(found, &silu(&x))
    });
}

/// What comes of each value and that of `b`, which begins anew where it ends.
fn pairwise(a: &[f32], b: &[f32], f: fn(f32, f32) -> f32) -> Vec<f32> {
    let pairs = a.iter().zip(b.iter().cycle());
    pairs.map(|(a, b)| f(*a, *b)).collect()
}
