//! Kernels that join the blocks of a span, for more blocks than there are lanes: from partial results alone.

use fixtures::random::Random;

use super::super::device::{Device, count};
use crate::{
    arithmetic::{float_order::from_rank, ordered_sum::tests::by_lanes},
    cuda::record::layout::{DIFFERENCE_WORDS, STATISTICS_WORDS},
};

/// Runs a kernel that joins, and holds the result against the CPU; others are right.
pub(super) fn judge(kernel: &str, device: &mut Device<'_>) -> Result<(), String> {
    let (found, expected) = match kernel {
        "sum_join" => sums(device)?,
        "square_join" => squares(device)?,
        "compare_join" => differences(device)?,
        _ => return Ok(()),
    };
    let differs = || format!("{found:x?} and not {expected:x?}");
    (found == expected).then_some(()).ok_or_else(differs)
}

fn sums(device: &mut Device<'_>) -> Result<(Vec<u32>, Vec<u32>), String> {
    let mut random = Random::new(1);
    let sums = doubles(&mut random);
    let counts: Vec<[u32; 3]> = (0..BLOCKS)
        .map(|_| [0; 3].map(|_| random.below(1 << 12) as u32))
        .collect();
    let partials = sums.iter().zip(&counts);
    let partials = partials.flat_map(|(sum, [least, greatest, nans])| {
        let [low, high] = halves(*sum);
        [low, high, least.wrapping_neg(), *greatest, *nans, 0]
    });
    let partials = device.put(&partials.collect::<Vec<u32>>());
    // The variance comes from square_join.
    let result = device.put(&[0u32; STATISTICS_WORDS]);
    let span = device.put(&SPAN);
    let arguments = [span.into(), partials.into(), result.into(), count(BLOCKS)];
    device.launch("sum_join", [1, 1, 1], &arguments)?;
    let greatest = |of: usize| counts.iter().map(|counts| counts[of]).max().unwrap();
    let nans: u32 = counts.iter().map(|[.., nans]| nans).sum();
    let [low, high] = halves(by_lanes(&sums) / f64::from(SPAN[1] - nans));
    let minimum = from_rank(greatest(0).wrapping_neg().cast_signed()).to_bits();
    let expected = vec![low, high, 0, 0, minimum, greatest(1), nans, 0];
    Ok((device.download_words(result)?, expected))
}

fn squares(device: &mut Device<'_>) -> Result<(Vec<u32>, Vec<u32>), String> {
    let mut random = Random::new(2);
    let sums = doubles(&mut random);
    let partials = sums.iter().flat_map(|sum| halves(*sum));
    let partials = device.put(&partials.collect::<Vec<u32>>());
    let result = device.put(&[1u32, 2, 3, 4, 5, 6, 7, 0]);
    let span = device.put(&SPAN);
    let arguments = [span.into(), partials.into(), result.into(), count(BLOCKS)];
    device.launch("square_join", [1, 1, 1], &arguments)?;
    let [low, high] = halves(by_lanes(&sums) / f64::from(SPAN[1] - 7));
    let expected = vec![1, 2, low, high, 5, 6, 7, 0];
    Ok((device.download_words(result)?, expected))
}

fn differences(device: &mut Device<'_>) -> Result<(Vec<u32>, Vec<u32>), String> {
    let mut random = Random::new(3);
    let sums = [0; 3].map(|_| doubles(&mut random));
    let largest = doubles(&mut random);
    let counts: Vec<[u32; 3]> = (0..BLOCKS)
        .map(|_| [0; 3].map(|_| 100 + random.below(1 << 12) as u32))
        .collect();
    let partials = (0..BLOCKS).flat_map(|block| {
        let [a, b, c] = [0, 1, 2].map(|of| halves(sums[of][block]));
        let numbers = [a, b, c, halves(largest[block].abs())].concat();
        [&numbers[..], &counts[block], &[0]].concat()
    });
    let partials = device.put(&partials.collect::<Vec<u32>>());
    let least = counts.iter().map(|[_, first, _]| *first).min().unwrap();
    let [a, b] = [7, 9].map(|step| {
        let multiples = (0..2 * least).map(|i| i * step);
        device.put(&multiples.collect::<Vec<u32>>())
    });
    let result = device.reserve(DIFFERENCE_WORDS);
    let span = device.put(&SPAN);
    let arguments = [
        a.into(),
        b.into(),
        span.into(),
        partials.into(),
        result.into(),
        count(BLOCKS),
    ];
    device.launch("compare_join", [1, 1, 1], &arguments)?;
    let [dot, square_a, square_b] = sums.map(|sums| halves(by_lanes(&sums)));
    let largest = largest.iter().fold(0f64, |most, x| most.max(x.abs()));
    let elements: u32 = counts.iter().map(|[elements, ..]| elements).sum();
    let ulp = counts.iter().map(|[.., ulp]| *ulp).max().unwrap();
    let doubles = [dot, square_a, square_b, halves(largest)].concat();
    let place = SPAN[0] + least;
    let numbers = [elements, least, ulp, 7 * place, 9 * place, 0];
    let expected = [&doubles[..], &numbers].concat();
    Ok((device.download_words(result)?, expected))
}

fn doubles(random: &mut Random) -> Vec<f64> {
    let double = |_| f64::from(random.normal()) * f64::from(random.normal());
    (0..BLOCKS).map(double).collect()
}

/// The lower and the upper word.
fn halves(value: f64) -> [u32; 2] {
    let bits = value.to_bits();
    [bits as u32, (bits >> 32) as u32]
}

/// More than lanes, so that some lanes have two.
const BLOCKS: usize = 300;
/// A span of as many blocks, of which the last one is short.
const SPAN: [u32; 2] = [50, 299 * 4096 + 5];
