use fixtures::random::Random;

use super::{
    odd_values,
    run::{Argument, bytes, check, input, output},
    values,
};
use crate::{
    exp::{exp32, silu},
    model::{Pairing, Rope, Scaling},
    norm::rms_norm,
    rope::Table,
};

#[test]
fn rows_are_normalised_as_on_a_cpu() {
    let mut random = Random::new(3);
    for (n, tokens) in [(1, 1), (64, 6), (256, 2), (1000, 3), (3584, 1)] {
        let x = if n == 64 {
            odd_values(n * tokens, &mut random)
        } else {
            values(n * tokens, &mut random)
        };
        let weight = values(n, &mut random);
        check(
            "rms_norm",
            [tokens as u32, 1, 1],
            &[
                input(&bytes(&x)),
                input(&bytes(&weight)),
                output(&rms_norm(&x, &weight, 1e-6)),
                Argument::U32(n as u32),
                Argument::F32(1e-6),
            ],
        );
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
        };
        let table = Table::new(&rope, None, tokens);
        let x = values(heads * head_dim * tokens, &mut random);
        let mut expected = x.clone();
        table.rotate(&mut expected, heads * head_dim, head_dim);
        let pairs = heads as u32 * dims as u32 / 2;
        check(
            "rotate",
            [pairs.div_ceil(256), tokens as u32, 1],
            &[
                Argument::InPlace(bytes(&x), bytes(&expected)),
                input(&bytes(&table.pairs())),
                Argument::U32(heads as u32),
                Argument::U32(head_dim as u32),
                Argument::U32(dims as u32),
                Argument::U32(u32::from(pairing == Pairing::Neox)),
            ],
        );
    }
}

#[test]
fn vectors_are_added_and_multiplied_as_on_a_cpu() {
    let mut random = Random::new(5);
    let (a, b) = (odd_values(777, &mut random), odd_values(777, &mut random));
    let with =
        |f: fn(f32, f32) -> f32| a.iter().zip(&b).map(|(a, b)| f(*a, *b)).collect::<Vec<_>>();
    for (name, expected) in [
        ("add", with(|a, b| a + b)),
        ("multiply", with(|a, b| a * b)),
    ] {
        let arguments = [
            input(&bytes(&a)),
            input(&bytes(&b)),
            output(&expected),
            Argument::U32(777),
        ];
        check(name, [4, 1, 1], &arguments);
    }
    let bias = values(111, &mut random);
    let sums: Vec<f32> = a
        .iter()
        .zip(bias.iter().cycle())
        .map(|(a, b)| a + b)
        .collect();
    check(
        "add_vector",
        [1, 7, 1],
        &[
            input(&bytes(&a)),
            input(&bytes(&bias)),
            output(&sums),
            Argument::U32(111),
        ],
    );
    let ids = [4, 0, 4, 6];
    let copied: Vec<f32> = ids
        .iter()
        .flat_map(|id| a[id * 111..][..111].to_vec())
        .collect();
    check(
        "gather_rows",
        [1, 4, 1],
        &[
            input(&bytes(&a)),
            input(&bytes(&ids.map(|id| id as u32))),
            output(&copied),
            Argument::U32(111),
        ],
    );
}

#[test]
fn a_panel_of_rows_is_copied_for_every_token() {
    let mut random = Random::new(3);
    let from = odd_values(3 * 700, &mut random);
    // Rows 130 to 430 of 700.
    let is_copied = |i: usize| (130..430).contains(&(i % 700));
    let copied = from.iter().enumerate();
    let copied: Vec<Option<f32>> = copied
        .map(|(i, value)| is_copied(i).then_some(*value))
        .collect();
    check(
        "copy_rows",
        [2, 3, 1],
        &[
            input(&bytes(&from)),
            output(&copied),
            Argument::U32(300),
            Argument::U32(130),
            Argument::U32(700),
        ],
    );
}

#[test]
fn exponentials_have_the_bits_of_a_cpu() {
    let expected = |first: u32, count: u32| -> Vec<f32> {
        (0..count)
            .map(|i| exp32(f32::from_bits(first.wrapping_add(i))))
            .collect()
    };
    // Both ends of the range, zeros, infinities and NaNs of both signs, and values near 1.
    for first in [
        0x42B1_7200,
        0xC2CF_F100,
        0xFFFF_FF00,
        0x7F7F_FF00,
        0xFF7F_FF00,
        0x3F7F_FF00,
        0x7FFF_FF00,
        0xC2AE_AC00,
    ] {
        check(
            "exp32_all",
            [2, 1, 1],
            &[
                output(&expected(first, 512)),
                Argument::U32(first),
                Argument::U32(512),
            ],
        );
    }
    let x: Vec<f32> = (0..=u32::MAX)
        .step_by(1_048_573)
        .map(f32::from_bits)
        .collect();
    let count = x.len() as u32;
    let arguments = [input(&bytes(&x)), output(&silu(&x)), Argument::U32(count)];
    check("silu", [count.div_ceil(256), 1, 1], &arguments);
}
