//! Nodes that a trace lacks, and records that are compared with nothing.

use fixtures::shared;
use serde_json::Value;
use trace_compare::{
    format::Trace,
    judge::{CompareError, Comparison, Verdict},
};

use crate::{
    runs::shared_tokens,
    support::{Loaded, safetensors, write},
};

/// The trace of llama.cpp, and what comes of it once its records have been changed.
struct Recorded {
    loaded: Loaded,
    records: Vec<(String, Vec<f32>)>,
}

impl Recorded {
    fn new() -> Self {
        let trace = Trace::open(&shared::path("oracle/qwen2.llama_cpp.trace.npz")).unwrap();
        let records = trace.records.iter().map(|record| {
            let values = trace.values(record).unwrap().unwrap();
            (record.name.clone(), values)
        });
        Self {
            loaded: Loaded::open(&shared::path("oracle/qwen2.gguf")),
            records: records.collect(),
        }
    }

    fn compare(&self, change: impl Fn(&mut Vec<(String, Vec<f32>)>)) -> Comparison {
        let mut records = self.records.clone();
        change(&mut records);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes.safetensors");
        safetensors(&path, "{}", &records);
        let trace = Trace::open(&path).unwrap();
        self.loaded.compare(&[trace], Some(&shared_tokens()))
    }
}

#[needs::data("oracle")]
#[test]
fn a_node_that_a_trace_lacks_is_no_difference() {
    let recorded = Recorded::new();
    for name in [
        "Qcur", "Kcur", "Vcur", "kq", "kqv", "ffn_gate", "ffn_up", "ffn_out",
    ] {
        let lacking = [0, 1].map(|layer| format!("{name}-{layer}|MUL_MAT"));
        let found = recorded.compare(|records| records.retain(|(name, _)| !lacking.contains(name)));
        assert_ne!(
            found.verdict,
            Verdict::Differs,
            "{lacking:?}: {}",
            found.text()
        );
    }
}

#[needs::data("oracle")]
#[test]
fn a_node_with_a_name_of_its_own_is_judged() {
    let recorded = Recorded::new();
    let found = recorded.compare(|records| {
        let (_, values) = records
            .iter_mut()
            .find(|(name, _)| name == "kqv-0|MUL_MAT")
            .unwrap();
        values.fill(f32::NAN);
    });
    assert_eq!(found.verdict, Verdict::Differs);
    assert!(
        found.summary.contains("0.attention (kqv-0|MUL_MAT)"),
        "{}",
        found.summary
    );
}

#[needs::data("oracle")]
#[test]
fn a_record_that_is_compared_with_nothing_is_named() {
    let recorded = Recorded::new();
    let whole = recorded.compare(|_| {});
    assert_eq!(whole.verdict, Verdict::Agrees);
    let expected = "45 of 82 records agree, the others are copies or parts of stages: ";
    assert!(whole.summary.contains(expected), "{}", whole.summary);
    let unknown = |records: &mut Vec<_>| records.push(("mystery-0|MUL_MAT".to_owned(), vec![1.0]));
    let found = recorded.compare(unknown);
    assert_eq!(found.verdict, Verdict::Undecided);
    let expected = "compared with nothing: 1, the first is mystery-0|MUL_MAT";
    assert!(found.summary.ends_with(expected), "{}", found.summary);
}

#[needs::data("apr", "oracle")]
#[test]
fn every_number_of_a_trace_of_statistics_is_compared() {
    let loaded = Loaded::open(&shared::path("oracle/llama.gguf"));
    let whole: Value = serde_json::from_slice(&shared::read("apr/llama.gguf.trace.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let compared = |value: &Value| {
        let path = folder.path().join("trace.json");
        write(&path, value.to_string().as_bytes());
        let trace = Trace::open(&path).unwrap();
        loaded.try_compare(&[trace], None)
    };
    assert_eq!(compared(&whole).unwrap().verdict, Verdict::Consistent);
    for (place, value) in [
        ("/logits/top_k/0/token_id", 7.into()),
        ("/logits/top_k/1/logit", Value::from(-3.2)),
        ("/layers/0/attn_norm/inf_count", 9.into()),
        ("/embedding/zero_count", 50.into()),
    ] {
        let mut changed = whole.clone();
        *changed.pointer_mut(place).unwrap() = value;
        assert_eq!(
            compared(&changed).unwrap().verdict,
            Verdict::Differs,
            "{place}"
        );
    }
    for field in ["num_heads", "vocab_size", "architecture"] {
        let mut changed = whole.clone();
        changed[field] = 9.into();
        let found = compared(&changed);
        assert!(
            matches!(found, Err(CompareError::NotComparable { .. })),
            "{field}"
        );
    }
}
