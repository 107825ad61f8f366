//! The plain comparison: our run and theirs, record by record.

use std::collections::{BTreeMap, BTreeSet};

use super::{difference::Difference, forced::STORED, view::View};
use crate::format::{Capture, Trace, TraceError};
use inference::{Model, Stage, StageSink, Step};

/// A record compared with our run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plain {
    /// Whether the record holds the last token alone.
    pub last: bool,
    /// What separates them.
    pub difference: Difference,
}

/// A sink that compares every record of a trace with our stages. A stage is kept until the last record that may be it.
pub(crate) struct FreeRun<'a> {
    view: View<'a>,
    /// The records to judge once a stage has come.
    due: BTreeMap<(usize, Stage), Vec<usize>>,
    /// How many records wait for a stage.
    waiting: BTreeMap<(usize, Stage), usize>,
    stages: BTreeMap<(usize, Stage), Vec<f32>>,
    /// The capture that is nearest, by record: the first where none fits.
    chosen: Vec<Option<usize>>,
    /// What was found, by record and capture; `None` where the number of values does not fit.
    found: Vec<Vec<Option<Plain>>>,
    failure: Option<TraceError>,
}

/// What a plain comparison found, by record.
pub(crate) struct Found {
    /// The index of the nearest capture; `None` for a record that is not a stage of this model.
    pub(crate) chosen: Vec<Option<usize>>,
    /// What was found for each capture.
    pub(crate) captures: Vec<Vec<Option<Plain>>>,
}

impl Found {
    /// Takes records that are near nothing for stages that nothing else is, and that do not lie in `others`: a value that is
    /// wrong is near nothing. Tells whether there was one.
    pub(crate) fn take_the_rest(
        &mut self,
        trace: &Trace,
        others: &BTreeSet<(usize, Stage)>,
    ) -> bool {
        let mut held = others.clone();
        for (record, chosen) in trace.records.iter().zip(&self.chosen) {
            let capture = chosen.and_then(|place| record.captures.get(place));
            let steps = capture.into_iter().flat_map(|capture| &capture.steps);
            held.extend(steps.map(|step| step.order()));
        }
        let mut some = false;
        let records = trace.records.iter().zip(&mut self.chosen);
        for ((record, chosen), found) in records.zip(&self.captures) {
            let captures = record.captures.iter().zip(found).enumerate();
            let open = captures.filter_map(|(place, (capture, plain))| {
                let plain = plain.as_ref().filter(|plain| !plain.last)?;
                let mut steps = capture.steps.iter();
                let is_open = steps.all(|step| !held.contains(&step.order()));
                is_open.then_some((place, capture, plain.difference.relative))
            });
            // What is near a stage is that stage, even if another record is it, too.
            let is_told = |plain: &Plain| plain.difference.relative < NEAR;
            if found.iter().flatten().any(is_told) {
                continue;
            }
            let nearest = open.min_by(|(_, _, a), (_, _, b)| a.total_cmp(b));
            if let (None, Some((nearest, capture, _))) = (*chosen, nearest) {
                *chosen = Some(nearest);
                held.extend(capture.steps.iter().map(|step| step.order()));
                some = true;
            }
        }
        some
    }
}

impl<'a> FreeRun<'a> {
    pub(crate) fn new(trace: &'a Trace, model: &'a Model, tokens: usize) -> Self {
        let records = trace.records.len();
        let mut run = Self {
            view: View::new(trace, model, tokens, &[]),
            due: BTreeMap::new(),
            waiting: BTreeMap::new(),
            stages: BTreeMap::new(),
            chosen: vec![None; records],
            found: vec![Vec::new(); records],
            failure: None,
        };
        for (index, record) in trace.records.iter().enumerate() {
            let steps = record.captures.iter().flat_map(|capture| &capture.steps);
            let mut keys: Vec<_> = steps
                .filter(|step| run.view.width(**step).is_some())
                .map(|step| step.order())
                .collect();
            keys.sort_unstable();
            keys.dedup();
            for key in &keys {
                let waiting = run.waiting.entry(*key).or_insert(0);
                *waiting += 1;
            }
            if let Some(last) = keys.last() {
                run.due.entry(*last).or_default().push(index);
            }
        }
        run
    }

    pub(crate) fn finish(self) -> Result<Found, TraceError> {
        match self.failure {
            Some(failure) => Err(failure),
            None => Ok(Found {
                chosen: self.without_doubles(),
                captures: self.found,
            }),
        }
    }

    /// What was chosen, without records that only their values tell where another record is the same stage.
    fn without_doubles(&self) -> Vec<Option<usize>> {
        let records = self.view.trace.records.iter().zip(&self.chosen).enumerate();
        let meant = records.filter_map(|(index, (record, chosen))| {
            let place = (*chosen)?;
            let plain = self.found.get(index)?.get(place)?.as_ref();
            let relative = plain.map_or(f64::INFINITY, |plain| plain.difference.relative);
            Some((index, record.captures.get(place)?, relative))
        });
        let mut meant: Vec<_> = meant.collect();
        meant.sort_by(|(_, a, near), (_, b, other)| {
            let told = a.by_value.cmp(&b.by_value);
            told.then(near.total_cmp(other))
        });
        let mut chosen = self.chosen.clone();
        let mut held = BTreeSet::new();
        for (index, capture, _) in meant {
            let steps = capture.steps.iter().map(|step| step.order());
            // All of them are held from here on.
            let double = steps.filter(|step| !held.insert(*step)).count() > 0;
            if let (true, true, Some(place)) = (double, capture.by_value, chosen.get_mut(index)) {
                *place = None;
            }
        }
        chosen
    }

    fn judge(&mut self, index: usize) -> Result<(), TraceError> {
        let trace = self.view.trace;
        let Some(record) = trace.records.get(index) else {
            return Ok(());
        };
        let Some(values) = trace.values(record)? else {
            return Ok(());
        };
        let mut found = Vec::new();
        let mut exists = Vec::new();
        for (place, capture) in record.captures.iter().enumerate() {
            let ours: Option<Vec<_>> = capture
                .steps
                .iter()
                .map(|step| self.stages.get(&step.order()).map(Vec::as_slice))
                .collect();
            if ours.is_some() {
                exists.push(place);
            }
            let seen = ours.and_then(|ours| {
                let seen = self.view.fit(record, capture, values.clone())?;
                let ours = joined(&ours, self.view.tokens, seen.last);
                Some((seen, ours))
            });
            found.push(seen.map(|(seen, ours)| {
                let skipped = if seen.last { self.view.tokens - 1 } else { 0 };
                Plain {
                    last: seen.last,
                    difference: Difference::between(
                        &seen.values,
                        &ours,
                        seen.width,
                        skipped,
                        FREE_ELEMENT_GATE + STORED * seen.precision,
                    ),
                }
            }));
        }
        let relative = |place: &usize| {
            let plain = found.get(*place).and_then(Option::as_ref);
            plain.map_or(f64::INFINITY, |plain| plain.difference.relative)
        };
        let is_near = |place: &usize| {
            let told = |capture: &Capture| !capture.by_value;
            let plain = found.get(*place).and_then(Option::as_ref);
            record.captures.get(*place).is_some_and(told)
                || plain.is_some_and(|plain| !plain.last && plain.difference.relative < NEAR)
        };
        let nearest = exists
            .iter()
            .filter(|place| is_near(place))
            .min_by(|a, b| relative(a).total_cmp(&relative(b)))
            .copied();
        if let Some(chosen) = self.chosen.get_mut(index) {
            *chosen = nearest;
        }
        if let Some(place) = self.found.get_mut(index) {
            *place = found;
        }
        let steps = record.captures.iter().flat_map(|capture| &capture.steps);
        let mut keys: Vec<_> = steps.map(|step| step.order()).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            if let Some(waiting) = self.waiting.get_mut(&key) {
                *waiting -= 1;
                if *waiting == 0 {
                    self.stages.remove(&key);
                }
            }
        }
        Ok(())
    }
}

impl StageSink for FreeRun<'_> {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        let key = step.order();
        if !self.waiting.contains_key(&key) || self.failure.is_some() {
            return;
        }
        self.stages.insert(key, values.to_vec());
        for index in self.due.remove(&key).into_iter().flatten() {
            if let Err(error) = self.judge(index) {
                self.failure = Some(error);
                return;
            }
        }
    }
}

/// Our stages joined for each token, or for the last one alone.
fn joined(parts: &[&[f32]], tokens: usize, last: bool) -> Vec<f64> {
    let first = if last { tokens - 1 } else { 0 };
    let mut out = Vec::new();
    for token in first..tokens {
        for part in parts {
            let width = part.len() / tokens;
            let values = part.iter().skip(token * width).take(width);
            out.extend(values.map(|value| f64::from(*value)));
        }
    }
    out
}

/// How near a record without a name must be to the stage that it is taken for: other values are farther off than 1, and
/// 8-bit engines nearer than a tenth.
const NEAR: f64 = 0.5;

/// In a plain comparison a value is named when it is farther off than this times the root mean square: f32 engines that
/// add in another order stay well below.
const FREE_ELEMENT_GATE: f64 = 1e-4;
