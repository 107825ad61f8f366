//! Traces that hold statistics only: the search for the run of ours that reproduces them.

use super::{
    emulate::emulate,
    error::CompareError,
    moments::{MomentsOfStages, WhichTokens},
    reference::Reference,
    rounding::Rounding,
    statistics::{Candidate, Estimator, Fit, StatisticsReport, StatisticsRow, fit, fit_of_top},
    variant::Variant,
};
use crate::format::{Capture, Record, Statistics, Trace, stage_widths};
use inference::{Model, Source, WeightType, internals::matrices};
use inference::{Op, Options, forward};

/// Runs the model as it is, with roundings, and changed, until one run reproduces all statistics; the best one is reported.
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
type Padding<'a> = dyn Fn(&Capture, WhichTokens) -> usize + 'a;

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
        let reference = Reference {
            model,
            sources: self.sources,
            tokens: self.tokens,
        };
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

    /// Looks for the fewest changes under which the statistics of the first layer fit better than without, and none is off.
    /// The first layer alone is run: a change that is none there is none at all.
    fn explain(
        &self,
        model: &Model,
        sets: &[Vec<WeightType>],
    ) -> Result<Option<Variant>, CompareError> {
        if self.best.as_ref().is_none_or(|best| rank(best) == (0, 0)) {
            return Ok(None);
        }
        let mut best = (self.first_layer(model, model, sets)?, None);
        for variant in Variant::all() {
            if best.0 == (0, 0) {
                break;
            }
            let Some(changed) = variant.apply(model) else {
                continue;
            };
            let rank = self.first_layer(model, &changed, sets)?;
            if rank.0 == 0 && rank < best.0 {
                best = (rank, Some(variant));
            }
        }
        Ok(best.1)
    }

    /// The best rank of the statistics of the first layer of a changed model.
    fn first_layer(
        &self,
        model: &Model,
        changed: &Model,
        sets: &[Vec<WeightType>],
    ) -> Result<(usize, usize), CompareError> {
        let first_layer = |record: &&Record| {
            let mut steps = record.captures.iter().flat_map(|capture| &capture.steps);
            steps.any(|step| step.layer == Some(0))
        };
        let mut search = Search {
            records: self.records.iter().copied().filter(first_layer).collect(),
            best: None,
            ..*self
        };
        let mut short = changed.clone();
        let program = &mut short.program;
        program.retain(|taken| taken.step.layer.is_none_or(|layer| layer == 0));
        // One row of logits, which is not used.
        for taken in program {
            if let (None, Op::Product { matrix, .. }) = (taken.step.layer, &mut taken.op) {
                matrix.dims.truncate(1);
            }
        }
        for rounded in sets {
            search.run(&short, rounded, &padding(model, changed, self.tokens.len()))?;
        }
        Ok(search.best.as_ref().map_or((usize::MAX, 0), rank))
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
            for set in WhichTokens::ALL {
                if let Some(ours) = moments.joined(capture, set) {
                    let ours = ours.and_zeros(padding(capture, set));
                    let (fit, distance) = fit(theirs, &ours, estimator);
                    let fit = fit.max(fit_of_top(theirs, &moments.logits, &ours));
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
) -> impl Fn(&Capture, WhichTokens) -> usize + 'a {
    move |capture, set| {
        let lost = width(model, capture, tokens).saturating_sub(width(changed, capture, tokens));
        match set {
            WhichTokens::All => lost * tokens,
            WhichTokens::Last => lost,
        }
    }
}

/// Fewer that are off come first, then fewer that are only near.
fn rank(report: &StatisticsReport) -> (usize, usize) {
    let [_, near, off] = report.counts();
    (off, near)
}

/// The types of matrices whose products engines may round, in a fixed order.
fn quantised_types(model: &Model) -> Vec<WeightType> {
    let present: Vec<_> = matrices(model).map(|matrix| matrix.weight_type).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_types_are_tried_once_each() {
        use WeightType::{Q4K, Q5K, Q6K};
        assert_eq!(subsets(&[]).len(), 1);
        assert_eq!(subsets(&[Q4K]).len(), 2);
        assert_eq!(subsets(&[Q4K, Q6K]).len(), 4);
        assert_eq!(subsets(&[Q4K, Q5K, Q6K]).len(), 8);
    }
}
