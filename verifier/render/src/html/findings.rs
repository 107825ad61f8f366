//! The findings, those of one code together.

use verifier::code::Code;
use verifier::report::text::{place, values};
use verifier::report::{FindingRow, Report};

use super::escape::clip;
use super::shown::{Limits, Shown};

/// All findings of a report.
pub(super) struct Findings {
    pub(super) groups: Vec<Group>,
    /// Findings that are left out.
    pub(super) more: usize,
}

/// The findings of one code.
pub(super) struct Group {
    pub(super) code: &'static str,
    pub(super) title: &'static str,
    /// Whether the title begins with the name of a key, which has no capital.
    pub(super) names_key: bool,
    pub(super) meaning: &'static str,
    pub(super) action: &'static str,
    pub(super) total: usize,
    pub(super) findings: Shown<Finding>,
}

/// One finding.
pub(super) struct Finding {
    pub(super) effect: &'static str,
    pub(super) allowed: bool,
    pub(super) message: String,
    pub(super) places: Vec<String>,
    pub(super) values: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) hint: Option<String>,
}

impl Finding {
    /// Whether there is more to say than the message.
    pub(super) const fn has_more(&self) -> bool {
        let Self {
            places,
            values,
            cause,
            hint,
            ..
        } = self;
        !places.is_empty() || values.is_some() || cause.is_some() || hint.is_some()
    }
}

/// The findings of a report, in its order: the group of the first cause first.
pub(super) fn findings(report: &Report, limits: Limits) -> Findings {
    let mut codes: Vec<Code> = Vec::new();
    for finding in &report.findings {
        if !codes.contains(&finding.code) {
            codes.push(finding.code);
        }
    }
    let mut left = limits.findings;
    let groups = codes.iter().map(|code| {
        let rows = || report.findings.iter().filter(|row| row.code == *code);
        let findings = Shown::of(rows(), left.min(MOST_OF_CODE), |row| {
            finding(report, row, limits)
        });
        left = left.saturating_sub(findings.rows.len());
        let explained = code.explanation();
        Group {
            code: code.as_str(),
            title: explained.title,
            names_key: code.as_str().rsplit('.').next() == explained.title.split(' ').next(),
            meaning: explained.meaning,
            action: explained.action,
            total: rows().map(|row| row.count).sum(),
            findings,
        }
    });
    let mut groups: Vec<Group> = groups.collect();
    let shown = groups
        .iter()
        .take_while(|group| !group.findings.rows.is_empty())
        .count();
    let more = groups.split_off(shown);
    Findings {
        groups,
        more: more.iter().map(|group| group.total).sum(),
    }
}

fn finding(report: &Report, row: &FindingRow, limits: Limits) -> Finding {
    let sentence = |text: &String| clip(text, limits.sentence);
    let places = row.places.iter().take(MOST_PLACES);
    Finding {
        effect: row.effect.as_str(),
        allowed: row.allowed_by.is_some(),
        message: sentence(&row.message),
        places: places.map(|one| sentence(&place(report, one))).collect(),
        values: values(report, row).as_ref().map(sentence),
        cause: row.cause.as_ref().map(|cause| sentence(&cause.text)),
        hint: row.hint.as_ref().map(sentence),
    }
}

/// Findings of one code.
const MOST_OF_CODE: usize = 32;
/// Places of one finding.
const MOST_PLACES: usize = 4;
