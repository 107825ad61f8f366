//! Findings: the first in full, and the others.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{called, sides};
use crate::code::{Code, Group};
use crate::finding::Effect;
use crate::report::{ConclusionKind, FindingRow, Report, TensorRow, first_difference, stages};

/// The first finding in full, the others in a line or two each.
pub(super) fn write_brief(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut findings = report.findings.iter().peekable();
    // Of files that are no models there is nothing but the first line to say.
    let said = report.conclusion.as_ref();
    let said = said.filter(|said| said.kind != ConclusionKind::Unlike);
    let said = said.map(|said| &said.text);
    if let Some(first) = findings.next_if(|first| Some(&first.message) == said) {
        write_cause(text, first)?;
    } else if let Some(first) = findings.next_if(|first| first.decides()) {
        write_finding(text, report, first)?;
        write_values(text, report, first)?;
        write_bytes(text, report, first)?;
    }
    if findings.peek().is_some() {
        writeln!(text)?;
    }
    let mut hints = BTreeSet::new();
    for finding in findings.by_ref().take(MOST_LISTED) {
        write_line(text, report, finding)?;
        if finding.effect == Effect::Warning {
            write_cause(text, finding)?;
        }
        if let Some(hint) = &finding.hint
            && hints.insert(hint)
        {
            writeln!(text, "  hint: {hint}")?;
        }
    }
    match findings.count() {
        0 => Ok(()),
        more => writeln!(text, "... and {more} more; --details shows them"),
    }
}

pub(super) fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    let shown = report
        .findings
        .iter()
        .filter(|finding| finding.effect != Effect::Note);
    let total = shown.clone().count();
    let mut is_first = true;
    for finding in shown.take(MOST_SHOWN) {
        write_finding(text, report, finding)?;
        write_values(text, report, finding)?;
        if std::mem::take(&mut is_first) {
            write_bytes(text, report, finding)?;
        }
    }
    if total > MOST_SHOWN {
        writeln!(
            text,
            "... and {} more; --format json has them all",
            total - MOST_SHOWN
        )?;
    }
    if let Some(behaviour) = &report.behaviour {
        stages::write_table(text, behaviour)?;
    }
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.effect == Effect::Note)
    {
        writeln!(text, "note: {} [{}]", finding.message, finding.code)?;
    }
    Ok(())
}

/// A finding in one line, with the values that it is about.
fn write_line(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    write!(text, "{}: {}", effect(finding), finding.message)?;
    if let Some(values) = values(report, finding) {
        write!(text, " ({values})")?;
    }
    writeln!(text, " [{}]", finding.code)
}

pub(crate) fn write_finding(
    text: &mut String,
    report: &Report,
    finding: &FindingRow,
) -> std::fmt::Result {
    writeln!(
        text,
        "\n{}: {} [{}]",
        effect(finding),
        finding.message,
        finding.code
    )?;
    for place in &finding.places {
        writeln!(text, "  at {}", super::place(report, place))?;
    }
    if let Some(values) = values(report, finding) {
        writeln!(text, "  {values}")?;
    }
    write_cause(text, finding)?;
    if let Some(hint) = &finding.hint {
        writeln!(text, "  hint: {hint}")?;
    }
    Ok(())
}

/// What should stand at the place of a finding, and what does; of two files of one format none is what the other should be.
#[must_use]
pub fn values(report: &Report, finding: &FindingRow) -> Option<String> {
    let (expected, found) = (finding.expected.as_ref()?, finding.found.as_ref()?);
    Some(match finding.places.as_slice() {
        [first, second] if report.called.is_some() && first.file != second.file => {
            let [first, second] = [first, second].map(|place| called(report, place.file));
            format!("{first}: {found}; {second}: {expected}")
        }
        _ => format!("expected {expected}, found {found}"),
    })
}

/// The bytes of the first difference, below the finding that is about them.
fn write_bytes(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    match &report.first_difference {
        Some(found) if finding.code == Code::TensorBytes => {
            let names = sides(report).map(|side| called(report, side));
            first_difference::write(text, found, names)
        }
        _ => Ok(()),
    }
}

fn write_cause(text: &mut String, finding: &FindingRow) -> std::fmt::Result {
    match &finding.cause {
        Some(cause) => writeln!(text, "  likely cause: {} [{}]", cause.text, cause.code),
        None => Ok(()),
    }
}

/// The decoded values of the tensor that a finding is about.
fn write_values(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    let name = finding
        .places
        .iter()
        .find(|place| place.file.is_first())
        .and_then(|place| place.name.as_ref());
    let about = |row: &&TensorRow| row.sides.first().map(|side| &side.name) == name;
    let row = report
        .tensors
        .iter()
        .find(about)
        .filter(|_| finding.code.group() == Group::Tensor);
    let Some(values) = row.and_then(|row| row.values.as_ref()) else {
        return Ok(());
    };
    let show =
        |value: Option<f64>| value.map_or("not finite".to_owned(), |value| format!("{value:.6e}"));
    let [first_mean, second_mean] = values.mean.map(show);
    let [first_deviation, second_deviation] = values.standard_deviation.map(show);
    let [first, second] = sides(report).map(|side| called(report, side));
    writeln!(
        text,
        "  values: {} of {} differ, by at most {} (RMS {})",
        values.different,
        values.elements,
        show(values.maximum_difference),
        show(values.rms_difference)
    )?;
    writeln!(
        text,
        "  mean {first_mean} ({first}), {second_mean} ({second}); standard deviation {first_deviation} ({first}), {second_deviation} ({second})"
    )
}

/// The effect of a finding, and whether it is without one here.
fn effect(finding: &FindingRow) -> String {
    let allowed = match finding.allowed_by {
        Some(_) => ", allowed by policy",
        None => "",
    };
    format!("{}{allowed}", finding.effect.as_str())
}

/// Findings shown in full.
const MOST_SHOWN: usize = 20;
/// Findings listed in a line.
const MOST_LISTED: usize = 12;
