//! Digests of stages.

use std::fmt;

use crate::program::{StageSink, Step};

/// A BLAKE3 digest; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// The digest of one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageDigest {
    /// Layer and name.
    pub step: Step,
    /// The number of values.
    pub elements: usize,
    /// The number of values that are NaN.
    pub nans: usize,
    /// The digest of the values.
    pub digest: Digest,
}

/// A sink that keeps the digest of every stage, in execution order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// The digests so far.
    pub stages: Vec<StageDigest>,
}

/// Computes BLAKE3 over the little-endian bits of the values, every NaN as 0x7fc00000.
pub fn digest(values: &[f32]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = vec![0; values.len().min(CHUNK) * 4];
    for chunk in values.chunks(CHUNK) {
        let (bytes, _) = bytes.split_at_mut(chunk.len() * 4);
        let (targets, _) = bytes.as_chunks_mut();
        for (target, value) in targets.iter_mut().zip(chunk) {
            *target = canonical(*value).to_le_bytes();
        }
        hasher.update(bytes);
    }
    Digest(*hasher.finalize().as_bytes())
}

impl Digests {
    /// Returns the digest of the whole run: BLAKE3 over a line `key elements digest` for each stage.
    pub fn run(&self) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for stage in &self.stages {
            let line = format!("{} {} {}\n", stage.step, stage.elements, stage.digest);
            hasher.update(line.as_bytes());
        }
        Digest(*hasher.finalize().as_bytes())
    }

    /// Returns the first stage that differs, on either side; `None` when all stages agree.
    pub fn first_difference(&self, other: &Self) -> Option<(Option<Step>, Option<Step>)> {
        let longest = self.stages.len().max(other.stages.len());
        (0..longest)
            .map(|index| (self.stages.get(index), other.stages.get(index)))
            .find(|(a, b)| a != b)
            .map(|(a, b)| (a.map(|stage| stage.step), b.map(|stage| stage.step)))
    }
}

impl StageSink for Digests {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        self.stages.push(StageDigest {
            step,
            elements: values.len(),
            nans: count_nans(values),
            digest: digest(values),
        });
    }
}

/// Digests of f64 values are over their own bits, so that they are never those of f32.
impl StageSink<f64> for Digests {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f64]) {
        let mut hasher = blake3::Hasher::new();
        for value in values {
            let canonical = if value.is_nan() { f64::NAN } else { *value };
            hasher.update(&canonical.to_le_bytes());
        }
        self.stages.push(StageDigest {
            step,
            elements: values.len(),
            nans: values.iter().filter(|value| value.is_nan()).count(),
            digest: Digest(*hasher.finalize().as_bytes()),
        });
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// How many values are NaN.
#[inline(always)]
pub(crate) fn count_nans(values: &[f32]) -> usize {
    count(values.iter().map(|value| value.is_nan()))
}

/// How many hold. Written so that it runs in vectors: a count wraps where there are more than usize::MAX, so never.
#[inline(always)]
pub(crate) fn count(all: impl Iterator<Item = bool>) -> usize {
    all.fold(0, |count, holds| count.wrapping_add(usize::from(holds)))
}

/// The bits of a value, all NaNs being one.
pub(crate) const fn canonical(value: f32) -> u32 {
    if value.is_nan() {
        0x7FC0_0000
    } else {
        value.to_bits()
    }
}

/// Values that are turned into bytes at a time.
const CHUNK: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Stage;

    #[test]
    fn every_nan_is_the_same_and_the_zeros_differ() {
        let nans =
            [0x7FC0_0000, 0xFFC0_0000, 0x7F80_0001].map(|bits| digest(&[f32::from_bits(bits)]));
        assert_eq!(nans[0], nans[1]);
        assert_eq!(nans[0], nans[2]);
        assert_ne!(digest(&[0.0]), digest(&[-0.0]));
    }

    #[test]
    fn the_digest_is_that_of_the_little_endian_bits() {
        let expected = blake3::hash(&[0, 0, 128, 63, 0, 0, 0, 192]).to_hex();
        assert_eq!(digest(&[1.0, -2.0]).to_string(), expected.as_str());
    }

    #[test]
    fn the_first_difference_is_found_in_order_and_at_the_end() {
        let norm = Step::in_layer(0, Stage::AttnNorm);
        let mut a = Digests::default();
        a.stage(Step::of_model(Stage::Embedding), 1, &[1.0]);
        let mut b = a.clone();
        assert_eq!(a.first_difference(&b), None);
        assert_eq!(a.run(), b.run());
        b.stage(norm, 1, &[1.0]);
        assert_eq!(a.first_difference(&b), Some((None, Some(norm))));
        a.stage(norm, 1, &[f32::NAN]);
        assert_eq!(a.first_difference(&b), Some((Some(norm), Some(norm))));
        assert_ne!(a.run(), b.run());
    }
}
