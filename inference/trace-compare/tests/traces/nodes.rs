//! Nodes of llama.cpp that no name tells: our own runs under keys of their operations and weights.

use fixtures::{models, shared};
use inference::{Op, Stage, Step};
use trace_compare::{
    format::Trace,
    judge::{Comparison, Outcome, Status, Verdict},
};

use crate::{
    compare::values,
    support::{ByKey, Loaded, safetensors},
};

/// The operation of ggml and the weight, for stages that one of its nodes is.
fn key(op: &Op) -> Option<String> {
    Some(match op {
        Op::Lookup { table } => format!("GET_ROWS|{}", table.name),
        Op::Product { matrix, .. } => format!("MUL_MAT|{}", matrix.name),
        Op::ExpertProduct { matrix, .. } => format!("MUL_MAT_ID|{}", matrix.name),
        Op::AddVector { vector } => format!("ADD|{}", vector.name),
        Op::Norm { norm, .. } => match &norm.weight {
            Some(weight) => format!("MUL|{}", weight.name),
            None => "RMS_NORM".to_owned(),
        },
        Op::Convolve {
            bias: Some(bias), ..
        } => format!("ADD|{}", bias.name),
        Op::Rotate(_) => "ROPE".to_owned(),
        Op::Add { .. } | Op::StateSpace(_) => "ADD".to_owned(),
        Op::Multiply { .. } => "SWIGLU".to_owned(),
        Op::RouterProbabilities { .. } => "SOFT_MAX".to_owned(),
        _ => return None,
    })
}

/// Compares a run with its own nodes, of which `change` may alter the values or leave out some.
fn compare(loaded: &Loaded, change: impl Fn(Step, &mut Vec<f32>) -> bool) -> Comparison {
    let mut stages = ByKey::default();
    loaded.run(&loaded.model, &TOKENS, &mut stages);
    let mut nodes = Vec::new();
    for (number, taken) in loaded.model.program.iter().enumerate() {
        let mut values = stages.0[&taken.step.to_string()].clone();
        let layer = taken.step.layer.map(|layer| format!("-{layer}"));
        let name = format!("x_{number}{}", layer.unwrap_or_default());
        if let Some(key) = key(&taken.op)
            && change(taken.step, &mut values)
        {
            nodes.push((format!("{name}|{key}"), values));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.safetensors");
    safetensors(&path, "{}", &nodes);
    loaded.compare(&[Trace::open(&path).unwrap()], Some(&TOKENS))
}

#[test]
fn nodes_without_a_name_are_told_and_judged() {
    let loaded = Loaded::new(models::qwen2().to_bytes());
    let found = compare(&loaded, |_, _| true);
    assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
    assert_eq!(found.traces[0].theirs_only, [""; 0]);
    // Between the nodes, on the way to the output matrix and the down matrix.
    let inside = |steps: &[Step]| -> Vec<String> { steps.iter().map(Step::to_string).collect() };
    let between = ["attn_scores", "attn_softmax", "attention", "ffn_silu"];
    let between: Vec<_> = (0..2)
        .flat_map(|layer| between.map(|stage| format!("{layer}.{stage}")))
        .collect();
    assert_eq!(inside(&found.traces[0].inside), between);
    assert_eq!(found.traces[0].ours_only, []);
    // One value off is named with its stage.
    let found = compare(&loaded, |step, values| {
        if step == Step::in_layer(1, Stage::KRope) {
            values[3] += 0.01;
        }
        true
    });
    assert_eq!(found.verdict, Verdict::Differs);
    let first = values(&found, 0).first_failing().unwrap();
    assert_eq!(first.step, Step::in_layer(1, Stage::KRope));
    // So is a node that is near nothing: not a stage that is missing.
    let sum = Step::in_layer(1, Stage::LayerOut);
    let found = compare(&loaded, |step, values| {
        if step == sum {
            values.iter_mut().for_each(|value| *value *= -2.0);
        }
        // What it feeds would tell that it was right.
        !matches!(step.stage, Stage::FinalNorm | Stage::Logits)
    });
    assert_eq!(found.verdict, Verdict::Differs, "{}", found.text());
    let first = values(&found, 0).first_failing().unwrap();
    assert_eq!(first.step, sum);
}

#[needs::data("arch/gemma4-moe.f32.gguf", "arch/nemotron_h_moe.f32.gguf")]
#[test]
fn nodes_of_experts_and_recurrent_layers_are_told() {
    for name in ["gemma4-moe", "nemotron_h_moe"] {
        let loaded = Loaded::new(shared::read(&format!("arch/{name}.f32.gguf")));
        // gemma4 has layers whose values are the keys: one product there.
        let found = compare(&loaded, |step, _| step.stage != Stage::VPreBias);
        assert_eq!(found.verdict, Verdict::Agrees, "{}", found.text());
        let values = values(&found, 0);
        let judged = |stage| {
            let mut rows = values.operations.iter();
            rows.any(|row| row.step.stage == stage && matches!(row.outcome, Outcome::Judged { .. }))
        };
        let expected = match name {
            "gemma4-moe" => [Stage::MoeGate, Stage::VNorm],
            _ => [Stage::SsmScan, Stage::MoeDown],
        };
        for stage in expected {
            assert!(judged(stage), "{stage:?}: {}", found.text());
        }
    }
}

#[test]
fn a_copy_of_a_judged_record_is_judged_with_it() {
    let loaded = Loaded::new(models::qwen2().to_bytes());
    let mut stages = ByKey::default();
    // Another prompt: far from our run, and right from node to node.
    loaded.run(&loaded.model, &[1, 2, 3], &mut stages);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nodes.safetensors");
    let nodes = |off: f32| {
        let mut copy = stages.0["0.q_pre_bias"].clone();
        copy[0] += off;
        let nodes = [
            ("attn_norm-0|MUL", stages.0["0.attn_norm"].clone()),
            ("Qcur-0|MUL_MAT", stages.0["0.q_pre_bias"].clone()),
            ("Qcur-0|MUL_MAT#2", copy),
        ];
        nodes.map(|(name, values)| (name.to_owned(), values))
    };
    for (off, expected) in [(0.0, Status::Agrees), (0.01, Status::NotJudged)] {
        safetensors(&path, "{}", &nodes(off));
        let found = loaded.compare(&[Trace::open(&path).unwrap()], Some(&TOKENS));
        let rows = &values(&found, 0).records;
        let copy = rows.iter().find(|row| row.name.ends_with("#2")).unwrap();
        assert_eq!(copy.status, expected, "{}", found.text());
    }
}

const TOKENS: [u32; 3] = [7, 300, 0];
