//! The report of a check for a person.

use std::fmt::Write as _;

use super::pass::tensor_bytes;
use crate::code::Code;
use crate::finding::Effect;
use crate::report::text::{grouped, verdict, write_file, write_finding, write_policy};
use crate::report::verdict::Verdict;
use crate::report::{FindingRow, Report};

/// One sentence: what is wrong, or what was held against what.
#[must_use]
pub fn reason(report: &Report) -> String {
    let first = |is_told: &dyn Fn(&FindingRow) -> bool| {
        let finding = report.findings.iter().find(|finding| is_told(finding));
        finding.map(|finding| finding.message.clone())
    };
    let told = match (&report.conclusion, report.verdict) {
        (Some(conclusion), _) => Some(conclusion.text.clone()),
        (None, Verdict::Verified) => {
            let warning = first(&|finding| finding.effect == Effect::Warning);
            first(&is_first_line).map(|told| match warning {
                Some(warning) => format!("{told}; a warning: {warning}"),
                None => told,
            })
        }
        (None, Verdict::Different | Verdict::Undecided) => {
            first(&|finding| finding.decides()).or_else(|| {
                // Only the policy does not let it pass.
                let warning = first(&|finding| finding.effect == Effect::Warning)?;
                Some(format!(
                    "nothing contradicts the file, and warnings do not pass: {warning}"
                ))
            })
        }
    };
    let Some(told) = told else {
        unreachable!("a verdict on one model has its finding, and a sound one its note");
    };
    told
}

/// What the first line of a sound file says.
fn is_first_line(finding: &FindingRow) -> bool {
    matches!(finding.code, Code::CheckRecorded | Code::CheckUnrecorded)
}

/// The whole report.
#[must_use]
pub fn full(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "{}: {}", verdict(report), reason(report))?;
    // Nothing was opened, and the first line has said why.
    if let (true, Some(next)) = (report.files.is_empty(), &report.next) {
        return writeln!(text, "  next  {next}");
    }
    for file in &report.files {
        write_file(text, file)?;
    }
    let counts = &report.counts;
    if !report.tensors.is_empty() {
        write!(
            text,
            "  tensors   {} of {} held against a recorded digest",
            counts.tensors_compared,
            report.tensors.len()
        )?;
        if counts.tensors_different > 0 {
            write!(text, ", {} of them different", counts.tensors_different)?;
        }
        let (held, all) = (counts.tensor_bytes_compared, tensor_bytes(report));
        match held == all {
            true => writeln!(text, "; {} bytes", grouped(held))?,
            false => writeln!(text, "; {} of {} bytes", grouped(held), grouped(all))?,
        }
    }
    if let Some(policy) = &report.policy {
        write_policy(text, policy)?;
    }
    let (notes, others): (Vec<_>, Vec<_>) = report
        .findings
        .iter()
        .partition(|finding| finding.effect == Effect::Note);
    for finding in others.iter().take(MOST_SHOWN) {
        write_finding(text, report, finding)?;
    }
    if let Some(more) = others
        .len()
        .checked_sub(MOST_SHOWN)
        .filter(|more| *more > 0)
    {
        writeln!(text, "... and {more} more; --format json has them all")?;
    }
    // What the first line says is not said again.
    let is_new = |finding: &FindingRow| {
        let is_first = is_first_line(finding) && report.verdict == Verdict::Verified;
        !is_first && finding.code != Code::ManifestBound
    };
    for finding in notes.into_iter().filter(|finding| is_new(finding)) {
        writeln!(text, "note: {} [{}]", finding.message, finding.code)?;
    }
    Ok(())
}

const MOST_SHOWN: usize = 20;
