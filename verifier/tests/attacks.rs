//! Files that no honest conversion gives, every checksum in them right.
//!
//! The samples are not part of the repository. Their records are of version 1, which is read and never accepted. Those that
//! need the command line (sidecars, manifests in the place of models, sources that `convert` refuses) are in
//! `fixtures/end-to-end/manifests.rs` and `converter/tests`.

mod common;

use fixtures::shared;
use verifier::report::text;
use verifier::verdict::Verdict;

#[needs::data("attacks", "field/rope-table")]
#[test]
fn every_sample_gets_its_verdict_and_its_code() {
    let mut wrong = Vec::new();
    for (apr, gguf, verdict, code) in SAMPLES {
        let report = common::report(&shared::read(apr), &shared::read(gguf), 1);
        let named = report.findings.iter().any(|finding| finding.code == *code);
        if report.verdict != *verdict || !named {
            wrong.push(format!("{apr}: {code}\n{}", text::full(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

type Sample = (&'static str, &'static str, Verdict, &'static str);

const LLAMA: &str = "attacks/typed/llama.gguf";
const SERDE: &str = "attacks/serde/llama.gguf";
const SAMPLES: &[Sample] = &[
    (
        "attacks/lost-but-recorded/qwen2.apr",
        "attacks/lost-but-recorded/qwen2.gguf",
        Verdict::Different,
        "meta.lost",
    ),
    (
        "attacks/typed/model_type.apr",
        LLAMA,
        Verdict::Different,
        "meta.type",
    ),
    (
        "attacks/typed/param_count.apr",
        LLAMA,
        Verdict::Different,
        "meta.type",
    ),
    (
        "attacks/typed/sharding.apr",
        LLAMA,
        Verdict::Different,
        "meta.type",
    ),
    (
        "attacks/serde/num-1e400.apr",
        SERDE,
        Verdict::Undecided,
        "apr.meta.json",
    ),
    (
        "attacks/serde/digits.apr",
        SERDE,
        Verdict::Undecided,
        "apr.meta.json",
    ),
    (
        "attacks/serde/depth127.apr",
        SERDE,
        Verdict::Undecided,
        "apr.meta.json",
    ),
    (
        "attacks/record/300.apr",
        "attacks/record/300.gguf",
        Verdict::Different,
        "meta.record",
    ),
    (
        "attacks/record/312.apr",
        "attacks/record/312.gguf",
        Verdict::Different,
        "meta.record",
    ),
    (
        "attacks/record/318.apr",
        "attacks/record/318.gguf",
        Verdict::Different,
        "meta.record",
    ),
    (
        "attacks/record/326.apr",
        "attacks/record/326.gguf",
        Verdict::Different,
        "meta.record",
    ),
    (
        "field/rope-table/plamo-A.apr",
        "field/rope-table/plamo.gguf",
        Verdict::Different,
        "meta.rope_type",
    ),
];
