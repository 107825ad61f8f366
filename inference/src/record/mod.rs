//! Records of stages: capture point, tokens, digest and statistics.

pub(crate) mod comparison;
pub(crate) mod digest;

pub use comparison::{Comparison, Difference, Outcome, Row};
pub use digest::{Digest, Digests, StageDigest, digest};

use crate::{
    arithmetic::{
        float_order::{from_rank, rank},
        instruction_set::Instructions,
        ordered_sum::sum,
    },
    program::{NUMERICS, Stage, Step},
    record::digest::count_nans,
};

/// The values of a stage for a set of tokens, summarised. Two records are comparable when everything but the digest and the statistics
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
    /// Of the stage that chooses experts: those that were chosen for some token, sorted. Not known of a run on a GPU.
    pub experts: Vec<u32>,
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

/// Statistics of values. NaNs are counted and left out of the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Statistics {
    /// How many values are NaN.
    pub nans: usize,
    /// The mean, in f64.
    pub mean: f64,
    /// The standard deviation of the population, in f64.
    pub standard_deviation: f64,
    /// The least value, -0 being less than +0; +infinity without a number.
    pub minimum: f32,
    /// The greatest value, +0 being greater than -0; -infinity without a number.
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
            experts: match step.stage {
                Stage::MoeIndices => distinct(values),
                _ => Vec::new(),
            },
        }
    }

    /// Returns the first field that keeps two records from being compared.
    pub fn unlike(&self, other: &Self) -> Option<&'static str> {
        [
            ("stage", self.step == other.step),
            ("token set", self.tokens == other.tokens),
            // Without a value nothing was compared: two empty stages are not equal.
            (
                "element count",
                self.elements == other.elements && self.elements > 0,
            ),
            ("numerics", self.numerics == other.numerics),
        ]
        .into_iter()
        .find_map(|(field, same)| (!same).then_some(field))
    }
}

/// The different numbers among values, sorted.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of experts, which a u32 holds"
)]
fn distinct(values: &[f32]) -> Vec<u32> {
    let mut all: Vec<u32> = values.iter().map(|value| *value as u32).collect();
    all.sort_unstable();
    all.dedup();
    all
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
    /// Reads the values twice, with sums in the order of rule 10.
    pub fn new(values: &[f32]) -> Self {
        Instructions::best().run(|| Self::of(values))
    }

    #[inline(always)]
    fn of(values: &[f32]) -> Self {
        let nans = count_nans(values);
        let numbers = values.len() - nans;
        let ranks = |none: f32| {
            let ranks = values
                .iter()
                .map(move |value| rank(if value.is_nan() { none } else { *value }));
            (rank(none), ranks)
        };
        let (none, all) = ranks(f32::INFINITY);
        let minimum = from_rank(all.fold(none, i32::min));
        let (none, all) = ranks(f32::NEG_INFINITY);
        let maximum = from_rank(all.fold(none, i32::max));
        let count = numbers.max(1) as f64;
        let of_numbers = |value: f32, term: f64| if value.is_nan() { 0.0 } else { term };
        let mean = sum(values, |value| of_numbers(value, value.into())) / count;
        let variance = sum(values, |value| {
            let away = f64::from(value) - mean;
            of_numbers(value, away * away)
        }) / count;
        Self {
            nans,
            mean,
            standard_deviation: variance.sqrt(),
            minimum,
            maximum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::Stage;

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
        let empty = Record::new(step, all, &[]);
        assert_eq!(empty.unlike(&empty), Some("element count"));
    }
}
