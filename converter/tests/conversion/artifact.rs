//! The tensors and the metadata of an artifact.

use converter::{Naming, Tie, Unsupported};
use fixtures::{
    gguf::{Model, Tensor, Value, shard_name},
    models::{self, PRESETS},
};
use serde_json::json;

use crate::support::{Artifact, Workbench, pending_bytes};

#[test]
fn every_model_becomes_an_artifact_with_the_same_bytes() {
    for (preset, make) in PRESETS {
        let model = make();
        let bytes = Workbench::new(&model).artifact();
        let apr = Artifact::of(&bytes);
        assert_eq!(apr.tensors.len(), model.tensors.len());
        let record = &apr.metadata["aprove"];
        let hf = record["names"] == "hf";
        for tensor in &model.tensors {
            let gguf_name = str::from_utf8(&tensor.name).unwrap();
            let stored = apr
                .tensors
                .iter()
                .find(|stored| stored.entry.name == renamed(gguf_name, hf))
                .unwrap();
            assert_eq!(stored.data, tensor.data.as_slice(), "{preset} {gguf_name}");
            assert_eq!(u32::from(stored.entry.dtype), tensor.type_id);
            let mut dims = tensor.dims.clone();
            if dims.len() == 2 {
                dims.reverse();
            }
            assert_eq!(stored.entry.dims, dims);
        }
    }
}

#[test]
fn the_number_of_threads_does_not_show() {
    for model in [models::odd(), models::qwen2_aligned()] {
        let mut bench = Workbench::new(&model);
        let mut artifacts = Vec::new();
        for threads in [0, 1, 2, 3, 8] {
            bench.request.threads = threads;
            artifacts.push(pending_bytes(&bench.convert().unwrap()));
        }
        assert!(artifacts.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn long_tensors_keep_their_bytes_with_any_number_of_threads() {
    for type_id in [12, 8] {
        let model = large_embedding(type_id);
        let mut bench = Workbench::new(&model);
        bench.request.unsupported = Unsupported::DecodeF32;
        bench.request.tie = Tie::Duplicate;
        let mut artifacts = Vec::new();
        for threads in [1, 2, 6] {
            bench.request.threads = threads;
            artifacts.push(pending_bytes(&bench.convert().unwrap()));
        }
        assert!(artifacts.windows(2).all(|pair| pair[0] == pair[1]));
        let apr = Artifact::of(&artifacts[0]);
        let source = &model.tensor("token_embd.weight").data;
        let expected = if type_id == 8 {
            q8_0(source)
        } else {
            source.clone()
        };
        let digest = blake3::hash(&expected).to_hex().to_string();
        for name in ["model.embed_tokens.weight", "lm_head.weight"] {
            assert!(apr.tensor(name).unwrap().data == expected.as_slice());
            assert_eq!(record(&artifacts[0])["tensors"][name], digest);
        }
    }
}

#[test]
fn metadata_hold_what_loaders_read() {
    let bytes = Workbench::new(&models::llama_scaled()).artifact();
    let metadata = Artifact::of(&bytes).metadata;
    let expected = json!({
        "architecture": "llama", "model_type": "llama", "original_format": "gguf",
        "hidden_size": 256, "num_layers": 2, "num_heads": 4, "num_kv_heads": 2, "intermediate_size": 512,
        "vocab_size": 320, "tokenizer.vocab_size": 320, "head_dim": 64, "rope_type": 0,
        "tied_embeddings": false, "data_source": null, "data_license": null,
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&metadata[key], value, "{key}");
    }
    assert_eq!(metadata["rope_scaling"]["type"], "yarn");
    assert!(metadata["rope_scaling"]["factor"].is_f64());
    assert!(metadata["sliding_window"].is_u64());
    assert_eq!(
        metadata["chat_template"],
        metadata["tokenizer.chat_template"]
    );
    assert_eq!(
        metadata["tokenizer.vocabulary"].as_array().unwrap().len(),
        320
    );
    let text = Artifact::of(&bytes).text;
    assert!(text.contains(r#""rms_norm_eps":1e-"#), "{text}");

    let qwen3 = Workbench::new(&models::qwen3()).artifact();
    let metadata = Artifact::of(&qwen3).metadata;
    assert_eq!(
        (&metadata["rope_type"], &metadata["head_dim"]),
        (&json!(2), &json!(128))
    );
}

#[test]
fn scores_of_a_sentencepiece_tokenizer_keep_their_bits() {
    let model = models::llama_spm();
    let bytes = Workbench::new(&model).artifact();
    let metadata = Artifact::of(&bytes).metadata;
    let Some(Value::Array(_, scores)) = model.get("tokenizer.ggml.scores") else {
        panic!("no scores");
    };
    let written = metadata["tokenizer.scores"].as_array().unwrap();
    assert_eq!(written.len(), scores.len());
    for (written, score) in written.iter().zip(scores) {
        let Value::F32(score) = score else {
            panic!("{score:?}")
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the rounding that loaders do"
        )]
        let read = written.as_f64().unwrap() as f32;
        assert_eq!(read.to_bits(), score.to_bits());
    }
    assert!(!metadata.contains_key("tokenizer.merges"));
}

#[test]
fn an_array_stands_for_one_number_when_all_its_items_are_equal() {
    let mut model = models::qwen2();
    let heads = |counts: [u32; 2]| Value::Array(4, counts.map(Value::U32).to_vec());
    model.set("qwen2.attention.head_count", heads([4, 4]));
    let bytes = Workbench::new(&model).artifact();
    assert_eq!(Artifact::of(&bytes).metadata["num_heads"], 4);

    model.set("qwen2.attention.head_count", heads([4, 2]));
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("qwen2.attention.head_count = "),
        "{refusal}"
    );
    assert!(
        refusal.contains("[4, 2]: layers have numbers of their own"),
        "{refusal}"
    );
}

#[test]
fn a_missing_output_matrix_is_shared_or_copied() {
    let model = models::qwen2_tied();
    let mut bench = Workbench::new(&model);
    let shared = pending_bytes(&bench.convert().unwrap());
    bench.request.tie = Tie::Duplicate;
    let copied = pending_bytes(&bench.convert().unwrap());

    let (shared, copied) = (Artifact::of(&shared), Artifact::of(&copied));
    assert_eq!(copied.tensors.len(), shared.tensors.len() + 1);
    let data = |name| copied.tensor(name).unwrap().data;
    assert!(data("lm_head.weight") == data("model.embed_tokens.weight"));
    let (shared, copied) = (shared.metadata, copied.metadata);
    assert_eq!(
        (&shared["aprove"]["tie"], &copied["aprove"]["tie"]),
        (&json!("shared"), &json!("duplicate"))
    );
    assert_eq!(shared["tied_embeddings"], json!(true));
    assert_eq!(shared["param_count"], copied["param_count"]);
    let digests = &copied["aprove"]["tensors"];
    assert_eq!(
        digests["lm_head.weight"],
        digests["model.embed_tokens.weight"]
    );

    let untied = record(&Workbench::new(&models::qwen2()).artifact());
    assert_eq!(untied["tie"], "none");
}

#[test]
fn names_follow_the_choice() {
    for (naming, expected) in [
        (Naming::Auto, "blk.0.attn_q.weight"),
        (Naming::Gguf, "blk.0.attn_q.weight"),
        (Naming::Hf, "model.layers.0.self_attn.q_proj.weight"),
    ] {
        let mut bench = Workbench::new(&models::llama());
        bench.request.naming = naming;
        let bytes = bench.artifact();
        let apr = Artifact::of(&bytes);
        assert!(apr.tensor(expected).is_some(), "{expected}");
    }
}

#[test]
fn shards_become_the_artifact_of_one_model() {
    let model = models::qwen2();
    let whole = Workbench::new(&model).artifact();
    let shards = model.shards(3);
    let names = (0..).map(|number| shard_name("model", number, 3));
    let files: Vec<(String, Vec<u8>)> = names.zip(shards).collect();
    let split = Workbench::with_files(&files).artifact();

    let (whole, split) = (Artifact::of(&whole), Artifact::of(&split));
    for (one, other) in whole.tensors.iter().zip(&split.tensors) {
        assert_eq!((&one.entry, one.data), (&other.entry, other.data));
    }
    let record = &split.metadata["aprove"];
    for ((_, bytes), source) in files.iter().zip(record["sources"].as_array().unwrap()) {
        assert_eq!(source["blake3"], blake3::hash(bytes).to_hex().to_string());
    }
}

#[test]
fn unsupported_tensors_alone_are_decoded_on_request() {
    for type_id in [2, 3, 6, 7, 8, 10, 11, 13] {
        let model = models::with_type(type_id);
        let mut bench = Workbench::new(&model);
        bench.request.unsupported = Unsupported::DecodeF32;
        let pending = bench.convert().unwrap();
        assert!(pending.warnings()[0].contains("blk.0.ffn_gate.weight"));
        let bytes = pending_bytes(&pending);
        let apr = Artifact::of(&bytes);
        let gate = apr.tensor("model.layers.0.mlp.gate_proj.weight").unwrap();
        assert_eq!((gate.entry.dtype, gate.entry.size), (0, 512 * 256 * 4));
        let values = gate.data.as_chunks().0;
        assert!(
            values
                .iter()
                .all(|value| f32::from_le_bytes(*value).is_finite())
        );
        if type_id == 8 {
            let source = &model.tensor("blk.0.ffn_gate.weight").data;
            assert!(gate.data == q8_0(source));
        }
        assert_eq!(record(&bytes)["decoded"], json!(["blk.0.ffn_gate.weight"]));
        let up = apr.tensor("model.layers.0.mlp.up_proj.weight").unwrap();
        assert_eq!(
            u32::from(up.entry.dtype),
            model.tensor("blk.0.ffn_up.weight").type_id
        );
    }
}

#[test]
fn some_types_are_stored_raw_on_request_with_a_warning() {
    for type_id in [2, 3, 6, 7, 13] {
        let model = models::with_type(type_id);
        let mut bench = Workbench::new(&model);
        bench.request.unsupported = Unsupported::Raw;
        let pending = bench.convert().unwrap();
        let warning = pending.warnings().join("; ");
        for word in [
            "blk.0.ffn_gate.weight",
            "inspect",
            "tensors",
            "validate",
            "diff",
            "import",
            "export",
        ] {
            assert!(warning.contains(word), "{warning}");
        }
        let bytes = pending_bytes(&pending);
        let apr = Artifact::of(&bytes);
        let gate = apr.tensor("model.layers.0.mlp.gate_proj.weight").unwrap();
        assert_eq!(u32::from(gate.entry.dtype), type_id);
        assert!(gate.data == model.tensor("blk.0.ffn_gate.weight").data);
        assert_eq!(record(&bytes)["raw"], json!(["blk.0.ffn_gate.weight"]));
    }
}

#[test]
fn flags_say_what_the_artifact_holds() {
    let flags = |model: &Model| Artifact::of(&Workbench::new(model).artifact()).header.flags;
    assert_eq!(flags(&models::qwen2()), 0x0620);
    let mut plain = models::tiny();
    plain.remove("tokenizer.ggml.tokens");
    plain.remove("tokenizer.ggml.token_type");
    plain
        .tensors
        .retain(|tensor| matches!(tensor.type_id, 0 | 1));
    assert_eq!(flags(&plain), 0x0400);
}

#[test]
fn what_is_odd_is_told() {
    let mut model = models::qwen2();
    model.set("tokenizer.ggml.bos_token_id", 999_u32);
    model.set("general.name", &b"caf\xe9"[..]);
    let norm = model.tensor_mut("output_norm.weight");
    norm.type_id = 30;
    norm.data.truncate(512);
    let pending = Workbench::new(&model).convert().unwrap();
    let warnings = pending.warnings().join("; ");
    for text in [
        "BF16 tensors",
        "`apr check` fails",
        "tokenizer.ggml.bos_token_id is 999",
        "general.name is not UTF-8",
    ] {
        assert!(warnings.contains(text), "{warnings}");
    }
    let bytes = pending_bytes(&pending);
    let metadata = Artifact::of(&bytes).metadata;
    assert!(!metadata.contains_key("name"));
    let sound = Workbench::new(&models::qwen2()).convert().unwrap();
    assert!(sound.warnings().is_empty());
}

#[test]
fn tensors_without_elements_and_shards_without_tensors_are_legal() {
    let mut model = models::qwen2();
    let empty = |name: &str| Tensor {
        name: name.into(),
        dims: vec![256, 0],
        type_id: 12,
        data: Vec::new(),
    };
    model.tensors.insert(3, empty("extra.weight"));
    model.tensors.push(empty("last.weight"));
    let bytes = Workbench::new(&model).artifact();
    let apr = Artifact::of(&bytes);
    assert_eq!(apr.tensor("extra.weight").unwrap().entry.dims, [0, 256]);
    let digest = blake3::hash(&model.to_bytes()).to_hex().to_string();
    assert_eq!(record(&bytes)["sources"][0]["blake3"], digest);

    let total = Value::I32(models::qwen2().tensors.len() as i32);
    let shard = |number: u16, mut model: Model| {
        model.set("split.no", number);
        model.set("split.count", 2_u16);
        model.set("split.tensors.count", total.clone());
        model.to_bytes()
    };
    let (mut first, mut second) = (models::qwen2(), models::qwen2());
    first.tensors.clear();
    second.key_values.clear();
    let files = [
        ("a.gguf".to_owned(), shard(0, first)),
        ("b.gguf".to_owned(), shard(1, second)),
    ];
    let bytes = Workbench::with_files(&files).artifact();
    let record = record(&bytes);
    for ((_, file), source) in files.iter().zip(record["sources"].as_array().unwrap()) {
        assert_eq!(source["blake3"], blake3::hash(file).to_hex().to_string());
    }
}

/// A tied model whose embedding is several blocks long.
fn large_embedding(type_id: u32) -> Model {
    let mut model = models::qwen2_tied();
    let (block, bytes) = fixtures::gguf::type_size(type_id).unwrap();
    let embedding = model.tensor_mut("token_embd.weight");
    embedding.dims[1] = 4_000;
    embedding.type_id = type_id;
    let length = embedding.elements() / block * bytes;
    // Below 0x7C no two bytes make an infinite scale.
    embedding.data = (0..length).map(|index| (index % 113) as u8).collect();
    model
}

/// The values of Q8_0, decoded here once more.
fn q8_0(bytes: &[u8]) -> Vec<u8> {
    let values = bytes.as_chunks::<34>().0.iter().flat_map(|block| {
        let scale = half::f16::from_le_bytes([block[0], block[1]]).to_f32();
        let quants = block[2..].iter();
        quants.map(move |quant| scale * f32::from(quant.cast_signed()))
    });
    values.flat_map(f32::to_le_bytes).collect()
}

fn record(artifact: &[u8]) -> serde_json::Value {
    Artifact::of(artifact).metadata["aprove"].clone()
}

/// Half of the table, typed again.
fn renamed(gguf_name: &str, hf: bool) -> String {
    if !hf {
        return gguf_name.to_owned();
    }
    gguf_name
        .replace("token_embd", "model.embed_tokens")
        .replace("output_norm", "model.norm")
        .replace("attn_output", "self_attn.o_proj")
        .replace("output.", "lm_head.")
        .replace("blk.", "model.layers.")
        .replace("attn_q_norm", "self_attn.q_norm")
        .replace("attn_k_norm", "self_attn.k_norm")
        .replace("attn_norm", "input_layernorm")
        .replace("ffn_norm", "post_attention_layernorm")
        .replace("attn_q.", "self_attn.q_proj.")
        .replace("attn_k.", "self_attn.k_proj.")
        .replace("attn_v.", "self_attn.v_proj.")
        .replace("ffn_gate", "mlp.gate_proj")
        .replace("ffn_up", "mlp.up_proj")
        .replace("ffn_down", "mlp.down_proj")
}
