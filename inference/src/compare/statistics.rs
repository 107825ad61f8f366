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
    trace::{Capture, Printed, Record, Statistics, Trace, stage_widths},
};

/// What was found about a trace of statistics.
#[derive(Debug, Clone, PartialEq)]
pub struct StatisticsReport {
    /// The types of weights whose products round their activations in the run that fits best.
    pub rounded: Vec<WeightType>,
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
    /// The estimator of the deviation that fits, where it can be told.
    pub estimator: Option<Estimator>,
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
    let mut moments = MomentsOfStages::default();
    forward(model, sources, tokens, options, &mut moments)?;
    let mut best = report(trace, &moments, &|_, _| 0);
    let quantised = quantised_types(model);
    try_roundings(
        model,
        sources,
        trace,
        tokens,
        options,
        &quantised,
        &mut best,
        &|_, _| 0,
    )?;
    let [_, _, off] = best.counts();
    if off == 0 {
        return Ok(best);
    }
    for variant in Variant::all() {
        let Some(changed) = variant.apply(model) else {
            continue;
        };
        let padding = |capture: &Capture, set: TokenSet| {
            let lost =
                width(model, capture, tokens).saturating_sub(width(&changed, capture, tokens));
            match set {
                TokenSet::All => lost.saturating_mul(tokens.len()),
                TokenSet::Last => lost,
            }
        };
        let mut found = best.clone();
        let types = &quantised;
        try_roundings(
            &changed, sources, trace, tokens, options, types, &mut found, &padding,
        )?;
        if found != best {
            found.changes = variant.describe(model);
            best = found;
        }
        if best.counts()[1..] == [0, 0] {
            break;
        }
    }
    Ok(best)
}

/// Tries every set of types whose products are rounded, none of them first, and keeps the best report.
#[expect(clippy::too_many_arguments, reason = "one run has that many inputs")]
fn try_roundings(
    model: &Model,
    sources: &[&dyn Source],
    trace: &Trace,
    tokens: &[u32],
    options: &Options,
    types: &[WeightType],
    best: &mut StatisticsReport,
    padding: &dyn Fn(&Capture, TokenSet) -> usize,
) -> Result<(), CompareError> {
    let reference = Reference::new(model, sources, tokens)?;
    for rounded in subsets(types) {
        let [_, near, off] = best.counts();
        if near == 0 && off == 0 {
            return Ok(());
        }
        let rounding = |weight_type| match Rounding::candidates(weight_type) {
            [_, rounding, ..] if rounded.contains(&weight_type) => *rounding,
            _ => Rounding::None,
        };
        let mut moments = MomentsOfStages::default();
        emulate(&reference, &rounding, options.threads, &mut moments)?;
        let found = report(trace, &moments, padding);
        if rank(&found) < rank(best) {
            *best = StatisticsReport { rounded, ..found };
        }
    }
    Ok(())
}

/// Fewer that are off come first, then more that are reproduced.
fn rank(report: &StatisticsReport) -> (usize, usize) {
    let [_, near, off] = report.counts();
    (off, near)
}

fn report(
    trace: &Trace,
    moments: &MomentsOfStages,
    padding: &dyn Fn(&Capture, TokenSet) -> usize,
) -> StatisticsReport {
    let rows = trace.records.iter().filter_map(|record| {
        let theirs = record.statistics()?;
        Some(StatisticsRow {
            name: record.name.clone(),
            theirs: theirs.clone(),
            candidates: candidates(record, theirs, moments, padding),
        })
    });
    StatisticsReport {
        rounded: Vec::new(),
        changes: Vec::new(),
        rows: rows.collect(),
    }
}

fn candidates(
    record: &Record,
    theirs: &Statistics,
    moments: &MomentsOfStages,
    padding: &dyn Fn(&Capture, TokenSet) -> usize,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    for capture in &record.captures {
        for set in TokenSet::ALL {
            if let Some(ours) = moments.joined(capture, set) {
                let ours = ours.and_zeros(padding(capture, set));
                let (fit, estimator, distance) = fit(theirs, &ours);
                found.push(Candidate {
                    capture: capture.clone(),
                    set,
                    ours,
                    fit,
                    estimator,
                    distance,
                });
            }
        }
    }
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    found
}

/// Holds their numbers against ours, under both estimators.
fn fit(theirs: &Statistics, ours: &Moments) -> (Fit, Option<Estimator>, f64) {
    let scale = ours.scale();
    let under = |deviation: f64| {
        let extremes = [(theirs.least, ours.least), (theirs.greatest, ours.greatest)];
        let others = [
            (theirs.mean, ours.mean(), NEAR),
            (theirs.deviation, deviation, NEAR),
            (theirs.norm, ours.norm(), NEAR * ours.norm() / scale),
        ];
        let extremes = extremes.map(|(theirs, ours)| (theirs, ours, NEAR_EXTREME));
        let numbers = others.into_iter().chain(extremes);
        numbers
            .filter_map(|(theirs, ours, near)| {
                let theirs: Printed = theirs?;
                let half_unit = theirs.half_unit();
                let gap = (theirs.value - ours).abs();
                let size = scale.max(ours.abs());
                let allowed = SAME.mul_add(size, half_unit);
                let distance = if gap.is_nan() {
                    f64::INFINITY
                } else {
                    gap / allowed
                };
                Some((distance, gap <= near.mul_add(scale, half_unit)))
            })
            .fold((0f64, true), |(far, near), (distance, is_near)| {
                (far.max(distance), near && is_near)
            })
    };
    let sample = under(ours.sample_deviation());
    let population = under(ours.population_deviation());
    let (distance, near) = if sample.0 <= population.0 {
        sample
    } else {
        population
    };
    let same_count = theirs.count.is_none_or(|count| count == ours.count);
    let no_nans = theirs.nans.unwrap_or_default() == 0;
    let fit = match (same_count && no_nans, distance <= 1.0, near) {
        (false, _, _) | (true, false, false) => Fit::Off,
        (true, true, _) => Fit::Reproduced,
        (true, false, true) => Fit::Near,
    };
    let estimator = match (fit, sample.0 <= 1.0, population.0 <= 1.0) {
        (Fit::Reproduced, true, false) => Some(Estimator::Sample),
        (Fit::Reproduced, false, true) => Some(Estimator::Population),
        _ => None,
    };
    let distance = if same_count { distance } else { f64::INFINITY };
    (fit, estimator, distance)
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
fn width(model: &Model, capture: &Capture, tokens: &[u32]) -> usize {
    let widths = stage_widths(model, tokens.len());
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

    #[test]
    fn the_estimator_is_told_where_it_can_be() {
        let values = [1.0, 2.0, 4.0, -1.0];
        let ours = Moments::of(values.into_iter());
        let with = |value: f64, places: Option<u16>| Statistics {
            deviation: Some(Printed { value, places }),
            ..Statistics::default()
        };
        let sample = fit(&with(ours.sample_deviation(), None), &ours);
        assert_eq!(
            (sample.0, sample.1),
            (Fit::Reproduced, Some(Estimator::Sample))
        );
        let population = fit(&with(ours.population_deviation(), None), &ours);
        assert_eq!(population.1, Some(Estimator::Population));
        assert_eq!(fit(&with(ours.sample_deviation(), Some(0)), &ours).1, None);
        assert_eq!(fit(&with(9.0, None), &ours).0, Fit::Off);
        assert_eq!(fit(&with(f64::NAN, None), &ours).0, Fit::Off);
        let near = fit(&with(ours.sample_deviation() + 0.01, None), &ours);
        assert_eq!(near.0, Fit::Near);
    }

    #[test]
    fn another_number_of_values_never_fits() {
        let ours = Moments::of([1.0, 2.0].into_iter());
        let theirs = Statistics {
            count: Some(3),
            mean: Some(Printed::whole(1.5)),
            ..Statistics::default()
        };
        assert_eq!(fit(&theirs, &ours).0, Fit::Off);
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
