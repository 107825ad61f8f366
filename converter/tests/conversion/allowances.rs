//! Files as people have them: odd but clear in their meaning, so that they convert and the caller is told.

use converter::{Error, Unsupported};
use fixtures::{
    gguf::{Model, Value},
    models,
};
use serde_json::{Map, Value as Json, json};

use fixtures::shared;

use crate::support::{Artifact, Workbench, pending_bytes};

#[test]
fn integer_scores_become_the_same_numbers_as_f32() {
    let mut model = models::llama_spm();
    let scores = (0..320).map(|index| Value::I32(-index)).collect();
    model.set("tokenizer.ggml.scores", Value::Array(5, scores));
    let (metadata, warnings) = converted(&model);
    let written = metadata["tokenizer.scores"].as_array().unwrap();
    assert_eq!((written.len(), &written[7]), (320, &json!(-7.0)));
    assert!(
        warnings.contains("tokenizer.ggml.scores are integers (i32)"),
        "{warnings}"
    );
    // The source is rebuilt from the record, so that keeps the integers.
    let kept = recorded(&metadata, "tokenizer.ggml.scores");
    assert_eq!((&kept["of"], &kept["v"][7]), (&json!("i32"), &json!(-7)));

    let mut scores = vec![Value::I64(0); 320];
    scores[3] = Value::I64((1 << 24) + 1);
    model.set("tokenizer.ggml.scores", Value::Array(11, scores));
    let refusal = Workbench::new(&model).refusal();
    assert!(refusal.starts_with("tokenizer.ggml.scores[3]"), "{refusal}");
    assert!(refusal.ends_with("found 16777217"), "{refusal}");
}

#[test]
fn descriptive_keys_of_an_odd_type_are_kept_in_the_record() {
    let mut model = models::qwen2();
    model.set("general.version", 3_u32);
    model.set("general.license", Value::strings(&["mit", "apache-2.0"]));
    model.set("general.tags", "not a list");
    let (metadata, warnings) = converted(&model);
    assert_eq!(metadata.get("version"), None);
    assert_eq!(metadata["license"], Json::Null);
    assert_eq!(recorded(&metadata, "general.version"), json!(3));
    assert_eq!(recorded(&metadata, "general.license")["v"][0], "mit");
    assert_eq!(recorded(&metadata, "general.tags"), json!("not a list"));
    for key in [
        "general.version is 3, not a string",
        "general.license is 2 of str",
    ] {
        assert!(warnings.contains(key), "{warnings}");
    }
}

#[test]
fn a_key_that_an_old_file_lacks_can_be_given() {
    let mut model = models::llama();
    model.remove("llama.rope.freq_base").unwrap();
    let mut bench = Workbench::new(&model);
    assert!(bench.refusal().contains("llama.rope.freq_base is missing"));
    bench.request.set = given(&[
        ("tokenizer.ggml.unknown_token_id", "3"),
        ("llama.rope.freq_base", "500000"),
    ]);
    let pending = bench.convert().unwrap();
    let warnings = pending.warnings().join("; ");
    let told = "llama.rope.freq_base = 500000 (f32) was given for this conversion";
    assert!(warnings.contains(told), "{warnings}");
    let metadata = Artifact::of(&pending_bytes(&pending)).metadata;
    assert_eq!(metadata["rope_theta"], json!(500_000.0));
    assert_eq!(metadata["tokenizer.unknown_token_id"], json!(3));
    // As in "kv": the bits of a float, sorted by key.
    let expected = json!([
        ["llama.rope.freq_base", "f32", "48f42400"],
        ["tokenizer.ggml.unknown_token_id", "u32", 3],
    ]);
    assert_eq!(metadata["aprove"]["set"], expected);

    // But for the record, the artifact is that of a file which has the key.
    model.set("llama.rope.freq_base", 500_000.0_f32);
    model.set("tokenizer.ggml.unknown_token_id", 3_u32);
    let (mut complete, _) = converted(&model);
    let mut metadata = metadata;
    assert_eq!(complete["aprove"].get("set"), None);
    complete.remove("aprove");
    metadata.remove("aprove");
    assert_eq!(metadata, complete);
}

#[test]
fn a_given_key_never_replaces_one_and_is_never_useless() {
    let cases = [
        (&[("llama.rope.freq_base", "10000")][..], "never replaced"),
        // A source without it does not scale its positions.
        (
            &[("llama.rope.scaling.factor", "4")],
            "loaders read no key that is made of it",
        ),
        (
            &[("llama.expert_count", "-1")],
            "expected a whole number of 32 bits",
        ),
        (
            &[("llama.logit_scale", "2")],
            "loaders read no key that is made of it",
        ),
        (
            &[("qwen2.rope.freq_base", "2")],
            "loaders read no key that is made of it",
        ),
        (&[("aprove", "2")], "loaders read no key that is made of it"),
        (
            &[("tokenizer.ggml.pre\u{1b}", "x"), ("general.name", "x")],
            "tokenizer.ggml.pre\\u{1b}",
        ),
        (
            &[("general.author", "a"), ("general.author", "b")],
            "it is given twice",
        ),
    ];
    for (pairs, text) in cases {
        let mut bench = Workbench::new(&models::llama());
        bench.request.set = given(pairs);
        let refusal = bench.refusal();
        assert!(refusal.contains(text), "{refusal}");
        assert!(matches!(bench.convert().unwrap_err(), Error::Set { .. }));
    }
}

#[test]
fn a_number_that_is_given_is_finite() {
    let mut model = models::llama();
    model.remove("llama.rope.freq_base");
    for text in ["four", "inf", "nan", ""] {
        let mut bench = Workbench::new(&model);
        bench.request.set = given(&[("llama.rope.freq_base", text)]);
        let expected = format!("expected a finite number, found \"{text}\"");
        assert!(bench.refusal().contains(&expected), "{text}");
    }
}

#[test]
fn what_is_given_cannot_make_a_layer_norm_model_fit() {
    let mut model = models::llama();
    model.remove("llama.attention.layer_norm_rms_epsilon");
    model.set("general.architecture", "starcoder2");
    let mut bench = Workbench::new(&model);
    bench.request.set = given(&[("starcoder2.attention.layer_norm_rms_epsilon", "1e-5")]);
    assert!(bench.refusal().contains("LayerNorm"));
}

#[test]
fn automatic_storage_names_each_tensor_with_its_cost() {
    let mut model = models::with_type(8);
    let q4_0 = models::with_type(2).tensor("blk.0.ffn_gate.weight").clone();
    let up = model.tensor_mut("blk.0.ffn_up.weight");
    (up.type_id, up.data) = (q4_0.type_id, q4_0.data);
    let mut bench = Workbench::new(&model);
    bench.request.unsupported = Unsupported::Auto;
    let pending = bench.convert().unwrap();
    let warnings = pending.warnings();
    let (decoded, raw) = (&warnings[0], &warnings[1]);
    // 512 x 256 values: blocks of 34 or 18 bytes for 32 of them, 4 bytes for each when decoded.
    assert!(
        decoded.contains("139264 -> 524288 bytes in all"),
        "{decoded}"
    );
    assert!(
        decoded.contains("blk.0.ffn_gate.weight (Q8_0: 139264 -> 524288 bytes)"),
        "{decoded}"
    );
    assert!(
        raw.contains("blk.0.ffn_up.weight (Q4_0: 73728 -> 73728 bytes)"),
        "{raw}"
    );
    let metadata = Artifact::of(&pending_bytes(&pending)).metadata;
    let record = &metadata["aprove"];
    assert_eq!(record["decoded"], json!(["blk.0.ffn_gate.weight"]));
    assert_eq!(record["raw"], json!(["blk.0.ffn_up.weight"]));
}

#[needs::data("field", "attacks")]
#[test]
fn samples_from_the_field_convert_or_say_why_not() {
    let open = |name: &str| Workbench::with_files(&[("model.gguf".to_owned(), shared::read(name))]);
    for name in [
        "field/perlayer/llama-head_count-array.gguf",
        "field/tokenizer/scores-i32.gguf",
    ] {
        assert!(open(name).convert().is_ok(), "{name}");
    }
    for (name, type_name) in [
        ("attacks/ints/t24.gguf", "I8"),
        ("attacks/ints/t28.gguf", "F64"),
    ] {
        let mut bench = open(name);
        bench.request.unsupported = Unsupported::DecodeF32;
        let refusal = bench.refusal();
        assert!(
            refusal.contains(&format!("1 tensor as it is (1 {type_name}): extra.weight")),
            "{refusal}"
        );
    }
    let mut experts = open("field/moe/llama-mxfp4.gguf");
    assert!(experts.refusal().contains(" MXFP4)"));
    experts.request.unsupported = Unsupported::Auto;
    let pending = experts.convert().unwrap();
    assert!(
        pending.warnings()[0].contains("MXFP4: 4352 -> 32768 bytes"),
        "{:?}",
        pending.warnings()
    );
}

fn converted(model: &Model) -> (Map<String, Json>, String) {
    let pending = Workbench::new(model).convert().unwrap();
    let metadata = Artifact::of(&pending_bytes(&pending)).metadata;
    (metadata, pending.warnings().join("; "))
}

/// The value that the record keeps of a key of the source.
fn recorded(metadata: &Map<String, Json>, key: &str) -> Json {
    let pairs = metadata["aprove"]["sources"][0]["kv"].as_array().unwrap();
    pairs.iter().find(|pair| pair[0] == key).unwrap()[2].clone()
}

fn given(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[test]
fn rows_without_a_token_are_a_warning() {
    let mut model = models::llama();
    for name in ["token_embd.weight", "output.weight"] {
        let tensor = model.tensor_mut(name);
        let row = tensor.data.len() / usize::try_from(tensor.dims[1]).unwrap();
        tensor.dims[1] += 1;
        tensor.data.extend_from_within(..row);
    }
    let pending = Workbench::new(&model).convert().unwrap();
    let said = pending.warnings().join("\n");
    assert!(
        said.contains("token_embd.weight has 321 rows for 320 tokens"),
        "{said}"
    );
}

#[test]
fn the_base_of_llama_cpp_is_assumed_for_the_record_alone() {
    let mut model = models::llama();
    model.remove("llama.rope.freq_base");
    let mut bench = Workbench::new(&model);
    assert!(
        bench
            .refusal()
            .starts_with("llama.rope.freq_base is missing")
    );
    bench.request.record_only = true;
    let said = bench.convert().unwrap().warnings().join("\n");
    let text = "llama.rope.freq_base = 10000 (f32) is assumed, as llama.cpp does";
    assert!(said.contains(text), "{said}");
    let metadata = Artifact::of(&bench.artifact()).metadata;
    assert_eq!(metadata["rope_theta"], 10_000.0);
    assert_eq!(metadata["aprove"]["set"][0][0], "llama.rope.freq_base");
}

#[test]
fn warnings_of_one_kind_are_counted_beyond_twenty() {
    let mut model = models::qwen2();
    for number in 0..500 {
        model.set(format!("qwen2.key{number}"), 1_u32);
        model.set(format!("tokenizer.ggml.a{number}_token_id"), 9_999_u32);
    }
    let mut bench = Workbench::new(&model);
    bench.request.record_only = true;
    let pending = bench.convert().unwrap();
    let warnings = pending.warnings();
    assert!(warnings.len() < 45, "{}", warnings.len());
    let counted = warnings.iter().filter(|said| said.ends_with("480 more"));
    assert_eq!(counted.count(), 2);
}

#[test]
fn positions_that_loaders_do_not_stretch_are_a_warning() {
    let said = |model: &Model| {
        let warnings = Workbench::new(model)
            .convert()
            .unwrap()
            .warnings()
            .join("\n");
        warnings.contains("stretches positions")
    };
    let mut model = models::llama_scaled();
    assert!(said(&model));
    model.set("llama.rope.scaling.type", "none");
    assert!(!said(&model));
    model.tensors.push(fixtures::gguf::Tensor {
        name: b"rope_freqs.weight".to_vec(),
        dims: vec![32],
        type_id: 0,
        data: 1_f32.to_le_bytes().repeat(32),
    });
    assert!(said(&model));
    assert!(!said(&models::llama()));
}
