//! Comparison of statistics: which stage a record may be, and how near it is.

use std::collections::BTreeMap;

use super::moments::{Moments, WhichTokens};
use crate::format::{Capture, Statistics};
use inference::WeightType;
use serde::Serialize;

/// What was found about a trace of statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsReport {
    /// The types of weights whose products round their activations in the run that fits best.
    pub rounded: Vec<WeightType>,
    /// How the engine computed its deviations, as far as that fits best.
    pub estimator: Estimator,
    /// What the engine does otherwise in the run that fits best; empty when it fits as it is.
    pub changes: Vec<String>,
    /// The records, in the order of the trace.
    pub rows: Vec<StatisticsRow>,
}

/// A record of statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsRow {
    /// The name that the engine gave it.
    pub name: String,
    /// Its statistics.
    pub theirs: Statistics,
    /// The stages of ours that it may be, the nearest first; empty when it is none of this model.
    pub candidates: Vec<Candidate>,
}

/// One meaning of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The stages.
    pub capture: Capture,
    /// The tokens.
    pub set: WhichTokens,
    /// Our values there.
    pub ours: Moments,
    /// How near it is.
    pub fit: Fit,
    /// The largest distance of a number in units of what printing and f32 allow: at most 1 when it is reproduced.
    pub(crate) distance: f64,
}

/// How near statistics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Every number is the same within the printed digits.
    Reproduced,
    /// Within what the rounding of 8-bit engines moves.
    Near,
    /// Neither.
    Off,
}

/// How a standard deviation was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimator {
    /// Divided by count - 1.
    Sample,
    /// Divided by count.
    Population,
}

impl Estimator {
    /// Returns the deviation of values.
    pub fn of(self, moments: &Moments) -> f64 {
        match self {
            Self::Sample => moments.sample_deviation(),
            Self::Population => moments.population_deviation(),
        }
    }

    /// Returns the words of a report.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sample => "a sample (divided by count - 1)",
            Self::Population => "a population (divided by count)",
        }
    }
}

impl StatisticsReport {
    /// The number of records of each fit: reproduced, near, off. A record that is not a stage is not counted.
    pub fn counts(&self) -> [usize; 3] {
        [Fit::Reproduced, Fit::Near, Fit::Off].map(|fit| {
            let best = self.rows.iter().filter_map(StatisticsRow::best);
            best.filter(|best| best.fit == fit).count()
        })
    }
}

impl StatisticsRow {
    /// Returns the nearest meaning.
    pub fn best(&self) -> Option<&Candidate> {
        self.candidates.first()
    }
}

/// Holds their numbers against ours.
pub(crate) fn fit(theirs: &Statistics, ours: &Moments, estimator: Estimator) -> (Fit, f64) {
    let scale = ours.scale();
    let numbers = [
        (theirs.mean, ours.mean(), NEAR),
        (theirs.deviation, estimator.of(ours), NEAR),
        (theirs.norm, ours.norm(), NEAR * ours.norm() / scale),
        (theirs.least, ours.least, NEAR_EXTREME),
        (theirs.greatest, ours.greatest, NEAR_EXTREME),
    ];
    let (mut distance, mut near) = (0f64, true);
    for (theirs, ours, noise) in numbers {
        let Some(theirs) = theirs else { continue };
        let gap = (theirs.value - ours).abs();
        let allowed = SAME.mul_add(scale.max(ours.abs()), theirs.half_unit());
        distance = distance.max(if gap.is_nan() {
            f64::INFINITY
        } else {
            gap / allowed
        });
        near &= gap <= noise.mul_add(scale, theirs.half_unit());
    }
    let counts = [
        (theirs.count, ours.count),
        (theirs.nans, 0),
        (theirs.infinities, ours.infinities),
        (theirs.zeros, ours.zeros),
    ];
    let other = |(theirs, ours): (Option<usize>, usize)| theirs.is_some_and(|count| count != ours);
    if counts.into_iter().any(other) {
        return (Fit::Off, f64::INFINITY);
    }
    let fit = match (distance <= 1.0, near) {
        (true, _) => Fit::Reproduced,
        (false, true) => Fit::Near,
        (false, false) => Fit::Off,
    };
    (fit, distance)
}

/// Holds the greatest logits of theirs against ours of the last token.
pub(crate) fn fit_of_top(theirs: &Statistics, logits: &[f32], ours: &Moments) -> Fit {
    let scale = ours.scale();
    let mut rest: BTreeMap<usize, f64> = logits.iter().map(|x| f64::from(*x)).enumerate().collect();
    let mut worst = Fit::Reproduced;
    for (id, logit) in &theirs.top {
        // Nothing that was not named before it is greater, as far as rounding tells.
        let greatest = rest.values().copied().fold(f64::NEG_INFINITY, f64::max);
        let Some(found) = rest.remove(id) else {
            return Fit::Off;
        };
        let gap = (logit.value - found).abs().max(greatest - found);
        let same = SAME.mul_add(scale.max(found.abs()), logit.half_unit());
        worst = worst.max(if gap <= same {
            Fit::Reproduced
        } else if gap <= NEAR_EXTREME.mul_add(scale, logit.half_unit()) {
            Fit::Near
        } else {
            Fit::Off
        });
    }
    worst
}

/// What f32 sums of an engine move a number by, as a part of the scale of the values.
const SAME: f64 = 2e-6;

/// What 8-bit activations move a mean or a deviation by at most: the relative L2 distance that they make, 0.03.
const NEAR: f64 = 0.03;

/// The same for a single extreme value.
const NEAR_EXTREME: f64 = 0.25;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Printed;

    #[test]
    fn the_estimator_is_told_where_it_can_be() {
        let values = [1.0, 2.0, 4.0, -1.0];
        let ours = Moments::of(values.into_iter());
        let with = |value: f64, places: Option<u16>| Statistics {
            deviation: Some(Printed { value, places }),
            ..Statistics::default()
        };
        let [sample, population] = [Estimator::Sample, Estimator::Population];
        let exact = with(ours.sample_deviation(), None);
        assert_eq!(fit(&exact, &ours, sample).0, Fit::Reproduced);
        assert_eq!(fit(&exact, &ours, population).0, Fit::Off);
        let exact = with(ours.population_deviation(), None);
        assert_eq!(fit(&exact, &ours, population).0, Fit::Reproduced);
        let printed = with(2.1, Some(1));
        assert_eq!(fit(&printed, &ours, sample).0, Fit::Reproduced);
        assert_eq!(fit(&with(9.0, None), &ours, sample).0, Fit::Off);
        assert_eq!(fit(&with(f64::NAN, None), &ours, sample).0, Fit::Off);
        let near = with(ours.sample_deviation() + 0.01, None);
        assert_eq!(fit(&near, &ours, sample).0, Fit::Near);
    }

    #[test]
    fn another_number_of_values_never_fits() {
        let ours = Moments::of([1.0, 2.0].into_iter());
        let theirs = Statistics {
            count: Some(3),
            mean: Some(Printed::whole(1.5)),
            ..Statistics::default()
        };
        assert_eq!(fit(&theirs, &ours, Estimator::Sample).0, Fit::Off);
    }
}
