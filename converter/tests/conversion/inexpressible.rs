//! Files that are no models, and models that APR cannot hold without a loader running them wrong.

use converter::Error;
use fixtures::{
    gguf::{Model, Tensor, Value},
    models,
};

use fixtures::shared;

use crate::support::{Artifact, Workbench};

#[test]
fn what_no_key_says_of_an_architecture_is_refused() {
    for (architecture, reason) in [
        ("starcoder2", "LayerNorm"),
        ("olmo", "LayerNorm without weights"),
        ("qwen3next", "gated delta rules"),
        ("lfm2", "short convolutions"),
        ("qwen2vl", "rope in sections"),
        ("dream", "looks ahead"),
        ("mamba", "state spaces"),
        // What their files leave to the architecture.
        (
            "llama4",
            "no rope in one of 4 layers, chunks in all but one of 4 layers",
        ),
        ("smollm3", "no rope in one of 4 layers"),
        ("gemma2", "window in all but one of 2 layers"),
        ("olmoe", "experts (softmax, not normalised)"),
        ("baichuan", "no rope"),
        ("grok", "scales and caps"),
        ("arctic", "dense feed-forward"),
        ("deci", "nothing in place of the attention"),
        ("mellum", "windows, and experts"),
    ] {
        let mut model = as_architecture(architecture);
        // Whether the keys of a llama are there or not: they are not the reason, and adding them is no help.
        for has_keys in [true, false] {
            if !has_keys {
                for ending in ["attention.layer_norm_rms_epsilon", "rope.freq_base"] {
                    model.remove(format!("{architecture}.{ending}"));
                }
            }
            let bench = Workbench::new(&model);
            let refusal = bench.refusal();
            let expected = format!("general.architecture = {architecture}: no key of APR says");
            assert!(
                refusal.contains(&expected) && refusal.contains(reason),
                "{refusal}"
            );
            assert!(!refusal.contains("layer_norm_rms_epsilon"), "{refusal}");
            let error = bench.convert().unwrap_err();
            assert!(matches!(error, Error::NotCarried { .. }), "{error}");
        }
    }
}

#[test]
fn what_apr_cannot_say_is_kept_on_request() {
    for (architecture, rotates) in [
        ("gemma2", true),
        ("plamo", true),
        ("mamba", false),
        ("mellum", false),
    ] {
        let mut model = as_architecture(architecture);
        // No loader runs it, so that none needs a key.
        for ending in ["attention.layer_norm_rms_epsilon", "rope.freq_base"] {
            model.remove(format!("{architecture}.{ending}"));
        }
        if architecture == "gemma2" {
            model.set("gemma2.attention.sliding_window", 4096_u32);
            for name in ["post_attention_norm", "post_ffw_norm"] {
                add_norm(&mut model, name);
            }
        }
        let mut bench = Workbench::new(&model);
        bench.request.record_only = true;
        let metadata = Artifact::of(&bench.artifact()).metadata;
        let kept = metadata["aprove"]["record_only"].as_array().unwrap();
        assert_eq!(kept[kept.len() - 1], "general.architecture");
        assert_eq!(metadata["architecture"], architecture);
        assert_eq!(metadata.get("rope_type").is_some(), rotates);
        for absent in ["rms_norm_eps", "rope_theta"] {
            assert!(!metadata.contains_key(absent), "{architecture}: {absent}");
        }
    }
}

/// A norm in each layer, as that before the attention.
fn add_norm(model: &mut Model, name: &str) {
    for layer in 0..2 {
        let mut norm = model
            .tensor(format!("blk.{layer}.attn_norm.weight"))
            .clone();
        norm.name = format!("blk.{layer}.{name}.weight").into_bytes();
        model.tensors.push(norm);
    }
}

#[test]
fn what_writes_no_text_and_what_nobody_knows_is_refused() {
    for (architecture, reason) in [
        ("bert", "encoder"),
        ("modern-bert", "encoder"),
        ("t5", "encoder"),
        ("eagle3", "another model"),
        ("pockettts", "sound"),
        ("unheard-of", "not known"),
        ("qw\u{1b}en2", "not known"),
    ] {
        let mut bench = Workbench::new(&as_architecture(architecture));
        for record_only in [false, true] {
            bench.request.record_only = record_only;
            assert!(bench.refusal().contains(reason), "{architecture}");
        }
    }
}

/// Converters write these keys without the architecture.
#[test]
fn keys_of_an_activation_are_refused_and_kept_on_request() {
    let mut model = as_architecture("apertus");
    model.set("xielu.beta", Value::Array(6, vec![0.5_f32.into(); 2]));
    let mut bench = Workbench::new(&model);
    let refusal = bench.refusal();
    assert!(refusal.contains("xielu.beta = 2 of f32"), "{refusal}");
    bench.request.record_only = true;
    let metadata = Artifact::of(&bench.artifact()).metadata;
    let kept = &metadata["aprove"]["record_only"];
    assert_eq!(
        *kept,
        serde_json::json!(["general.architecture", "xielu.beta"])
    );
}

#[test]
fn numbers_of_single_layers_are_kept_on_request() {
    let mut model = as_architecture("exaone");
    model.set(
        "exaone.attention.head_count_kv",
        Value::Array(4, vec![2_u32.into(), 4_u32.into()]),
    );
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("exaone.attention.head_count_kv"),
        "{refusal}"
    );
    let mut bench = Workbench::new(&model);
    bench.request.record_only = true;
    let metadata = Artifact::of(&bench.artifact()).metadata;
    let kept = &metadata["aprove"]["record_only"];
    assert_eq!(*kept, serde_json::json!(["exaone.attention.head_count_kv"]));
    assert!(!metadata.contains_key("num_kv_heads"));
}

#[test]
fn a_missing_weight_is_named_whichever_it_is() {
    let complete = models::qwen3();
    let mut checked = 0;
    for tensor in &complete.tensors {
        let name = str::from_utf8(&tensor.name).unwrap();
        // Without it the model is one that is tied.
        if name == "output.weight" {
            continue;
        }
        let mut model = models::qwen3();
        model.tensors.retain(|other| other.name != tensor.name);
        let refusal = Workbench::new(&model).refusal();
        let expected = format!("{name} is missing");
        assert!(refusal.contains(&expected), "{refusal}");
        assert!(refusal.contains("incomplete"), "{refusal}");
        checked += 1;
    }
    assert_eq!(checked, 2 + 2 * 11);
}

#[test]
fn a_weight_that_all_layers_lack_is_named() {
    let mut model = models::llama();
    let part = b"ffn_gate.weight";
    model.tensors.retain(|tensor| !tensor.name.ends_with(part));
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("blk.0.ffn_gate.weight is missing"),
        "{refusal}"
    );
    assert!(
        refusal.contains("blk.1.ffn_gate.weight is missing"),
        "{refusal}"
    );
}

/// The qwen2 model without the tensors of these names.
fn without(is_gone: impl Fn(&[u8]) -> bool) -> Model {
    let mut model = models::qwen2();
    model.tensors.retain(|tensor| !is_gone(&tensor.name));
    model
}

#[test]
fn biases_of_the_attention_are_those_that_a_layer_has() {
    for model in [
        without(|name| name.ends_with(b".bias")),
        without(|name| name.starts_with(b"blk.1.") && name.ends_with(b".bias")),
    ] {
        assert_eq!(
            Workbench::new(&model).convert().unwrap().warnings(),
            [""; 0]
        );
    }
}

#[test]
fn biases_that_loaders_leave_out_are_named() {
    let with = |mut model: Model, name: &str, width| {
        model.tensors.push(Tensor {
            name: name.as_bytes().to_vec(),
            dims: vec![width],
            type_id: 0,
            data: vec![0; usize::try_from(width * 4).unwrap()],
        });
        model
    };
    for (model, tensor) in [
        (
            without(|name| name == b"blk.1.attn_v.bias"),
            "blk.1.attn_q.bias",
        ),
        (
            without(|name| name.ends_with(b"attn_v.bias")),
            "blk.0.attn_k.bias",
        ),
        (
            with(models::llama(), "blk.0.ffn_gate.bias", 512),
            "blk.0.ffn_gate.bias",
        ),
        (with(models::qwen2(), "output.bias", 320), "output.bias"),
    ] {
        let mut bench = Workbench::new(&model);
        let refusal = bench.refusal();
        let text = format!("tensor {tensor}: it would not be added");
        assert!(refusal.contains(&text), "{refusal}");
        bench.request.record_only = true;
        let warnings = bench.convert().unwrap().warnings().join("\n");
        assert!(warnings.contains(&text), "{warnings}");
    }
}

#[test]
fn layers_unlike_the_block_count_are_refused() {
    for (count, text) in [
        (
            3_u32,
            "qwen2.block_count is 3, and the tensors are those of 2 layers",
        ),
        (
            1,
            "qwen2.block_count is 1, and the tensors are those of 2 layers",
        ),
        (u32::MAX, "qwen2.block_count is 4294967295"),
    ] {
        let mut model = models::qwen2();
        model.set("qwen2.block_count", count);
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(text), "{refusal}");
    }
    let mut model = models::qwen2();
    for tensor in &mut model.tensors {
        if let Some(rest) = tensor.name.strip_prefix(b"blk.1.") {
            tensor.name = [b"blk.9.", rest].concat();
        }
    }
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("all tensors of layer 1 are missing"),
        "{refusal}"
    );
}

#[test]
fn more_tokens_than_rows_of_the_embedding_are_refused() {
    let mut model = models::qwen2();
    let embedding = model.tensor_mut("token_embd.weight");
    embedding.dims[1] = 300;
    embedding.data.truncate(300 * 144);
    let refusal = Workbench::new(&model).refusal();
    let text = "tokenizer.ggml.tokens has 320 tokens, and token_embd.weight has rows for 300";
    assert!(refusal.contains(text), "{refusal}");
}

#[test]
fn keys_that_no_loader_reads_are_refused_with_what_would_go_wrong() {
    let cases: [(&str, Value, &str); 18] = [
        (
            "gemma2.attn_logit_softcapping",
            50.0_f32.into(),
            "attention scores would not be capped",
        ),
        (
            "gemma2.final_logit_softcapping",
            30.0_f32.into(),
            "logits would not be capped",
        ),
        (
            "minicpm.logit_scale",
            8.0_f32.into(),
            "logits would not be scaled",
        ),
        (
            "minicpm.residual_scale",
            0.22_f32.into(),
            "would not be scaled",
        ),
        (
            "minicpm.embedding_scale",
            12.0_f32.into(),
            "the embedding would not be scaled",
        ),
        (
            "gemma2.attention.sliding_window_pattern",
            2_u32.into(),
            "a window",
        ),
        (
            "mistral3.attention.temperature_scale",
            0.4_f32.into(),
            "by their position",
        ),
        ("olmo.attention.clamp_kqv", 8.0_f32.into(), "clamped"),
        ("gemma2.attention.causal", false.into(), "later ones"),
        ("gemma2.expert_gating_func", 2_u32.into(), "softmax"),
        (
            "gemma2.expert_weights_scale",
            2.5_f32.into(),
            "would not be scaled",
        ),
        ("gemma2.expert_weights_norm", true.into(), "normalised"),
        ("gemma2.expert_group_count", 8_u32.into(), "groups"),
        (
            "gemma2.leading_dense_block_count",
            1_u32.into(),
            "without experts",
        ),
        (
            "gemma2.rope.dimension_count",
            32_u32.into(),
            "all values of a head",
        ),
        (
            "gemma2.rope.scaling.attn_factor",
            0.7_f32.into(),
            "would not be scaled",
        ),
        (
            "gemma2.nextn_predict_layers",
            1_u32.into(),
            "predict later tokens",
        ),
        ("gemma2.brand_new_key", 1_u32.into(), "not a known key"),
    ];
    for (key, value, effect) in cases {
        let (architecture, _) = key.split_once('.').unwrap();
        let mut model = as_architecture(architecture);
        model.set(key, value);
        let bench = Workbench::new(&model);
        let refusal = bench.refusal();
        assert!(refusal.contains(&format!("{key} = ")), "{refusal}");
        assert!(refusal.contains(effect), "{refusal}");
        let error = bench.convert().unwrap_err();
        assert!(matches!(error, Error::NotCarried { .. }), "{error}");
    }
}

#[test]
fn keys_that_no_engine_reads_for_an_architecture_are_kept() {
    let pattern = Value::Array(7, vec![true.into(), false.into()]);
    for (ending, value) in [
        ("attention.layer_norm_epsilon", 1e-5_f32.into()),
        ("attention.sliding_window_pattern", pattern),
        ("attention.sliding_window_pattern", 0_u32.into()),
        ("attn_logit_softcapping", 50_f32.into()),
        ("logit_scale", 8_f32.into()),
    ] {
        let mut model = models::qwen2();
        let key = format!("qwen2.{ending}");
        model.set(key.as_str(), value);
        let bench = Workbench::new(&model);
        let pending = bench.convert().unwrap();
        let said = format!("{key} = ");
        let warnings = pending.warnings();
        assert!(
            matches!(warnings, [one] if one.starts_with(&said)),
            "{warnings:?}"
        );
        drop(pending);
        let metadata = Artifact::of(&bench.artifact()).metadata;
        assert!(metadata["aprove"].get("record_only").is_none(), "{key}");
    }
}

#[test]
fn experts_of_an_architecture_without_any_are_refused() {
    let mut model = models::qwen2();
    model.set("qwen2.expert_count", 8_u32);
    let refusal = Workbench::new(&model).refusal();
    let expected = "qwen2.expert_count is 8, and a qwen2 has no experts";
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn every_key_that_would_be_lost_is_named_at_once() {
    let mut model = as_architecture("granite");
    model.set("granite.logit_scale", 8.0_f32);
    model.set("granite.residual_scale", 0.22_f32);
    let refusal = Workbench::new(&model).refusal();
    for key in ["granite.logit_scale = 8", "granite.residual_scale = 0.22"] {
        assert!(refusal.contains(key), "{refusal}");
    }
}

#[test]
fn values_that_change_nothing_are_no_reason_to_refuse() {
    let mut model = as_architecture("exaone");
    for (ending, value) in [
        ("attn_logit_softcapping", Value::F32(0.0)),
        ("logit_scale", Value::F32(1.0)),
        ("attention.sliding_window", Value::U32(0)),
        ("attention.causal", Value::Bool(true)),
        ("rope.dimension_count", Value::U32(64)),
        ("rope.scaling.attn_factor", Value::F32(1.0)),
        ("nextn_predict_layers", Value::U32(0)),
        // Read for other architectures alone.
        ("attention.scale", Value::F32(0.0)),
        ("use_parallel_residual", Value::Bool(false)),
    ] {
        model.set(format!("exaone.{ending}"), value);
    }
    let pending = Workbench::new(&model).convert().unwrap();
    assert_eq!(pending.warnings().len(), 1, "{:?}", pending.warnings());
    assert!(pending.warnings()[0].contains("no release of `apr` runs"));
}

#[test]
fn a_window_that_llama_cpp_ignores_is_kept() {
    assert!(Workbench::new(&models::llama_scaled()).convert().is_ok());
    let mut model = as_architecture("gemma2");
    model.set("gemma2.attention.sliding_window", 256_u32);
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("gemma2.attention.sliding_window = 256"),
        "{refusal}"
    );
}

/// A tensor of one number.
fn number(name: &str) -> Tensor {
    Tensor {
        name: name.as_bytes().to_vec(),
        dims: vec![1],
        type_id: 0,
        data: 2.0_f32.to_le_bytes().to_vec(),
    }
}

#[test]
fn scales_of_single_tensors_are_refused() {
    let mut model = models::qwen3();
    model.tensors.push(number("blk.0.attn_q.scale"));
    let refusal = Workbench::new(&model).refusal();
    assert!(refusal.contains("tensor blk.0.attn_q.scale"), "{refusal}");
}

/// llama.cpp loads each factor where it is (`load_tensors`).
#[test]
fn a_factor_that_one_layer_has_is_not_missing_in_the_others() {
    for name in ["blk.0.attn_q.scale", "blk.1.ffn_down.input_scale"] {
        let mut model = models::llama();
        model.tensors.push(number(name));
        let mut bench = Workbench::new(&model);
        bench.request.record_only = true;
        let metadata = Artifact::of(&bench.artifact()).metadata;
        let kept = &metadata["aprove"]["record_only"];
        assert_eq!(*kept, serde_json::json!([name]));
    }
}

#[test]
fn gguf_files_that_are_no_models_are_refused_as_what_they_are() {
    let marked = |key: &str, value: Value| {
        let mut model = models::qwen2();
        model.set(key, value);
        model
    };
    let mut vocabulary = models::qwen2();
    vocabulary.tensors.clear();
    let mut imatrix = marked("imatrix.chunk_count", 7_u32.into());
    imatrix.remove("general.architecture");
    for (model, kind) in [
        (marked("general.type", "adapter".into()), "an adapter"),
        (marked("general.type", "mmproj".into()), "a projector"),
        (marked("general.architecture", "clip".into()), "a projector"),
        (imatrix, "an importance matrix"),
        (
            marked("general.architecture", "controlvector".into()),
            "a control vector",
        ),
        (vocabulary, "a vocabulary without weights"),
        (marked("general.type", "dataset".into()), "of another kind"),
    ] {
        let bench = Workbench::new(&model);
        let refusal = bench.refusal();
        assert!(
            refusal.contains(kind) && refusal.contains("not a model"),
            "{refusal}"
        );
        assert!(matches!(
            bench.convert().unwrap_err(),
            Error::NotModel { .. }
        ));
    }
    let model = marked("general.type", "model".into());
    assert!(Workbench::new(&model).convert().is_ok());
}

#[test]
fn files_that_are_no_gguf_are_called_what_they_are_in_one_line() {
    let half = |length| models::qwen2().to_bytes()[..length].to_vec();
    for (bytes, what) in [
        (Vec::new(), "is empty"),
        (b"<!doctype html>\n<html>".to_vec(), "is a web page (HTML)"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "is an ELF program"),
        (b"{\"error\":\"gone\"}".to_vec(), "is JSON"),
        (vec![0; 4096], "is zero from its first byte on"),
        (half(3), "is text"),
        (half(20), "ends inside its header, after 20 bytes"),
        (half(500), "ends inside its header, after 500 bytes"),
        (half(3000), "ends inside its header, after 3000 bytes"),
    ] {
        let bench = Workbench::with_files(&[("model.gguf".to_owned(), bytes)]);
        let refusal = bench.refusal();
        assert!(refusal.contains(what), "{what}: {refusal}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
        assert!(matches!(
            bench.convert().unwrap_err(),
            Error::NotGguf { .. }
        ));
    }
}

#[needs::data("field", "attacks")]
#[test]
fn samples_from_the_field_are_refused_with_their_reason() {
    for (name, texts) in [
        (
            "attacks/softcap/gemma2.gguf",
            [
                "gemma2.final_logit_softcapping",
                "gemma2.attn_logit_softcapping",
            ],
        ),
        (
            "attacks/softcap/granite.gguf",
            ["granite.logit_scale", "granite.embedding_scale"],
        ),
        (
            "field/tiny/no-gate.gguf",
            ["ffn_gate.weight is missing", "incomplete"],
        ),
        (
            "field/scale-tensors/qwen3-scale.gguf",
            ["blk.0.attn_q.scale", "blk.1.ffn_down.scale"],
        ),
        (
            "field/attn-factor/attn-factor-alone.gguf",
            ["llama.rope.scaling.attn_factor = 0.7", "scaled"],
        ),
        ("field/io/gated.gguf", ["is text", "Access to model"]),
        ("field/io/html.gguf", ["is a web page", "HTML"]),
        ("field/io/lfs.gguf", ["Git LFS pointer", "12345 bytes"]),
        ("field/io/st.gguf", ["safetensors", "convert_hf_to_gguf"]),
        ("field/io/ggjt.bin", ["GGJT", "predecessor"]),
    ] {
        let bytes = shared::read(name);
        let refusal = Workbench::with_files(&[("model.gguf".to_owned(), bytes)]).refusal();
        for text in texts {
            assert!(refusal.contains(text), "{name}: {refusal}");
        }
    }
}

/// The llama model under another name.
fn as_architecture(architecture: &str) -> Model {
    let mut model = models::llama();
    model.set("general.architecture", architecture);
    for (key, _) in &mut model.key_values {
        if let Some(ending) = key.strip_prefix(b"llama.") {
            *key = [architecture.as_bytes(), b".", ending].concat();
        }
    }
    model
}

#[test]
fn factors_for_long_and_short_contexts_are_refused() {
    let mut model = models::llama();
    for name in ["rope_factors_long.weight", "rope_factors_short.weight"] {
        let mut factors = number(name);
        factors.dims = vec![32];
        factors.data = factors.data.repeat(32);
        model.tensors.push(factors);
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(&format!("tensor {name}")), "{refusal}");
    }
}
