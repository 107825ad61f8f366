//! One model on its own: what contradicts itself, and what has nothing to check.

use fixtures::{apr, models};
use verifier::check::{Sidecar, check, text};
use verifier::verdict::Verdict::{self, Different, Undecided, Verified};
use verifier::{Input, Options};

#[track_caller]
fn assert_checked(bytes: &[u8], verdict: Verdict, says: &str) {
    let bytes = bytes.to_vec();
    let input = Input {
        name: "m".to_owned(),
        shards: vec![("m".to_owned(), &bytes)],
    };
    let report = check(&input, &Sidecar::Absent, &Options::default(), &());
    let text = text::full(&report);
    assert_eq!(report.verdict, verdict, "{text}");
    assert!(text.contains(says), "{says}: {text}");
}

#[test]
fn what_has_no_tensors_is_no_model() {
    let mut model = models::qwen2();
    model.tensors.clear();
    let says = "a vocabulary without weights, not a model";
    assert_checked(&model.to_bytes(), Undecided, says);
    let mut image = apr::from_model_b(&models::tiny());
    image.tensors.clear();
    let says = "metadata without weights, not a model";
    assert_checked(&image.to_bytes(), Undecided, says);
}

#[test]
fn an_apr_file_that_denies_its_own_tensors_is_different() {
    let sound = apr::from_model(&models::qwen2());
    assert_checked(&sound.to_bytes(), Verified, "only the format");
    let mut less = sound.clone();
    less.tensors.pop();
    assert_checked(&less.to_bytes(), Different, "[meta.tensor_shapes]");
    let says = "different: the file contradicts itself: param_count";
    assert_checked(&less.to_bytes(), Different, says);
    let mut counted = sound;
    let count = "\"param_count\":";
    counted.metadata = counted.metadata.replacen(count, &format!("{count}1"), 1);
    assert_checked(&counted.to_bytes(), Different, "[meta.param_count]");
}

#[needs::data("apr")]
#[test]
fn real_imports_hold_what_they_say_of_their_tensors() {
    for name in [
        "llama.A", "llama.B", "qwen2.A", "qwen2.B", "qwen3.A", "qwen3.B",
    ] {
        let bytes = fixtures::shared::read(&format!("apr/{name}.apr"));
        assert_checked(&bytes, Verified, "only the format");
    }
}

#[needs::data("vocab")]
#[test]
fn a_vocabulary_file_is_said_to_be_one() {
    let bytes = fixtures::shared::read("vocab/ggml-vocab-llama-spm.gguf");
    assert_checked(&bytes, Undecided, "a vocabulary without weights");
}
