//! The twenty one-defect files: each is found, under its category and at its place.

mod common;

use fixtures::defects::{Defect, Seal, apr_defects};
use fixtures::{apr, models};
use verifier::finding::Side;
use verifier::report::{PlaceRow, Report};
use verifier::verdict::Verdict;

fn report(apr: &[u8], gguf: &[u8]) -> Report {
    common::report(&apr.to_vec(), &gguf.to_vec(), 1)
}

fn check(defect: &Defect, report: &Report) {
    let text = verifier::report::text::full(report);
    let title = format!("{} {}\n{text}", defect.number, defect.name);
    assert_ne!(report.verdict, Verdict::Verified, "{title}");
    let named: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.code == defect.code)
        .collect();
    assert!(!named.is_empty(), "{} is not named: {title}", defect.code);
    let places: Vec<_> = named.iter().flat_map(|finding| &finding.places).collect();
    let causes: Vec<_> = named
        .iter()
        .filter_map(|finding| finding.cause.as_ref())
        .collect();
    for also in also(defect.number) {
        assert!(
            report.findings.iter().any(|finding| finding.code == *also),
            "{also}: {title}"
        );
    }
    if let Some(tensor) = &defect.tensor {
        assert!(
            places
                .iter()
                .any(|place| place.name.as_ref() == Some(tensor)),
            "{tensor}: {title}"
        );
    }
    if let Some(offset) = defect.offset {
        let holds = |place: &&PlaceRow| {
            place.file == Side::Apr
                && place.offset.is_some_and(|start| {
                    (start..=start + place.length.unwrap_or(0)).contains(&offset)
                })
        };
        assert!(places.iter().any(holds), "{offset}: {title}");
    }
    if let Some(detail) = defect.detail {
        let in_place = |place: &PlaceRow| {
            place
                .detail
                .as_ref()
                .is_some_and(|found| found.contains(detail))
        };
        let said = places.iter().any(|place| in_place(place))
            || named.iter().any(|finding| finding.message.contains(detail))
            || causes.iter().any(|cause| cause.text.contains(detail));
        assert!(said, "{detail}: {title}");
    }
}

/// What else such a file must be found guilty of.
fn also(number: u32) -> &'static [&'static str] {
    match number {
        9 => &["apr.data.hole"],
        10 | 11 => &["apr.meta.copies-disagree"],
        _ => &[],
    }
}

#[test]
fn every_defect_is_found_under_its_category_and_at_its_place() {
    let model = models::qwen2();
    let gguf = model.to_bytes();
    let base = apr::from_model(&model).to_bytes();
    assert_eq!(
        report(&base, &gguf).verdict,
        Verdict::Verified,
        "{}",
        verifier::report::text::full(&report(&base, &gguf))
    );
    for seal in [Seal::Raw, Seal::Resealed] {
        let defects = apr_defects(&base, seal);
        assert_eq!(defects.len(), 20);
        for defect in &defects {
            check(defect, &report(&defect.bytes, &gguf));
        }
    }
}

#[test]
fn the_order_of_the_two_files_is_free() {
    let model = models::tiny();
    let (gguf, base) = (model.to_bytes(), apr::from_model(&model).to_bytes());
    let one = verifier::report::to_json(&report(&base, &gguf));
    let other = common::report(&gguf, &base, 7);
    assert_eq!(one, verifier::report::to_json(&other));
}
