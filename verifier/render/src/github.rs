//! Annotations of a step on GitHub: commands that its runner finds at the start of a line of the output.

use verifier::finding::Effect;
use verifier::policy::FailOn;
use verifier::report::FindingRow;
use verifier::verdict::Verdict;

use crate::words::{clipped, headline};
use crate::{Answer, Subject};

/// Writes the commands, a line each. A step shows ten of a kind: where there are more the last one counts them.
#[must_use]
pub fn annotations(answer: &Answer<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in ["error", "warning"] {
        let all: Vec<String> = answer
            .subjects
            .iter()
            .flat_map(|one| of(one, kind))
            .collect();
        let shown = if all.len() > MOST {
            MOST.saturating_sub(1)
        } else {
            MOST
        };
        lines.extend(all.iter().take(shown).cloned());
        if let Some(more) = all.len().checked_sub(shown).filter(|more| *more > 0) {
            lines.push(format!("::{kind} title=aprove::and {more} more of this kind; the summary of the step lists them"));
        }
    }
    if answer.subjects.is_empty() {
        lines.push("::error title=aprove::nothing was compared".to_owned());
    }
    lines
}

/// The annotations of one kind about a subject.
fn of(subject: &Subject, kind: &'static str) -> Vec<String> {
    let report = &subject.report;
    let policy = report.policy.as_ref();
    let warnings_fail = policy.is_some_and(|policy| policy.fail_on == FailOn::Warning);
    let is_of_kind = |row: &&FindingRow| {
        let found = match row.effect {
            _ if row.allowed_by.is_some() => "",
            Effect::Different | Effect::Undecided | Effect::Unreadable => "error",
            Effect::Warning if warnings_fail => "error",
            Effect::Warning => "warning",
            Effect::Note => "",
        };
        found == kind
    };
    let rows = report.findings.iter().filter(is_of_kind);
    let mut lines: Vec<String> = rows
        .map(|row| {
            let path = subject.path_at_fault(row).unwrap_or_default();
            line(kind, path, row.code.as_str(), &row.message)
        })
        .collect();
    if lines.is_empty() && kind == "error" && report.verdict != Verdict::Verified {
        let path = subject.paths.first().map_or("", String::as_str);
        lines.push(line(kind, path, report.verdict.as_str(), &headline(report)));
    }
    lines
}

fn line(kind: &str, path: &str, what: &str, message: &str) -> String {
    let (path, message) = (property(path), data(&clipped(message, LONG)));
    let file = if path.is_empty() {
        path
    } else {
        format!("file={path},")
    };
    format!(
        "::{kind} {file}title=aprove%3A {}::{message}",
        property(what)
    )
}

/// A text behind the command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// A text within it.
fn property(text: &str) -> String {
    data(&clipped(text, LONG))
        .replace(':', "%3A")
        .replace(',', "%2C")
}

/// Annotations of one kind that a step shows.
const MOST: usize = 10;
/// Characters of a text that a file can have made long.
const LONG: usize = 1_000;
