//! The results: a finding each, and the tensors that differ beyond those that the report lists.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};
use verifier::code::{Code, Group};
use verifier::finding::{Effect, Side};
use verifier::policy::FailOn;
use verifier::report::{FindingRow, PlaceRow, TensorResult, TensorRow, TensorSide, text::values};
use verifier::verdict::Verdict;

use super::uri::uri;
use crate::Subject;
use crate::words::{clipped, headline};

/// Results within what GitHub takes, the rules that they need, and the number of those left out.
#[derive(Default)]
pub(super) struct Results {
    pub(super) values: Vec<Value>,
    /// In the order of their first result.
    pub(super) rules: Vec<Code>,
    size: usize,
    /// How many there is no room for, and what the first of them is.
    dropped: Option<(usize, Code)>,
    /// How many results have a fingerprint.
    seen: BTreeMap<String, usize>,
}

/// What a result is made of.
struct Parts<'a> {
    code: Code,
    level: &'static str,
    text: String,
    places: Vec<Value>,
    /// What the result is about, the same in every run.
    about: Vec<&'a str>,
    /// Why it is allowed.
    allowed: Option<String>,
}

impl Results {
    pub(super) fn of(subjects: &[Subject]) -> Self {
        let mut results = Self::default();
        for subject in subjects {
            results.add_subject(subject);
        }
        if subjects.is_empty() {
            results.offer(Parts {
                code: Code::NothingCompared,
                level: "error",
                text: NOTHING.to_owned(),
                places: vec![file(".")],
                about: Vec::new(),
                allowed: None,
            });
        }
        if let (Some((_, code)), Some(text)) = (results.dropped, results.left_out()) {
            let path = subjects.first().and_then(|subject| subject.paths.first());
            results.push(Parts {
                code,
                level: "warning",
                text,
                places: vec![file(path.map_or(".", String::as_str))],
                about: Vec::new(),
                allowed: None,
            });
        }
        results
    }

    /// What is to be said of results that there are and that are not in the document.
    pub(super) fn left_out(&self) -> Option<String> {
        let (dropped, _) = self.dropped?;
        Some(format!(
            "{dropped} more results are left out: a place that takes SARIF takes no more. --report json has everything"
        ))
    }

    fn add_subject(&mut self, subject: &Subject) {
        let report = &subject.report;
        let mut is_failing = report.verdict == Verdict::Verified;
        let mut told = HashSet::new();
        for finding in &report.findings {
            let parts = of_finding(subject, finding);
            is_failing |= parts.level == "error";
            let names = finding.places.iter();
            told.extend(names.filter_map(|place| Some((place.file, place.name.as_deref()?))));
            self.offer(parts);
        }
        if !is_failing {
            self.offer(Parts {
                code: Code::NothingCompared,
                level: "error",
                text: headline(report),
                places: vec![first_file(subject)],
                about: vec!["verdict"],
                allowed: None,
            });
        }
        if report.verdict == Verdict::Verified {
            return;
        }
        for row in &report.tensors {
            let is_told =
                |(side, tensor): (Side, &TensorSide)| told.contains(&(side, tensor.name.as_str()));
            if row.result == TensorResult::Different && !row.sides.all().any(is_told) {
                self.offer(of_tensor(subject, row));
            }
        }
    }

    /// Adds a result while there is room for it.
    fn offer(&mut self, parts: Parts<'_>) {
        if self.values.len() < MOST_RESULTS && self.size < MOST_BYTES {
            self.push(parts);
        } else {
            self.dropped.get_or_insert((0, parts.code)).0 += 1;
        }
    }

    fn push(&mut self, parts: Parts<'_>) {
        let rule = match self.rules.iter().position(|known| *known == parts.code) {
            Some(index) => index,
            None => {
                self.rules.push(parts.code);
                self.rules.len().saturating_sub(1)
            }
        };
        let mut hasher = blake3::Hasher::new();
        for part in [parts.code.as_str()].iter().chain(&parts.about) {
            hasher.update(part.as_bytes());
            hasher.update(&[0]);
        }
        let hash = hasher.finalize().to_hex();
        let hash: String = hash.chars().take(16).collect();
        let count = self.seen.entry(hash.clone()).or_default();
        *count += 1;
        let (first, others) = match parts.places.split_first() {
            Some((first, others)) => (first.clone(), others),
            None => (file("."), &[][..]),
        };
        let mut value = json!({
            "ruleId": parts.code.as_str(),
            "ruleIndex": rule,
            "level": parts.level,
            "message": message(&parts.text),
            "locations": [first],
            // The first is what GitHub tells results by.
            "partialFingerprints": {
                "primaryLocationLineHash": format!("{hash}:{count}"),
                "aproveFinding/v1": format!("{hash}:{count}"),
            },
        });
        if let Some(value) = value.as_object_mut() {
            if !others.is_empty() {
                value.insert("relatedLocations".to_owned(), json!(others));
            }
            if let Some(reason) = parts.allowed {
                let suppression = json!({ "kind": "external", "justification": reason });
                value.insert("suppressions".to_owned(), json!([suppression]));
            }
        }
        self.size += value.to_string().len();
        self.values.push(value);
    }
}

fn of_finding<'a>(subject: &'a Subject, finding: &'a FindingRow) -> Parts<'a> {
    let report = &subject.report;
    let policy = report.policy.as_ref();
    let allowed = finding.allowed_by.and_then(|at| policy?.allow.get(at));
    let warnings_fail = policy.is_some_and(|policy| policy.fail_on == FailOn::Warning);
    let level = match finding.effect {
        _ if allowed.is_some() => "note",
        Effect::Different | Effect::Undecided | Effect::Unreadable => "error",
        Effect::Warning if warnings_fail => "error",
        Effect::Warning => "warning",
        Effect::Note => "note",
    };
    let mut text = clipped(&finding.message, LONG);
    if let Some(values) = values(report, finding) {
        text += &format!("; {}", clipped(&values, 2 * LONG));
    }
    if let Some(cause) = &finding.cause {
        text += &format!("; likely cause: {}", clipped(&cause.text, LONG));
    }
    if let Some(hint) = &finding.hint {
        text += &format!("; hint: {}", clipped(hint, LONG));
    }
    if level == "error" {
        text += &format!("; the answer: {}", clipped(&headline(report), LONG));
        if let Some(next) = &report.next {
            text += &format!("; next: {}", clipped(next, LONG));
        }
    }
    let blamed = subject.path_at_fault(finding).unwrap_or(".");
    let all = subject.places(finding);
    let has_place = |place: &&PlaceRow| subject.path_of(place.file, place.shard) == blamed;
    let mut places = Vec::new();
    if !all.first().is_some_and(has_place) {
        places.push(file(blamed));
    }
    let all = all.into_iter().take(MOST_PLACES);
    places.extend(all.map(|place| of_place(subject, finding.code, place)));
    let names = finding
        .places
        .iter()
        .filter_map(|place| place.name.as_deref());
    Parts {
        code: finding.code,
        level,
        text,
        places,
        about: subject
            .paths
            .iter()
            .map(String::as_str)
            .chain(names)
            .collect(),
        allowed: allowed.map(|entry| match &entry.reason {
            Some(reason) => format!("{}: {reason}", entry.text()),
            None => entry.text(),
        }),
    }
}

/// A tensor that differs and has no finding of its own, as a report lists the first ones only.
fn of_tensor<'a>(subject: &'a Subject, row: &'a TensorRow) -> Parts<'a> {
    let sides = row.sides.all();
    let places = sides.map(|(side, tensor)| {
        let changed = row
            .difference
            .as_ref()
            .and_then(|found| found.sides.get(side));
        let [first, last] = changed.copied().unwrap_or_else(|| {
            let last = tensor.offset.saturating_add(tensor.size).saturating_sub(1);
            [tensor.offset, last]
        });
        let length = last.saturating_sub(first) + 1;
        let path = subject.path_of(side, tensor.shard);
        located(
            path,
            Some((first, length)),
            Some((&tensor.name, "resource")),
        )
    });
    let places = places.collect();
    let name = row.sides.second().or_else(|| row.sides.first());
    let name = name.map_or("", |tensor| tensor.name.as_str());
    let amount = match &row.difference {
        Some(found) => format!("{} of {} blocks differ", found.blocks, found.blocks_total),
        None => "the values differ".to_owned(),
    };
    Parts {
        code: if row.difference.is_some() {
            Code::TensorBytes
        } else {
            Code::TensorValues
        },
        level: "error",
        text: format!("{}: {amount}", clipped(name, LONG)),
        places,
        about: subject
            .paths
            .iter()
            .map(String::as_str)
            .chain([name])
            .collect(),
        allowed: None,
    }
}

fn of_place(subject: &Subject, code: Code, place: &PlaceRow) -> Value {
    let kind = if code.group() == Group::Metadata {
        "property"
    } else {
        "resource"
    };
    let span = place
        .offset
        .map(|offset| (offset, place.length.unwrap_or(0)));
    let name = place.name.as_deref().map(|name| (name, kind));
    let mut location = located(subject.path_of(place.file, place.shard), span, name);
    if let (Some(detail), Some(location)) = (&place.detail, location.as_object_mut()) {
        location.insert("message".to_owned(), message(detail));
    }
    location
}

fn located(path: &str, span: Option<(u64, u64)>, name: Option<(&str, &str)>) -> Value {
    let mut location = file(path);
    if let Some((offset, length)) = span
        && let Some(region) = location.pointer_mut("/physicalLocation/region")
        && let Some(region) = region.as_object_mut()
    {
        region.insert("byteOffset".to_owned(), json!(offset));
        region.insert("byteLength".to_owned(), json!(length));
    }
    if let (Some((name, kind)), Some(location)) = (name, location.as_object_mut()) {
        let name = clipped(name, LONG);
        let logical = json!([{ "name": name, "fullyQualifiedName": name, "kind": kind }]);
        location.insert("logicalLocations".to_owned(), logical);
    }
    location
}

/// A file. The line is for viewers that show no other: a model has none.
fn file(path: &str) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(path) },
        "region": { "startLine": 1 },
    }})
}

fn first_file(subject: &Subject) -> Value {
    file(subject.paths.first().map_or(".", String::as_str))
}

/// A text in which nothing is a link.
pub(super) fn message(text: &str) -> Value {
    json!({ "text": clipped(text, 8 * LONG).replace("](", "] (") })
}

/// What is to be said where nothing was judged.
pub(super) const NOTHING: &str = "nothing was compared";
/// Characters of a text that a file can have made long.
pub(super) const LONG: usize = 1_000;
/// Results of one run: GitHub takes no more, with the one that counts the rest.
const MOST_RESULTS: usize = 24_999;
/// Bytes of all results: GitHub takes 10 MB after compression, which never makes them larger.
const MOST_BYTES: usize = 8_000_000;
/// Places of one finding.
const MOST_PLACES: usize = 8;
