//! What is said of spans of any length at any place: digests, statistics, differences.

use std::iter::repeat_with;

use fixtures::random::Random;

use super::{super::device::Device, any_values};
use crate::{
    cuda::record::layout::ValueRange,
    program::{Stage, Step},
    record::{Comparison, Difference, Outcome, Statistics, digest},
};

#[test]
fn spans_of_every_length_are_digested_and_judged_as_on_a_cpu() {
    // Ends of lanes, of chunks and of blocks, and more chunks than are joined at once.
    let lengths: [&[u32]; 5] = [
        &[1, 255, 256, 257],
        &[1024, 4095, 1, 4096, 4097],
        &[4097, 8192, 3, 12_289],
        &[513 * 256 + 1, 5, 1025],
        &[512 * 256],
    ];
    for (seed, lengths) in (0..).zip(lengths) {
        agrees(lengths, seed, any_values);
    }
}

#[test]
fn spans_of_any_length_agree_as_well() {
    for seed in 10..50 {
        let mut random = Random::new(seed);
        let mut length = || 1 + u32::try_from(random.below(9000)).unwrap();
        let lengths: Vec<u32> = repeat_with(&mut length).take(3).collect();
        // Numbers in most cases: one NaN makes the sums of all products NaN.
        let numbers = |count: usize, random: &mut Random| {
            repeat_with(|| random.normal() * [1.0, 1e-20, 1e4][random.below(3) as usize])
                .take(count)
                .collect()
        };
        let of = if seed % 4 == 0 { any_values } else { numbers };
        agrees(&lengths, seed, of);
    }
}

#[test]
fn zeros_infinities_and_nans_are_judged_as_on_a_cpu() {
    let other_nan = f32::from_bits(0xFFC0_0001);
    let signalling = f32::from_bits(0x7F80_0001);
    let infinity = f32::INFINITY;
    let cases: [[&[f32]; 2]; 8] = [
        [&[0.0, -0.0], &[-0.0, 0.0]],
        [&[-0.0, 0.0], &[-0.0, -0.0]],
        [&[f32::NAN, signalling], &[other_nan, f32::NAN]],
        [&[other_nan, 1.0], &[2.0, signalling]],
        [&[infinity, 1.0, 2.0], &[infinity, 1.5, 2.0]],
        [&[infinity, -infinity], &[-infinity, -infinity]],
        [&[f32::MAX, f32::MIN], &[f32::MIN, 1e-45]],
        [&[1e-45, -1e-45], &[-1e-45, 3e-39]],
    ];
    for (seed, [a, b]) in (0..).zip(cases) {
        judged(a, b, &[span(0, a.len()), span(1, a.len() - 1)], seed);
    }
}

/// The lengths of raw bytes: ends of words, of blocks, of chunks, and of what is joined at once.
#[test]
fn raw_bytes_have_their_digest_in_panels_of_any_size() {
    let lengths = [
        1,
        3,
        63,
        64,
        65,
        1023,
        1024,
        1025,
        2049,
        5 * 1024,
        512 * 1024,
        513 * 1024 + 17,
    ];
    for (seed, length) in (0..).zip(lengths) {
        let mut raw = vec![0; length];
        Random::new(seed).fill(&mut raw);
        for panel in [1, 2, 300, 1000] {
            if length / 1024 / panel > 20 {
                continue;
            }
            let found = Device::of_seed(seed).digest_of_bytes(&raw, panel).unwrap();
            let expected = blake3::hash(&raw);
            assert_eq!(
                found.0,
                *expected.as_bytes(),
                "{length} bytes, panel {panel}"
            );
        }
    }
}

/// Spans of these lengths, at places that overlap and are not aligned, of values that are alike in part.
fn agrees(lengths: &[u32], seed: u64, of: fn(usize, &mut Random) -> Vec<f32>) {
    let mut random = Random::new(seed);
    let longest = *lengths.iter().max().unwrap() as usize;
    let a = of(longest + 40, &mut random);
    let b: Vec<f32> = a
        .iter()
        .map(|value| match random.below(5) {
            0 => *value * 1.000_1,
            1 => -*value,
            2 if value.is_nan() => f32::from_bits(0xFF80_0000 | (1 + random.below(9) as u32)),
            _ => *value,
        })
        .collect();
    let spans: Vec<ValueRange> = (lengths.iter())
        .map(|count| span(random.below(40) as usize, *count as usize))
        .collect();
    judged(&a, &b, &spans, seed);
}

/// Holds everything that kernels say of spans of two sides against the CPU.
fn judged(a: &[f32], b: &[f32], spans: &[ValueRange], seed: u64) {
    let mut device = Device::of_seed(seed);
    let [on_a, on_b] = [a, b].map(|values| device.put(values));
    let statistics = device.statistics(on_a, spans).unwrap();
    let outcomes = device.outcomes(on_a, on_b, spans).unwrap();
    let same = device.outcomes(on_b, on_b, spans).unwrap();
    let digests = device.digests(on_b, spans).unwrap();
    for (index, span) in spans.iter().enumerate() {
        let [a, b] = [a, b].map(|values| of_span(values, *span));
        let context = format!("{span:?}, seed {seed}");
        let expected = statistics_bits(Statistics::new(a));
        assert_eq!(statistics_bits(statistics[index]), expected, "{context}");
        let expected = outcome_bits(compared(a, b));
        assert_eq!(outcome_bits(outcomes[index]), expected, "{context}");
        assert_eq!(same[index], Outcome::Equal, "{context}");
        assert_eq!(digests[index], digest(b), "{context}");
    }
}

pub(in crate::cuda::tests) fn span(first: usize, count: usize) -> ValueRange {
    ValueRange {
        first: first as u32,
        count: count as u32,
    }
}

/// The values of a span.
pub(in crate::cuda::tests) fn of_span(values: &[f32], span: ValueRange) -> &[f32] {
    &values[span.first as usize..][..span.count as usize]
}

/// What the CPU finds.
pub(in crate::cuda::tests) fn compared(a: &[f32], b: &[f32]) -> Outcome {
    let mut comparison = Comparison::default();
    comparison.stage(Step::of_model(Stage::Logits), 1, [Some(a), Some(b)]);
    comparison.rows[0].outcome
}

/// Statistics by their bits, a NaN being a NaN.
pub(in crate::cuda::tests) fn statistics_bits(of: Statistics) -> [u64; 5] {
    [
        of.nans as u64,
        double_bits(of.mean),
        double_bits(of.standard_deviation),
        of.minimum.to_bits().into(),
        of.maximum.to_bits().into(),
    ]
}

/// A difference by its bits, a NaN being a NaN; nothing where all is equal.
pub(in crate::cuda::tests) fn outcome_bits(outcome: Outcome) -> Option<[u64; 7]> {
    let Difference {
        elements,
        first,
        values: [a, b],
        largest_ulp,
        largest_absolute,
        cosine,
    } = match outcome {
        Outcome::Equal => return None,
        Outcome::Different(found) => found,
        other => panic!("{other:?}"),
    };
    Some([
        elements as u64,
        first as u64,
        a.to_bits().into(),
        b.to_bits().into(),
        largest_ulp.into(),
        double_bits(largest_absolute),
        double_bits(cosine),
    ])
}

/// The bits, one for all NaN.
pub(in crate::cuda::tests) fn double_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}
