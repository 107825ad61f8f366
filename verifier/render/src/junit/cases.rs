//! What becomes a test case. Every finding belongs to one, and the first says the verdict: a suite passes only where the
//! report is verified.

use std::collections::BTreeMap;

use verifier::code::{Code, Group};
use verifier::finding::{Effect, Side};
use verifier::policy::FailOn;
use verifier::report::{
    BehaviourResult, FindingRow, KeyStatus, Mode, PlaceRow, Report, StageResult, TensorResult,
    text::values,
};
use verifier::verdict::Verdict;

use crate::Subject;
use crate::words::{behaviour, clipped, digest};

/// How a test case ends; a worse end outweighs a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Result {
    Passed,
    Skipped,
    Failed,
    Undecided,
}

impl From<Verdict> for Result {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Verified => Self::Passed,
            Verdict::Different => Self::Failed,
            Verdict::Undecided => Self::Undecided,
        }
    }
}

/// One test case.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) result: Result,
    /// Why it did not pass.
    pub(super) message: String,
    pub(super) code: Option<Code>,
    /// What else is to be said of it.
    pub(super) details: Vec<String>,
    /// Warnings and notes.
    pub(super) remarks: Vec<String>,
    /// How it ends where no finding is about it: a report does not list many of one kind.
    otherwise: Option<(Result, String)>,
}

impl Case {
    pub(super) fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            result: Result::Passed,
            message: String::new(),
            code: None,
            details: Vec::new(),
            remarks: Vec::new(),
            otherwise: None,
        }
    }

    pub(super) fn with(mut self, result: Result, message: impl Into<String>) -> Self {
        self.end(result, message.into(), None);
        self
    }

    /// Ends it in this way where no finding is about it.
    fn or(mut self, result: Result, message: impl Into<String>) -> Self {
        self.otherwise = Some((result, message.into()));
        self
    }

    fn ended(mut self) -> Self {
        if let Some((result, message)) = self.otherwise.take()
            && self.result == Result::Passed
        {
            self.end(result, message, None);
        }
        self
    }

    /// Ends it in this way, unless it has ended in a worse one.
    fn end(&mut self, result: Result, message: String, code: Option<Code>) {
        if result > self.result {
            self.result = result;
            (self.message, self.code) = (message, code);
        }
    }

    /// Adds a finding that is about it.
    fn add(&mut self, finding: &FindingRow, report: &Report) {
        let policy = report.policy.as_ref();
        let message = clipped(&finding.message, LONG);
        let allowed = finding.allowed_by.and_then(|at| policy?.allow.get(at));
        let warnings_fail = policy.is_some_and(|policy| policy.fail_on == FailOn::Warning);
        let result = match finding.effect {
            Effect::Warning if warnings_fail => Result::Undecided,
            Effect::Warning | Effect::Note => Result::Passed,
            _ if allowed.is_some() => Result::Skipped,
            Effect::Different => Result::Failed,
            Effect::Undecided | Effect::Unreadable => Result::Undecided,
        };
        let said = format!("{}: {message} [{}]", finding.effect.as_str(), finding.code);
        if result == Result::Passed || allowed.is_some() && result == Result::Undecided {
            self.remarks.push(said);
            return;
        }
        let lines = if self.details.len() < MOST_DETAILS {
            details(report, finding, said)
        } else {
            Vec::new()
        };
        self.details.extend(lines);
        let message = match allowed {
            Some(entry) => format!("allowed by policy ({}): {message}", entry.text()),
            None => message,
        };
        self.end(result, message, Some(finding.code));
    }
}

/// A finding in lines.
fn details(report: &Report, finding: &FindingRow, said: String) -> Vec<String> {
    let mut lines = vec![said];
    for place in finding.places.iter().take(4) {
        lines.push(format!("  at {}", at(place)));
    }
    if let Some(values) = values(report, finding) {
        lines.push(format!("  {}", clipped(&values, 2 * LONG)));
    }
    if let Some(cause) = &finding.cause {
        lines.push(format!(
            "  likely cause: {} [{}]",
            clipped(&cause.text, LONG),
            cause.code
        ));
    }
    if let Some(hint) = &finding.hint {
        lines.push(format!("  hint: {}", clipped(hint, LONG)));
    }
    lines
}

fn at(place: &PlaceRow) -> String {
    let mut text = place.file.as_str().to_owned();
    if place.shard > 0 {
        text += &format!(" shard {}", place.shard);
    }
    if let Some(offset) = place.offset {
        text += &format!(", byte {offset}");
    }
    for part in [&place.name, &place.detail].into_iter().flatten() {
        text += &format!(", {}", clipped(part, LONG));
    }
    text
}

/// All cases of a subject, the verdict first.
pub(super) fn cases(subject: &Subject, headline: &str) -> Vec<Case> {
    let report = &subject.report;
    let mut verdict = Case::new("verdict").with(report.verdict.into(), clipped(headline, LONG));
    verdict.code = report.reasons.first().copied();
    for (name, line) in [("cause", &report.cause), ("next", &report.next)] {
        verdict
            .details
            .extend(line.iter().map(|line| format!("{name}: {line}")));
    }
    let mut all = Cases {
        report,
        verdict,
        containers: containers(subject),
        tensors: tensors(report),
        keys: keys(report),
        behaviour: behaviours(report),
        others: BTreeMap::new(),
    };
    let by_tensor = tensors_by_name(report);
    for finding in &report.findings {
        all.add(finding, &by_tensor);
    }
    let mut cases = vec![all.verdict];
    cases.extend(all.containers.into_iter().map(|(_, case)| case.ended()));
    cases.extend(summed(all.tensors.into_iter().map(Case::ended).collect()));
    cases.extend(all.keys.into_values().map(Case::ended));
    cases.extend(all.behaviour.into_iter().map(Case::ended));
    cases.extend(all.others.into_values());
    cases
}

struct Cases<'a> {
    report: &'a Report,
    verdict: Case,
    containers: Vec<((Side, usize), Case)>,
    /// One for each row of the report.
    tensors: Vec<Case>,
    /// By the first part of the keys.
    keys: BTreeMap<String, Case>,
    behaviour: Vec<Case>,
    /// By the code: what is about none of these.
    others: BTreeMap<Code, Case>,
}

impl Cases<'_> {
    fn add(&mut self, finding: &FindingRow, by_tensor: &BTreeMap<(Side, &str), usize>) {
        let (first, report) = (finding.places.first(), self.report);
        let name = first.and_then(|place| Some((place.file, place.name.as_deref()?)));
        let tensor = name.and_then(|name| by_tensor.get(&name).copied());
        let is_key = finding.code.group() == Group::Metadata;
        let case = match (first, name, tensor) {
            _ if finding.code.group() == Group::Behaviour => self.behaviour.first_mut(),
            (_, Some((_, key)), _) if is_key => Some(key_case(&mut self.keys, key)),
            (_, _, Some(index)) if !is_key => self.tensors.get_mut(index),
            (Some(place), ..) => {
                let place = (place.file, place.shard);
                let mut containers = self.containers.iter_mut();
                let found = containers.find(|(of, _)| *of == place);
                found.map(|(_, case)| case)
            }
            (None, ..) => None,
        };
        let other = || Case::new(format!("other: {}", finding.code));
        match case {
            Some(case) => case.add(finding, report),
            None if !finding.effect.decides() => self.verdict.add(finding, report),
            None => {
                let case = self.others.entry(finding.code).or_insert_with(other);
                case.add(finding, report);
            }
        }
    }
}

/// Which row is about a tensor, by each of its names.
fn tensors_by_name(report: &Report) -> BTreeMap<(Side, &str), usize> {
    let rows = report.tensors.iter().enumerate();
    let names = rows.flat_map(|(index, row)| {
        let sides = row.sides.all();
        sides.map(move |(side, tensor)| ((side, tensor.name.as_str()), index))
    });
    names.collect()
}

/// A case for each file: that all of it is accounted for.
fn containers(subject: &Subject) -> Vec<((Side, usize), Case)> {
    let report = &subject.report;
    let files = subject.files().enumerate();
    let cases = files.filter_map(|(index, (path, file))| {
        let case = Case::new(format!("file: {path}"));
        let rest = file.size.saturating_sub(file.covered);
        let case = if digest(file).is_none() {
            case.or(open(report), "not read to its end")
        } else if rest > 0 {
            let message = format!("{rest} of {} bytes are not accounted for", file.size);
            case.or(open(report), message)
        } else {
            case
        };
        let place = subject.side_of(index)?;
        Some((place, case))
    });
    cases.collect()
}

/// How something ends that nobody compared, or that no finding of its own explains.
const fn open(report: &Report) -> Result {
    match report.verdict {
        Verdict::Verified => Result::Skipped,
        Verdict::Different | Verdict::Undecided => Result::Undecided,
    }
}

fn tensors(report: &Report) -> Vec<Case> {
    let rows = report.tensors.iter().map(|row| {
        let name = row.sides.second().or_else(|| row.sides.first());
        let name = name.map_or("without a name", |tensor| tensor.name.as_str());
        let case = Case::new(format!("tensor: {name}"));
        match row.result {
            TensorResult::BytesEqual | TensorResult::ValuesEqual => case,
            TensorResult::Different => {
                let message = match &row.difference {
                    Some(found) => format!(
                        "{} of {} blocks differ, {} bytes in {} runs",
                        found.blocks, found.blocks_total, found.bytes, found.runs
                    ),
                    None => "different".to_owned(),
                };
                case.or(different(report), message)
            }
            TensorResult::NotCompared if report.mode == Mode::File => case.or(
                Result::Skipped,
                "there is no recorded digest to hold it against",
            ),
            TensorResult::NotCompared => case.or(open(report), "not compared"),
        }
    });
    rows.collect()
}

/// How a difference ends: where the report is verified all the same a policy lets it pass.
const fn different(report: &Report) -> Result {
    match report.verdict {
        Verdict::Verified => Result::Skipped,
        Verdict::Different | Verdict::Undecided => Result::Failed,
    }
}

/// A case for each first part of the keys: `general`, `tokenizer`, the architecture.
fn keys(report: &Report) -> BTreeMap<String, Case> {
    let mut cases = BTreeMap::new();
    for row in &report.metadata {
        let case = key_case(&mut cases, &row.key);
        if matches!(
            row.result,
            KeyStatus::Changed | KeyStatus::OnlyA | KeyStatus::OnlyB
        ) {
            let key = clipped(&row.key, LONG);
            case.otherwise = Some((different(report), format!("{key} is not the same in both")));
        }
    }
    cases
}

fn key_case<'a>(cases: &'a mut BTreeMap<String, Case>, key: &str) -> &'a mut Case {
    let mut part = key.split('.').next().unwrap_or(key).to_owned();
    if !cases.contains_key(&part) && cases.len() >= MOST_PARTS {
        part = "other".to_owned();
    }
    let new = || Case::new(format!("metadata: {part}.*"));
    cases.entry(part.clone()).or_insert_with(new)
}

/// A case for the run, and one for each prompt.
fn behaviours(report: &Report) -> Vec<Case> {
    let Some(row) = &report.behaviour else {
        let case = Case::new("behaviour");
        return match report.mode {
            Mode::Pair => vec![case.with(Result::Skipped, "the files were not run")],
            Mode::Manifest | Mode::File => vec![case.with(Result::Skipped, "not run")],
        };
    };
    let result = match row.result {
        BehaviourResult::Equal => Result::Passed,
        BehaviourResult::Different => different(report),
        BehaviourResult::NotCovered => open(report),
    };
    let mut cases = vec![Case::new("behaviour").or(result, behaviour(row))];
    for prompt in &row.prompts {
        let case = Case::new(format!("behaviour: prompt {}", prompt.name));
        let mut rows = prompt.table.iter();
        cases.push(match rows.find(|row| row.result != StageResult::Equal) {
            Some(row) => {
                let result = match row.result {
                    StageResult::Different | StageResult::Equal => different(report),
                    StageResult::Missing | StageResult::NotComparable(_) => open(report),
                };
                case.with(
                    result,
                    format!("stage {}: {}", row.stage, row.result.text()),
                )
            }
            None => case,
        });
    }
    cases
}

/// One case for each tensor; of a large model those that are equal are one for each role.
fn summed(tensors: Vec<Case>) -> Vec<Case> {
    if tensors.len() <= MOST_TENSORS {
        return tensors;
    }
    let mut roles: BTreeMap<String, usize> = BTreeMap::new();
    let mut listed = Vec::new();
    let mut more = 0_usize;
    let mut rest = Case::new("tensors: the rest");
    for case in tensors {
        if case.result == Result::Passed && case.remarks.is_empty() {
            let mut role = role(&case.name);
            if !roles.contains_key(&role) && roles.len() >= MOST_PARTS {
                "tensor: others".clone_into(&mut role);
            }
            let count = roles.entry(role).or_default();
            *count += 1;
        } else if listed.len() < MOST_TENSORS {
            listed.push(case);
        } else {
            more += 1;
            rest.end(case.result, case.message, case.code);
        }
    }
    if more > 0 {
        rest.message = format!("{more} more like this: {}", rest.message);
        listed.push(rest);
    }
    let roles = roles.into_iter();
    listed.extend(roles.map(|(role, count)| Case::new(format!("{role} ({count} equal)"))));
    listed
}

/// A name with `*` for every number.
fn role(name: &str) -> String {
    let mut role = String::with_capacity(name.len());
    for character in name.chars() {
        if !character.is_ascii_digit() {
            role.push(character);
        } else if !role.ends_with('*') {
            role.push('*');
        }
    }
    role
}

/// Tensors that have a case each.
const MOST_TENSORS: usize = 5_000;
/// First parts of keys, and roles, that have a case each: a file can have as many as it likes.
const MOST_PARTS: usize = 500;
/// Characters of a text that a file can have made long.
const LONG: usize = 500;
/// Lines about findings in one case.
const MOST_DETAILS: usize = 200;
