//! Edits of a model, written again as a well-formed GGUF. What the converter takes is verified and gives its source back, bit
//! for bit; and the artifact of the unchanged model is never verified with it.
#![no_main]

use std::fs;

use fixtures::models::tiny;
use fuzz::{
    Bench, PAIR,
    edits::{Edit, edited},
    judged,
    models::{ModelEdit, edit},
};
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use verifier::{
    Verdict,
    code::Code,
    report::{FindingRow, text::full},
};

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    edits: Vec<ModelEdit<'a>>,
    bytes: Option<Edit>,
}

fuzz_target!(|case: Case<'_>| {
    let mut model = tiny();
    edit(&mut model, &case.edits);
    let gguf = edited(&model.to_bytes(), case.bytes.as_slice());
    let against_original = judged(&PAIR.apr, &gguf).verdict;
    assert_eq!(against_original == Verdict::Verified, gguf == PAIR.gguf);

    let bench = Bench::new(&gguf);
    let Ok(artifact) = bench.convert(1) else {
        return;
    };
    let report = judged(&fs::read(&artifact).unwrap(), &gguf);
    // What is no number is refused on its own account, where both files have it.
    let decides = |row: &&FindingRow| {
        let not_finite = [Code::TensorValueNotFinite, Code::TensorScaleNotFinite];
        row.effect.decides() && row.code != Code::MetaLost && !not_finite.contains(&row.code)
    };
    assert!(
        !report.findings.iter().any(|row| decides(&row)),
        "{}",
        full(&report)
    );
    assert!(bench.restore(&artifact).unwrap() == gguf, "restored");
});
