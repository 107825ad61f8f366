//! Keys and tensors of files from the field: what changes nothing, and what is not covered.

use crate::support::run;
use fixtures::{
    gguf::{Model as Fixture, Tensor, Value},
    models,
};
use inference::{Model, Options};

/// The llama of the fixtures under the name of another architecture, without these tensors.
fn named(architecture: &str, without: &[&str]) -> Fixture {
    let mut model = models::llama();
    for (key, _) in &mut model.key_values {
        if let Some(rest) = key.strip_prefix(b"llama.") {
            *key = [architecture.as_bytes(), b".", rest].concat();
        }
    }
    model.set("general.architecture", architecture);
    model.tensors.retain(|tensor| {
        let name = str::from_utf8(&tensor.name).unwrap();
        !without
            .iter()
            .any(|end| name == *end || name.ends_with(&format!(".{end}")))
    });
    // Those of norms are required.
    let biased = match architecture {
        "orion" => &["output_norm", "attn_norm", "ffn_norm"][..],
        "stablelm" => &["output_norm", "attn_norm"],
        _ => &[],
    };
    let names = model.tensors.iter().map(|tensor| tensor.name.clone());
    for name in names.collect::<Vec<_>>() {
        let part = str::from_utf8(&name)
            .unwrap()
            .strip_suffix(".weight")
            .unwrap();
        if biased.contains(&part.rsplit('.').next().unwrap()) {
            model.tensors.push(Tensor {
                name: format!("{part}.bias").into_bytes(),
                dims: vec![256],
                type_id: 0,
                data: 0.5f32.to_le_bytes().repeat(256),
            });
        }
    }
    model
}

/// What a run gives, or what is said in place of one.
fn outcome(model: &Fixture) -> Result<(Model, String), String> {
    let done = run(&model.to_bytes(), &[1, 2, 3], &Options::default());
    let (loaded, recorded) = done.map_err(|error| error.to_string())?;
    Ok((loaded, format!("{:?}", recorded.digests.run())))
}

#[test]
fn what_stablelm_writes_of_its_branches_is_what_it_is() {
    let mut model = named("stablelm", &[]);
    let plain = outcome(&model).unwrap().1;
    let key = "stablelm.use_parallel_residual";
    model.set(key, Value::Bool(true));
    let (loaded, stated) = outcome(&model).unwrap();
    assert_eq!(stated, plain);
    // The other one is the fixture's.
    let unread = ["stablelm.attention.layer_norm_rms_epsilon", key];
    assert_eq!(loaded.unused, unread.map(|key| format!("key {key}")));
}

#[test]
fn every_key_of_the_architecture_that_nothing_reads_is_named() {
    let mut model = models::qwen3();
    let (loaded, plain) = outcome(&model).unwrap();
    assert!(loaded.unused.is_empty(), "{:?}", loaded.unused);
    let rows = u32::try_from(loaded.config.vocabulary).unwrap();
    // These say what is so without them, or speak of something else.
    model.set("qwen3.vocab_size", rows);
    model.set("qwen3.expert_count", 0_u32);
    model.set("notes.rope", 3_u32);
    let unread = [
        "qwen3.attention.key_length_swa",
        "qwen3.attention.layer_norm_epsilon",
        "qwen3.attention.sliding_window",
        "qwen3.expert_weights_scale",
        "qwen3.made_up",
        "qwen3.pooling_type",
        "qwen3.rope.global.freq_base",
        "qwen3.rope.scaling.finetuned",
        "rope.freq_base",
    ];
    for key in unread.iter().rev() {
        model.set(*key, 3_u32);
    }
    let (loaded, stated) = outcome(&model).unwrap();
    assert_eq!(stated, plain);
    assert_eq!(loaded.unused, unread.map(|key| format!("key {key}")));
    model.set("qwen3.vocab_size", rows + 1);
    let (loaded, _) = outcome(&model).unwrap();
    let named = String::from("key qwen3.vocab_size");
    assert!(loaded.unused.contains(&named));
}

#[test]
fn a_key_of_experts_is_known_where_no_layer_has_any() {
    let mut model = named("dots1", &[]);
    for layer in 0..2 {
        for norm in ["attn_q_norm", "attn_k_norm"] {
            model.tensors.push(Tensor {
                name: format!("blk.{layer}.{norm}.weight").into_bytes(),
                dims: vec![64],
                type_id: 0,
                data: 1f32.to_le_bytes().repeat(64),
            });
        }
    }
    model.set("dots1.expert_count", 4_u32);
    model.set("dots1.expert_used_count", 2_u32);
    model.set("dots1.expert_shared_count", 1_u32);
    model.set("dots1.leading_dense_block_count", 2_u32);
    assert!(outcome(&model).is_ok());
}

#[test]
fn windows_with_heads_of_their_own_are_not_covered() {
    let model = || {
        let mut model = named("cohere2", &["ffn_norm.weight", "output.weight"]);
        model.set("cohere2.attention.sliding_window", 2_u32);
        model.set("cohere2.logit_scale", 1f32);
        model
    };
    let (loaded, plain) = outcome(&model()).unwrap();
    let dims = loaded.rope(0).unwrap().dims;
    for (key, usual) in [
        ("rope.dimension_count_swa", dims),
        ("attention.key_length_swa", 64),
        ("attention.value_length_swa", 64),
    ] {
        let with = |value: usize| {
            let mut model = model();
            let value = u32::try_from(value).unwrap();
            model.set(format!("cohere2.{key}"), value);
            model
        };
        assert_eq!(outcome(&with(usual)).unwrap().1, plain, "{key}");
        let text = format!("not covered (cohere2.{key} 8, where other layers have {usual})");
        assert_eq!(outcome(&with(8)).unwrap_err(), text);
        // Without a window nothing is read of it.
        let mut all = with(8);
        all.set("cohere2.attention.sliding_window", 0_u32);
        assert!(outcome(&all).is_ok(), "{key}");
    }
}

#[test]
fn layers_that_draft_later_tokens_are_left_out() {
    let mut model = models::llama();
    let layers = model.get("llama.block_count").unwrap().as_u32().unwrap();
    let drafts = |count: u32| {
        let mut model = model.clone();
        model.set("llama.nextn_predict_layers", count);
        outcome(&model)
    };
    let with = drafts(1).unwrap();
    assert_eq!(with.0.config.layers, usize::try_from(layers - 1).unwrap());
    let last = format!("blk.{}.", layers - 1);
    assert!(with.0.unused.iter().all(|name| name.starts_with(&last)));
    assert!(!with.0.unused.is_empty());
    assert!(drafts(layers).is_err());
    assert!(drafts(layers + 1).is_err());
    // As if they were not there.
    model.set("llama.block_count", layers - 1);
    model
        .tensors
        .retain(|tensor| !tensor.name.starts_with(last.as_bytes()));
    assert_eq!(outcome(&model).unwrap().1, with.1);
}

#[test]
fn a_dimension_of_one_at_the_end_changes_nothing() {
    let mut model = models::llama();
    let plain = outcome(&model).unwrap().1;
    model.tensor_mut("output_norm.weight").dims.push(1);
    model.tensor_mut("blk.0.attn_q.weight").dims.push(1);
    assert_eq!(outcome(&model).unwrap().1, plain);
}

#[test]
fn numbers_and_biases_that_llama_cpp_does_not_use_have_no_effect() {
    for (architecture, part, length, used) in [
        ("llama", "blk.0.ffn_up.scale", 1, true),
        ("qwen2", "blk.0.ffn_up.scale", 1, false),
        ("smollm3", "blk.0.ffn_down.scale", 1, false),
        ("smollm3", "blk.0.attn_q.scale", 1, true),
        ("llama", "blk.0.attn_norm.bias", 256, false),
        ("llama", "blk.0.attn_output.bias", 256, true),
        ("llama", "output.bias", 320, false),
        ("smollm3", "blk.0.attn_output.bias", 256, false),
        ("ernie4_5", "blk.0.attn_output.bias", 256, false),
        ("deepseek", "blk.0.ffn_down.bias", 256, false),
        ("orion", "blk.0.ffn_down.bias", 256, false),
    ] {
        let mut model = named(architecture, &[]);
        if architecture == "qwen2" {
            model = models::qwen2();
        }
        let key = format!("{architecture}.attention.layer_norm_epsilon");
        model.set(key, 1e-5f32);
        let plain = outcome(&model).unwrap().1;
        model.tensors.push(Tensor {
            name: part.as_bytes().to_vec(),
            dims: vec![length],
            type_id: 0,
            data: 0.75f32
                .to_le_bytes()
                .repeat(usize::try_from(length).unwrap()),
        });
        match outcome(&model) {
            Ok((_, other)) => {
                assert!(used, "{architecture}: {part} is used");
                assert_ne!(other, plain, "{architecture}: {part}");
            }
            Err(text) => {
                let expected = format!("not covered (tensor \"{part}\")");
                assert_eq!((text, used), (expected, false), "{architecture}");
            }
        }
    }
}

#[test]
fn factors_of_rope_have_no_effect_beside_the_type_longrope() {
    let mut model = models::llama();
    let dims = model
        .get("llama.rope.dimension_count")
        .and_then(Value::as_u32);
    let pairs = u64::from(dims.unwrap_or(64)) / 2;
    model.tensors.push(Tensor {
        name: b"rope_freqs.weight".to_vec(),
        dims: vec![pairs],
        type_id: 0,
        data: 2f32.to_le_bytes().repeat(usize::try_from(pairs).unwrap()),
    });
    assert!(outcome(&model).is_ok());
    model.set("llama.rope.scaling.type", "longrope");
    let text = "not covered (tensor \"rope_freqs.weight\")";
    assert_eq!(outcome(&model).unwrap_err(), text);
}

#[test]
fn a_number_of_used_experts_for_each_layer_is_not_covered() {
    let mut model = models::llama();
    for layer in 0..2 {
        for part in ["gate", "up", "down"] {
            let tensor = model.tensor_mut(format!("blk.{layer}.ffn_{part}.weight"));
            tensor.name = format!("blk.{layer}.ffn_{part}_exps.weight").into_bytes();
            tensor.dims.push(3);
            tensor.data = tensor.data.repeat(3);
        }
        model.tensors.push(Tensor {
            name: format!("blk.{layer}.ffn_gate_inp.weight").into_bytes(),
            dims: vec![256, 3],
            type_id: 0,
            data: 0.5f32.to_le_bytes().repeat(256 * 3),
        });
    }
    model.set("llama.expert_count", 3_u32);
    model.set("llama.expert_used_count", 2_u32);
    let plain = outcome(&model).unwrap().1;
    let each = |counts: [i32; 2]| Value::Array(5, counts.map(Value::I32).to_vec());
    model.set("llama.expert_used_count", each([2, 2]));
    assert_eq!(outcome(&model).unwrap().1, plain);
    // llama.cpp would take the first for both.
    model.set("llama.expert_used_count", each([2, 1]));
    let text = "not covered (llama.expert_used_count for each layer)";
    assert_eq!(outcome(&model).unwrap_err(), text);
    model.remove("llama.expert_used_count");
    let text = "llama.expert_used_count: expected 1 to 3, found none";
    assert_eq!(outcome(&model).unwrap_err(), text);
}

/// As llama.cpp does (`create_tensor_qkv`).
#[test]
fn biases_of_query_key_and_value_are_those_that_a_layer_has() {
    let without = |gone: &[&str]| {
        let mut model = models::qwen2();
        let is_gone = |name: &str| gone.iter().any(|start| name.starts_with(start));
        model.tensors.retain(|tensor| {
            let name = str::from_utf8(&tensor.name).unwrap();
            !name.ends_with(".bias") || !is_gone(name)
        });
        outcome(&model).unwrap().1
    };
    let all = [
        without(&[]),
        without(&["blk.1.attn_v"]),
        without(&["blk.1."]),
        without(&["blk."]),
    ];
    let different: std::collections::BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len());
}

#[test]
fn a_bias_that_llama_cpp_requires_is_required() {
    for part in ["output_norm.bias", "blk.1.attn_norm.bias"] {
        let mut model = named("orion", &[]);
        assert!(outcome(&model).is_ok());
        model
            .tensors
            .retain(|tensor| tensor.name != part.as_bytes());
        let text = format!("tensors: expected {part}, found none");
        assert_eq!(outcome(&model).unwrap_err(), text);
    }
}

#[needs::data("arch/ernie4_5-moe.f32.gguf")]
#[test]
fn the_step_between_layers_with_experts_is_required() {
    let whole = fixtures::shared::read("arch/ernie4_5-moe.f32.gguf");
    let key = "ernie4_5-moe.interleave_moe_layer_step";
    let mut places = whole.windows(key.len());
    let end = places.position(|part| part == key.as_bytes()).unwrap() + key.len();
    let error = |bytes: &[u8]| inference::load(&[&bytes.to_vec()]).unwrap_err().to_string();
    let mut other = whole.clone();
    other[end - 1] = b'X';
    let text = format!("{key}: expected an integer, found none");
    assert_eq!(error(&other), text);
    let mut other = whole;
    other[end + 4..end + 8].fill(0);
    let text = format!("{key}: expected at least 1, found 0");
    assert_eq!(error(&other), text);
}

#[needs::data(
    "arch/gpt-oss.f32.gguf",
    "arch/cohere2.f32.gguf",
    "arch/gemma4.f32.gguf"
)]
#[test]
fn a_key_that_llama_cpp_requires_is_required() {
    for (name, key) in [
        ("gpt-oss", "attention.sliding_window"),
        ("cohere2", "attention.sliding_window"),
        ("cohere2", "logit_scale"),
        ("gemma4", "attention.sliding_window"),
    ] {
        let mut bytes = fixtures::shared::read(&format!("arch/{name}.f32.gguf"));
        let full = format!("{name}.{key}");
        let mut places = bytes.windows(full.len());
        let at = places.position(|part| part == full.as_bytes()).unwrap();
        // Under another name.
        bytes[at + full.len() - 1] = b'X';
        let error = inference::load(&[&bytes]).unwrap_err().to_string();
        assert_eq!(error, format!("{full}: expected a number, found none"));
    }
    let dbrx = outcome(&named("dbrx", &[])).unwrap_err();
    assert_eq!(
        dbrx,
        "dbrx.attention.clamp_kqv: expected a number, found none"
    );
}

#[needs::data("arch/nemotron_h_moe.f32.gguf")]
#[test]
fn a_size_of_zero_beside_the_tensor_is_refused() {
    let mut bytes = fixtures::shared::read("arch/nemotron_h_moe.f32.gguf");
    let key = b"nemotron_h_moe.moe_latent_size";
    let at = bytes
        .windows(key.len())
        .position(|part| part == key)
        .unwrap()
        + key.len();
    bytes[at + 4..at + 8].fill(0);
    let error = inference::load(&[&bytes]).unwrap_err().to_string();
    assert!(error.contains("moe_latent_size: expected"), "{error}");
}
