//! How far apart the stages of a run are, in the order in which they are computed.

use verifier::code::Code;
use verifier::report::text::grouped;
use verifier::report::{BehaviourRow, PromptRow, Report, StageResult, StageRow, TokenSet};

use super::escape::clip;
use super::shown::{Limits, Shown, number};

/// What a run said.
pub(super) struct Drift {
    pub(super) was_run: bool,
    /// One sentence.
    pub(super) outcome: String,
    /// On what it ran, and what it assumed.
    pub(super) notes: Vec<String>,
    pub(super) plot: Option<Plot>,
    /// The stages from shortly before the first difference on.
    pub(super) stages: Shown<Stage>,
    pub(super) labels: [String; 2],
}

/// The largest absolute difference of each stage, on a logarithmic axis.
pub(super) struct Plot {
    pub(super) prompt: String,
    pub(super) first: String,
    pub(super) points: Vec<Point>,
    /// The path through all points.
    pub(super) path: String,
    /// Where the first difference is.
    pub(super) mark: u64,
    /// The axis: height and label.
    pub(super) decades: Vec<(u64, String)>,
    pub(super) largest: String,
    pub(super) left_out: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// A stage in the picture.
#[derive(Clone, Copy)]
pub(super) struct Point {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) class: &'static str,
}

/// A stage in the table.
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) tokens: &'static str,
    pub(super) deviations: [String; 2],
    pub(super) drift: String,
    pub(super) largest: String,
    pub(super) result: String,
    pub(super) is_first: bool,
}

/// What a report says of a run.
pub(super) fn drift(report: &Report, labels: [String; 2], limits: Limits) -> Drift {
    let Some(row) = &report.behaviour else {
        return Drift {
            was_run: false,
            outcome: "The files were not run: bytes and metadata only.".to_owned(),
            notes: Vec::new(),
            plot: None,
            stages: Shown::none(),
            labels,
        };
    };
    let found = row.first_difference();
    let stages = found.map(|(prompt, first)| stages(prompt, first, limits));
    Drift {
        was_run: true,
        outcome: outcome(report, row, limits),
        notes: notes(row, limits),
        plot: found.and_then(|(prompt, first)| plot(prompt, first, limits)),
        stages: stages.unwrap_or_else(Shown::none),
        labels,
    }
}

fn outcome(report: &Report, row: &BehaviourRow, limits: Limits) -> String {
    use verifier::report::BehaviourResult::{Different, Equal, NotCovered};
    let (stages, tokens) = (grouped(row.stages as u64), grouped(row.tokens as u64));
    let why = || {
        let codes = [
            Code::BehaviourNotCovered,
            Code::InputChanged,
            Code::BehaviourTokens,
        ];
        let mut findings = report.findings.iter();
        let found = findings.find(|finding| codes.contains(&finding.code));
        found.map_or_else(String::new, |found| {
            format!(": {}", clip(&found.message, limits.sentence))
        })
    };
    match (row.result, row.first_difference()) {
        (Equal, _) => format!("All {stages} stages of {tokens} tokens are equal, bit for bit."),
        (Different, Some((prompt, first))) => format!(
            "The first stage that differs is {} (prompt {}), {}.",
            clip(&first.stage, limits.name),
            clip(&prompt.name, limits.name),
            clip(&first.capture_point, limits.name)
        ),
        (Different, None) => format!("The files behave differently{}.", why()),
        (NotCovered, _) => format!("The behaviour was not compared{}.", why()),
    }
}

fn notes(row: &BehaviourRow, limits: Limits) -> Vec<String> {
    let device = format!("Run on {} with {}.", row.device, row.numerics);
    let reason = row.device_reason.clone();
    let weights = row.weights.map(|weights| {
        format!("The bytes of {weights} tensors, as they reached the device, are those that were compared.")
    });
    let prompts = row.prompts.iter().take(MOST_PROMPTS).map(|prompt| {
        let count = prompt.tokens.len();
        format!("Prompt {}: {count} tokens.", prompt.name)
    });
    let notes = [Some(device), reason, weights].into_iter().flatten();
    let notes = notes.chain(prompts);
    notes.map(|note| clip(&note, limits.sentence)).collect()
}

fn plot(prompt: &PromptRow, first: &StageRow, limits: Limits) -> Option<Plot> {
    let rows = |set: Option<TokenSet>| {
        let rows = prompt.table.iter();
        rows.filter(move |row| set.is_none_or(|set| row.token_set == set))
    };
    // Two rows for each stage: the picture has that over all tokens, if there is one.
    let set = rows(Some(TokenSet::All)).next().map(|_| TokenSet::All);
    let shown: Vec<&StageRow> = rows(set).take(limits.stages).collect();
    let left_out = rows(set).count().saturating_sub(shown.len());
    let sizes = shown.iter().map(|row| size(row));
    let known: Vec<f64> = sizes.flatten().filter(|size| *size > 0.0).collect();
    let largest = known.iter().copied().reduce(f64::max)?;
    let smallest = known.iter().copied().reduce(f64::min)?;
    let axis = Axis::new(smallest, largest);
    let last = shown.len().saturating_sub(1).max(1);
    let points: Vec<Point> = shown
        .iter()
        .enumerate()
        .map(|(index, row)| Point {
            x: scaled(index, last),
            y: match (row.result, size(row)) {
                (StageResult::Equal, _) => HEIGHT,
                (_, Some(size)) if size > 0.0 => axis.y(size),
                (StageResult::Different, None) => 0,
                _ => HEIGHT,
            },
            class: match row.result {
                StageResult::Equal => "p-equal",
                StageResult::Different => "p-differs",
                StageResult::Missing | StageResult::NotComparable(_) => "p-open",
            },
        })
        .collect();
    let steps = points.iter().enumerate().map(|(index, point)| {
        let command = if index == 0 { 'M' } else { 'L' };
        format!("{command}{} {}", point.x, point.y)
    });
    let is_first = |row: &&StageRow| row.stage == first.stage;
    let mark = shown.iter().position(is_first).unwrap_or_default();
    let equal = prompt.equal_left_out;
    let mut notes = Vec::new();
    if equal > 0 {
        notes.push(format!(
            "{} rows that are equal are not drawn.",
            grouped(equal as u64)
        ));
    }
    if left_out > 0 {
        notes.push(format!(
            "{} stages after these are not drawn.",
            grouped(left_out as u64)
        ));
    }
    let name = |row: Option<&&StageRow>| {
        row.map_or_else(String::new, |row| clip(&row.stage, LONGEST_STAGE))
    };
    Some(Plot {
        prompt: clip(&prompt.name, limits.name),
        first: clip(&first.stage, LONGEST_STAGE),
        path: steps.collect(),
        mark: scaled(mark, last),
        points,
        decades: axis.decades(),
        largest: number(Some(largest)),
        left_out: notes.join(" "),
        from: name(shown.first()),
        to: name(shown.last()),
    })
}

/// The largest absolute difference; none where one is not finite.
fn size(row: &StageRow) -> Option<f64> {
    row.difference.as_ref()?.largest_absolute
}

/// Whole powers of ten from below the smallest value to above the largest.
struct Axis {
    low: i32,
    high: i32,
}

impl Axis {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a logarithm of an f64 is less than 400"
    )]
    fn new(smallest: f64, largest: f64) -> Self {
        let low = smallest.log10().floor() as i32;
        let high = largest.log10().ceil() as i32;
        Self {
            low,
            high: high.max(low + 1),
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of the height"
    )]
    fn y(&self, value: f64) -> u64 {
        let span = f64::from(self.high.saturating_sub(self.low));
        let share = (f64::from(self.high) - value.log10()) / span;
        (share.clamp(0.0, 1.0) * FLOOR as f64).round() as u64
    }

    /// Some of the powers, the highest first, with their heights.
    fn decades(&self) -> Vec<(u64, String)> {
        let count = self.high.saturating_sub(self.low);
        let step = count.unsigned_abs().div_ceil(MOST_DECADES).max(1);
        let powers = (self.low..=self.high)
            .rev()
            .step_by(usize::try_from(step).unwrap_or(1));
        powers
            .map(|power| (self.y(10_f64.powi(power)), format!("1e{power}")))
            .collect()
    }
}

fn scaled(index: usize, last: usize) -> u64 {
    let x = (index as u64) * WIDTH;
    x.checked_div(last as u64).unwrap_or_default()
}

fn stages(prompt: &PromptRow, first: &StageRow, limits: Limits) -> Shown<Stage> {
    let is_first = |row: &StageRow| std::ptr::eq(row, first);
    let at = prompt.table.iter().position(is_first).unwrap_or_default();
    let rows = prompt.table.iter().skip(at.saturating_sub(BEFORE));
    let most = limits.tensors.min(BEFORE + AFTER);
    Shown::of(rows, most, |row| stage(row, is_first(row), limits))
}

fn stage(row: &StageRow, is_first: bool, limits: Limits) -> Stage {
    let none = || "–".to_owned();
    let deviation = |side: Option<&verifier::report::StageSide>| {
        side.map_or_else(none, |side| number(side.standard_deviation))
    };
    let found = row.difference.as_ref();
    Stage {
        name: clip(&row.stage, limits.name),
        tokens: row.token_set.as_str(),
        deviations: [row.sides.first(), row.sides.second()].map(deviation),
        drift: row
            .drift
            .map_or_else(none, |drift| format!("{:.1} %", drift * 100.0)),
        largest: found.map_or_else(none, |found| number(found.largest_absolute)),
        result: row.result.text().into_owned(),
        is_first,
    }
}

/// The width of the picture, and its height with the line of what is equal.
const WIDTH: u64 = 1000;
const HEIGHT: u64 = 220;
/// Where the logarithmic axis ends: below it is zero.
const FLOOR: u64 = 200;
/// Powers of ten on the axis.
const MOST_DECADES: u32 = 6;
const MOST_PROMPTS: usize = 8;
const LONGEST_STAGE: usize = 32;
/// Rows of the table before the first difference, and from it on.
const BEFORE: usize = 4;
const AFTER: usize = 12;
