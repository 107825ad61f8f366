//! Mean, deviation and extremes of our stages, over all tokens and over the last.

use std::collections::BTreeMap;

use super::difference::number;
use crate::format::Capture;
use inference::{Stage, StageSink, Step};

/// The moments of a set of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moments {
    /// The number of values.
    pub count: usize,
    sum: f64,
    squares: f64,
    /// The least value.
    pub least: f64,
    /// The greatest value.
    pub greatest: f64,
    /// The number of infinities.
    pub infinities: usize,
    /// The number of zeros.
    pub zeros: usize,
}

/// Which tokens a statistic covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichTokens {
    /// All tokens of the prompt.
    All,
    /// The last one.
    Last,
}

/// A sink that keeps the moments of every stage, and of values the logits of the last token alone.
#[derive(Debug, Default)]
pub(crate) struct MomentsOfStages {
    stages: BTreeMap<(usize, Stage), [Moments; 2]>,
    pub(crate) logits: Vec<f32>,
}

impl Moments {
    /// The moments of values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        values.fold(Self::default(), |found, x| Self {
            count: found.count + 1,
            sum: found.sum + x,
            squares: x.mul_add(x, found.squares),
            least: found.least.min(x),
            greatest: found.greatest.max(x),
            infinities: found.infinities + usize::from(x.is_infinite()),
            zeros: found.zeros + usize::from(x == 0.0),
        })
    }

    /// The moments of both sets together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            count: self.count + other.count,
            sum: self.sum + other.sum,
            squares: self.squares + other.squares,
            least: self.least.min(other.least),
            greatest: self.greatest.max(other.greatest),
            infinities: self.infinities + other.infinities,
            zeros: self.zeros + other.zeros,
        }
    }

    /// The moments with so many zeros more.
    pub(crate) fn and_zeros(self, count: usize) -> Self {
        match count {
            0 => self,
            count => self.and(Self {
                count,
                least: 0.0,
                greatest: 0.0,
                zeros: count,
                ..Self::default()
            }),
        }
    }

    /// Returns the mean.
    pub fn mean(&self) -> f64 {
        self.sum / number(self.count)
    }

    /// Returns the Euclidean norm.
    pub fn norm(&self) -> f64 {
        self.squares.sqrt()
    }

    /// Returns the standard deviation as that of a sample (divided by count - 1).
    pub fn sample_deviation(&self) -> f64 {
        self.deviation(1)
    }

    /// Returns the standard deviation as that of a population (divided by count).
    pub fn population_deviation(&self) -> f64 {
        self.deviation(0)
    }

    /// The root mean square.
    pub(crate) fn scale(&self) -> f64 {
        (self.squares / number(self.count)).sqrt()
    }

    fn deviation(&self, less: usize) -> f64 {
        let centred = self.sum.mul_add(-self.mean(), self.squares).max(0.0);
        (centred / number(self.count.saturating_sub(less))).sqrt()
    }
}

impl Default for Moments {
    /// Returns those of no values.
    fn default() -> Self {
        Self {
            count: 0,
            sum: 0.0,
            squares: 0.0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            infinities: 0,
            zeros: 0,
        }
    }
}

impl WhichTokens {
    /// Both sets.
    pub const ALL: [Self; 2] = [Self::All, Self::Last];

    /// Returns the words of a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all tokens",
            Self::Last => "last token",
        }
    }
}

impl MomentsOfStages {
    /// The moments of stages joined; `None` when this model does not have one of them.
    pub(crate) fn joined(&self, capture: &Capture, set: WhichTokens) -> Option<Moments> {
        let parts = capture.steps.iter();
        parts
            .map(|step| {
                let [all, last] = self.stages.get(&step.order())?;
                Some(match set {
                    WhichTokens::All => *all,
                    WhichTokens::Last => *last,
                })
            })
            .reduce(|a, b| Some(a?.and(b?)))?
    }
}

impl StageSink for MomentsOfStages {
    fn stage(&mut self, step: Step, tokens: usize, values: &[f32]) {
        let width = values.len() / tokens;
        let skipped = values.len() - width;
        let wide = |values: &[f32], skipped| {
            Moments::of(values.iter().skip(skipped).map(|value| f64::from(*value)))
        };
        if step.stage == Stage::Logits {
            self.logits = values.iter().skip(skipped).copied().collect();
        }
        let moments = [wide(values, 0), wide(values, skipped)];
        self.stages.insert(step.order(), moments);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_moments_are_those_of_all_values() {
        let (a, b) = ([1.0, 2.0, 4.0], [-3.0, 0.5]);
        let joined = Moments::of(a.into_iter()).and(Moments::of(b.into_iter()));
        let all = Moments::of(a.into_iter().chain(b));
        assert_eq!(
            (joined.count, joined.least, joined.greatest),
            (5, -3.0, 4.0)
        );
        assert!((joined.mean() - 0.9).abs() < 1e-12);
        assert!((joined.sample_deviation() - all.sample_deviation()).abs() < 1e-12);
        // Squared distances from 0.9: 0.01, 1.21, 9.61, 15.21, 0.16.
        assert!((all.population_deviation() - (26.2f64 / 5.0).sqrt()).abs() < 1e-12);
        assert!((all.sample_deviation() - (26.2f64 / 4.0).sqrt()).abs() < 1e-12);
        let padded = joined.and_zeros(5);
        assert!((padded.mean() - 0.45).abs() < 1e-12 && padded.count == 10);
    }
}
