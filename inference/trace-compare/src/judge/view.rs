//! A trace seen as stages of a model: which record holds a stage, and its values in our order.

use std::collections::BTreeMap;

use crate::format::{Capture, Layout, Record, Trace, TraceError, stage_widths};
use inference::{Model, Stage, Step};

/// A trace under a model and a prompt.
pub(crate) struct View<'a> {
    pub(crate) trace: &'a Trace,
    model: &'a Model,
    pub(crate) tokens: usize,
    /// The values of a token, by stage.
    widths: BTreeMap<(usize, Stage), usize>,
    /// The record that holds a stage, and as what.
    holders: BTreeMap<(usize, Stage), (&'a Record, &'a Capture)>,
}

/// The values of a stage or of stages joined.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// In our order.
    pub(crate) values: Vec<f32>,
    /// The values of a token.
    pub(crate) width: usize,
    /// Whether it holds the last token alone.
    pub(crate) last: bool,
    /// Half a unit of the type that the values are stored in, relatively.
    pub(crate) precision: f64,
}

/// What a trace says of a stage.
pub(crate) enum Held<'a> {
    /// Its values, with the name of the record.
    Values(&'a str, Seen),
    /// A record that has a different number of values than the stage.
    Unfit(&'a str, usize),
    /// Nothing.
    Nothing,
}

impl<'a> View<'a> {
    /// Views a trace; `chosen` gives the capture of each record, by its index.
    pub(crate) fn new(
        trace: &'a Trace,
        model: &'a Model,
        tokens: usize,
        chosen: &[Option<usize>],
    ) -> Self {
        let widths = stage_widths(model, tokens)
            .into_iter()
            .map(|(step, width)| (step.order(), width))
            .collect();
        let mut holders = BTreeMap::new();
        for (record, chosen) in trace.records.iter().zip(chosen) {
            let Some(capture) = chosen.and_then(|chosen| record.captures.get(chosen)) else {
                continue;
            };
            for step in &capture.steps {
                holders.entry(step.order()).or_insert((record, capture));
            }
        }
        Self {
            trace,
            model,
            tokens,
            widths,
            holders,
        }
    }

    /// The name of the record that holds a stage.
    pub(crate) fn holder(&self, step: Step) -> Option<&'a str> {
        let (record, _) = self.holders.get(&step.order())?;
        Some(&record.name)
    }

    /// Returns what the trace says of a stage.
    ///
    /// # Errors
    /// Fails when the trace cannot be read.
    pub(crate) fn stage(&self, step: Step) -> Result<Held<'a>, TraceError> {
        let Some((record, capture)) = self.holders.get(&step.order()).copied() else {
            return Ok(Held::Nothing);
        };
        let Some(values) = self.trace.values(record)? else {
            return Ok(Held::Nothing);
        };
        let count = values.len();
        let part = self
            .fit(record, capture, values)
            .and_then(|seen| self.part(capture, step, &seen));
        Ok(part.map_or(Held::Unfit(&record.name, count), |seen| {
            Held::Values(&record.name, seen)
        }))
    }

    /// The record that a stage is judged by, where another one holds the same bits.
    ///
    /// # Errors
    /// Fails when the trace cannot be read.
    pub(crate) fn same_record(
        &self,
        record: &Record,
        capture: &Capture,
    ) -> Result<Option<&'a str>, TraceError> {
        let [step] = capture.steps.as_slice() else {
            return Ok(None);
        };
        let (Held::Values(holder, judged), Some(values)) =
            (self.stage(*step)?, self.trace.values(record)?)
        else {
            return Ok(None);
        };
        let same = self.fit(record, capture, values) == Some(judged);
        Ok(same.then_some(holder))
    }

    /// The values that a stage has for a token; `None` when the model does not have it.
    pub(crate) fn width(&self, step: Step) -> Option<usize> {
        self.widths.get(&step.order()).copied()
    }

    /// The values of a record as what a capture says, in our order; `None` when their number does not fit.
    pub(crate) fn fit(&self, record: &Record, capture: &Capture, values: Vec<f32>) -> Option<Seen> {
        let width = capture
            .steps
            .iter()
            .try_fold(0usize, |sum, step| sum.checked_add(self.width(*step)?))?;
        let mut values = values;
        if capture.layout == Layout::Leading {
            values.truncate(width.checked_mul(self.tokens)?);
        }
        let last = values.len() == width && self.tokens > 1;
        let tokens = if last { 1 } else { self.tokens };
        // Rows of heads are as long as the prompt: the last token alone is recognised by consecutive tokens.
        let values = match capture.layout {
            Layout::Heads | Layout::UnscaledHeads | Layout::HeadRows if last => return None,
            _ => capture.ours(values, tokens, self.model)?,
        };
        let found = values.len().checked_div(tokens)?;
        if found.checked_mul(tokens)? != values.len() || found < width || width == 0 {
            return None;
        }
        let padding = values
            .chunks(found)
            .flat_map(|token| token.iter().skip(width));
        // Engines reuse buffers that are longer than what they put there; a joined record may end in zeros.
        if found > width && (capture.steps.len() < 2 || padding.clone().any(|x| *x != 0.0)) {
            return None;
        }
        let kept = values
            .chunks(found)
            .flat_map(|token| token.iter().take(width));
        Some(Seen {
            values: kept.copied().collect(),
            width,
            last,
            precision: record.precision(),
        })
    }

    /// One stage of values that may be joined.
    fn part(&self, capture: &Capture, wanted: Step, joined: &Seen) -> Option<Seen> {
        let mut start = 0usize;
        for step in &capture.steps {
            let width = self.width(*step)?;
            if *step == wanted {
                let tokens = joined.values.chunks(joined.width.max(1));
                let values = tokens.flat_map(|token| token.iter().skip(start).take(width));
                return Some(Seen {
                    values: values.copied().collect(),
                    width,
                    last: joined.last,
                    precision: joined.precision,
                });
            }
            start = start.checked_add(width)?;
        }
        None
    }
}
