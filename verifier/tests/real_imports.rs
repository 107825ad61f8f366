//! Files made by the real `apr import`, both converters, next to their sources.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use fixtures::shared;
use verifier::report::Report;
use verifier::source::FileSource;
use verifier::verdict::Verdict;

fn report(apr: &str, gguf: &str) -> Report {
    let open = |name: &str| FileSource::open(&shared::path(name)).unwrap();
    let apr = open(&format!("apr/{apr}"));
    let gguf = open(&format!("oracle/{gguf}"));
    common::report(&apr, &gguf, 1)
}

#[needs::data("apr", "oracle")]
#[test]
fn imports_with_right_bytes_and_metadata_are_verified_and_what_they_drop_is_named() {
    for (apr, gguf, lost) in [
        ("qwen2.A.apr", "qwen2.gguf", "general.file_type"),
        ("qwen2.B.apr", "qwen2.gguf", "tokenizer.ggml.pre"),
        ("llama.A.apr", "llama.gguf", "llama.rope.dimension_count"),
        ("llama.B.apr", "llama.gguf", "tokenizer.ggml.token_type"),
        ("qwen3.B.apr", "qwen3.gguf", "qwen3.attention.key_length"),
    ] {
        let report = report(apr, gguf);
        let text = verifier::report::text::full(&report);
        assert_eq!(report.verdict, Verdict::Verified, "{apr}: {text}");
        let named = |row: &verifier::report::KeyRow| row.key == lost && row.result == "lost";
        assert!(report.metadata.iter().any(named), "{apr}: {text}");
        assert!(report.files.iter().all(|file| file.covered == file.size));
    }
}

#[needs::data("apr", "oracle")]
#[test]
fn the_rope_type_of_the_qwen3_import_is_named_as_the_one_error() {
    let report = report("qwen3.A.apr", "qwen3.gguf");
    let text = verifier::report::text::full(&report);
    assert_eq!(report.verdict, Verdict::Different);
    assert_eq!(report.reasons, ["meta.rope_type"], "{text}");
    assert_eq!(report.counts.bytes_equal, 25);
}
