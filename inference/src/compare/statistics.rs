//! Traces that hold statistics only: which of our stages, over which tokens, reproduces them.

use super::{
    emulate::emulate,
    error::CompareError,
    moments::{Moments, MomentsOfStages, TokenSet},
    reference::Reference,
    rounding::Rounding,
    variant::Variant,
};
use crate::{
    forward::{Options, forward},
    model::{Model, WeightType},
    source::Source,
    trace::{Capture, Record, Statistics, Trace, stage_widths},
};

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
    /// What it may be of ours, the nearest first; empty when it is no stage of this model.
    pub candidates: Vec<Candidate>,
}

/// One meaning of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The stages.
    pub capture: Capture,
    /// The tokens.
    pub set: TokenSet,
    /// Our values there.
    pub ours: Moments,
    /// How near it is.
    pub fit: Fit,
    /// The largest distance of a number in units of what printing and f32 allow: at most 1 when it is reproduced.
    distance: f64,
}

/// How near statistics are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
    /// The number of records of each fit: reproduced, near, off. A record that is no stage is not counted.
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

/// Runs the model as it is, with roundings, and changed, until one run reproduces all statistics; the best one is told.
pub(crate) fn judge(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    tokens: &[u32],
    options: &Options,
) -> Result<StatisticsReport, CompareError> {
    let quantised = quantised_types(model);
    let mut search = Search {
        sources,
        tokens,
        threads: options.threads,
        records: trace.records.iter().collect(),
        near: !quantised.is_empty(),
        best: None,
    };
    let mut moments = MomentsOfStages::default();
    forward(model, sources, tokens, options, &mut moments)?;
    search.take(&moments, &[], &|_, _| 0);
    let sets = subsets(&quantised);
    for rounded in sets.iter().skip(1) {
        search.run(model, rounded, &|_, _| 0)?;
    }
    if let Some(variant) = search.explain(model, &sets)?
        && let Some(changed) = variant.apply(model)
    {
        let before = search.best.clone();
        for rounded in &sets {
            search.run(&changed, rounded, &padding(model, &changed, tokens.len()))?;
        }
        if search.best != before
            && let Some(best) = &mut search.best
        {
            best.changes = variant.describe(model);
        }
    }
    Ok(search.best.unwrap_or_else(|| StatisticsReport {
        rounded: Vec::new(),
        estimator: Estimator::Sample,
        changes: Vec::new(),
        rows: Vec::new(),
    }))
}

/// How many zeros follow the values of a capture in a changed model, by token set.
type Padding<'a> = dyn Fn(&Capture, TokenSet) -> usize + 'a;

/// The search for the run that reproduces the most.
struct Search<'a> {
    sources: &'a [&'a dyn Source],
    tokens: &'a [u32],
    threads: usize,
    records: Vec<&'a Record>,
    /// Whether an engine may round what it multiplies, so that statistics may be near and not the same.
    near: bool,
    best: Option<StatisticsReport>,
}

impl Search<'_> {
    /// Runs a model with the activations of some types rounded, unless everything is reproduced already.
    fn run(
        &mut self,
        model: &Model,
        rounded: &[WeightType],
        padding: &Padding<'_>,
    ) -> Result<(), CompareError> {
        if self.best.as_ref().is_some_and(|best| rank(best) == (0, 0)) {
            return Ok(());
        }
        let reference = Reference::new(model, self.sources, self.tokens)?;
        let rounding = |weight_type| match Rounding::candidates(weight_type) {
            [_, rounding, ..] if rounded.contains(&weight_type) => *rounding,
            _ => Rounding::None,
        };
        let mut moments = MomentsOfStages::default();
        emulate(&reference, &rounding, self.threads, &mut moments)?;
        self.take(&moments, rounded, padding);
        Ok(())
    }

    /// Keeps the report of a run when it is better.
    fn take(&mut self, moments: &MomentsOfStages, rounded: &[WeightType], padding: &Padding<'_>) {
        for estimator in [Estimator::Sample, Estimator::Population] {
            let row = |record: &&Record| {
                let theirs = record.statistics()?;
                Some(StatisticsRow {
                    name: record.name.clone(),
                    theirs: theirs.clone(),
                    candidates: self.candidates(record, theirs, moments, estimator, padding),
                })
            };
            let report = StatisticsReport {
                rounded: rounded.to_vec(),
                estimator,
                changes: Vec::new(),
                rows: self.records.iter().filter_map(row).collect(),
            };
            if self
                .best
                .as_ref()
                .is_none_or(|best| rank(&report) < rank(best))
            {
                self.best = Some(report);
            }
        }
    }

    /// Looks for the fewest changes under which no statistic of the first layer is off; the first layer alone is run, since a
    /// change that is none there is none at all.
    fn explain(
        &self,
        model: &Model,
        sets: &[Vec<WeightType>],
    ) -> Result<Option<Variant>, CompareError> {
        if self.best.as_ref().is_none_or(|best| rank(best).0 == 0) {
            return Ok(None);
        }
        let first_layer = |record: &&Record| {
            let mut steps = record.captures.iter().flat_map(|capture| &capture.steps);
            steps.any(|step| step.layer == Some(0))
        };
        let mut found: Option<((usize, usize), Variant)> = None;
        for variant in Variant::all() {
            let Some(mut changed) = variant.apply(model) else {
                continue;
            };
            changed.layers.truncate(1);
            for rounded in sets {
                let mut search = Search {
                    records: self.records.iter().copied().filter(first_layer).collect(),
                    best: None,
                    ..*self
                };
                search.run(
                    &changed,
                    rounded,
                    &padding(model, &changed, self.tokens.len()),
                )?;
                let rank = search.best.as_ref().map_or((usize::MAX, 0), rank);
                if rank.0 == 0 && found.as_ref().is_none_or(|(best, _)| rank < *best) {
                    found = Some((rank, variant));
                }
            }
            if found.as_ref().is_some_and(|(rank, _)| *rank == (0, 0)) {
                break;
            }
        }
        Ok(found.map(|(_, variant)| variant))
    }

    fn candidates(
        &self,
        record: &Record,
        theirs: &Statistics,
        moments: &MomentsOfStages,
        estimator: Estimator,
        padding: &Padding<'_>,
    ) -> Vec<Candidate> {
        let mut found = Vec::new();
        for capture in &record.captures {
            for set in TokenSet::ALL {
                if let Some(ours) = moments.joined(capture, set) {
                    let ours = ours.and_zeros(padding(capture, set));
                    let (fit, distance) = fit(theirs, &ours, estimator);
                    found.push(Candidate {
                        capture: capture.clone(),
                        set,
                        ours,
                        fit: if fit == Fit::Near && !self.near {
                            Fit::Off
                        } else {
                            fit
                        },
                        distance,
                    });
                }
            }
        }
        found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
        found
    }
}

/// Engines reuse buffers that are longer than what a changed model puts there.
fn padding<'a>(
    model: &'a Model,
    changed: &'a Model,
    tokens: usize,
) -> impl Fn(&Capture, TokenSet) -> usize + 'a {
    move |capture, set| {
        let lost = width(model, capture, tokens).saturating_sub(width(changed, capture, tokens));
        match set {
            TokenSet::All => lost.saturating_mul(tokens),
            TokenSet::Last => lost,
        }
    }
}

/// Fewer that are off come first, then fewer that are only near.
fn rank(report: &StatisticsReport) -> (usize, usize) {
    let [_, near, off] = report.counts();
    (off, near)
}

/// Holds their numbers against ours.
fn fit(theirs: &Statistics, ours: &Moments, estimator: Estimator) -> (Fit, f64) {
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
    let same_count = theirs.count.is_none_or(|count| count == ours.count);
    if !same_count || theirs.nans.is_some_and(|nans| nans > 0) {
        return (Fit::Off, f64::INFINITY);
    }
    let fit = match (distance <= 1.0, near) {
        (true, _) => Fit::Reproduced,
        (false, true) => Fit::Near,
        (false, false) => Fit::Off,
    };
    (fit, distance)
}

/// The types of matrices whose products engines may round, in a fixed order.
fn quantised_types(model: &Model) -> Vec<WeightType> {
    let matrices = model.layers.iter().flat_map(|layer| {
        [
            &layer.query,
            &layer.key,
            &layer.value,
            &layer.attention_output,
            &layer.gate,
            &layer.up,
            &layer.down,
        ]
    });
    let present: Vec<_> = matrices
        .chain([&model.output])
        .map(|matrix| matrix.weight_type)
        .collect();
    let all = WeightType::ALL.into_iter();
    all.filter(|weight_type| present.contains(weight_type))
        .filter(|weight_type| Rounding::candidates(*weight_type).len() > 1)
        .collect()
}

/// None, all, each alone, then the rest; of more than three types only those.
fn subsets(types: &[WeightType]) -> Vec<Vec<WeightType>> {
    let mut subsets = vec![Vec::new()];
    if !types.is_empty() {
        subsets.push(types.to_vec());
    }
    if types.len() > 1 {
        subsets.extend(types.iter().map(|one| vec![*one]));
    }
    if types.len() == 3 {
        subsets.extend(types.iter().map(|left_out| {
            let rest = types.iter().copied();
            rest.filter(|one| one != left_out).collect()
        }));
    }
    subsets
}

/// The values of a capture for a token.
fn width(model: &Model, capture: &Capture, tokens: usize) -> usize {
    let widths = stage_widths(model, tokens);
    let of = |step| widths.iter().find(|(other, _)| other == step);
    let steps = capture.steps.iter().filter_map(of);
    steps.map(|(_, width)| *width).sum()
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
    use crate::trace::Printed;

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

    #[test]
    fn sets_of_types_are_tried_once_each() {
        use WeightType::{Q4K, Q5K, Q6K};
        assert_eq!(subsets(&[]).len(), 1);
        assert_eq!(subsets(&[Q4K]).len(), 2);
        assert_eq!(subsets(&[Q4K, Q6K]).len(), 4);
        assert_eq!(subsets(&[Q4K, Q5K, Q6K]).len(), 8);
    }
}
