//! Models that cannot be converted without loss or guess.

use converter::{Error, Naming, Unsupported};
use fixtures::{
    gguf::{Model, Tensor, Value, data_size},
    models,
};

use crate::support::{Artifact, Workbench};

#[test]
fn a_missing_required_key_is_named() {
    for key in [
        "general.architecture",
        "qwen2.embedding_length",
        "qwen2.block_count",
        "qwen2.attention.head_count",
        "qwen2.feed_forward_length",
        "qwen2.context_length",
        "qwen2.rope.freq_base",
        "qwen2.attention.layer_norm_rms_epsilon",
    ] {
        let mut model = models::qwen2();
        model.remove(key).unwrap();
        let refusal = Workbench::new(&model).refusal();
        assert!(
            refusal.starts_with(&format!("{key} is missing;")),
            "{refusal}"
        );
    }
}

#[test]
fn a_key_of_another_type_is_an_error_that_says_both() {
    let cases: [(&str, Value, &str); 10] = [
        (
            "tokenizer.ggml.eos_token_id",
            Value::Array(4, vec![Value::U32(2)]),
            "expected the id of one token, an integer from 0 on, found 1 of u32: [2]",
        ),
        ("qwen2.block_count", "two".into(), "expected an integer"),
        ("qwen2.block_count", (-1_i32).into(), "found -1"),
        (
            "qwen2.rope.freq_base",
            1_000_000_u32.into(),
            "expected a finite f32, found 1000000",
        ),
        ("qwen2.rope.freq_base", f32::INFINITY.into(), "found inf"),
        ("tokenizer.ggml.tokens", "text".into(), "expected an array"),
        (
            "tokenizer.ggml.add_bos_token",
            1_u8.into(),
            "expected a bool",
        ),
        (
            "tokenizer.ggml.eos_token_id",
            "eos".into(),
            "expected the id of one token",
        ),
        (
            "qwen2.attention.head_count_kv",
            Value::Array(4, Vec::new()),
            "qwen2.attention.head_count_kv has 0 numbers, not one for each layer",
        ),
        ("qwen2.attention.head_count", 6_u32.into(), "a divisor of"),
    ];
    for (key, value, expected) in cases {
        let mut model = models::qwen2();
        model.set(key, value);
        let refusal = Workbench::new(&model).refusal();
        assert!(
            refusal.contains(key) && refusal.contains(expected),
            "{refusal}"
        );
    }
}

/// As llama.cpp, which throws for it (`get_key`).
#[test]
fn a_list_where_engines_read_one_number_is_refused() {
    for ending in [
        "attention.key_length",
        "attention.sliding_window",
        "block_count",
        "context_length",
        "embedding_length",
        "expert_count",
        "leading_dense_block_count",
        "rope.dimension_count",
        "rope.freq_base",
        "vocab_size",
    ] {
        for layers in [1, 2] {
            let mut model = models::qwen2();
            model.set(
                format!("qwen2.{ending}"),
                Value::Array(4, vec![Value::U32(2); layers]),
            );
            let mut bench = Workbench::new(&model);
            for record_only in [false, true] {
                bench.request.record_only = record_only;
                let refusal = bench.refusal();
                let expected = format!(
                    "qwen2.{ending}: expected one value, of which llama.cpp takes no list, found {layers} of u32"
                );
                assert!(refusal.starts_with(&expected), "{refusal}");
            }
        }
    }
}

#[test]
fn lists_of_numbers_of_the_layers_that_are_alike_are_taken() {
    let mut model = models::qwen2();
    for (ending, number) in [
        ("attention.head_count", 4_u32),
        ("attention.head_count_kv", 2),
        ("feed_forward_length", 512),
        ("expert_used_count", 0),
        ("expert_feed_forward_length", 0),
    ] {
        let list = Value::Array(4, vec![Value::U32(number); 2]);
        model.set(format!("qwen2.{ending}"), list);
    }
    let warnings = Workbench::new(&model)
        .convert()
        .unwrap()
        .warnings()
        .to_vec();
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn sizes_that_no_engine_takes_are_named_first() {
    let empty = || Value::Array(4, Vec::new());
    let cases: [(&str, Value, &str); 5] = [
        ("attention.head_count", 0_u32.into(), "is 0"),
        ("embedding_length", 0_u32.into(), "is 0"),
        ("attention.head_count", empty(), "has 0 numbers"),
        ("attention.head_count_kv", empty(), "has 0 numbers"),
        ("feed_forward_length", empty(), "has 0 numbers"),
    ];
    for (ending, value, expected) in cases {
        let mut model = models::llama();
        let key = format!("llama.{ending}");
        model.set(key.as_str(), value);
        // A size of a head that would else be said not to be all of it.
        model.set("llama.rope.dimension_count", 64_u32);
        let mut bench = Workbench::new(&model);
        for record_only in [false, true] {
            bench.request.record_only = record_only;
            let refusal = bench.refusal();
            let expected = format!("{key} {expected}");
            assert!(refusal.contains(&expected), "{refusal}");
            assert!(!refusal.contains("dimension_count"), "{refusal}");
            let error = bench.convert().unwrap_err();
            assert!(matches!(error, Error::Unfit { .. }), "{error}");
        }
    }
}

#[test]
fn a_size_that_does_not_fit_is_named_before_keys_that_follow_it() {
    let mut model = models::llama();
    model.set("llama.attention.key_length", 128_u32);
    model.set("llama.rope.dimension_count", 64_u32);
    let mut bench = Workbench::new(&model);
    for record_only in [false, true] {
        bench.request.record_only = record_only;
        let refusal = bench.refusal();
        let expected = "head_count times key_length is 512, and blk.0.attn_q.weight has 256";
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!refusal.contains("would be rotated"), "{refusal}");
    }
}

#[test]
fn more_heads_than_values_are_named_whatever_is_kept() {
    let mut model = models::llama();
    model.remove("llama.attention.key_length");
    model.set("llama.attention.head_count", u32::MAX);
    model.set("llama.rope.dimension_count", 64_u32);
    let mut bench = Workbench::new(&model);
    for record_only in [false, true] {
        bench.request.record_only = record_only;
        let refusal = bench.refusal();
        let expected =
            "llama.attention.head_count: expected a divisor of llama.embedding_length (256)";
        assert!(refusal.starts_with(expected), "{refusal}");
    }
}

#[test]
fn the_size_of_shared_experts_is_that_of_their_tensors() {
    for (keys, expected) in [
        (
            &[("expert_shared_feed_forward_length", 16_u32)][..],
            "expert_shared_feed_forward_length is 16, and blk.0.ffn_up_shexp.weight has 1",
        ),
        (
            &[
                ("expert_shared_count", 2),
                ("expert_feed_forward_length", 8),
            ],
            "expert_shared_count times expert_feed_forward_length is 16, and blk.0.ffn_up_shexp.weight has 1",
        ),
    ] {
        let mut model = models::qwen2();
        for (key, value) in keys {
            model.set(format!("qwen2.{key}"), *value);
        }
        for layer in 0..2 {
            model.tensors.push(Tensor {
                name: format!("blk.{layer}.ffn_up_shexp.weight").into_bytes(),
                dims: vec![256, 1],
                type_id: 0,
                data: vec![0; 1024],
            });
        }
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn keys_that_do_not_fit_the_tensors_are_named() {
    let cases: [(&str, Value, &str); 13] = [
        (
            "attention.head_count",
            Value::Array(4, vec![Value::U32(4); 3]),
            "qwen2.attention.head_count has 3 numbers, not one for each layer",
        ),
        (
            "attention.key_length",
            0_u32.into(),
            "head_count times key_length is 0, and blk.0.attn_q.weight has 256",
        ),
        (
            "feed_forward_length",
            0_u32.into(),
            "feed_forward_length is 0, and blk.0.ffn_gate.weight has 512",
        ),
        (
            "attention.head_count_kv",
            3_u32.into(),
            "qwen2.attention.head_count_kv is 3, and has to divide",
        ),
        (
            "feed_forward_length",
            256_u32.into(),
            "feed_forward_length is 256, and blk.0.ffn_gate.weight has 512",
        ),
        (
            "attention.key_length",
            32_u32.into(),
            "head_count times key_length is 128, and blk.0.attn_q.weight has 256",
        ),
        (
            "attention.value_length",
            32_u32.into(),
            "blk.0.attn_output.weight has 256",
        ),
        (
            "attention.head_count_kv",
            4_u32.into(),
            "blk.1.attn_k.weight has 128",
        ),
        (
            "embedding_length",
            128_u32.into(),
            "embedding_length is 128, and token_embd.weight has 256",
        ),
        (
            "vocab_size",
            5000_u32.into(),
            "qwen2.vocab_size is 5000, and token_embd.weight has rows for",
        ),
        ("context_length", 0_u32.into(), "not one token fits"),
        (
            "rope.freq_base",
            0_f32.into(),
            "qwen2.rope.freq_base is 0, and has to be above 0",
        ),
        (
            "attention.layer_norm_rms_epsilon",
            0_f32.into(),
            "has to be above 0",
        ),
    ];
    for (ending, value, expected) in cases {
        let mut model = models::qwen2();
        model.set(format!("qwen2.{ending}"), value);
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(expected), "{refusal}");
    }
}

/// llama.cpp counts the tokens, and reads the key where it has no tokenizer (`llama_vocab::impl::load`).
#[test]
fn a_vocab_size_below_the_tokens_counts_without_tokenizer_alone() {
    let mut model = models::qwen2();
    model.set("qwen2.vocab_size", 10_u32);
    let bench = Workbench::new(&model);
    let warnings = bench.convert().unwrap().warnings().join("\n");
    assert_eq!(
        warnings,
        "qwen2.vocab_size is 10, and tokenizer.ggml.tokens has 320: llama.cpp takes the tokens, and so does the artifact"
    );
    let metadata = Artifact::of(&bench.artifact()).metadata;
    assert_eq!(metadata["vocab_size"], 320);

    model.set("tokenizer.ggml.model", "none");
    let refusal = Workbench::new(&model).refusal();
    let expected = "qwen2.vocab_size is 10, and tokenizer.ggml.tokens has 320";
    assert!(refusal.contains(expected), "{refusal}");
}

#[test]
fn tensors_that_loaders_refuse_or_take_for_others_are_named() {
    for (name, expected) in [
        ("a_token_embd.weight", "would be taken for the embedding"),
        (
            "layers.0.self_attn.q_proj.weight",
            "would be taken for blk.0.attn_q.weight",
        ),
        (
            "output_norm.weight",
            "output_norm.weight is Q4_K, and has to be one of F32, F16, BF16",
        ),
    ] {
        let mut model = models::qwen2();
        let mut extra = model.tensor("blk.0.ffn_gate.weight").clone();
        (extra.dims, extra.name) = (vec![256], name.as_bytes().to_vec());
        extra.data.truncate(144);
        model
            .tensors
            .retain(|tensor| tensor.name != name.as_bytes());
        model.tensors.push(extra);
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(expected), "{refusal}");
    }
}

#[test]
fn a_tokenizer_that_loaders_refuse_is_a_warning() {
    let merges = |items: &[&str]| Value::strings(items);
    for (key, value, expected) in [
        (
            "tokenizer.ggml.merges",
            None,
            "there is no tokenizer.ggml.merges",
        ),
        (
            "tokenizer.ggml.merges",
            Some(merges(&["a b", "abc", "a b c", ""])),
            "tokenizer.ggml.merges[1] (the first of 3)",
        ),
        (
            "tokenizer.ggml.eos_token_id",
            Some(Value::U32(99_999)),
            "loaders of APR refuse such an artifact",
        ),
    ] {
        let mut model = models::qwen2();
        model.remove(key);
        if let Some(value) = value {
            model.set(key, value);
        }
        let warnings = Workbench::new(&model)
            .convert()
            .unwrap()
            .warnings()
            .join("\n");
        assert!(warnings.contains(expected), "{warnings}");
    }
}

#[test]
fn a_token_that_json_cannot_hold_is_named() {
    let mut model = models::qwen2();
    let Some(Value::Array(_, mut tokens)) = model.remove("tokenizer.ggml.tokens") else {
        panic!("no tokens");
    };
    tokens[7] = Value::Str(b"\xff\x1b".to_vec());
    model.set("tokenizer.ggml.tokens", Value::Array(8, tokens));
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.starts_with("tokenizer.ggml.tokens[7]: expected a string of UTF-8"),
        "{refusal}"
    );
    assert!(refusal.ends_with(r#"found "\xff\x1b""#), "{refusal}");
}

#[test]
fn types_that_match_no_token_count_are_refused() {
    let mut model = models::qwen2();
    model.set(
        "tokenizer.ggml.token_type",
        Value::Array(5, vec![Value::I32(1)]),
    );
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("one item for each of the 320 tokens, found 1 items"),
        "{refusal}"
    );
}

#[test]
fn unsupported_tensors_are_counted_by_type() {
    let mut model = models::with_type(8);
    retype(&mut model, "blk.1.ffn_up.weight", 9);
    retype(&mut model, "blk.1.ffn_gate.weight", 2);
    let mut bench = Workbench::new(&model);
    let refusal = bench.refusal();
    let Err(Error::Unsupported { tensors }) = bench.convert() else {
        panic!("not refused for its types: {refusal}");
    };
    let count = |name: &str| tensors.iter().filter(|one| one.type_name == name).count();
    let (all, of_8) = (tensors.len(), count("Q8_0"));
    let expected = format!("{all} tensors as they are (1 Q4_0, {of_8} Q8_0, 1 Q8_1), the first: ");
    assert!(refusal.contains(&expected), "{refusal}");
    let of = |name: &str| tensors.iter().find(|one| one.type_name == name).unwrap();
    let choices = |name: &str| (of(name).decodable, of(name).raw);
    assert_eq!(choices("Q8_0"), (true, false));
    assert_eq!(choices("Q8_1"), (false, false));
    assert_eq!(choices("Q4_0"), (true, true));
    bench.request.unsupported = Unsupported::DecodeF32;
    let refusal = bench.refusal();
    assert!(
        refusal.contains("Q8_1") && !refusal.contains("Q8_0"),
        "{refusal}"
    );
    bench.request.unsupported = Unsupported::Raw;
    let refusal = bench.refusal();
    assert!(
        refusal.contains("Q8_0") && !refusal.contains("Q4_0"),
        "{refusal}"
    );
}

#[test]
fn types_that_the_verifier_does_not_decode_are_refused() {
    for (type_id, bytes, name) in [
        (24, 1, "I8"),
        (25, 2, "I16"),
        (26, 4, "I32"),
        (27, 8, "I64"),
        (28, 8, "F64"),
    ] {
        let mut model = models::qwen2();
        let tensor = model.tensor_mut("output_norm.weight");
        tensor.type_id = type_id;
        tensor.data = vec![0; 256 * bytes];
        let mut bench = Workbench::new(&model);
        for unsupported in [Unsupported::DecodeF32, Unsupported::Auto] {
            bench.request.unsupported = unsupported;
            let refusal = bench.refusal();
            let expected = format!("1 tensor as it is (1 {name}): output_norm.weight");
            assert!(refusal.contains(&expected), "{refusal}");
        }
    }
}

#[test]
fn keys_of_rope_scaling_that_are_not_known_are_refused() {
    let mut model = models::llama_scaled();
    model.set("llama.rope.scaling.other.factor", 2.0_f32);
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("llama.rope.scaling.other.factor"),
        "{refusal}"
    );
    assert!(refusal.contains("rotated without it"), "{refusal}");
}

#[test]
fn keys_of_rope_scaling_have_the_types_that_loaders_take() {
    let odd: [(&str, Value); 4] = [
        ("llama.rope.scaling.type", Value::U32(3)),
        ("llama.rope.scaling.factor", Value::U32(4)),
        (
            "llama.rope.scaling.original_context_length",
            Value::F32(512.0),
        ),
        ("llama.rope.scaling.finetuned", Value::U32(1)),
    ];
    for (key, value) in odd {
        let mut model = models::llama_scaled();
        model.set(key, value);
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(&format!("{key}: expected")), "{refusal}");
    }
}

#[test]
fn tensors_that_apr_cannot_name_or_shape_are_refused() {
    let mut model = models::qwen2();
    let badly_named = Tensor {
        name: b"\xffnorm.weight".to_vec(),
        ..model.tensor("output_norm.weight").clone()
    };
    model.tensors.push(badly_named);
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains(r#""\xffnorm.weight": the name is not UTF-8"#),
        "{refusal}"
    );

    let two = "one of two namings";
    let head = "readers of the artifact would take it for output.weight";
    let of_layer = "readers of the artifact would take it for blk.0.mlp.q.weight";
    for (complete, name, expected) in [
        (models::qwen2(), "blk.+1.attn_k.weight", two),
        (models::qwen2(), "blk.x", two),
        (models::qwen2(), "model.layers.0.mlp.q.weight", of_layer),
        (models::llama(), "model.layers.0.mlp.q.weight", of_layer),
        (models::llama(), "model.x", two),
        (models::llama(), "lm_head.weight", head),
        (models::qwen2(), "lm_head.weight", head),
        (models::llama(), "layers.x", "taken for model.layers.x"),
    ] {
        let mut model = complete;
        let like = model.tensor("blk.0.attn_k.weight").clone();
        let name = name.as_bytes().to_vec();
        model.tensors.push(Tensor { name, ..like });
        let refusal = Workbench::new(&model).refusal();
        assert!(refusal.contains(expected), "{refusal}");
    }

    let mut model = models::qwen2();
    let scalar = Tensor {
        name: b"scale".to_vec(),
        dims: Vec::new(),
        type_id: 0,
        data: vec![0; 4],
    };
    model.tensors.push(scalar);
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains(r#""scale": it has no dimensions"#),
        "{refusal}"
    );
}

#[test]
fn names_that_become_one_are_refused() {
    let mut model = models::qwen2();
    let copy = Tensor {
        name: b"model.norm.weight".to_vec(),
        ..model.tensor("output_norm.weight").clone()
    };
    model.tensors.push(copy);
    let mut bench = Workbench::new(&model);
    for naming in [Naming::Hf, Naming::Gguf] {
        bench.request.naming = naming;
        let refusal = bench.refusal();
        assert!(
            refusal.contains("model.norm.weight") && refusal.contains("output_norm.weight"),
            "{refusal}"
        );
    }
}

#[test]
fn a_model_without_tensors_or_embedding_is_refused() {
    let mut model = models::qwen2();
    model
        .tensors
        .retain(|tensor| tensor.name != b"token_embd.weight");
    let refusal = Workbench::new(&model).refusal();
    assert!(
        refusal.contains("token_embd.weight") && refusal.contains("missing"),
        "{refusal}"
    );
}

#[test]
fn damaged_sources_are_refused_with_the_code_of_the_rule() {
    let good = models::tiny().to_bytes();
    let mut cut = good.clone();
    cut.truncate(good.len() - 200);
    let mut trailing = good.clone();
    trailing.resize(good.len() + 4096, 1);
    for (bytes, code) in [
        (cut, "gguf.truncated"),
        (trailing, "gguf.trailing"),
        (b"FUGG".repeat(20), "gguf.magic"),
        (good[..40].to_vec(), "gguf.count.tensors"),
    ] {
        let refusal = Workbench::with_files(&[("model.gguf".to_owned(), bytes)]).refusal();
        assert!(
            refusal.contains(code) && refusal.contains("model.gguf"),
            "{refusal}"
        );
    }
}

#[test]
fn padding_that_is_not_zero_is_refused() {
    let model = models::qwen2_aligned();
    let mut bytes = model.to_bytes();
    let last = model.tensors.last().unwrap().data.len();
    assert_ne!(last % 4096, 0, "the last tensor needs padding");
    *bytes.last_mut().unwrap() = 1;
    let bench = Workbench::with_files(&[("model.gguf".to_owned(), bytes)]);
    let error = bench.convert().unwrap_err();
    assert!(
        matches!(&error, Error::Source { source, .. } if source.code() == "gguf.padding"),
        "{error}"
    );
}

#[test]
fn a_missing_shard_is_refused() {
    let shards = models::qwen2().shards(2);
    let bench =
        Workbench::with_files(&[("model-00001-of-00002.gguf".to_owned(), shards[0].clone())]);
    let refusal = bench.refusal();
    assert!(refusal.contains("gguf.split.count"), "{refusal}");
    let names = ["b.gguf", "a.gguf"].map(str::to_owned);
    let swapped: Vec<(String, Vec<u8>)> = names.into_iter().zip(shards.into_iter().rev()).collect();
    let refusal = Workbench::with_files(&swapped).refusal();
    assert!(refusal.contains("gguf.split.no"), "{refusal}");
}

/// Gives a tensor another type, with bytes of the right length.
fn retype(model: &mut Model, name: &str, type_id: u32) {
    let (block, bytes) = fixtures::gguf::type_size(type_id).unwrap();
    let tensor = model.tensor_mut(name);
    let length = tensor.elements() / block * bytes;
    tensor.type_id = type_id;
    tensor.data = vec![0; usize::try_from(length).unwrap()];
}

/// The shapes that a wrong export gives a tensor: twice and half as many rows, one row, and the axes the other way round.
fn wrong_shapes(dims: &[u64]) -> Vec<Vec<u64>> {
    let with_rows = |change: fn(u64) -> u64| {
        let (rows, others) = dims.split_last()?;
        Some([others, &[change(*rows)]].concat())
    };
    let flat = vec![dims.iter().product()];
    let turned = dims.iter().rev().copied().collect();
    let changed = [with_rows(|rows| rows * 2), with_rows(|rows| rows / 2)];
    let all = changed.into_iter().flatten().chain([flat, turned]);
    all.filter(|other| other != dims).collect()
}

#[test]
fn every_weight_of_another_shape_is_refused_by_the_library() {
    let mut refused = 0;
    for sound in [models::qwen2(), models::llama_biased(), models::qwen3()] {
        for index in 0..sound.tensors.len() {
            for dims in wrong_shapes(&sound.tensors[index].dims) {
                let mut model = sound.clone();
                let tensor = &mut model.tensors[index];
                let size = data_size(tensor.type_id, dims.iter().product());
                let size = usize::try_from(size).unwrap();
                tensor.dims.clone_from(&dims);
                tensor.data = tensor.data.iter().cycle().take(size).copied().collect();
                let name = String::from_utf8(tensor.name.clone()).unwrap();
                let refusal = Workbench::new(&model).refusal();
                // A row of no whole blocks is none at all.
                let is_named = refusal.contains(&name) || refusal.contains("gguf.tensor.row");
                assert!(is_named, "{name} {dims:?}: {refusal}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[needs::data("arch")]
#[test]
fn models_that_run_have_the_shapes_that_their_keys_give() {
    let mut refused = Vec::new();
    for (name, bytes) in fixtures::shared::files("arch", ".gguf") {
        let mut bench = Workbench::with_files(&[("model.gguf".to_owned(), bytes)]);
        bench.request.record_only = true;
        bench.request.unsupported = Unsupported::Auto;
        let refusal = converter::plan(&bench.request).err();
        refused.extend(refusal.map(|error| format!("{name}: {error}")));
    }
    assert_eq!(refused, Vec::<String>::new());
}
