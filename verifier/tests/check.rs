//! One model on its own: what contradicts itself, and what has nothing to check.

use fixtures::gguf::Value as Number;
use fixtures::{apr, damage, models};
use serde_json::{Value, json};
use verifier::check::{Sidecar, check, text};
use verifier::finding::Effect;
use verifier::manifest;
use verifier::report::Report;
use verifier::report::text::grouped;
use verifier::verdict::Verdict::{self, Different, Undecided, Verified};
use verifier::{Input, Options};

fn checked(bytes: &[u8]) -> Report {
    let bytes = bytes.to_vec();
    let input = Input {
        name: "m".to_owned(),
        shards: vec![("m".to_owned(), &bytes)],
    };
    check(&input, &Sidecar::Absent, &Options::default(), &())
}

fn checked_with(bytes: &[u8], sidecar: &str) -> Report {
    let bytes = bytes.to_vec();
    let input = Input {
        name: "m".to_owned(),
        shards: vec![("m".to_owned(), &bytes)],
    };
    let sidecar = manifest::parse("m.manifest.json", sidecar.as_bytes());
    let sidecar = sidecar.map_or(Sidecar::Absent, Sidecar::Read);
    check(&input, &sidecar, &Options::default(), &())
}

#[track_caller]
fn assert_checked(bytes: &[u8], verdict: Verdict, says: &str) {
    let report = checked(bytes);
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

#[test]
fn a_layer_that_lacks_what_its_siblings_have_is_named() {
    let whole = models::qwen2();
    let says = "layer 1 has no attn_norm.weight, which layer 0 has";
    let taken = |name: &str| {
        let mut model = whole.clone();
        model
            .tensors
            .retain(|tensor| tensor.name != name.as_bytes());
        model
    };
    let model = taken("blk.1.attn_norm.weight");
    assert_checked(&model.to_bytes(), Undecided, says);
    for file in [apr::from_model(&model), apr::from_model_b(&model)] {
        assert_checked(&file.to_bytes(), Undecided, says);
    }
    let says = "layer 0 has no ffn_up.weight, which layer 1 has";
    assert_checked(&taken("blk.0.ffn_up.weight").to_bytes(), Undecided, says);
    // Each layer lacks what the other one has.
    let mut model = model;
    model
        .tensors
        .retain(|tensor| tensor.name != b"blk.0.attn_q.bias");
    assert_checked(&model.to_bytes(), Undecided, "[tensor.layers]");
    let mut model = models::qwen2_deep();
    model
        .tensors
        .retain(|tensor| !tensor.name.starts_with(b"blk.3."));
    assert_checked(&model.to_bytes(), Undecided, "layer 3 is missing");
    let mut model = whole.clone();
    model
        .tensors
        .retain(|tensor| !tensor.name.starts_with(b"blk.1."));
    let says = "layer 1 is missing: the file says that it has 2 layers";
    assert_checked(&model.to_bytes(), Undecided, says);
}

#[test]
fn of_an_unknown_architecture_unlike_layers_are_a_warning() {
    let mut model = models::qwen2();
    model.set("general.architecture", "hybrid");
    model
        .tensors
        .retain(|tensor| tensor.name != b"blk.1.attn_norm.weight");
    let says = "a warning: layer 1 has no attn_norm.weight";
    assert_checked(&model.to_bytes(), Verified, says);
    // The file says why: the layer has no heads, or it is an adapter of some layers.
    let mut of_heads = model.clone();
    let heads = Number::Array(4, vec![Number::U32(4), Number::U32(0)]);
    of_heads.set("hybrid.attention.head_count", heads);
    let mut adapter = model.clone();
    adapter.set("general.type", "adapter");
    // What no engine needs may be in one layer alone.
    let mut biased = models::llama();
    let mut bias = biased.tensor("blk.1.attn_norm.weight").clone();
    bias.name = b"blk.1.attn_output.bias".to_vec();
    biased.tensors.push(bias);
    let says = "a warning: layer 0 has no attn_output.bias, which layer 1 has";
    assert_checked(&biased.to_bytes(), Verified, says);
    // Something else in its place: another kind of layer.
    model.tensor_mut("blk.1.ffn_norm.weight").name = b"blk.1.ssm_norm.weight".to_vec();
    for model in [of_heads, adapter, model] {
        let findings = checked(&model.to_bytes()).findings;
        assert!(findings.iter().all(|one| one.code != "tensor.layers"));
    }
}

#[needs::data("arch")]
#[test]
fn layers_of_honest_architectures_may_be_unlike() {
    for (name, bytes) in fixtures::shared::files("arch", ".gguf") {
        let report = checked(&bytes);
        let odd = report
            .findings
            .iter()
            .find(|one| one.code == "tensor.layers");
        assert!(odd.is_none(), "{name}: {odd:?}");
    }
}

#[test]
fn a_record_that_does_not_give_its_source_back_is_different() {
    let model = models::qwen2();
    let sound = apr::converted(&model);
    assert_checked(&sound.to_bytes(), Verified, "and of its source");
    let source = "/aprove/sources/0";
    let mut other = model.clone();
    other.set("general.license", "another");
    let of_other = apr::converted(&other).metadata["aprove"]["sources"][0].clone();
    let edits: [(&str, Value); 4] = [
        ("blake3", json!("0".repeat(64))),
        ("blake3", of_other["blake3"].clone()),
        ("version", json!(2)),
        ("kv", of_other["kv"].clone()),
    ];
    for (member, value) in edits {
        let mut forged = sound.clone();
        *forged.at(&format!("{source}/{member}")) = value;
        assert_checked(&forged.to_bytes(), Different, "record of the source");
    }
    // A tensor and its own digest, put right.
    let mut forged = sound;
    let name = forged.tensors[3].name.clone();
    forged.tensors[3].data[5] ^= 1;
    let digest = blake3::hash(&forged.tensors[3].data).to_hex();
    let digests = forged
        .at("/aprove/tensors")
        .as_object_mut()
        .expect("digests");
    digests.insert(
        String::from_utf8(name).expect("a name"),
        json!(digest.as_str()),
    );
    assert_checked(&forged.to_bytes(), Different, "does not have the BLAKE3");
}

#[test]
fn a_source_of_much_padding_is_held() {
    let mut model = models::qwen2();
    model.alignment = 1 << 20;
    let sound = apr::converted(&model);
    assert_checked(&sound.to_bytes(), Verified, "and of its source");
    let mut forged = sound;
    *forged.at("/aprove/sources/0/blake3") = json!("0".repeat(64));
    assert_checked(&forged.to_bytes(), Different, "record of the source");
    // Of a size that nobody writes, the digest is not computed, and nothing is taken on trust.
    *forged.at("/aprove/sources/0/size") = json!(1_u64 << 50);
    let report = checked(&forged.to_bytes());
    assert_ne!(report.verdict, Verified, "{}", text::full(&report));
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

#[test]
fn a_sidecar_that_cannot_be_used_was_not_used() {
    let bytes = models::tiny().to_bytes();
    let list = format!("{}  m\n", "0".repeat(64));
    for (sidecar, says) in [
        (list.as_str(), "the sidecar beside the file cannot be used"),
        (
            r#"{"manifest": 2, "files": 3}"#,
            "nothing of the file was held against the sidecar m.manifest.json",
        ),
    ] {
        let report = checked_with(&bytes, sidecar);
        let text = text::full(&report);
        assert_eq!(report.verdict, Undecided, "{text}");
        assert!(text.contains(says), "{text}");
        assert!(!text.contains("was used"), "{text}");
    }
}

/// What the artifact says of its source cannot be computed of what it holds: it is not trusted, and the answer says so.
#[test]
fn a_recorded_source_of_decoded_tensors_is_said_to_be_open() {
    let mut artifact = apr::converted(&models::small());
    artifact.decode_f16(
        "blk.0.attn_q.weight",
        "model.layers.0.self_attn.q_proj.weight",
    );
    let report = checked(&artifact.to_bytes());
    let text = text::full(&report);
    assert_eq!(report.verdict, Verified, "{text}");
    let first = text.lines().next();
    let says = "not that of its source, so that tokens, merges and the chat template are not held against the record: 1 tensor";
    assert!(first.is_some_and(|first| first.contains(says)), "{text}");
    let mut findings = report.findings.iter();
    let open = findings.find(|one| one.code == "meta.record-unchecked");
    assert!(
        open.is_some_and(|open| open.effect == Effect::Note),
        "{text}"
    );
}

#[test]
fn the_bytes_of_a_cut_file_are_those_that_were_held() {
    let apr = apr::converted(&models::small()).to_bytes();
    let cut = damage::truncate(&apr, apr.len() - 400);
    let report = checked(&cut);
    let text = text::full(&report);
    let held = report.counts.tensor_bytes_compared;
    let tensors = models::small().tensors;
    let all = tensors.iter().map(|one| one.data.len() as u64).sum();
    let (held, all) = (grouped(held), grouped(all));
    assert!(
        text.contains(&format!("digest; {held} of {all} bytes")),
        "{text}"
    );
}
