//! An in-toto Statement v1 about the files, unsigned: signing is for the tools that have the keys.
//!
//! What is not verified has no property and no passed test, so that a policy that asks for one never takes it for a pass.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use verifier::finding::Effect;
use verifier::report::{BehaviourResult, FileRow, Mode, Report};
use verifier::verdict::Verdict;

use crate::{Answer, Subject};

/// Writes a Simple Verification Result.
pub(crate) fn verification(answer: &Answer<'_>) -> String {
    let mut verifier = json!({ "id": format!("pkg:cargo/aprove@{}", answer.version) });
    if let (Some(policy), Some(verifier)) = (policy(answer), verifier.as_object_mut()) {
        verifier.insert("policy".to_owned(), policy);
    }
    statement(
        answer,
        "https://in-toto.io/attestation/svr/v0.1",
        &json!({
            "verifier": verifier,
            "timeCreated": answer.time,
            "properties": properties(answer),
            "aprove_results": results(answer),
        }),
    )
}

/// Writes a Test Result, with a test for each pair or model, and no field beyond its own: some readers refuse others.
pub(crate) fn test_result(answer: &Answer<'_>) -> String {
    let named = |result: &str| -> Vec<String> {
        let subjects = answer.subjects.iter();
        let same = subjects.filter(|subject| of_report(&subject.report) == result);
        same.map(Subject::name).collect()
    };
    let results = answer.subjects.iter().map(|one| of_report(&one.report));
    let result = match answer.verdict() {
        Verdict::Verified if results.into_iter().any(|result| result == WARNED) => WARNED,
        Verdict::Verified => PASSED,
        Verdict::Different | Verdict::Undecided => FAILED,
    };
    statement(
        answer,
        "https://in-toto.io/attestation/test-result/v0.1",
        &json!({
            "result": result,
            "configuration": policy(answer).into_iter().collect::<Vec<_>>(),
            "passedTests": named(PASSED),
            "warnedTests": named(WARNED),
            "failedTests": named(FAILED),
        }),
    )
}

fn statement(answer: &Answer<'_>, kind: &str, predicate: &Value) -> String {
    let mut subjects: Vec<Value> = Vec::new();
    let mut known = BTreeSet::new();
    for (path, file) in answer.subjects.iter().flat_map(Subject::files) {
        // A file without a digest is a file that was not read to its end.
        if let Some(digest) = digests(file)
            && known.insert((path, digest.to_string()))
        {
            subjects.push(json!({ "name": path, "digest": digest }));
        }
    }
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects,
        "predicateType": kind,
        "predicate": predicate,
    });
    format!("{statement:#}\n")
}

fn digests(file: &FileRow) -> Option<Value> {
    let digests = [("blake3", &file.blake3), ("sha256", &file.sha256)];
    let digests = digests.into_iter();
    let digests = digests.filter_map(|(kind, hex)| Some((kind.to_owned(), json!(hex.as_ref()?))));
    let digests = serde_json::Map::from_iter(digests);
    (!digests.is_empty()).then(|| Value::from(digests))
}

/// The policy file, as in-toto describes a resource.
fn policy(answer: &Answer<'_>) -> Option<Value> {
    let policy = answer.policy?;
    Some(json!({ "name": policy.name, "digest": { "sha256": policy.sha256 } }))
}

/// What holds for every pair or model.
fn properties(answer: &Answer<'_>) -> Vec<&'static str> {
    let mut all = answer.subjects.iter().map(properties_of);
    let first = all.next().unwrap_or_default();
    all.fold(first, |common, other| {
        common
            .into_iter()
            .filter(|one| other.contains(one))
            .collect()
    })
}

fn properties_of(subject: &Subject) -> Vec<&'static str> {
    let report = &subject.report;
    // A file that was held against itself has shown nothing.
    let is_one_file = report.mode == Mode::Pair && subject.paths.first() == subject.paths.last();
    if report.verdict != Verdict::Verified || is_one_file {
        return Vec::new();
    }
    // What no row of a manifest binds was let pass as well, by a flag.
    let is_bound = report.manifest.iter().all(|row| row.unbound.is_empty());
    let is_allowed = !is_bound || report.findings.iter().any(|row| row.allowed_by.is_some());
    let mut properties = vec![match (report.mode, is_allowed) {
        (Mode::Pair, false) => "APROVE_PAIR_VERIFIED",
        (Mode::Pair, true) => "APROVE_PAIR_VERIFIED_UNDER_POLICY",
        (Mode::Manifest, false) => "APROVE_MANIFEST_VERIFIED",
        (Mode::Manifest, true) => "APROVE_MANIFEST_VERIFIED_UNDER_POLICY",
        (Mode::File, false) => "APROVE_FILE_CHECKED",
        (Mode::File, true) => "APROVE_FILE_CHECKED_UNDER_POLICY",
    }];
    let behaviour = report.behaviour.as_ref().map(|row| row.result);
    if behaviour == Some(BehaviourResult::Equal) {
        properties.push("APROVE_BEHAVIOUR_EQUAL");
    }
    properties
}

/// Each pair or model: its verdict, and its files as the manifest of a model signature lists resources.
fn results(answer: &Answer<'_>) -> Vec<Value> {
    let results = answer.subjects.iter().map(|subject| {
        let resources = subject.files().flat_map(|(path, file)| {
            let digests = [("sha256", &file.sha256), ("blake3", &file.blake3)];
            digests.into_iter().filter_map(move |(algorithm, digest)| {
                let digest = digest.as_ref()?;
                Some(json!({ "name": path, "algorithm": algorithm, "digest": digest }))
            })
        });
        let report = &subject.report;
        json!({
            "name": subject.name(),
            "verdict": report.verdict.as_str(),
            "reasons": report.reasons,
            "policy": report.policy,
            "resources": resources.collect::<Vec<_>>(),
        })
    });
    results.collect()
}

fn of_report(report: &Report) -> &'static str {
    let mut findings = report.findings.iter();
    match report.verdict {
        Verdict::Verified if findings.any(|row| row.effect != Effect::Note) => WARNED,
        Verdict::Verified => PASSED,
        Verdict::Different | Verdict::Undecided => FAILED,
    }
}

const PASSED: &str = "PASSED";
const WARNED: &str = "WARNED";
const FAILED: &str = "FAILED";
