//! Records of stages: what was taken where, with a digest and statistics.

use crate::{
    digest::{Digest, count_nans, digest},
    forward::NUMERICS,
    stage::Step,
};

/// What a stage held for a set of tokens. Two records are comparable when everything but the digest and the statistics
/// is the same.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The stage, which fixes the capture point.
    pub step: Step,
    /// The tokens whose values it covers.
    pub tokens: TokenSet,
    /// The number of values, each an f32.
    pub elements: usize,
    /// The id of the arithmetic.
    pub numerics: &'static str,
    /// The digest of the values.
    pub digest: Digest,
    /// What the values look like; never proof of anything.
    pub statistics: Statistics,
}

/// The tokens of a prompt that a record covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenSet {
    /// All of them.
    All {
        /// Their number.
        count: usize,
    },
    /// The last one.
    Last {
        /// Its position, from 0.
        position: usize,
    },
}

/// What values look like. NaNs are counted, and left out of the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many values are NaN.
    pub nans: usize,
    /// The mean, in f64.
    pub mean: f64,
    /// The standard deviation of the population, in f64.
    pub standard_deviation: f64,
    /// The least value; +infinity when there is none.
    pub minimum: f32,
    /// The greatest value; -infinity when there is none.
    pub maximum: f32,
}

impl Record {
    /// Makes the record of a stage's values.
    pub fn new(step: Step, tokens: TokenSet, values: &[f32]) -> Self {
        Self {
            step,
            tokens,
            elements: values.len(),
            numerics: NUMERICS,
            digest: digest(values),
            statistics: Statistics::new(values),
        }
    }

    /// Returns the first field that keeps two records from being compared.
    pub fn unlike(&self, other: &Self) -> Option<&'static str> {
        [
            ("stage", self.step == other.step),
            ("token set", self.tokens == other.tokens),
            ("element count", self.elements == other.elements),
            ("numerics", self.numerics == other.numerics),
        ]
        .into_iter()
        .find_map(|(field, same)| (!same).then_some(field))
    }
}

impl TokenSet {
    /// Returns `all` or `last`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All { .. } => "all",
            Self::Last { .. } => "last",
        }
    }
}

impl Statistics {
    /// Looks at the values twice, with sums in a fixed order.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "a count of values is below usize::MAX"
    )]
    pub fn new(values: &[f32]) -> Self {
        let nans = count_nans(values);
        let numbers = values.len() - nans;
        // A comparison with a NaN is false, so a NaN never replaces anything.
        let minimum =
            values.iter().fold(
                f32::INFINITY,
                |least, value| {
                    if *value < least { *value } else { least }
                },
            );
        let maximum = values.iter().fold(f32::NEG_INFINITY, |greatest, value| {
            if *value > greatest { *value } else { greatest }
        });
        let count = numbers.max(1) as f64;
        let mean = sum(values, |value| value) / count;
        let variance = sum(values, |value| (value - mean).powi(2)) / count;
        Self {
            nans,
            mean,
            standard_deviation: variance.sqrt(),
            minimum,
            maximum,
        }
    }
}

/// The sum over the values that are numbers: 32 partial sums, so that a processor can add several at a time.
fn sum(values: &[f32], of: impl Fn(f64) -> f64) -> f64 {
    let mut sums = [0f64; 32];
    for chunk in values.chunks(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += if value.is_nan() {
                0.0
            } else {
                of(f64::from(*value))
            };
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Stage;

    #[test]
    fn statistics_leave_out_nan_and_count_it() {
        let found = Statistics::new(&[1.0, f32::NAN, 3.0, -5.0, 5.0]);
        let expected = Statistics {
            nans: 1,
            mean: 1.0,
            standard_deviation: 14f64.sqrt(),
            minimum: -5.0,
            maximum: 5.0,
        };
        assert_eq!(found, expected);
        let many: Vec<f32> = (0..1000).map(|value| value as f32).collect();
        assert_eq!(Statistics::new(&many).mean, 499.5);
    }

    #[test]
    fn unlike_records_name_the_field() {
        let step = Step::in_layer(1, Stage::QPreBias);
        let all = TokenSet::All { count: 2 };
        let record = Record::new(step, all, &[1.0, 2.0]);
        assert_eq!(record.unlike(&record), None);
        let bias = Step::in_layer(1, Stage::QPostBias);
        let last = TokenSet::Last { position: 1 };
        for (other, field) in [
            (Record::new(bias, all, &[1.0, 2.0]), "stage"),
            (Record::new(step, last, &[1.0, 2.0]), "token set"),
            (Record::new(step, all, &[1.0]), "element count"),
        ] {
            assert_eq!(record.unlike(&other), Some(field));
        }
    }
}
