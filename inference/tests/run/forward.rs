//! One model: what runs, what is refused, and how near the truth it is.

use crate::support::{npy, relative_error, run, shared_tokens};
use fixtures::{
    apr::{from_model, from_model_b, from_model_with_rope_type},
    damage,
    gguf::{Model as Fixture, Tensor},
    malformed, models, shared,
};
use inference::{
    Error, Format, Options, Pairing, Scaling, Source, StageSink, Step, default_prompts, load,
};
use trace_compare::format::Trace;

#[test]
fn threads_and_panels_do_not_change_a_bit() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        let bytes = model.to_bytes();
        let expected = digests(&bytes, &TOKENS, 1, usize::MAX);
        for (threads, panel_bytes) in [(2, 4 << 20), (3, 1), (7, 10_000)] {
            assert_eq!(digests(&bytes, &TOKENS, threads, panel_bytes), expected);
        }
    }
}

#[test]
fn the_first_rows_of_a_longer_prompt_are_those_of_the_short_one() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        let bytes = model.to_bytes();
        let prompt = &default_prompts(320)[2].tokens;
        let (_, long) = run(&bytes, prompt, &Options::default()).unwrap();
        let (_, short) = run(&bytes, &prompt[..8], &Options::default()).unwrap();
        assert_eq!(long.values.len(), short.values.len());
        for ((key, long), (same, short)) in long.values.iter().zip(&short.values) {
            assert_eq!(key, same);
            if key.stage.is_per_position() {
                // A row for each token and head, as long as the prompt.
                for (long, short) in long.chunks(32).zip(short.chunks(8)) {
                    assert_eq!(long[..8], *short, "{key}");
                }
            } else {
                assert_eq!(long[..short.len()], **short, "{key}");
            }
        }
    }
}

#[test]
fn both_formats_of_a_model_agree_in_every_stage() {
    for (model, rope_type) in [
        (models::qwen2(), 2),
        (models::qwen2_tied(), 2),
        (models::llama(), 0),
        (models::qwen3(), 2),
    ] {
        let gguf = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
        let apr = from_model_with_rope_type(&model, rope_type).to_bytes();
        assert_eq!(
            gguf.first_difference(&digests(&apr, &TOKENS, 2, 4 << 20)),
            None
        );
    }
}

#[test]
fn names_of_gguf_and_aliases_of_keys_load_as_well() {
    for model in [models::qwen2(), models::llama()] {
        let gguf = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
        let apr = from_model_b(&model).to_bytes();
        assert_eq!(
            gguf.first_difference(&digests(&apr, &TOKENS, 2, 4 << 20)),
            None
        );
    }
}

#[test]
fn a_wrong_rope_type_shows_at_the_first_rope() {
    let model = models::qwen3();
    let gguf = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
    let apr = digests(&from_model(&model).to_bytes(), &TOKENS, 2, 4 << 20);
    assert_eq!(gguf.first_difference(&apr), both("0.q_rope"));
}

#[test]
fn scaling_that_one_file_lacks_shows_at_the_first_rope() {
    let model = models::llama_scaled();
    let (loaded, gguf) = run(&model.to_bytes(), &TOKENS, &Options::default()).unwrap();
    assert!(matches!(loaded.rope(0).unwrap().scaling, Scaling::Yarn(_)));
    let apr = digests(&from_model(&model).to_bytes(), &TOKENS, 2, 4 << 20);
    assert_eq!(gguf.digests.first_difference(&apr), both("0.q_rope"));
}

#[test]
fn factors_of_llama3_turn_the_slow_pairs_more_slowly() {
    let mut model = models::llama();
    let plain = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
    let mut add = |factor: f32| {
        model
            .tensors
            .retain(|tensor| tensor.name != b"rope_freqs.weight");
        let factors = (0..32).map(|pair| if pair < 16 { 1.0 } else { factor });
        model.tensors.push(Tensor {
            name: b"rope_freqs.weight".to_vec(),
            dims: vec![32],
            type_id: 0,
            data: factors.flat_map(f32::to_le_bytes).collect(),
        });
        let gguf = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
        let apr = digests(&from_model(&model).to_bytes(), &TOKENS, 2, 4 << 20);
        assert_eq!(gguf.first_difference(&apr), None);
        gguf
    };
    assert_eq!(plain.first_difference(&add(1.0)), None);
    assert_eq!(plain.first_difference(&add(8.0)), both("0.q_rope"));
}

#[test]
fn the_digests_of_the_fixtures_never_change() {
    let found = [
        models::qwen2(),
        models::llama(),
        models::qwen3(),
        models::llama_scaled(),
    ];
    let found = found.map(|model| digests(&model.to_bytes(), &TOKENS, 2, 4 << 20));
    let found = found.map(|digests| digests.run().to_string());
    let expected = [
        "37a51ab32325ec1255e92d5ee218ecc86018d5912e45f2013cd0121056f12b11",
        "b94dccdf459612533161d87764b5c780735cecc6090d5781a1187c28ae8dc065",
        "59ba61494e88f363c9149be7e5a6e459d7a54767b92aa9521c9dc9c5efeaa497",
        "8ea62cce5dec65a70c3097e75eda03594b619dd0a9a60745ae9ea5d185f5b958",
    ];
    assert_eq!(found, expected);
}

#[test]
fn one_bit_in_a_matrix_shows_at_its_stage() {
    let model = models::qwen2();
    let good = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
    for (tensor, byte, stage) in [
        ("blk.1.ffn_gate.weight", 40, "1.ffn_gate"),
        ("blk.0.attn_v.bias", 2, "0.v_post_bias"),
        ("output.weight", 10, "logits"),
    ] {
        let mut bad = model.clone();
        bad.tensor_mut(tensor).data[byte] ^= 0x10;
        let bad = digests(&bad.to_bytes(), &TOKENS, 2, 4 << 20);
        assert_eq!(good.first_difference(&bad), both(stage));
    }
}

#[test]
fn every_type_of_weights_runs() {
    for id in [0, 1, 2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 30] {
        let stages = digests(&models::with_type(id).to_bytes(), &TOKENS, 2, 4 << 20);
        assert!(
            stages.stages.iter().all(|stage| stage.nans == 0),
            "type {id}"
        );
    }
}

#[test]
fn what_a_file_does_not_say_is_an_assumption() {
    let mut model = models::qwen2();
    let whats = |model: &Fixture| {
        let (model, _) = run(&model.to_bytes(), &[1], &Options::default()).unwrap();
        model
            .assumptions
            .into_iter()
            .map(|assumption| assumption.what)
            .collect::<Vec<_>>()
    };
    assert_eq!(whats(&model), ["qwen2.attention.key_length"]);
    assert!(whats(&models::qwen3()).is_empty());
    model.remove("qwen2.rope.freq_base");
    model.remove("qwen2.attention.layer_norm_rms_epsilon");
    model
        .tensors
        .retain(|tensor| tensor.name != b"output.weight");
    let expected = [
        "qwen2.attention.key_length",
        "qwen2.attention.layer_norm_rms_epsilon",
        "qwen2.rope.freq_base",
        "tied flag",
    ];
    assert_eq!(whats(&model), expected);
}

#[test]
fn a_missing_rope_type_is_assumed_to_be_that_of_the_architecture() {
    let mut apr = from_model(&models::qwen3());
    apr.metadata = apr.metadata.replacen("\"rope_type\":0,", "", 1);
    let (model, _) = run(&apr.to_bytes(), &TOKENS, &Options::default()).unwrap();
    assert_eq!(
        (model.format, model.rope(0).unwrap().pairing),
        (Format::Apr, Pairing::Neox)
    );
    let text = model
        .assumptions
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(
        text,
        [
            "head_dim is missing: 128 assumed, the rows of the first query matrix divided by the heads",
            "rope_type is missing: 2 assumed, the pairing that llama.cpp gives the architecture",
        ]
    );
}

#[test]
fn what_is_not_covered_says_what() {
    let mut gemma = models::qwen2();
    gemma.set("general.architecture", "gemma3n");
    let mut longrope = models::llama_scaled();
    longrope.set("llama.rope.scaling.type", "longrope");
    let scales = with_tensors(
        models::qwen3(),
        &["blk.0.attn_q.input_scale", "blk.1.ffn_up.input_scale"],
    );
    for (model, text) in [
        (
            gemma,
            "not covered (arch gemma3n: its residual has several streams (AltUp), and its feed-forwards are sparse)",
        ),
        (
            scales,
            "not covered (tensor \"blk.0.attn_q.input_scale\" and 1 more)",
        ),
        (
            with_tensors(models::llama(), &["v.blk.0.attn_q.weight"]),
            "not covered (tensor \"v.blk.0.attn_q.weight\")",
        ),
        (
            with_tensors(models::llama(), &["rope_factors_long.weight"]),
            "not covered (tensor \"rope_factors_long.weight\")",
        ),
        (
            with_tensors(models::llama(), &["blk.1.new_gate.weight"]),
            "not covered (tensor \"blk.1.new_gate.weight\")",
        ),
        (longrope, "not covered (rope scaling \"longrope\")"),
        (
            models::with_type(28),
            "not covered (tensor \"blk.0.ffn_gate.weight\" of type F64)",
        ),
    ] {
        let Err(error) = run(&model.to_bytes(), &[1], &Options::default()) else {
            panic!("ran: {text}");
        };
        assert!(matches!(error, Error::NotCovered { .. }));
        assert_eq!(error.to_string(), text);
    }
}

#[needs::data("field")]
#[test]
fn products_are_multiplied_by_the_factors_of_a_file_from_the_field() {
    let file = shared::read("field/scale-tensors/qwen3-scale.gguf");
    let sources: [&dyn Source; 1] = [&file];
    let model = load(&sources).unwrap();
    let tokens = [1, 5, 9];
    let options = Options::default();
    let exact =
        inference::forward_in_f64(&model, &sources, &tokens, &options, &mut Nothing).unwrap();
    // An independent forward in float64.
    let truth = [-1.413_234_559_948_001_8, -0.444_955_414_043_746_33];
    for (found, truth) in exact[2 * 320..].iter().zip(truth) {
        assert!((found - truth).abs() < 1e-12, "{found}, not {truth}");
    }
}

#[test]
fn keys_that_say_what_engines_do_anyway_are_covered() {
    let mut model = models::llama_scaled();
    for (key, value) in [
        ("llama.attention.scale", 0.125f32),
        ("llama.rope.scaling.yarn_beta_fast", 32.0),
        ("llama.rope.scaling.yarn_beta_slow", 1.0),
        ("llama.logit_scale", 1.0),
        ("llama.final_logit_softcapping", 0.0),
    ] {
        model.set(key, value);
    }
    let options = Options::default();
    let (_, plain) = run(&models::llama_scaled().to_bytes(), &[1, 2], &options).unwrap();
    let (_, stated) = run(&model.to_bytes(), &[1, 2], &options).unwrap();
    assert_eq!(stated.digests, plain.digests);
}

#[test]
fn keys_that_llama_cpp_does_not_read_are_named_and_have_no_effect() {
    let mut model = models::llama_scaled();
    let options = Options::default();
    let (_, plain) = run(&model.to_bytes(), &[1, 2], &options).unwrap();
    let keys = [
        "llama.attention.scale",
        "llama.attention.sliding_window",
        "llama.attn_logit_softcapping",
        "llama.rope.freq_base_swa",
        "llama.rope.scaling.yarn_beta_fast",
    ];
    // The fixture has a window.
    for key in keys.iter().filter(|key| !key.ends_with("window")) {
        model.set(*key, 0.75f32);
    }
    let (loaded, stated) = run(&model.to_bytes(), &[1, 2], &options).unwrap();
    assert_eq!(stated.digests, plain.digests);
    assert_eq!(loaded.unused, keys.map(|key| format!("key {key}")));
}

#[test]
fn tensors_that_no_engine_reads_are_listed_and_not_run() {
    let names = ["blk.0.rotary_emb.inv_freq", "notes"];
    let bytes = with_tensors(models::llama(), &names).to_bytes();
    let sources: [&dyn Source; 1] = [&bytes];
    assert_eq!(load(&sources).unwrap().unused, names);
}

fn with_tensors(mut model: Fixture, names: &[&str]) -> Fixture {
    for name in names {
        let mut tensor = model.tensor("output_norm.weight").clone();
        tensor.name = name.as_bytes().to_vec();
        model.tensors.push(tensor);
    }
    model
}

#[test]
fn a_model_without_a_tensor_or_with_another_shape_is_refused() {
    let mut missing = models::qwen2();
    missing
        .tensors
        .retain(|tensor| tensor.name != b"blk.1.attn_v.weight");
    let mut heads = models::qwen2();
    heads.set("qwen2.attention.head_count_kv", 4u32);
    for (model, text) in [
        (missing, "tensors: expected blk.1.attn_v.weight, found none"),
        (
            heads,
            "tensor \"blk.0.attn_k.weight\": expected dims [256, 256], found [256, 128]",
        ),
    ] {
        let Err(error) = run(&model.to_bytes(), &[1], &Options::default()) else {
            panic!("ran: {text}");
        };
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_bias_that_no_stage_takes_is_not_covered() {
    let mut model = models::qwen3();
    let mut bias = models::qwen2().tensor("blk.0.attn_q.bias").clone();
    bias.name = b"blk.0.attn_output.bias".to_vec();
    model.tensors.push(bias);
    let Err(error) = run(&model.to_bytes(), &[1], &Options::default()) else {
        panic!("ran without the bias");
    };
    assert_eq!(
        error.to_string(),
        "not covered (tensor \"blk.0.attn_output.bias\")"
    );
}

#[test]
fn damaged_and_hostile_files_are_errors_and_never_panics() {
    for file in malformed::gguf().into_iter().chain(malformed::apr()) {
        drop(run(&file.bytes, &[0], &ONE_THREAD));
    }
    let mut model = models::tiny();
    model
        .tensors
        .retain(|tensor| tensor.name != b"blk.0.extra.weight");
    for bytes in [model.to_bytes(), from_model(&model).to_bytes()] {
        assert!(run(&bytes, &[0, 7], &ONE_THREAD).is_ok());
        for at in (0..bytes.len()).step_by(11) {
            for bit in [0, 3, 7] {
                drop(run(
                    &damage::flip_bit(&bytes, at, bit),
                    &[0, 7],
                    &ONE_THREAD,
                ));
            }
            drop(run(&damage::truncate(&bytes, at), &[0, 7], &ONE_THREAD));
        }
    }
}

#[test]
fn a_prompt_outside_the_model_is_refused() {
    let bytes = models::qwen2().to_bytes();
    for (tokens, expected) in [
        (vec![], "prompt: expected 1 to 2048 tokens, found 0"),
        (
            vec![1; 2049],
            "prompt: expected 1 to 2048 tokens, found 2049",
        ),
        (
            vec![1, 320],
            "prompt: expected token ids below 320, found 320",
        ),
    ] {
        let Err(error) = run(&bytes, &tokens, &Options::default()) else {
            panic!("ran: {expected}");
        };
        assert_eq!(error.to_string(), expected);
    }
    let Err(error) = run(
        &models::llama_scaled().to_bytes(),
        &[1; 257],
        &Options::default(),
    ) else {
        panic!("ran beyond the window");
    };
    assert!(matches!(error, Error::NotCovered { .. }));
}

#[test]
fn the_tokens_of_a_split_set_are_those_of_the_single_file() {
    let model = models::qwen2();
    let expected = digests(&model.to_bytes(), &TOKENS, 2, 4 << 20);
    let shards = model.shards(3);
    let sources: Vec<&dyn Source> = shards.iter().map(|shard| shard as _).collect();
    let loaded = load(&sources).unwrap();
    let mut found = inference::Digests::default();
    inference::forward(&loaded, &sources, &TOKENS, &Options::default(), &mut found).unwrap();
    assert_eq!(expected.first_difference(&found), None);
}

#[needs::data("oracle")]
#[test]
fn logits_are_near_the_f64_truth_at_every_token() {
    let tokens = shared_tokens();
    for name in ["qwen2", "llama", "qwen3"] {
        let truth = npy(&shared::read(&format!("oracle/{name}.f64.logits.npy")));
        let bytes = shared::read(&format!("oracle/{name}.gguf"));
        let (model, stages) = run(&bytes, &tokens, &Options::default()).unwrap();
        let (_, logits) = stages.values.last().unwrap();
        let vocabulary = model.config.vocabulary;
        for (token, truth) in truth.chunks(vocabulary).enumerate() {
            let found = &logits[token * vocabulary..][..vocabulary];
            let error = relative_error(found, truth);
            assert!(error <= 2e-6, "{name} token {token}: {error:e}");
        }
    }
}

#[needs::data("oracle")]
#[test]
fn every_stage_is_near_the_f64_truth() {
    let tokens = shared_tokens();
    for name in ["qwen2", "llama", "qwen3"] {
        let truth = Trace::open(&shared::path(&format!("oracle/{name}.f64.stages.npz"))).unwrap();
        let bytes = shared::read(&format!("oracle/{name}.gguf"));
        let (_, stages) = run(&bytes, &tokens, &Options::default()).unwrap();
        let mut compared = 0;
        for record in &truth.records {
            let step = Step::from_key(&record.name).unwrap();
            let (_, found) = stages.values.iter().find(|(key, _)| *key == step).unwrap();
            let values = truth.values(record).unwrap().unwrap();
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let error = relative_error(found, &values);
            assert!(error <= 4e-6, "{name} {step}: {error:e}");
            compared += 1;
        }
        assert!(compared >= 30, "{name}: {compared}");
    }
}

#[needs::data("oracle")]
#[test]
fn f64_gives_the_logits_of_an_independent_f64_forward() {
    let tokens = shared_tokens();
    for name in ["qwen2", "llama", "qwen3"] {
        let truth = npy(&shared::read(&format!("oracle/{name}.f64.logits.npy")));
        let bytes = shared::read(&format!("oracle/{name}.gguf"));
        let sources: [&dyn Source; 1] = [&bytes];
        let model = load(&sources).unwrap();
        let options = Options::default();
        let logits =
            inference::forward_in_f64(&model, &sources, &tokens, &options, &mut Nothing).unwrap();
        let error = relative_error(&logits, &truth);
        assert!(error <= 1e-13, "{name}: {error:e}");
    }
}

/// Forgets every stage.
struct Nothing;

impl StageSink<f64> for Nothing {
    fn stage(&mut self, _: Step, _: usize, _: &[f64]) {}
}

#[needs::data("oracle", "apr")]
#[test]
fn files_of_the_real_importer_agree_or_show_its_rope_bug() {
    let tokens = shared_tokens();
    for (name, expected) in [
        ("qwen2.A", None),
        ("qwen2.B", None),
        ("llama.A", None),
        ("llama.B", None),
        ("qwen3.A", both("0.q_rope")),
    ] {
        let apr = shared::read(&format!("apr/{name}.apr"));
        let gguf = shared::read(&format!("oracle/{}.gguf", &name[..5]));
        let [apr, gguf] = [apr, gguf].map(|bytes| digests(&bytes, &tokens, 2, 4 << 20));
        assert_eq!(gguf.first_difference(&apr), expected, "{name}");
    }
}

fn digests(bytes: &[u8], tokens: &[u32], threads: usize, panel_bytes: usize) -> inference::Digests {
    let options = Options {
        threads,
        panel_bytes,
        ..Options::default()
    };
    run(bytes, tokens, &options).unwrap().1.digests
}

fn both(key: &str) -> Option<(Option<Step>, Option<Step>)> {
    let step = Step::from_key(key);
    assert!(step.is_some(), "{key}");
    Some((step, step))
}

const ONE_THREAD: Options = Options {
    threads: 1,
    memory: 4 << 30,
    panel_bytes: 4 << 20,
};
const TOKENS: [u32; 8] = [10, 72, 105, 33, 300, 17, 42, 99];
