//! What is said of stages as it lies in device memory: spans, statistics, differences and digests.
//!
//! These are the structures of `inference/kernels/`, word by word; a word is 32 bits, an f64 is two, the lower one first.

use crate::record::{Difference, Digest, Outcome, Statistics, comparison::cosine};

/// Some values of a buffer that follow each other; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueRange {
    /// The number of the first one.
    pub(crate) first: u32,
    /// How many there are.
    pub(crate) count: u32,
}

impl ValueRange {
    /// The words of a span.
    pub(crate) const WORDS: usize = 2;

    /// The span as kernels take it.
    pub(crate) const fn words(self) -> [u32; Self::WORDS] {
        [self.first, self.count]
    }

    /// The blocks of 4096 values that sums are cut into: a partial result for each.
    pub(crate) const fn blocks(self) -> u32 {
        self.count.div_ceil(4096)
    }

    /// The chunks of 256 values that a digest is cut into: a chaining value for each.
    pub(crate) const fn chunks(self) -> u32 {
        self.count.div_ceil(256)
    }
}

/// Reads a result of `sum_join` and `square_join`.
pub(crate) fn statistics(words: &[u32; STATISTICS_WORDS]) -> Statistics {
    let [m0, m1, v0, v1, minimum, maximum, nans, _] = *words;
    Statistics {
        nans: nans as usize,
        mean: double(m0, m1),
        standard_deviation: double(v0, v1).sqrt(),
        minimum: f32::from_bits(minimum),
        maximum: f32::from_bits(maximum),
    }
}

/// Reads a result of `compare_join`: spans are equal or different.
pub(crate) fn outcome(words: &[u32; DIFFERENCE_WORDS]) -> Outcome {
    let [d0, d1, a0, a1, b0, b1, l0, l1, numbers @ ..] = *words;
    let [elements, first, largest_ulp, value_a, value_b, _] = numbers;
    if elements == 0 {
        return Outcome::Equal;
    }
    Outcome::Different(Difference {
        elements: elements as usize,
        first: first as usize,
        values: [f32::from_bits(value_a), f32::from_bits(value_b)],
        largest_ulp,
        largest_absolute: double(l0, l1),
        cosine: cosine([double(d0, d1), double(a0, a1), double(b0, b1)]),
    })
}

/// Reads the last result of `digest_join`.
pub(crate) fn digest(words: &[u32; CHAINING_WORDS]) -> Digest {
    let mut bytes = [0; 32];
    let (targets, _) = bytes.as_chunks_mut();
    for (target, word) in targets.iter_mut().zip(words) {
        *target = word.to_le_bytes();
    }
    Digest(bytes)
}

/// An f64 from its lower and its upper half.
fn double(low: u32, high: u32) -> f64 {
    f64::from_bits(u64::from(high) << 32 | u64::from(low))
}

/// The words of a result of `sum_join`, which `square_join` completes.
pub(crate) const STATISTICS_WORDS: usize = 8;
/// The words of a partial result of `sum_spans`.
pub(crate) const SUM_WORDS: usize = 6;
/// The words of a partial result of `square_spans`.
pub(crate) const SQUARES_WORDS: usize = 2;
/// The words of a result of `compare_join`.
pub(crate) const DIFFERENCE_WORDS: usize = 14;
/// The words of a partial result of `compare_spans`.
pub(crate) const COMPARED_WORDS: usize = 12;
/// The words of a chaining value and of a digest.
pub(crate) const CHAINING_WORDS: usize = 8;
/// The chaining values that a thread block of `digest_join` makes one of.
pub(crate) const JOINED: u32 = 512;
