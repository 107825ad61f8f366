//! SARIF 2.1.0 for code scanning: one run, a result for each finding, the codes as rules.
//!
//! The values are built as JSON and held against the published schema in a test: a crate of all its types would be many
//! times the size of this module.

mod results;
mod uri;

use std::collections::HashSet;

use serde_json::{Value, json};
use verifier::code::Code;
use verifier::verdict::Verdict;

use crate::words::{clipped, headline};
use crate::{Answer, Subject};

use self::results::{LONG, NOTHING, Results, message};
use self::uri::uri;

/// Writes the document in one line: its size is limited where it is sent.
pub(crate) fn document(answer: &Answer<'_>) -> String {
    let results = Results::of(answer.subjects);
    let mut notifications: Vec<Value> = answer.subjects.iter().filter_map(notification).collect();
    if let Some(more) = notifications.len().checked_sub(MOST_NOTIFICATIONS)
        && more > 0
    {
        notifications.truncate(MOST_NOTIFICATIONS);
        let text = format!("{more} more are undecided: --report json has everything");
        notifications.push(json!({ "level": "error", "message": message(&text) }));
    }
    if answer.subjects.is_empty() {
        notifications.push(json!({ "level": "error", "message": message(NOTHING) }));
    }
    if let Some(text) = results.left_out() {
        notifications.push(json!({ "level": "warning", "message": message(&text) }));
    }
    let verdict = answer.verdict();
    let rules: Vec<Value> = results.rules.iter().map(|code| rule(*code)).collect();
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "aprove",
                "version": answer.version,
                "semanticVersion": answer.version,
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": verdict != Verdict::Undecided,
                "exitCode": verdict.exit_code(),
                "exitCodeDescription": verdict.as_str(),
                "commandLine": clipped(answer.command, LONG),
                "toolExecutionNotifications": notifications,
            }],
            "artifacts": artifacts(answer.subjects),
            "results": results.values,
        }],
    });
    format!("{document}\n")
}

/// Why a subject is undecided: that nothing was found in it does not mean that nothing is there.
fn notification(subject: &Subject) -> Option<Value> {
    if subject.report.verdict != Verdict::Undecided {
        return None;
    }
    let text = format!("{}: {}", subject.name(), headline(&subject.report));
    let mut value = json!({ "level": "error", "message": message(&text) });
    let locations: Vec<Value> = subject
        .paths
        .iter()
        .take(MOST_FILES)
        .map(|path| json!({ "physicalLocation": { "artifactLocation": { "uri": uri(path) } } }))
        .collect();
    if let (false, Some(value)) = (locations.is_empty(), value.as_object_mut()) {
        value.insert("locations".to_owned(), json!(locations));
    }
    Some(value)
}

/// The files with their digests, each once.
fn artifacts(subjects: &[Subject]) -> Vec<Value> {
    let mut artifacts: Vec<Value> = Vec::new();
    let mut known = HashSet::new();
    for subject in subjects {
        for (path, file) in subject.files() {
            let uri = uri(path);
            if artifacts.len() >= MOST_ARTIFACTS || !known.insert(uri.clone()) {
                continue;
            }
            let digests = [("blake3", &file.blake3), ("sha-256", &file.sha256)];
            let digests = digests
                .into_iter()
                .filter_map(|(kind, digest)| Some((kind.to_owned(), json!(digest.as_ref()?))));
            artifacts.push(json!({
                "location": { "uri": uri },
                "length": file.size,
                "roles": ["analysisTarget"],
                "hashes": Value::from_iter(digests),
            }));
        }
    }
    artifacts
}

/// A code, explained as `aprove explain` does.
fn rule(code: Code) -> Value {
    let explanation = code.explanation();
    let group = code.as_str().split(['.', '-']).next();
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": explanation.title },
        "fullDescription": { "text": explanation.meaning },
        "help": { "text": format!(
            "{}\n\nUsual cause: {}\n\nTo do: {}\n\nVerdict: {}",
            explanation.meaning, explanation.usual_cause, explanation.action, explanation.verdict()
        )},
        "properties": { "precision": "very-high", "tags": ["model", group] },
    })
}

/// Notifications, and files listed: many pairs have more.
const MOST_NOTIFICATIONS: usize = 100;
const MOST_ARTIFACTS: usize = 5_000;
const MOST_FILES: usize = 8;
