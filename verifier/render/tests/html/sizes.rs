//! A page stays small for any model, and says what it leaves out.

use render::html::MOST;
use verifier::report::{Report, TensorResult};

use super::document::parse;
use super::samples::{bit, deep, page, subject, verified};

#[track_caller]
fn check(reports: Vec<Report>, says: &[&str]) {
    let subjects: Vec<_> = reports.into_iter().map(subject).collect();
    let page = page(&subjects);
    assert!(page.len() <= MOST, "{}", page.len());
    parse(&page);
    for words in says {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn many_layers_are_cut() {
    let report = deep(10_000, TensorResult::Different);
    assert!(report.tensors.len() > 100_000);
    let says = [
        "more layers are left out",
        "more tensors are left out",
        "is too large for this page",
    ];
    check(vec![report], &says);
}

#[test]
fn many_tensors_of_no_layer_are_cut() {
    let mut report = deep(10_000, TensorResult::NotCompared);
    for (index, row) in report.tensors.iter_mut().enumerate() {
        row.sides.gguf.as_mut().unwrap().name =
            format!("{}{index}", "<".repeat(60_000 / (1 + index)));
    }
    check(vec![report], &["more tensors are left out"]);
}

#[test]
fn many_roles_of_one_layer_are_cut() {
    let mut report = deep(1000, TensorResult::BytesEqual);
    for (index, row) in report.tensors.iter_mut().enumerate() {
        row.sides.gguf.as_mut().unwrap().name = format!("blk.{}.role{index}", index % 3);
    }
    check(vec![report], &["more roles are left out"]);
}

#[test]
fn many_findings_are_cut() {
    let mut report = bit();
    let one = report.findings[0].clone();
    report.findings.extend(std::iter::repeat_n(one, 100_000));
    for finding in report.findings.iter_mut().step_by(50) {
        finding.message = "&".repeat(1000);
        finding.hint = Some("\u{202e}".repeat(1000));
    }
    check(
        vec![report],
        &["more findings are left out", "more places are left out"],
    );
}

#[test]
fn many_keys_are_cut() {
    let mut report = verified();
    let one = report.metadata[0].clone();
    report.metadata.extend(std::iter::repeat_n(one, 100_000));
    for row in report.metadata.iter_mut().step_by(50) {
        row.values = [Some("'".repeat(10_000)), Some("<".repeat(10_000))];
    }
    check(vec![report], &["more keys are left out"]);
}

#[test]
fn many_subjects_are_cut_those_that_are_verified_first() {
    let mut reports = vec![verified(); 3000];
    reports.push(bit());
    let says = [
        "<section id=\"s3001\"",
        "more reports are left out",
        "subjects are left out",
    ];
    check(reports, &says);
}
