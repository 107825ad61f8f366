//! JUnit XML for the test page of a pipeline: a suite for each subject, a test case for each thing that was held against
//! another. What differs is a failure, what is undecided an error, and what a policy lets pass is skipped.

mod cases;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use verifier::code::Code;
use verifier::report::text;

use crate::words::{clipped, digest, headline};
use crate::{Answer, Subject};

use self::cases::{Case, Result, cases};

/// Writes the document.
pub(crate) fn document(answer: &Answer<'_>) -> String {
    let mut report = Report::new("aprove");
    report.add_test_suites(answer.subjects.iter().map(|subject| suite(answer, subject)));
    if answer.subjects.is_empty() {
        let mut suite = TestSuite::new("aprove");
        let nothing = Case::new("verdict").with(Result::Undecided, "nothing was compared");
        suite.add_test_case(test_case("aprove", &nothing));
        report.add_test_suite(suite);
    }
    #[expect(
        clippy::expect_used,
        reason = "a document that is not written must not look like an empty one"
    )]
    let text = report
        .to_string()
        .expect("a text takes whatever is written");
    // The schemas of Jenkins and of Ant know this count of a suite, and not of all suites, which come first.
    text.replacen(&format!(" skipped=\"{}\"", report.skipped), "", 1)
}

fn suite(answer: &Answer<'_>, subject: &Subject) -> TestSuite {
    let report = &subject.report;
    let name = clipped(&subject.name(), LONG);
    let mut suite = TestSuite::new(name.as_str());
    suite.add_properties([
        Property::new("aprove", answer.version),
        Property::new("command", clipped(answer.command, LONG).as_str()),
        Property::new("verdict", text::verdict(report).as_str()),
    ]);
    for (path, file) in subject.files() {
        let (kind, digest) = digest(file).unwrap_or(("blake3", "not read to its end"));
        suite.add_property(Property::new(
            format!("{kind} of {}", clipped(path, LONG)),
            digest,
        ));
    }
    let headline = headline(report);
    let cases = cases(subject, &headline);
    suite.add_test_cases(cases.iter().map(|case| test_case(&name, case)));
    suite.set_system_out(headline);
    suite
}

fn test_case(suite: &str, case: &Case) -> TestCase {
    let mut status = match case.result {
        Result::Passed => TestCaseStatus::success(),
        Result::Skipped => TestCaseStatus::skipped(),
        Result::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Result::Undecided => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    if case.result != Result::Passed {
        status.set_message(case.message.as_str());
        // Ant wants a type of what did not pass.
        let otherwise = (case.result != Result::Skipped).then_some("verdict");
        if let Some(kind) = case.code.map(Code::as_str).or(otherwise) {
            status.set_type(kind);
        }
        if !case.details.is_empty() {
            status.set_description(case.details.join("\n"));
        }
    }
    let mut test = TestCase::new(clipped(&case.name, LONG), status);
    test.set_classname(suite);
    if !case.remarks.is_empty() {
        test.set_system_out(case.remarks.join("\n"));
    }
    test
}

/// Characters of a name that a file can have made long.
const LONG: usize = 500;
