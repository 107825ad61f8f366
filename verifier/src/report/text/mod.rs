//! The report for a person: what was bound, how much was compared, and where the first difference is.

mod findings;
mod head;

use std::fmt::Write as _;

use super::{BehaviourRow, FileFormat, FindingRow, PlaceRow, Report, stages};
use crate::code::{Code, Group};
use crate::finding::{Effect, Side, counted};
use crate::policy::FailOn;
use crate::report::verdict::{Compared, Verdict};
pub use findings::values;
pub(crate) use findings::write_finding;
use findings::{write_all, write_brief};
use head::write_head;
pub(crate) use head::{write_file, write_policy};

/// One line: the verdict, the files, the tensors that agree, the first reason.
#[must_use]
pub fn line(report: &Report) -> String {
    let word = match report.verdict {
        Verdict::Verified => "PASS",
        Verdict::Different | Verdict::Undecided => "FAIL",
    };
    // The first file of a split set stands for all of it.
    let files = report.files.iter().filter(|file| file.shard == 0);
    let names: Vec<&str> = files.map(|file| file.name.as_str()).collect();
    format!(
        "{word} {}: {}: {}\n",
        verdict(report),
        names.join(", "),
        summary(report)
    )
}

/// What was compared and the first reason, in a few words.
#[must_use]
pub fn summary(report: &Report) -> String {
    let counts = &report.counts;
    let equal = counts.bytes_equal + counts.values_equal;
    let total = counts.tensors_compared + counts.tensors_not_compared;
    let compared = if is_pair(report) || total > 0 {
        format!("{equal}/{total} tensors equal")
    } else if report.compared == Compared::Nothing {
        "nothing compared".to_owned()
    } else {
        "against a manifest of files".to_owned()
    };
    let mut open = report
        .findings
        .iter()
        .filter(|row| row.allowed_by.is_none());
    let reason = match (open.next(), &report.conclusion) {
        (Some(finding), conclusion) if report.verdict != Verdict::Verified => {
            let text = conclusion.as_ref().map(|conclusion| &conclusion.text);
            format!(", {}: {}", finding.code, text.unwrap_or(&finding.message))
        }
        _ if leaves_out_behaviour(report) => ", behaviour not compared".to_owned(),
        _ => String::new(),
    };
    format!("{compared}{reason}")
}

/// The verdict, with what a policy lets pass: `verified with 2 findings allowed by policy`.
#[must_use]
pub fn verdict(report: &Report) -> String {
    let word = report.verdict.as_str();
    let entries = report.policy.iter().flat_map(|policy| &policy.allow);
    match entries.map(|entry| entry.matched).sum::<usize>() {
        0 => word.to_owned(),
        count => format!(
            "{word} with {} allowed by policy",
            counted(count, "finding")
        ),
    }
}

/// The answer for a person: the verdict with its reason, what to do, how much was compared, and the first difference.
#[must_use]
pub fn answer(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_head(&mut text, report).and_then(|()| write_brief(&mut text, report));
    text
}

/// The answer with every finding and the stages around the first one that differs.
#[must_use]
pub fn full(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_head(&mut text, report).and_then(|()| write_all(&mut text, report));
    text
}

/// What it comes to, in one sentence: who is at fault, else what was found first, else what the verdict means.
#[must_use]
pub fn meaning(report: &Report) -> &str {
    let meaning = match report.verdict {
        Verdict::Verified if report.findings.iter().any(is_allowed) => {
            if leaves_out_behaviour(report) {
                "everything else of the bytes was compared, and agrees; the behaviour that the manifest records was not compared"
            } else {
                "everything else was compared, and agrees"
            }
        }
        Verdict::Undecided if fails_on_warnings(report) => {
            "nothing differs, and warnings do not pass (--fail-on warning)"
        }
        Verdict::Verified if leaves_out_behaviour(report) => {
            "what the manifest says of the bytes of this model was compared, and agrees; the behaviour that it records was not compared"
        }
        Verdict::Verified if !is_pair(report) => {
            "everything that the manifest says of this model was compared, and agrees"
        }
        Verdict::Verified if report.findings.iter().all(|one| one.effect == Effect::Note) => {
            "every byte of both files is accounted for, and nothing differs"
        }
        Verdict::Verified if !report.findings.iter().any(is_difference) => {
            "every byte of both files is accounted for, and nothing differs; the warnings are below"
        }
        Verdict::Verified => {
            "every byte of both files is accounted for, and nothing differs but what is named below"
        }
        Verdict::Undecided if report.findings.iter().any(is_allowed) => {
            "beside what is allowed, nothing was compared that agrees"
        }
        Verdict::Different => "the files were compared and differ, or break their format",
        Verdict::Undecided => "not everything could be read, decoded or compared",
    };
    let first = report.findings.iter().find(|one| one.decides());
    match (&report.conclusion, first) {
        (Some(conclusion), _) => &conclusion.text,
        (None, Some(first)) => &first.message,
        (None, None) => meaning,
    }
}

/// Whether a manifest records a behaviour that was not checked.
fn leaves_out_behaviour(report: &Report) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.code == Code::BehaviourNotChecked)
}

/// Whether a finding would decide, but for the policy.
const fn is_allowed(finding: &FindingRow) -> bool {
    finding.effect.decides() && finding.allowed_by.is_some()
}

/// Whether a finding that does not decide is of something that differs, and not of one file or of a run.
fn is_difference(finding: &FindingRow) -> bool {
    let group = finding.code.group();
    let is_of_both = matches!(group, Group::Metadata | Group::Tensor | Group::Other);
    is_of_both && finding.effect != Effect::Note
}

/// Whether nothing but warnings keeps it from being verified.
fn fails_on_warnings(report: &Report) -> bool {
    Verdict::of(&report.findings, report.compared, FailOn::Different) == Verdict::Verified
}

/// The sides of the pair that a report is about.
#[must_use]
pub const fn sides(report: &Report) -> [Side; 2] {
    match report.called {
        Some(_) => Side::BY_POSITION,
        None => Side::BY_FORMAT,
    }
}

/// What a text calls a file: by its format, or by its name where both have one format.
#[must_use]
pub fn called(report: &Report, side: Side) -> &str {
    match (&report.called, side) {
        (Some([first, _]), Side::A) => first,
        (Some([_, second]), Side::B) => second,
        _ => side.as_str(),
    }
}

/// A place in one line: the file, the bytes, the region, the name.
#[must_use]
pub fn place(report: &Report, place: &PlaceRow) -> String {
    let mut text = match report.file_of_set(place) {
        Some(file) => file.name.clone(),
        None => called(report, place.file).to_owned(),
    };
    if let Some(offset) = place.offset {
        let _ = write!(text, ", byte {}", grouped(offset));
        if let Some(length) = place.length.filter(|&length| length > 1) {
            let _ = write!(
                text,
                " to {}",
                grouped(offset.saturating_add(length).saturating_sub(1))
            );
        }
    }
    if let Some(region) = place.region {
        let _ = write!(text, ", {}", region.as_str());
        if let Some(name) = &place.name {
            let _ = write!(text, " {name}");
        }
    } else if let Some(name) = &place.name {
        let _ = write!(text, ", {name}");
    }
    if let Some(detail) = &place.detail {
        let _ = write!(text, ", {detail}");
    }
    text
}

/// Whether two models were compared, and not one with a manifest.
#[must_use]
pub fn is_pair(report: &Report) -> bool {
    let are_of_two_formats = [FileFormat::Apr, FileFormat::Gguf]
        .into_iter()
        .all(|format| report.files.iter().any(|file| file.format == format));
    are_of_two_formats || report.called.is_some()
}

/// Writes the stages around the first difference, or nothing when there is none.
///
/// # Errors
/// Fails when the target does.
pub fn stages(text: &mut String, behaviour: &BehaviourRow) -> std::fmt::Result {
    stages::write_table(text, behaviour)
}

/// Writes a number with commas.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 12, 123, 1234, 1_234_567].map(grouped),
            ["0", "12", "123", "1,234", "1,234,567"]
        );
    }
}
