//! The metadata of a file that carries our record: a function of source and options, held against it as a whole.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fixtures::apr::{Converted, converted};
use fixtures::blocks::random_blocks;
use fixtures::gguf::{Tensor, Value};
use fixtures::random::Random;
use fixtures::{hostile, models};
use serde_json::json;
use verifier::finding::Effect;
use verifier::report::{Report, text};
use verifier::source::Source;
use verifier::verdict::Verdict;
use verifier::{Input, Options, verify};

fn report(apr: &[u8], gguf: &[u8]) -> Report {
    let (apr, gguf) = (apr.to_vec(), gguf.to_vec());
    let input = |source| Input {
        name: "file".to_owned(),
        shards: vec![("file".to_owned(), source)],
    };
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    let (apr, gguf): (&dyn Source, &dyn Source) = (&apr, &gguf);
    verify(&input(apr), &input(gguf), &options, &())
}

#[test]
fn what_a_conversion_writes_is_verified() {
    for model in [
        models::tiny(),
        models::qwen3(),
        models::llama_spm(),
        models::llama_scaled(),
        models::odd(),
    ] {
        let found = report(&converted(&model).to_bytes(), &model.to_bytes());
        assert_eq!(found.verdict, Verdict::Verified, "{}", text::full(&found));
    }
}

#[test]
fn each_key_that_says_something_else_is_named() {
    let model = models::tiny();
    let gguf = model.to_bytes();
    type Change = (&'static str, fn(&mut Converted));
    let changes: [Change; 16] = [
        // The f32 is the same.
        ("meta.rope_theta", |file| {
            *file.at("/rope_theta") = json!(999_999.999_999_999_9);
        }),
        ("meta.type", |file| *file.at("/model_type") = json!(1)),
        ("meta.unexplained", |file| set(file, "sharding", json!(5))),
        ("meta.unexplained", |file| {
            set(file, "license ", json!("MIT"));
        }),
        ("meta.unexplained", |file| {
            set(file, "model.rope_type", json!(2));
        }),
        ("meta.unexplained", |file| set(file, "gguf.kv", json!({}))),
        ("meta.unexplained", |file| {
            set(file, "special_tokens", json!({}));
        }),
        ("meta.lost", |file| remove(file, "tokenizer.pre_type")),
        ("meta.lost", |file| remove(file, "head_dim")),
        ("meta.license", |file| *file.at("/license") = json!("MIT")),
        ("meta.flags", |file| file.flags |= 0x0100),
        ("meta.record", |file| {
            *file.at("/aprove/tie") = json!("none!");
        }),
        // Given for nothing that a loader reads.
        ("meta.record", |file| {
            file.at("/aprove")["set"] = json!([["general.mood", "u32", 1]]);
        }),
        ("meta.record", |file| {
            *file.at("/aprove/sources/0/size") = json!(1);
        }),
        ("meta.record", |file| {
            *file.at("/aprove/tensors") = json!({});
        }),
        ("source.changed", |file| {
            *file.at("/aprove/sources/0/blake3") = json!("0".repeat(64));
        }),
    ];
    for (code, change) in changes {
        let mut file = converted(&model);
        change(&mut file);
        let found = report(&file.to_bytes(), &gguf);
        let text = text::full(&found);
        assert_eq!(found.verdict, Verdict::Different, "{code}: {text}");
        assert!(
            found.findings.iter().any(|one| one.code.as_str() == code),
            "{code}: {text}"
        );
    }
}

/// A copy at the top level helps nobody, whether the file carries our record or not.
#[test]
fn what_no_loader_reads_is_not_carried_by_a_copy() {
    type Case = (&'static str, Value, &'static str, serde_json::Value);
    let cases: [Case; 4] = [
        (
            "qwen2.rope.scaling.unheard_of",
            Value::F32(0.5),
            "rope_scaling",
            json!({"unheard_of": 0.5}),
        ),
        (
            "qwen2.rope.dimension_count",
            Value::U32(32),
            "rope_dimension_count",
            json!(32),
        ),
        (
            "qwen2.rope.scaling.attn_factor",
            Value::F32(1.5),
            "rope_scaling",
            json!({"attn_factor": 1.5}),
        ),
        (
            "qwen2.rope.scaling.alpha",
            Value::F32(50.0),
            "rope_scaling",
            json!({"alpha": 50.0}),
        ),
    ];
    for (key, value, copy, json) in cases {
        let mut model = models::qwen2();
        model.set(key, value);
        for is_ours in [true, false] {
            let mut file = converted(&model);
            set(&mut file, copy, json.clone());
            if !is_ours {
                remove(&mut file, "aprove");
            }
            let found = report(&file.to_bytes(), &model.to_bytes());
            assert_eq!(found.verdict, Verdict::Different, "{key}");
            let codes: Vec<_> = found.findings.iter().map(|one| one.code.as_str()).collect();
            assert!(codes.contains(&"meta.not-carried"), "{key}: {codes:?}");
        }
    }
    let mut model = models::qwen2();
    let apr = converted(&model).to_bytes();
    model.set("general.architecture", "nemotron");
    let found = report(&apr, &model.to_bytes());
    assert!(text::full(&found).contains("do not compute what a \"nemotron\" does"));
}

/// They are taken for keys that change what is computed: a converter that keeps them in its record, and says so, is right.
#[test]
fn keys_that_nobody_knows_may_stand_in_the_record_alone() {
    for key in [
        "qwen2.rope.scaling.unheard_of",
        "qwen2.rope.unheard_of",
        "qwen2.unheard_of",
        // Another key than that of one dot, which is known.
        "qwen2..expert_shared_count",
    ] {
        let mut model = models::qwen2();
        model.set(key, Value::F32(0.5));
        let mut file = converted(&model);
        if let Some(part) = key.strip_prefix("qwen2.rope.scaling.") {
            set(&mut file, "rope_scaling", json!({part: 0.5}));
        }
        file.at("/aprove")["record_only"] = json!([key]);
        let found = report(&file.to_bytes(), &model.to_bytes());
        let codes: Vec<_> = found.findings.iter().map(|one| one.code.as_str()).collect();
        assert_eq!(codes, ["meta.record-only"], "{}", text::full(&found));
        assert_eq!(found.verdict, Verdict::Undecided, "{key}");
    }
}

/// Converters of before kept it so.
#[test]
fn a_key_that_no_engine_reads_and_the_record_keeps_is_a_warning() {
    let key = "qwen2.attention.layer_norm_epsilon";
    let mut model = models::qwen2();
    model.set(key, Value::F32(1e-5));
    let mut file = converted(&model);
    file.at("/aprove")["record_only"] = json!([key]);
    let found = report(&file.to_bytes(), &model.to_bytes());
    let warnings: Vec<_> = found
        .findings
        .iter()
        .map(|one| (one.code.as_str(), one.effect))
        .collect();
    assert_eq!(
        warnings,
        [("meta.record", Effect::Warning)],
        "{}",
        text::full(&found)
    );
    assert_eq!(found.verdict, Verdict::Verified);
    assert!(text::full(&found).contains(key));
}

/// Where a layer has all three biases, loaders add them; where a GGUF has no such key, none is lost.
#[test]
fn what_stands_in_the_record_alone_is_not_held_against_another_source() {
    let other = models::qwen2();
    let mut lone = other.clone();
    lone.tensors
        .retain(|tensor| tensor.name != b"blk.1.attn_v.bias");
    let mut keyed = other.clone();
    keyed.set("qwen2.rope.scale_linear", Value::F32(4.0));
    for (model, kept) in [
        (lone, json!(["blk.1.attn_k.bias", "blk.1.attn_q.bias"])),
        (keyed, json!(["qwen2.rope.scale_linear"])),
    ] {
        let mut file = converted(&model);
        file.at("/aprove")["record_only"] = kept;
        let file = file.to_bytes();
        let own = report(&file, &model.to_bytes());
        assert_eq!(own.verdict, Verdict::Undecided, "{}", text::full(&own));
        let found = report(&file, &other.to_bytes());
        assert_eq!(found.verdict, Verdict::Different, "{}", text::full(&found));
        let is_wrong = found
            .findings
            .iter()
            .any(|one| one.code.as_str() == "meta.record");
        assert!(!is_wrong, "{}", text::full(&found));
    }
}

/// llama.cpp loads no such GGUF (`get_key`), and no key of APR has a list.
#[test]
fn a_list_stands_as_one_number_where_engines_read_one_of_each_layer() {
    for (ending, number, name, is_list) in [
        ("attention.head_count", 4_u32, "num_heads", true),
        ("feed_forward_length", 512, "intermediate_size", true),
        ("expert_used_count", 0, "num_experts_per_tok", true),
        ("block_count", 2, "num_layers", false),
        ("context_length", 512, "max_position_embeddings", false),
        ("attention.value_length", 64, "value_length", false),
    ] {
        let mut model = models::qwen2();
        let key = format!("qwen2.{ending}");
        model.set(key.as_str(), Value::U32(number));
        let mut file = converted(&model);
        model.set(key, Value::Array(4, vec![Value::U32(number); 2]));
        for is_ours in [true, false] {
            if !is_ours {
                remove(&mut file, "aprove");
            }
            let found = report(&file.to_bytes(), &model.to_bytes());
            let is_named = text::full(&found).contains(&format!("{name} is not what"));
            assert_eq!(is_named, !is_list, "{name}: {}", text::full(&found));
        }
    }
}

/// llama.cpp counts the tokens, and loaders of APR take as many rows as the key says.
#[test]
fn the_tokens_are_the_vocabulary_where_the_source_states_less() {
    let mut model = models::qwen2();
    model.set("qwen2.vocab_size", Value::U32(10));
    let mut file = converted(&model);
    for (size, is_ours, verdict) in [
        (320, true, Verdict::Verified),
        (10, true, Verdict::Different),
        (320, false, Verdict::Verified),
        (10, false, Verdict::Different),
    ] {
        set(&mut file, "vocab_size", json!(size));
        let mut file = file.clone();
        if !is_ours {
            remove(&mut file, "aprove");
        }
        let found = report(&file.to_bytes(), &model.to_bytes());
        assert_eq!(found.verdict, verdict, "{size}: {}", text::full(&found));
        let said = "qwen2.vocab_size is 10, and there are 320 tokens";
        let is_said = text::full(&found).contains(said);
        assert_eq!(is_said, !(is_ours && size == 10), "{}", text::full(&found));
    }
}

#[test]
fn a_key_changes_what_the_architectures_that_read_it_compute() {
    for (architecture, ending, value, changes) in [
        (
            "stablelm",
            "use_parallel_residual",
            Value::Bool(true),
            false,
        ),
        ("gptneox", "use_parallel_residual", Value::Bool(true), true),
        (
            "qwen2",
            "attention.layer_norm_epsilon",
            Value::F32(1e-5),
            false,
        ),
        (
            "olmo",
            "attention.layer_norm_epsilon",
            Value::F32(1e-5),
            true,
        ),
        (
            "llama",
            "attention.sliding_window_pattern",
            Value::U32(2),
            false,
        ),
        (
            "gemma3",
            "attention.sliding_window_pattern",
            Value::U32(2),
            true,
        ),
        ("mistral", "attn_logit_softcapping", Value::F32(50.0), false),
        ("gemma2", "attn_logit_softcapping", Value::F32(50.0), true),
        // Nobody knows what it reads.
        ("unknown", "attn_logit_softcapping", Value::F32(50.0), true),
    ] {
        let mut model = models::qwen2();
        model.set("general.architecture", architecture);
        let key = format!("{architecture}.{ending}");
        model.set(key.as_str(), value);
        let mut file = converted(&models::qwen2());
        remove(&mut file, "aprove");
        let found = report(&file.to_bytes(), &model.to_bytes());
        let named = found
            .findings
            .iter()
            .any(|one| one.code.as_str() == "meta.not-carried" && one.message.contains(&key));
        assert_eq!(named, changes, "{key}");
    }
}

#[test]
fn tensors_that_loaders_refuse_or_take_for_others_are_named() {
    let quantised = |name: &str| Tensor {
        name: name.as_bytes().to_vec(),
        dims: vec![256],
        type_id: 12,
        data: random_blocks(12, 256, &mut Random::new(3)),
    };
    for name in [
        "a_token_embd.weight",
        "blk.0.attn_norm.weight",
        "blk.1.attn_q.bias",
    ] {
        let mut model = models::qwen2();
        model
            .tensors
            .retain(|tensor| tensor.name != name.as_bytes());
        model.tensors.push(quantised(name));
        let found = report(&converted(&model).to_bytes(), &model.to_bytes());
        let codes: Vec<_> = found.findings.iter().map(|one| one.code.as_str()).collect();
        assert!(codes.contains(&"tensor.loader"), "{name}: {codes:?}");
        assert_eq!(found.verdict, Verdict::Different, "{name}");
    }
}

#[test]
fn keys_that_other_producers_know_are_typed_and_compared() {
    let model = models::qwen2();
    let gguf = model.to_bytes();
    let other = |change: &dyn Fn(&mut Converted)| {
        let mut file = converted(&model);
        remove(&mut file, "aprove");
        change(&mut file);
        report(&file.to_bytes(), &gguf)
    };
    let before = other(&|_| {});
    assert_eq!(before.verdict, Verdict::Verified, "{}", text::full(&before));
    let bits = json!({"quant_type": "Q4_K", "bits": 4, "block_size": 256, "symmetric": true});
    let shards = json!({"shard_count": 1, "shard_index": 0, "total_size": 0, "pattern": null});
    let tokens = json!({"eos_token": "t511", "unk_token": null});
    let harmless = other(&|file| {
        set(file, "quantization", bits.clone());
        set(file, "sharding", shards.clone());
        let ids = json!({"bos_id": 317, "eos_token_id": 319, "im_end_token": null});
        set(file, "special_tokens", ids);
    });
    assert_eq!(
        harmless.verdict,
        Verdict::Verified,
        "{}",
        text::full(&harmless)
    );
    assert_eq!(harmless.findings.len(), before.findings.len());

    for (key, value) in [
        ("model_type", "Auto"),
        ("model_type", "transformer_lm_q4k"),
        ("hf_model_type", "qwen2"),
        ("hf_architecture", "Qwen2ForCausalLM"),
    ] {
        let harmless = other(&|file| set(file, key, json!(value)));
        assert_eq!(harmless.findings.len(), before.findings.len(), "{value}");
    }

    let different = [
        ("meta.type", "model_type", json!(null)),
        ("meta.architecture", "model_type", json!("llama")),
        ("meta.architecture", "hf_model_type", json!("Ernie4.5")),
        (
            "meta.architecture",
            "hf_architecture",
            json!("LlamaForCausalLM"),
        ),
        ("meta.type", "total_size", json!(null)),
        ("meta.type", "quantization", json!({})),
        ("meta.type", "quantization", with(&bits, "bits", json!(256))),
        (
            "meta.type",
            "quantization",
            with(&bits, "symmetric", json!(null)),
        ),
        ("meta.type", "sharding", json!({"shard_count": 1})),
        ("meta.type", "sharding", with(&shards, "pattern", json!(7))),
        (
            "meta.sharding",
            "sharding",
            with(&shards, "shard_count", json!(2)),
        ),
        (
            "meta.type",
            "special_tokens",
            with(&tokens, "im_end_token", json!(5)),
        ),
        (
            "meta.special_tokens",
            "special_tokens",
            with(&tokens, "eos_token", json!("t")),
        ),
        (
            "meta.special_tokens",
            "special_tokens",
            with(&tokens, "unk_token", json!("t")),
        ),
        (
            "meta.special_tokens",
            "special_tokens",
            json!({"bos_id": 5}),
        ),
        (
            "meta.quantization",
            "quantization",
            with(&bits, "bits", json!(8)),
        ),
        (
            "meta.quantization",
            "quantization",
            with(&bits, "block_size", json!(32)),
        ),
        (
            "meta.sharding",
            "sharding",
            with(&shards, "shard_index", json!(1)),
        ),
        ("meta.type", "rope_scaling", json!({"factor": "2"})),
        ("meta.type", "rope_scaling", json!({"type": 3})),
        ("meta.tensor_shapes", "tensor_shapes", json!({"none": [1]})),
    ];
    let warned = [
        ("meta.unexplained", "model_type", json!("transformer")),
        ("meta.unexplained", "hf_architecture", json!("MistralModel")),
        ("meta.unexplained", "chat_format", json!("chatml")),
        ("meta.unexplained", "created_at", json!("2026")),
        ("meta.unexplained", "total_size", json!(1)),
        ("meta.unexplained", "version", json!("2.0.0")),
        (
            "meta.unexplained",
            "quantization",
            json!({"quant_type": "Q2_K", "bits": 2, "symmetric": true}),
        ),
        (
            "meta.unexplained",
            "quantization",
            with(&bits, "group_size", json!(7)),
        ),
        (
            "meta.unexplained",
            "sharding",
            with(&shards, "total_size", json!(1)),
        ),
        (
            "meta.unexplained",
            "sharding",
            with(&shards, "pattern", json!("a")),
        ),
        ("meta.unexplained", "special_tokens", json!({"odd": 1})),
        ("meta.changed", "original_format", json!("safetensors")),
        ("meta.invented", "author", json!("nobody")),
        ("meta.unexplained", "Rope_Theta", json!(null)),
    ];
    let expected = [
        (Verdict::Different, &different[..]),
        (Verdict::Verified, &warned),
    ];
    for (verdict, changes) in expected {
        for (code, key, value) in changes {
            let found = other(&|file| set(file, key, value.clone()));
            let text = text::full(&found);
            assert_eq!(found.verdict, verdict, "{key} {value}: {text}");
            let named = found.findings.iter().any(|one| one.code.as_str() == *code);
            assert!(named, "{code}: {key} {value}: {text}");
        }
    }
}

#[test]
fn a_key_that_is_lost_comes_before_how_numbers_are_written() {
    let model = models::tiny();
    let gguf = model.to_bytes();
    let mut file = converted(&model);
    let respelled = |file: &Converted| {
        let text = serde_json::to_string_pretty(&file.metadata).unwrap();
        let text = text.replace("1e-6", "1e-06");
        let text = text.replace("1000000.0", "1000000");
        assert!(
            text.contains("1e-06") && text.contains("1000000,"),
            "{text}"
        );
        report(&file.with_text(text), &gguf)
    };
    let found = respelled(&file);
    assert_eq!(found.verdict, Verdict::Different);
    assert_eq!(found.reasons, ["meta.form"], "{}", text::full(&found));
    let is_first = |report: &Report, said: &str| {
        let text = text::full(report);
        assert!(text.lines().next().unwrap().contains(said), "{text}");
    };
    for key in ["architecture", "tokenizer.add_bos_token"] {
        let value = file.metadata.remove(key).unwrap();
        is_first(&respelled(&file), key.trim_start_matches("tokenizer."));
        set(&mut file, key, value);
    }
    *file.at("/hidden_size") = json!(33);
    is_first(&respelled(&file), "hidden_size");
}

#[test]
fn the_turns_of_chatml_are_those_of_the_vocabulary() {
    let mut model = models::qwen2();
    let tokens: Vec<String> = (0..320)
        .map(|id| match id {
            317 => "<|im_start|>".to_owned(),
            319 => "<|im_end|>".to_owned(),
            id => format!("t{id}"),
        })
        .collect();
    model.set("tokenizer.ggml.tokens", Value::strings(&tokens));
    let gguf = model.to_bytes();
    for (tokens, verdict) in [
        (
            json!({"im_start_id": 317, "im_end_id": 319, "im_end_token": "<|im_end|>"}),
            Verdict::Verified,
        ),
        (json!({"im_start_id": 319}), Verdict::Different),
        (json!({"im_end_id": "319"}), Verdict::Different),
        (json!({"im_end_token": "<|im_start|>"}), Verdict::Different),
    ] {
        let mut file = converted(&model);
        remove(&mut file, "aprove");
        set(&mut file, "special_tokens", tokens);
        let found = report(&file.to_bytes(), &gguf);
        assert_eq!(found.verdict, verdict, "{}", text::full(&found));
        let mut codes = found.findings.iter().map(|one| one.code.as_str());
        assert!(codes.all(|code| code != "meta.unexplained"));
    }
}

#[test]
fn flags_of_other_producers_describe_the_file() {
    let model = models::qwen2();
    let gguf = model.to_bytes();
    let file = |flags: u16, change: &dyn Fn(&mut Converted)| {
        let mut file = converted(&model);
        remove(&mut file, "aprove");
        change(&mut file);
        file.flags = flags;
        report(&file.to_bytes(), &gguf)
    };
    let none = |_: &mut Converted| {};
    let no_vocabulary = |file: &mut Converted| remove(file, "tokenizer.vocabulary");
    for (flags, change, code) in [
        (0x0400, &none as &dyn Fn(&mut Converted), None),
        (0x0620, &none, None),
        (0x0630, &none, Some(("meta.flags", Effect::Different))),
        (
            0x0600,
            &no_vocabulary,
            Some(("meta.flags", Effect::Different)),
        ),
        (0x0700, &none, Some(("meta.unexplained", Effect::Warning))),
        (0x0480, &none, Some(("meta.unexplained", Effect::Warning))),
        (0x0440, &none, Some(("meta.unexplained", Effect::Warning))),
    ] {
        let found = file(flags, change);
        let of_flags = found.findings.iter().find(|one| {
            let mut places = one.places.iter();
            places.any(|place| place.name.as_deref() == Some("flags"))
        });
        let seen = of_flags.map(|one| (one.code.as_str(), one.effect));
        assert_eq!(seen, code, "{flags:#06x}: {}", text::full(&found));
    }
}

#[test]
fn a_file_without_quantised_tensors_is_not_flagged_as_one() {
    let mut model = models::tiny();
    model.tensors.retain(|tensor| tensor.type_id == 0);
    let mut file = converted(&model);
    remove(&mut file, "aprove");
    for (flags, effect) in [
        (0x0620, Some(Effect::Different)),
        (0x0600, None),
        // One producer writes this flag and no other into every file.
        (0x0020, Some(Effect::Warning)),
    ] {
        file.flags = flags;
        let found = report(&file.to_bytes(), &model.to_bytes());
        let of_flags = found.findings.iter().find(|one| one.code == "meta.flags");
        assert_eq!(of_flags.map(|one| one.effect), effect, "{flags:#06x}");
    }
}

#[test]
fn a_file_has_one_naming_and_an_artifact_one_layout() {
    let model = models::qwen2();
    let gguf = model.to_bytes();
    let found = |file: &Converted| report(&file.to_bytes(), &gguf);
    let is_named = |report: &Report, code: &str| {
        let named = report.findings.iter().any(|one| one.code.as_str() == code);
        assert!(named, "{code}: {}", text::full(report));
        assert_eq!(report.verdict, Verdict::Different);
    };
    let mut mixed = converted(&model);
    remove(&mut mixed, "aprove");
    let odd = mixed.tensors.iter_mut();
    let mut odd = odd.filter(|tensor| tensor.name.ends_with(b"v_proj.bias"));
    let odd = odd.next().unwrap();
    odd.name.drain(.."model.".len());
    mixed.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    is_named(&found(&mixed), "tensor.naming");

    // Two tensors of one size change places, data and entries, and every checksum is put right.
    let mut bytes = converted(&model).to_bytes();
    let word = |bytes: &[u8], at: usize| {
        usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
    };
    let data = word(&bytes, 32);
    let entries = ["input_layernorm", "post_attention_layernorm"].map(|norm| {
        let name = format!("model.layers.0.{norm}.weight");
        let mut places = bytes.windows(name.len());
        // Behind the name: type, number of dims, one dim, offset, size.
        let at = places.rposition(|place| place == name.as_bytes()).unwrap();
        at + name.len() + 10
    });
    let places = entries.map(|entry| data + word(&bytes, entry));
    let size = word(&bytes, entries[0] + 8);
    assert_eq!(size, word(&bytes, entries[1] + 8));
    for index in 0..8 {
        bytes.swap(entries[0] + index, entries[1] + index);
    }
    for index in 0..size {
        bytes.swap(places[0] + index, places[1] + index);
    }
    fixtures::apr::reseal(&mut bytes);
    is_named(&report(&bytes, &gguf), "tensor.layout");
}

fn with(object: &serde_json::Value, key: &str, value: serde_json::Value) -> serde_json::Value {
    let mut object = object.clone();
    object
        .as_object_mut()
        .unwrap()
        .insert(key.to_owned(), value);
    object
}

#[test]
fn a_number_is_written_in_one_way() {
    let model = models::qwen2();
    let file = converted(&model);
    let text = file.text();
    let theta = "\"rope_theta\":1000000.0";
    assert!(text.contains(theta));
    for other in ["1e6", "1E6", "1000000.00", "1.0e+6", "10.0e5", "1000000"] {
        let text = text.replacen(theta, &format!("\"rope_theta\":{other}"), 1);
        let found = report(&file.with_text(text), &model.to_bytes());
        assert_eq!(found.verdict, Verdict::Different, "{other}");
    }
}

fn set(file: &mut Converted, key: &str, value: serde_json::Value) {
    file.metadata.insert(key.to_owned(), value);
}

fn remove(file: &mut Converted, key: &str) {
    file.metadata.remove(key).unwrap();
}

#[test]
fn findings_of_one_kind_are_listed_up_to_a_cap() {
    let model = hostile::duplicates_of_a_key(60_000);
    let file = converted(&models::tiny()).to_bytes();
    let found = report(&file, &model.to_bytes());
    assert_ne!(found.verdict, Verdict::Verified);
    assert!(found.findings.len() < 400, "{}", found.findings.len());
    assert!(text::full(&found).len() < 200_000);
    let (model, file) = hostile::copies_of_nothing(80_000);
    let found = report(&file.to_bytes(), &model.to_bytes());
    assert_eq!(found.verdict, Verdict::Different);
    assert!(found.findings.len() < 100, "{}", found.findings.len());
}

#[test]
fn a_record_expands_no_reference_twice() {
    let (model, file) = hostile::references_to_one_string(2_000, 1 << 20);
    let found = report(&file.to_bytes(), &model.to_bytes());
    assert_eq!(found.verdict, Verdict::Different);
    assert!(
        found
            .findings
            .iter()
            .any(|one| one.message.ends_with("kv[1]"))
    );
}

#[test]
fn many_keys_before_the_architecture_are_compared() {
    let model = hostile::keys_before_the_architecture(80_000);
    let file = converted(&model).to_bytes();
    let found = report(&file, &model.to_bytes());
    assert_eq!(found.verdict, Verdict::Verified);
}
