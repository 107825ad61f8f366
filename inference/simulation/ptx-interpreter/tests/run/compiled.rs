//! What a compiler wrote, against the same computation in Rust.

use ptx_interpreter::{Argument, Memory, Module};

use crate::support::{all_schedules, words};

const COMPILED: &str = include_str!("../data/compiled.ptx");

#[test]
fn a_norm_has_the_bits_of_its_definition() {
    let module = Module::parse(COMPILED).unwrap();
    for n in [1usize, 255, 256, 600, 1500] {
        let x = floats(2 * n, 1);
        let w = floats(n, 2);
        let expected: Vec<u32> = x.chunks(n).flat_map(|row| normed(row, &w)).collect();
        for options in all_schedules() {
            let mut memory = Memory::new();
            let out = memory.reserve(8 * n);
            let arguments = [
                Argument::U64(out),
                Argument::U64(memory.allocate(&bytes(&x))),
                Argument::U64(memory.allocate(&bytes(&w))),
                Argument::I32(n as i32),
                Argument::F32(1e-5),
            ];
            let shape = ([2, 1, 1], [256, 1, 1]);
            module
                .launch("norm", shape, 0, &arguments, &mut memory, &options)
                .unwrap();
            assert_eq!(words(&memory, out, 2 * n), expected, "{n} {options:?}");
        }
    }
}

#[test]
fn a_warp_shares_its_sum() {
    let module = Module::parse(COMPILED).unwrap();
    let factors = [0.1f32, 0.5, 1.0];
    for n in [1usize, 31, 32, 100] {
        let x = floats(n, 3);
        let kept: Vec<f32> = x
            .iter()
            .enumerate()
            .map(|(i, x)| x * factors[i % 3])
            .collect();
        let mut sums = [0f32; 32];
        for (i, kept) in kept.iter().enumerate() {
            sums[i % 32] += kept;
        }
        let sum = tree(&mut sums);
        let expected: Vec<u32> = kept.iter().map(|kept| (kept / sum).to_bits()).collect();
        for options in all_schedules() {
            let mut memory = Memory::new();
            let out = memory.reserve(4 * n);
            let input = memory.allocate(&bytes(&x));
            let arguments = [
                Argument::U64(out),
                Argument::U64(input),
                Argument::I32(n as i32),
            ];
            let shape = ([1, 1, 1], [32, 1, 1]);
            let shared = 4 * n as u32;
            module
                .launch("share", shape, shared, &arguments, &mut memory, &options)
                .unwrap();
            assert_eq!(words(&memory, out, n), expected, "{n} {options:?}");
        }
    }
}

#[test]
fn many_instructions_have_the_results_of_rust() {
    let module = Module::parse(COMPILED).unwrap();
    let mut random = 5u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        (random >> 32) as u32
    };
    let bytes: Vec<u8> = (0..130).map(|_| next() as u8).collect();
    let vectors: Vec<[u32; 4]> = (0..64).map(|_| [next(), next(), next(), next()]).collect();
    let (scale, skip, big, d) = (
        0.37f32,
        1 << 33 | 77,
        0x1234_5678_9ABC_DEF0u64,
        -123_456_789,
    );
    let expected: Vec<u32> = (0..64)
        .map(|i| mixed(i, &bytes, &vectors, scale, skip, big, d))
        .collect();
    for options in all_schedules() {
        let mut memory = Memory::new();
        let out = memory.reserve(256);
        let flat: Vec<u8> = vectors
            .iter()
            .flatten()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let mut shape = [64u32, 0, scale.to_bits(), 0]
            .map(u32::to_le_bytes)
            .concat();
        shape.extend(skip.to_le_bytes());
        let arguments = [
            Argument::U64(out),
            Argument::U64(memory.allocate(&bytes)),
            Argument::U64(memory.allocate(&flat)),
            Argument::Bytes(shape),
            Argument::U64(big),
            Argument::I32(d),
        ];
        let shape = ([3, 1, 1], [32, 1, 1]);
        module
            .launch("mixed", shape, 0, &arguments, &mut memory, &options)
            .unwrap();
        assert_eq!(words(&memory, out, 64), expected, "{options:?}");
    }
}

/// The kernel `mixed`, line by line.
fn mixed(
    i: usize,
    bytes: &[u8],
    vectors: &[[u32; 4]],
    scale: f32,
    skip: u64,
    big: u64,
    d: i32,
) -> u32 {
    const TABLE: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
    let f = |i: usize| {
        let half = half::f16::from_le_bytes([bytes[2 * i], bytes[2 * i + 1]]).to_f32();
        let table = f32::from(TABLE[usize::from(bytes[i] & 15)]);
        half * scale + f32::from(bytes[i + 1] as i8) * table
    };
    let warp = i / 32 * 32..i / 32 * 32 + 32;
    let any = u32::from(warp.clone().any(|i| f(i) > 1.0));
    let ballot = warp.fold(0, |mask, i| mask | u32::from(bytes[i] & 1) << (i % 32));
    let (f, [x, y, z, w]) = (f(i), vectors[i]);
    let pair = [x.to_le_bytes(), w.to_le_bytes()].concat();
    let permuted = u32::from_le_bytes([pair[0], pair[4], pair[1], pair[5]]);
    let sum = |terms: &[u32]| terms.iter().fold(0u32, |sum, term| sum.wrapping_add(*term));
    let high = ((u64::from(x) * u64::from(y)) >> 32) as u32;
    let mut r = sum(&[
        x.count_ones(),
        y.leading_zeros(),
        z.reverse_bits(),
        permuted,
        high,
        any,
        ballot,
        u32::MAX,
    ]);
    let quotient = d.wrapping_div(y as i32 | 1) as u32;
    let remainder = d.wrapping_rem(z as i32 | 1) as u32;
    r ^= sum(&[
        (big / u64::from(x | 1)) as u32,
        quotient,
        remainder,
        z << 5 | w >> 27,
    ]);
    let largest = (x as i32).max(z as i32) as u32;
    let (floor, ceil) = (f.floor() as i32 as u32, f.ceil() as i32 as u32);
    let nearest = f.round_ties_even() as i32 as u32;
    let magnitude = if f.is_nan() { 0 } else { f.abs() as u64 as u32 };
    let ends = if f.min(2.0) + f.max(-1.0) >= 0.5 {
        3
    } else {
        7
    };
    let double = f64::from(f) * 3.0 + f64::from(bytes[i]).sqrt();
    let double = if f.is_nan() { 0 } else { double as i64 as u32 };
    r = sum(&[
        r,
        x.min(y),
        largest,
        (w as i32).unsigned_abs(),
        floor,
        nearest,
        magnitude,
        ceil,
        nearest,
        ends,
        double,
    ]);
    let dot = x
        .to_le_bytes()
        .into_iter()
        .zip(y.to_le_bytes())
        .map(|(a, b)| i32::from(a as i8) * i32::from(b as i8));
    r = r.wrapping_add(dot.sum::<i32>() as u32);
    let flags = u32::from(f.is_nan()) + u32::from(f.is_infinite());
    r.wrapping_add(flags)
        .wrapping_add(u32::from(x > y) * skip as u32)
}

fn normed(row: &[f32], w: &[f32]) -> Vec<u32> {
    let mut sums = [0f32; 256];
    for (i, x) in row.iter().enumerate() {
        sums[i % 256] = x.mul_add(*x, sums[i % 256]);
    }
    let r = 1.0 / (tree(&mut sums) / row.len() as f32 + 1e-5).sqrt();
    row.iter()
        .zip(w)
        .map(|(x, w)| ((x * r) * w).to_bits())
        .collect()
}

fn tree(sums: &mut [f32]) -> f32 {
    let mut half = sums.len() / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

fn floats(count: usize, seed: u32) -> Vec<f32> {
    (0..count)
        .map(|i| ((i as f32 + seed as f32) * 0.713).sin() * 3.0 + 0.1)
        .collect()
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
