//! Which findings may pass. A policy never hides a finding: it stays in the report, and is counted.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::code::{CauseCode, Code, Group};
use crate::finding::{Effect, Finding, Side, escape};

/// What fails, and what may pass all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// What fails.
    pub fail_on: FailOn,
    /// What may pass.
    pub allow: Vec<Allow>,
    /// The day of the check, by which entries expire. An entry with a date never allows anything where it is not known.
    pub today: Option<Date>,
}

/// The least effect that keeps a verdict from being verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FailOn {
    /// What differs or is undecided.
    #[default]
    Different,
    /// Warnings as well.
    Warning,
}

/// One kind of finding that may pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    code: Code,
    pattern: Option<String>,
    /// Why.
    pub reason: Option<String>,
    /// The last day on which it may pass.
    pub expires: Option<Date>,
}

impl Policy {
    /// Returns the first entry that lets a finding pass.
    pub(crate) fn allows(&self, finding: &Finding) -> Option<usize> {
        if is_not_read(finding) || is_never_allowed(finding.code) {
            return None;
        }
        let mut entries = self.allow.iter();
        entries.position(|entry| !self.is_expired(entry) && entry.matches(finding))
    }

    /// A warning for each entry that allows nothing any more.
    pub(crate) fn expired(&self) -> impl Iterator<Item = Finding> {
        let expired = self.allow.iter().filter(|entry| self.is_expired(entry));
        expired.map(|entry| {
            let day = entry
                .expires
                .map_or_else(String::new, |day| day.to_string());
            let text = escape(entry.to_string().as_bytes());
            let message =
                format!("{text} of the policy was allowed up to {day} and is not any more");
            Finding::new(Code::PolicyExpired, Effect::Warning, message)
        })
    }

    pub(crate) fn is_expired(&self, entry: &Allow) -> bool {
        entry
            .expires
            .is_some_and(|last| self.today.is_none_or(|today| today > last))
    }
}

impl Allow {
    /// Makes an entry for a code, and where a pattern is given only for findings about tensors or keys that it matches:
    /// `*` stands for any text and `?` for one character.
    ///
    /// # Errors
    /// Fails with a sentence when there is no such code, or when it can never be allowed.
    pub fn new(code: &str, pattern: Option<&str>) -> Result<Self, String> {
        let known = Code::ALL.iter().copied().find(|known| *known == code);
        let is_cause = || CauseCode::ALL.iter().any(|cause| *cause == code);
        let code = known.ok_or_else(|| match is_cause() {
            true => format!(
                "{code} is a likely cause and no finding: allow the finding that it stands under, such as tensor.bytes"
            ),
            false => format!("there is no code {code:?}: `aprove explain` lists all"),
        })?;
        if is_never_allowed(code) {
            return Err(format!(
                "{code} can never be allowed: what was read decides nothing then"
            ));
        }
        if pattern == Some("") {
            return Err(format!("the pattern of {code} is empty"));
        }
        Ok(Self {
            code,
            pattern: pattern.map(str::to_owned),
            reason: None,
            expires: None,
        })
    }

    /// Reads `CODE` or `CODE@PATTERN`.
    ///
    /// # Errors
    /// As [`Allow::new`].
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('@') {
            Some((code, pattern)) => Self::new(code, Some(pattern)),
            None => Self::new(text, None),
        }
    }

    /// Whether a finding is of this kind. What it says of a file must be about names that match, each of them; which of
    /// the two files is free, since they call one tensor by two names. Of tensors whose data were exchanged the names are
    /// those of two: all must match. A finding without a name never matches a pattern.
    fn matches(&self, finding: &Finding) -> bool {
        let Some(pattern) = &self.pattern else {
            return self.code == finding.code;
        };
        let is_of_two = finding.code == Code::TensorSwapped;
        let all_of = |side| {
            let places = finding.places.iter();
            let places = places.filter(|place| is_of_two || place.side == side);
            let mut names = places.map(|place| place.name.as_deref()).peekable();
            names.peek().is_some()
                && names.all(|name| name.is_some_and(|name| is_match(pattern, &escape(name))))
        };
        let mut sides = Side::BY_FORMAT.into_iter().chain(Side::BY_POSITION);
        self.code == finding.code && sides.any(all_of)
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pattern {
            Some(pattern) => write!(f, "{}@{pattern}", self.code),
            None => write!(f, "{}", self.code),
        }
    }
}

/// What a policy says about a file that was not read, or that changed: nothing. Of two models one finding stands for all that
/// differs, and nobody has seen it.
const fn is_never_allowed(code: Code) -> bool {
    matches!(
        code,
        Code::InputChanged | Code::Io | Code::NothingCompared | Code::SourceOther
    )
}

/// Whether a whole name is what a pattern describes. Names may be long and hostile: only the last `*` is tried again.
fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star = None;
    loop {
        match (pattern.get(at), name.get(from)) {
            (Some('*'), _) => {
                at += 1;
                star = Some((at, from));
            }
            (Some(wanted), Some(found)) if *wanted == '?' || wanted == found => {
                (at, from) = (at + 1, from + 1);
            }
            (None, None) => return true,
            _ => {
                let Some((after, start)) = star.filter(|(_, start)| *start < name.len()) else {
                    return false;
                };
                (at, from) = (after, start + 1);
                star = Some((at, from));
            }
        }
    }
}

/// Whether a file was not read or decoded to its end, which no policy lets pass: it did not end where it should, or a
/// decoder met what it cannot follow, or bytes are left that nothing accounts for.
pub(crate) fn is_not_read(finding: &Finding) -> bool {
    let is_of_decoder = matches!(finding.code.group(), Group::Apr | Group::Gguf);
    match finding.effect {
        Effect::Unreadable => true,
        Effect::Undecided => is_of_decoder || finding.code == Code::NotCovered,
        Effect::Different | Effect::Warning | Effect::Note => false,
    }
}

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Makes a date; none when there is no such day.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if is_leap => 29,
            2 => 28,
            _ => return None,
        };
        (1..=days)
            .contains(&day)
            .then_some(Self { year, month, day })
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// The policy of a report.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PolicyRow {
    /// What fails.
    pub fail_on: FailOn,
    /// What may pass, and how much did.
    pub allow: Vec<AllowRow>,
}

/// One entry of a policy, and how often it was used.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct AllowRow {
    /// The code.
    pub code: Code,
    /// The pattern for names of tensors or keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Why it may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last day on which it may pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// Whether that day is over, so that it allows nothing.
    pub expired: bool,
    /// How many findings it let pass.
    pub matched: usize,
}

impl Policy {
    /// The policy as a report has it, with how often each entry was used; none where there is nothing to say.
    pub(crate) fn row(&self, matched: impl Fn(usize) -> usize) -> Option<PolicyRow> {
        if self.allow.is_empty() && self.fail_on == FailOn::Different {
            return None;
        }
        let entries = self.allow.iter().enumerate();
        let allow = entries.map(|(index, entry)| AllowRow {
            code: entry.code,
            pattern: entry.pattern.as_ref().map(|text| escape(text.as_bytes())),
            reason: entry.reason.as_ref().map(|text| escape(text.as_bytes())),
            expires: entry.expires.map(|day| day.to_string()),
            expired: self.is_expired(entry),
            matched: matched(index),
        });
        Some(PolicyRow {
            fail_on: self.fail_on,
            allow: allow.collect(),
        })
    }
}

impl AllowRow {
    /// The entry as it is given on the command line.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.pattern {
            Some(pattern) => format!("{}@{pattern}", self.code),
            None => self.code.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Place;
    use crate::report::verdict::Verdict;
    use crate::report::{Report, Scope, build};

    fn allow(text: &str) -> Allow {
        Allow::parse(text).unwrap()
    }

    fn about(effect: Effect, names: &[(Side, &str)]) -> Finding {
        names.iter().fold(
            Finding::new(Code::TensorBytes, effect, ""),
            |finding, (side, name)| finding.at(Place::new(*side, 0).name(*name)),
        )
    }

    #[test]
    fn a_pattern_matches_whole_names_of_one_file() {
        for (pattern, name, expected) in [
            ("blk.*", "blk.0.attn_q.weight", true),
            ("blk.?.attn_*", "blk.0.attn_q.weight", true),
            ("blk.?.attn_*", "blk.10.attn_q.weight", false),
            ("*weight", "blk.0.attn_q.bias", false),
            ("*", "", true),
            ("*a*b", "xaxxabxb", true),
            ("*a*b", "xaxxabxc", false),
            ("blk", "blk.0", false),
        ] {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        }
        let entry = allow("tensor.bytes@blk.0.*");
        let (apr, gguf) = (Side::Apr, Side::Gguf);
        for (names, expected) in [
            (&[(apr, "model.layers.0.q"), (gguf, "blk.0.q")][..], true),
            (&[(apr, "model.layers.1.q"), (gguf, "blk.1.q")], false),
            (&[(gguf, "blk.0.q"), (gguf, "blk.1.q")], false),
            (&[(Side::A, "blk.0.q"), (Side::B, "blk.0.q")], true),
            (&[(Side::A, "blk.1.q"), (Side::B, "blk.1.q")], false),
            (&[], false),
        ] {
            assert_eq!(entry.matches(&about(Effect::Different, names)), expected);
        }
    }

    #[test]
    fn a_likely_cause_is_said_to_be_none_that_can_be_allowed() {
        for cause in CauseCode::ALL {
            let refused = Allow::parse(cause.as_str()).unwrap_err();
            assert!(
                refused.contains("is a likely cause and no finding"),
                "{refused}"
            );
        }
        let refused = Allow::parse("cause.nothing").unwrap_err();
        assert!(refused.contains("there is no code"), "{refused}");
    }

    #[test]
    fn a_pattern_matches_both_tensors_that_were_exchanged() {
        let of = |first, second| {
            let swapped = Finding::new(Code::TensorSwapped, Effect::Different, "");
            swapped
                .at(Place::new(Side::Apr, 0).name(first))
                .at(Place::new(Side::Gguf, 0).name(second))
        };
        let entry = allow("tensor.swapped@blk.1.*");
        assert!(entry.matches(&of("blk.1.attn_q.weight", "blk.1.attn_k.weight")));
        assert!(!entry.matches(&of("blk.0.attn_q.weight", "blk.1.attn_q.weight")));
        assert!(!entry.matches(&of("blk.1.attn_q.weight", "blk.0.attn_q.weight")));
    }

    #[test]
    fn what_was_not_read_can_never_be_allowed() {
        for code in ["io", "input-changed", "nothing-compared", "no-such-code"] {
            assert!(Allow::parse(code).is_err(), "{code}");
        }
        let policy = Policy {
            allow: vec![allow("tensor.bytes")],
            ..Policy::default()
        };
        assert_eq!(policy.allows(&about(Effect::Different, &[])), Some(0));
        assert_eq!(policy.allows(&about(Effect::Unreadable, &[])), None);
    }

    #[test]
    fn what_was_not_decoded_to_its_end_never_passes() {
        let rules = ["gguf.type.unknown", "not-covered", "apr.tensor.dtype"];
        for rule in rules {
            let entry = allow(rule);
            let finding = Finding::new(entry.code, Effect::Undecided, "");
            let policy = Policy {
                allow: vec![entry],
                ..Policy::default()
            };
            assert_eq!(policy.allows(&finding), None, "{rule}");
        }
    }

    fn report(findings: &[Finding], rules: &[&str]) -> Report {
        let mut report = build(Vec::new(), &Scope::Decoded, findings);
        report.set_policy(&Policy {
            allow: rules.iter().map(|rule| allow(rule)).collect(),
            ..Policy::default()
        });
        report
    }

    #[test]
    fn each_finding_is_judged_before_many_are_counted_together() {
        let names = (0..100).map(|index| format!("t{index}"));
        let findings: Vec<_> = names
            .map(|name| about(Effect::Different, &[(Side::Gguf, &name)]))
            .collect();
        let some = report(&findings, &["tensor.bytes@t1*"]);
        assert_eq!(some.verdict, Verdict::Different);
        assert_eq!(some.policy.unwrap().allow[0].matched, 11);
        let all = report(&findings, &["tensor.bytes@t1*", "tensor.bytes@t*"]);
        assert_eq!(all.verdict, Verdict::Verified);
        assert_eq!(all.policy.unwrap().allow[1].matched, 89);
        assert!(all.reasons.is_empty());
    }

    #[test]
    fn what_a_run_finds_later_obeys_the_policy() {
        let findings = [about(Effect::Different, &[(Side::Gguf, "a")])];
        let mut report = report(&findings, &["tensor.bytes"]);
        assert_eq!(report.verdict, Verdict::Verified);
        report.note_unchecked_behaviour();
        assert_eq!(report.verdict, Verdict::Verified);
        report.add(&[Finding::new(Code::BehaviourStage, Effect::Different, "")]);
        assert_eq!(report.verdict, Verdict::Different);
        assert_eq!(report.reasons, [Code::BehaviourStage]);
    }

    #[test]
    fn an_entry_allows_up_to_its_last_day() {
        let entry = Allow {
            expires: Date::new(2026, 2, 28),
            ..allow("tensor.bytes")
        };
        for (today, expired) in [
            (Date::new(2026, 2, 28), false),
            (Date::new(2026, 3, 1), true),
            (None, true),
        ] {
            let policy = Policy {
                allow: vec![entry.clone()],
                today,
                ..Policy::default()
            };
            assert_eq!(
                policy.allows(&about(Effect::Different, &[])).is_none(),
                expired
            );
            assert_eq!(policy.expired().count(), usize::from(expired));
        }
        assert_eq!(Date::new(2026, 2, 29), None);
        assert!(Date::new(2028, 2, 29).is_some());
    }
}
