//! Traces of other engines compared with our runs: real ones of the shared data where they are present, and our own runs under
//! the names of others.

use std::path::PathBuf;

use crate::runs::shared_tokens;
use crate::support::{ByKey, Loaded, safetensors, safetensors_of, write};
use fixtures::{models, shared};
use inference::{Op, Options, Source, Stage, Step, WeightType, Width};
use trace_compare::{
    format::{AprtSink, SafetensorsSink, Trace},
    judge::{
        CompareError, Comparison, Estimator, Findings, Fit, Outcome, Rounding, StatisticsReport,
        Status, TokensFrom, ValuesReport, Verdict, WhichTokens, compare,
    },
};

#[needs::data("oracle", "apr")]
#[test]
fn the_seed_case_is_a_capture_point_mismatch_and_no_divergence() {
    let [model, apr, gguf] = files([
        "oracle/qwen2.gguf",
        "apr/qwen2.A.trace.txt",
        "apr/qwen2.gguf.trace.txt",
    ]);
    let traces = [apr, gguf].map(|path| Trace::open(&path).unwrap());
    let found = Loaded::open(&model).compare(&traces, None);
    assert_eq!(found.verdict, Verdict::CaptureMismatch);
    assert_eq!(found.verdict.exit_code(), 0);
    assert_eq!(
        found.summary,
        "qkv of qwen2.A.trace.txt is our post-bias, all tokens; of qwen2.gguf.trace.txt, our pre-bias, last token: \
         a capture-point mismatch and a token-set mismatch, not a divergence"
    );
    assert_eq!(found.mismatches[0].records, ["layer 0 qkv", "layer 1 qkv"]);
    assert!(!found.mismatches[1].capture_point && found.mismatches[1].token_set);
    // Both points are rows of the table, and the figures of both files are ours at one of them each.
    let row = &statistics(&found, 0)
        .rows
        .iter()
        .find(|row| row.name == "layer 0 qkv")
        .unwrap();
    let at = |point, set| {
        let fits = |one: &&trace_compare::judge::Candidate| {
            one.capture.to_string().contains(point) && one.set == set
        };
        row.candidates
            .iter()
            .find(fits)
            .unwrap()
            .ours
            .sample_deviation()
    };
    assert!((at("post_bias", WhichTokens::All) - 14.3077).abs() < 1e-4);
    assert!((at("pre_bias", WhichTokens::Last) - 0.9911).abs() < 1e-4);
    let text = found.text();
    assert!(
        text.contains("ours, pre-bias") && text.contains("ours, post-bias"),
        "{text}"
    );
}

#[needs::data("oracle", "apr")]
#[test]
fn statistics_of_a_gguf_run_are_reproduced_by_its_rounding() {
    for name in ["qwen2", "llama", "qwen3"] {
        let [model, trace] = files([
            &format!("oracle/{name}.gguf"),
            &format!("apr/{name}.gguf.trace.json"),
        ]);
        let found = Loaded::open(&model).compare(&[Trace::open(&trace).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Consistent, "{}", found.summary);
        let report = statistics(&found, 0);
        assert_eq!(report.counts(), [15, 0, 0]);
        assert_eq!(report.rounded, [WeightType::Q4K]);
        assert_eq!(report.estimator, Estimator::Sample);
        assert!(report.changes.is_empty());
        let sets = report.rows.iter().map(|row| row.best().unwrap().set);
        assert!(sets.into_iter().all(|set| set == WhichTokens::Last));
    }
}

#[needs::data("apr")]
#[test]
fn dumps_of_the_reference_tool_agree_operation_by_operation() {
    for (name, operations) in [("qwen2", 45), ("llama", 39)] {
        let [model, _] = files([
            &format!("apr/{name}.A.apr"),
            &format!("apr/{name}.A.aprt/final_norm.bin"),
        ]);
        let folder = model.with_extension("aprt");
        let found = Loaded::open(&model).compare(&[Trace::open(&folder).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        assert_eq!(found.traces[0].tokens_from, TokensFrom::Embedding);
        assert_eq!(
            found.traces[0].tokens,
            [87, 104, 281, 32, 310, 32, 50, 43, 50, 63]
        );
        assert_eq!(found.traces[0].theirs_only, [""; 0]);
        let values = values(&found, 0);
        assert_eq!(values.operations.len(), operations);
        assert!(
            values
                .operations
                .iter()
                .all(|row| matches!(row.outcome, Outcome::Judged { within: true, .. }))
        );
        // It rounds activations for one type of weights and not for the other.
        let expected = [
            (WeightType::Q4K, Rounding::Q8K, 12),
            (WeightType::Q6K, Rounding::None, 3),
        ];
        assert_eq!(values.roundings, expected);
    }
}

#[needs::data("oracle", "apr")]
#[test]
fn the_report_says_what_the_reference_tool_leaves_out_of_qwen3() {
    let [gguf, apr, text, dump] = files([
        "oracle/qwen3.gguf",
        "apr/qwen3.A.apr",
        "apr/qwen3.A.trace.txt",
        "apr/qwen3.A.aprt/final_norm.bin",
    ]);
    let (norms, heads) = (
        "leaves out q_norm and k_norm",
        "uses a head size of 64 (hidden / heads) instead of 128",
    );
    let dump = dump.parent().unwrap();
    let found = Loaded::open(&gguf).compare(&[Trace::open(dump).unwrap()], None);
    assert_eq!(found.verdict, Verdict::Differs);
    let explanation = values(&found, 0).explanation.clone().unwrap();
    assert_eq!(explanation.changes, [norms, heads]);
    let quoted = include_str!("../../../../docs/compare-trace.md").split_whitespace();
    let quoted = quoted.collect::<Vec<_>>().join(" ");
    assert!(quoted.contains(&format!("the other engine {norms}, and {heads}")));
    assert_eq!(explanation.reproduced(), (39, 39));
    // Its rounding is that of its other traces.
    assert_eq!(
        values(&found, 0).roundings[0],
        (WeightType::Q4K, Rounding::Q8K, 12)
    );
    assert!(values(&found, 0).effect.is_none());
    let missing = found.traces[0].ours_only.iter().map(ToString::to_string);
    assert!(missing.into_iter().any(|step| step == "0.q_norm"));
    // The .apr says NORM, and its engine rotates NEOX all the same.
    let found = Loaded::open(&apr).compare(&[Trace::open(dump).unwrap()], None);
    let explanation = values(&found, 0).explanation.clone().unwrap();
    assert_eq!(explanation.changes.len(), 3);
    assert!(explanation.changes[2].starts_with("rotates NEOX pairs"));
    // The statistics alone lead to the same.
    let found = Loaded::open(&gguf).compare(&[Trace::open(&text).unwrap()], None);
    assert_eq!(found.verdict, Verdict::Differs);
    let report = statistics(&found, 0);
    assert_eq!(report.changes, [norms, heads]);
    assert_eq!(report.counts(), [23, 0, 0]);
}

#[needs::data("oracle")]
#[test]
fn the_rounding_of_llama_cpp_explains_its_deviation() {
    for name in ["qwen2", "llama", "qwen3"] {
        let [model, trace] = files([
            &format!("oracle/{name}.gguf"),
            &format!("oracle/{name}.llama_cpp.trace.npz"),
        ]);
        let tokens = shared_tokens();
        let found = Loaded::open(&model).compare(&[Trace::open(&trace).unwrap()], Some(&tokens));
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        let values = values(&found, 0);
        for (_, rounding, _) in &values.roundings {
            assert_eq!(*rounding, Rounding::Q8K);
        }
        for row in &values.operations {
            let Outcome::Judged {
                difference,
                product,
                ..
            } = &row.outcome
            else {
                panic!("{} was not judged", row.step);
            };
            if let Some(product) = product {
                assert!(product.unrounded > 5e-3);
                assert!(
                    difference.relative < 2e-5 * product.unrounded,
                    "{}",
                    row.step
                );
            }
        }
        let effect = values.effect.as_ref().unwrap();
        assert!((0.02..0.03).contains(&effect.theirs), "{}", effect.theirs);
        assert!((0.5..2.0).contains(&(effect.emulated / effect.theirs)));
        assert!(found.text().contains("Q8_K, 8 bits per 256"));
    }
}

#[test]
fn our_own_dumps_agree_bit_for_bit_and_one_value_off_is_named() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        let loaded = Loaded::new(model.to_bytes());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        let mut sink = SafetensorsSink::new(Vec::new(), &loaded.model, &TOKENS, None).unwrap();
        loaded.run(&loaded.model, &TOKENS, &mut sink);
        let mut bytes = sink.finish().unwrap();
        write(&path, &bytes);
        let trace = || Trace::open(&path).unwrap();
        let found = loaded.compare(&[trace()], None);
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        assert_eq!(found.traces[0].tokens_from, TokensFrom::Trace);
        assert!(found.traces[0].ours_only.is_empty());
        // The lowest bit of one value of the second layer.
        let place = offset_of(&bytes, "1.ffn_up") + 4 * (2 * width(&loaded.model, "1.ffn_up") + 3);
        bytes[place] ^= 1;
        write(&path, &bytes);
        let found = loaded.compare(&[trace()], None);
        assert_eq!(found.verdict, Verdict::Differs);
        assert!(
            found.summary.contains("first at 1.ffn_up"),
            "{}",
            found.summary
        );
        let plain = record(&found, "1.ffn_up").plain.clone().unwrap();
        let worst = plain.difference.worst.unwrap();
        assert_eq!((worst.token, worst.index), (2, 3));
    }
}

#[needs::data("apr")]
#[test]
fn one_value_off_in_a_foreign_dump_is_named_with_its_element() {
    let [model, dump] = files(["apr/qwen2.A.apr", "apr/qwen2.A.aprt/final_norm.bin"]);
    let folder = tempfile::tempdir().unwrap();
    for layer in ["layer-0", "layer-1"] {
        std::fs::create_dir(folder.path().join(layer)).unwrap();
        for entry in dump.parent().unwrap().join(layer).read_dir().unwrap() {
            let path = entry.unwrap().path();
            let target = folder.path().join(layer).join(path.file_name().unwrap());
            write(&target, &std::fs::read(path).unwrap());
        }
    }
    let path = folder.path().join("layer-1/qkv_bias.bin");
    let mut bytes = std::fs::read(&path).unwrap();
    // Token 4, value 7 of the key: 256 values of the query before it, 512 values of a token.
    let place = 12 + 4 * (4 * 512 + 256 + 7);
    let value = f32::from_le_bytes(bytes[place..place + 4].try_into().unwrap());
    bytes[place..place + 4].copy_from_slice(&(value * 1.001).to_le_bytes());
    write(&path, &bytes);
    let found = Loaded::open(&model).compare(&[Trace::open(folder.path()).unwrap()], None);
    assert_eq!(found.verdict, Verdict::Differs);
    let row = values(&found, 0).first_failing().unwrap();
    assert_eq!(
        (row.step.to_string(), row.record.as_str()),
        ("1.k_post_bias".to_owned(), "layer-1/qkv_bias")
    );
    let Outcome::Judged { difference, .. } = &row.outcome else {
        panic!("{row:?}");
    };
    let first = difference.first.unwrap();
    assert_eq!((first.token, first.index), (4, 7));
    assert!(values(&found, 0).explanation.is_none());
}

#[test]
fn folders_that_we_write_are_read_back_and_agree() {
    for model in [models::qwen2(), models::llama(), models::qwen3()] {
        let loaded = Loaded::new(model.to_bytes());
        let folder = tempfile::tempdir().unwrap();
        let mut sink = AprtSink::new(folder.path());
        loaded.run(&loaded.model, &TOKENS, &mut sink);
        sink.finish().unwrap();
        let found = loaded.compare(&[Trace::open(folder.path()).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        assert_eq!(found.traces[0].tokens, TOKENS);
        let records = &values(&found, 0).records;
        assert!(
            records
                .iter()
                .all(|record| { record.plain.as_ref().unwrap().difference.relative == 0.0 })
        );
        // A second run never replaces the first.
        let mut again = AprtSink::new(folder.path());
        loaded.run(&loaded.model, &TOKENS, &mut again);
        assert!(again.finish().is_err());
    }
}

#[test]
fn an_engine_without_biases_or_with_other_pairs_is_recognised() {
    let loaded = Loaded::new(models::qwen2().to_bytes());
    let dump = |model: &inference::Model| {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = AprtSink::new(folder.path());
        loaded.run(model, &TOKENS, &mut sink);
        sink.finish().unwrap();
        let found = loaded.compare(&[Trace::open(folder.path()).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Differs, "{}", found.text());
        let first = values(&found, 0).first_failing().unwrap().step.to_string();
        (
            first,
            values(&found, 0).explanation.clone().unwrap().changes,
        )
    };
    let mut changed = loaded.model.clone();
    let biases = [Stage::QPostBias, Stage::KPostBias, Stage::VPostBias];
    let program = &mut changed.program;
    program.retain(|taken| !biases.contains(&taken.step.stage));
    let (first, changes) = dump(&changed);
    assert_eq!(first, "0.q_rope");
    assert_eq!(changes, ["leaves out the biases of q, k and v"]);
    let mut changed = loaded.model.clone();
    rotate_neighbours(&mut changed);
    let (first, changes) = dump(&changed);
    assert_eq!(first, "0.q_rope");
    assert!(changes[0].starts_with("rotates NORM pairs"));
}

#[test]
fn transformers_names_match_either_capture_point_and_layout() {
    // With bias and without; and llama, whose pairs lie in halves there.
    for (model, point) in [
        (models::qwen2(), "post_bias"),
        (models::qwen2(), "pre_bias"),
        (models::llama(), "pre_bias"),
    ] {
        let loaded = Loaded::new(model.to_bytes());
        let mut stages = ByKey::default();
        loaded.run(&loaded.model, &TOKENS, &mut stages);
        let (heads, _) = loaded.model.scores(0).unwrap();
        let rope = loaded.model.rope(0).unwrap();
        let halves = rope.pairing == inference::Pairing::Norm;
        let stage = |key: &str| stages.0[key].clone();
        let projected = |key: String| {
            let values = stage(&key);
            if !halves {
                return values;
            }
            let heads = values.chunks(heads.key_dim);
            heads
                .flat_map(|head| {
                    let even = head.iter().step_by(2);
                    even.chain(head.iter().skip(1).step_by(2)).copied()
                })
                .collect()
        };
        let tensors = [
            ("model.embed_tokens", stage("embedding")),
            ("model.layers.0.input_layernorm", stage("0.attn_norm")),
            (
                "model.layers.0.self_attn.q_proj",
                projected(format!("0.q_{point}")),
            ),
            (
                "model.layers.0.self_attn.k_proj",
                projected(format!("0.k_{point}")),
            ),
            (
                "model.layers.0.self_attn.v_proj",
                stage(&format!("0.v_{point}")),
            ),
            ("model.layers.0.mlp.down_proj.output", stage("0.ffn_down")),
            ("hidden_states.1", stage("0.layer_out")),
            ("logits", stage("logits")),
        ]
        .map(|(name, values)| (name.to_owned(), values));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hf.safetensors");
        safetensors(&path, "{\"engine\":\"transformers\"}", &tensors);
        let found = loaded.compare(&[Trace::open(&path).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        let query = record(&found, "model.layers.0.self_attn.q_proj");
        assert_eq!(query.capture.to_string(), format!("0.q_{point}"));
        // The other meanings are told beside it.
        assert!(!query.others.is_empty());
        // An engine that computes in f32 and is 1e-3 away differs.
        let mut tensors = tensors;
        for value in &mut tensors[7].1 {
            *value *= 1.001;
        }
        safetensors(&path, "{}", &tensors);
        let found = loaded.compare(&[Trace::open(&path).unwrap()], None);
        assert_eq!(found.verdict, Verdict::Differs);
        assert!(
            found.summary.contains("first at logits"),
            "{}",
            found.summary
        );
    }
}

#[test]
fn records_of_16_bits_agree_within_their_precision() {
    let loaded = Loaded::new(models::qwen3().to_bytes());
    let mut stages = ByKey::default();
    loaded.run(&loaded.model, &TOKENS, &mut stages);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hf.safetensors");
    let mut tensors = [
        ("model.layers.1.post_attention_layernorm", "1.ffn_norm"),
        ("model.layers.1.mlp.gate_proj", "1.ffn_gate"),
        ("model.layers.1.mlp.up_proj", "1.ffn_up"),
        ("model.layers.1.mlp.down_proj", "1.ffn_down"),
    ]
    .map(|(name, key)| (name.to_owned(), stages.0[key].clone()));
    let compare = |tensors: &[(String, Vec<f32>)]| {
        safetensors_of(&path, "{}", tensors, "BF16", |value| {
            half::bf16::from_f32(value).to_le_bytes().to_vec()
        });
        loaded.compare(&[Trace::open(&path).unwrap()], Some(&TOKENS))
    };
    let found = compare(&tensors);
    assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
    let largest = tensors[1].1.iter().fold(0f32, |max, x| max.max(x.abs()));
    tensors[1].1[9] += largest / 2.0;
    let found = compare(&tensors);
    assert_eq!(found.verdict, Verdict::Differs);
    assert!(
        found.summary.contains("first at 1.ffn_gate"),
        "{}",
        found.summary
    );
}

#[test]
fn a_good_record_does_not_hide_a_bad_one_of_the_same_stage() {
    let loaded = Loaded::new(models::llama().to_bytes());
    let mut stages = ByKey::default();
    loaded.run(&loaded.model, &TOKENS, &mut stages);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hf.safetensors");
    let down = stages.0["0.ffn_down"].clone();
    let mut off = down.clone();
    off[7] += 0.01;
    for bad in ["model.layers.0.mlp", "model.layers.0.mlp.down_proj"] {
        let tensors = [
            ("model.layers.0.mlp.gate_proj", &stages.0["0.ffn_gate"]),
            ("model.layers.0.mlp.up_proj", &stages.0["0.ffn_up"]),
            ("model.layers.0.mlp", &down),
            ("model.layers.0.mlp.down_proj", &down),
        ]
        .map(|(name, values)| {
            let values = if name == bad { &off } else { values };
            (name.to_owned(), values.clone())
        });
        safetensors(&path, "{}", &tensors);
        let found = loaded.compare(&[Trace::open(&path).unwrap()], Some(&TOKENS));
        assert_eq!(found.verdict, Verdict::Differs);
        assert_eq!(record(&found, bad).status, Status::Differs);
    }
}

#[needs::data("apr")]
#[test]
fn a_record_whose_inputs_are_missing_is_not_judged() {
    let [model, gate] = files(["apr/qwen2.A.apr", "apr/qwen2.A.aprt/layer-0/ffn_gate.bin"]);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("layer-0")).unwrap();
    let target = folder.path().join("layer-0/ffn_gate.bin");
    write(&target, &std::fs::read(gate).unwrap());
    let trace = Trace::open(folder.path()).unwrap();
    let loaded = Loaded::open(&model);
    let tokens = [87, 104, 281, 32, 310, 32, 50, 43, 50, 63];
    let found = loaded.compare(&[trace], Some(&tokens));
    assert_eq!(found.verdict, Verdict::Undecided);
    assert_eq!(found.verdict.exit_code(), 2);
    assert_eq!(values(&found, 0).records[0].status, Status::NotJudged);
    // Nothing says its tokens; another trace of the same prompt does.
    let sources: [&dyn Source; 1] = [&loaded.bytes];
    let alone = [Trace::open(folder.path()).unwrap()];
    let error = compare(&loaded.model, &sources, &alone, None, &Options::default()).unwrap_err();
    assert!(matches!(error, CompareError::NoTokens { .. }), "{error}");
    let text = shared::path("apr/qwen2.A.trace.txt");
    let both = [
        Trace::open(folder.path()).unwrap(),
        Trace::open(&text).unwrap(),
    ];
    let found = loaded.compare(&both, None);
    assert_eq!(found.traces[0].tokens, tokens);
    assert_eq!(found.traces[0].tokens_from, TokensFrom::OtherTrace);
}

#[test]
fn other_contracts_and_other_tokens_are_errors() {
    let loaded = Loaded::new(models::llama().to_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    let tensors = [("0.attn_norm".to_owned(), vec![0.0; 4])];
    let sources: [&dyn Source; 1] = [&loaded.bytes];
    let error = |metadata: &str, tokens: Option<&[u32]>| {
        safetensors(&path, metadata, &tensors);
        let traces = [Trace::open(&path).unwrap()];
        compare(
            &loaded.model,
            &sources,
            &traces,
            tokens,
            &Options::default(),
        )
        .unwrap_err()
    };
    let other = error(
        "{\"engine\":\"aprove\",\"numerics\":\"f64\",\"tokens\":\"1\"}",
        None,
    );
    assert!(
        matches!(
            other,
            CompareError::NotComparable {
                field: "numerics",
                ..
            }
        ),
        "{other}"
    );
    let other = error("{\"tokens\":\"1,2\"}", Some(&[1, 3]));
    assert!(matches!(other, CompareError::OtherTokens { .. }), "{other}");
    let residual = [(
        "0.ffn_inp".to_owned(),
        vec![0.0; 3 * loaded.model.config.hidden],
    )];
    safetensors(&path, "{}", &residual);
    let traces = [Trace::open(&path).unwrap()];
    let other = compare(
        &loaded.model,
        &sources,
        &traces,
        Some(&[1, 2]),
        &Options::default(),
    );
    assert!(matches!(
        other,
        Err(CompareError::TokenCount {
            found: 3,
            given: 2,
            ..
        })
    ));
    let mut stages = ByKey::default();
    loaded.run(&loaded.model, &TOKENS, &mut stages);
    let rows = [(
        "model.embed_tokens".to_owned(),
        stages.0["embedding"].clone(),
    )];
    safetensors(&path, "{}", &rows);
    let traces = [Trace::open(&path).unwrap()];
    let other = [10, 72, 105, 11, 300];
    let other = compare(
        &loaded.model,
        &sources,
        &traces,
        Some(&other),
        &Options::default(),
    );
    let text = other.unwrap_err().to_string();
    assert!(
        text.contains("made with the tokens 10,72,105,10,300"),
        "{text}"
    );
    let other = error("{\"tokens\":\"1,4000000\"}", None);
    assert!(matches!(other, CompareError::Model(_)), "{other}");
}

#[test]
fn a_trace_without_any_stage_of_ours_is_undecided() {
    let loaded = Loaded::new(models::llama().to_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    safetensors(
        &path,
        "{\"tokens\":\"1,2\"}",
        &[("weight".to_owned(), vec![1.0; 4])],
    );
    let found = loaded.compare(&[Trace::open(&path).unwrap()], None);
    assert_eq!(found.verdict, Verdict::Undecided);
    assert_eq!(found.traces[0].theirs_only, ["weight"]);
}

#[test]
fn statistics_alone_tell_an_engine_that_rotates_other_pairs() {
    let loaded = Loaded::new(models::qwen2().to_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.json");
    let report = |model: &inference::Model| {
        let mut stages = ByKey::default();
        loaded.run(model, &TOKENS, &mut stages);
        let of = |keys: &[&str]| statistics_of(keys.iter().flat_map(|key| &stages.0[*key]));
        let layer = |index: usize| {
            let key = |name: &str| format!("{index}.{name}");
            let qkv = ["q_post_bias", "k_post_bias", "v_post_bias"].map(key);
            serde_json::json!({
                "layer_idx": index,
                "attn_norm": of(&[&key("attn_norm")]),
                "qkv": of(&[&qkv[0], &qkv[1], &qkv[2]]),
                "attn_out": of(&[&key("attn_out")]),
                "output": of(&[&key("layer_out")]),
            })
        };
        let trace = serde_json::json!({
            "encoded_tokens": TOKENS,
            "embedding": of(&["embedding"]),
            "layers": [layer(0), layer(1)],
        });
        write(&path, trace.to_string().as_bytes());
        let found = loaded.compare(&[Trace::open(&path).unwrap()], None);
        (found.verdict, statistics(&found, 0).clone())
    };
    let (verdict, found) = report(&loaded.model);
    assert_eq!(verdict, Verdict::Consistent);
    assert_eq!(found.counts(), [9, 0, 0]);
    assert_eq!(
        (found.rounded.len(), found.estimator),
        (0, Estimator::Population)
    );
    let mut changed = loaded.model.clone();
    rotate_neighbours(&mut changed);
    let (verdict, found) = report(&changed);
    assert_eq!(verdict, Verdict::Differs);
    assert_eq!(found.counts(), [9, 0, 0]);
    assert!(found.changes[0].starts_with("rotates NORM pairs"));
}

#[needs::data("oracle", "apr")]
#[test]
fn statistics_that_are_off_differ() {
    let [model, trace] = files(["oracle/llama.gguf", "apr/llama.gguf.trace.txt"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.txt");
    let text = std::fs::read_to_string(trace).unwrap();
    let changed = text.replace(
        "ffn_gate : mean=  0.0147 std=  0.9895",
        "ffn_gate : mean=  0.0147 std=  1.2895",
    );
    assert_ne!(text, changed);
    write(&path, changed.as_bytes());
    let found = Loaded::open(&model).compare(&[Trace::open(&path).unwrap()], None);
    assert_eq!(found.verdict, Verdict::Differs);
    let off: Vec<_> = statistics(&found, 0)
        .rows
        .iter()
        .filter(|row| row.best().unwrap().fit == Fit::Off)
        .map(|row| row.name.as_str())
        .collect();
    assert_eq!(off, ["layer 1 ffn_gate"]);
}

/// The paths of shared files.
fn files<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    names.map(shared::path)
}

pub(crate) fn values(found: &Comparison, trace: usize) -> &ValuesReport {
    match &found.traces[trace].findings {
        Findings::Values(values) => values,
        Findings::Statistics(_) => panic!("statistics"),
    }
}

fn statistics(found: &Comparison, trace: usize) -> &StatisticsReport {
    match &found.traces[trace].findings {
        Findings::Statistics(statistics) => statistics,
        Findings::Values(_) => panic!("values"),
    }
}

fn record<'a>(found: &'a Comparison, name: &str) -> &'a trace_compare::judge::RecordRow {
    let records = &values(found, 0).records;
    records.iter().find(|record| record.name == name).unwrap()
}

/// Statistics as a population.
fn statistics_of<'a>(values: impl Iterator<Item = &'a f32>) -> serde_json::Value {
    let values: Vec<f64> = values.map(|value| f64::from(*value)).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
    serde_json::json!({
        "count": values.len(),
        "mean": mean,
        "std_dev": square.sqrt(),
        "min": values.iter().copied().fold(f64::INFINITY, f64::min),
        "max": values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

/// Where the data of a tensor start in a file that we wrote.
fn offset_of(bytes: &[u8], key: &str) -> usize {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    assert!(Step::from_key(key).is_some());
    8 + length + header[key]["data_offsets"][0].as_u64().unwrap() as usize
}

const TOKENS: [u32; 5] = [10, 72, 105, 10, 300];

/// Another pairing of the values that rotate.
fn rotate_neighbours(model: &mut inference::Model) {
    for taken in &mut model.program {
        if let Op::Rotate(rotation) = &mut taken.op {
            rotation.rope.pairing = inference::Pairing::Norm;
        }
    }
}

fn width(model: &inference::Model, key: &str) -> usize {
    let step = Step::from_key(key).unwrap();
    match model.instruction(step).unwrap().width {
        Width::Token(width) => width,
        Width::Positions(_) => panic!("{key} has a row for each position"),
    }
}
