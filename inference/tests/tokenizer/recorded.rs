//! The ids that llama.cpp gives, recorded by `scripts/record-tokens`.

use fixtures::{edit::set_string, gguf::Value as GgufValue, models, shared};
use serde_json::Value;

use crate::load;

#[needs::data("vocab")]
#[test]
fn ids_are_those_of_llama_cpp() {
    let recorded: Value = serde_json::from_str(include_str!("llama_cpp.json")).unwrap();
    let texts: Vec<&str> = strings(&recorded["texts"]);
    for run in recorded["runs"].as_array().unwrap() {
        let file = run["file"].as_str().unwrap();
        let mut bytes = shared::read(&format!("vocab/{file}"));
        if let Some(pre) = run["pre"].as_str() {
            bytes = with_pre(&bytes, pre);
        }
        let tokenizer = load(&bytes).unwrap();
        let all = run["ids"].as_array().unwrap();
        assert_eq!(all.len(), texts.len());
        for (text, ids) in texts.iter().zip(all) {
            let ids: Vec<u32> = serde_json::from_value(ids.clone()).unwrap();
            assert_eq!(
                tokenizer.encode(text).unwrap(),
                ids,
                "{file} {} {text:?}",
                run["pre"]
            );
        }
    }
}

#[test]
fn ids_of_small_vocabularies_are_those_of_llama_cpp() {
    let recorded: Value = serde_json::from_str(include_str!("llama_cpp_small.json")).unwrap();
    let texts: Vec<&str> = strings(&recorded["texts"]);
    for run in recorded["runs"].as_array().unwrap() {
        let mut model = models::tiny();
        model
            .key_values
            .retain(|(key, _)| !key.starts_with(b"tokenizer."));
        for (key, value) in run["keys"].as_object().unwrap() {
            model.set(key, value_of(value[0].as_u64().unwrap(), &value[1]));
        }
        let tokenizer = load(&model.to_bytes()).unwrap();
        let ids: Vec<Vec<u32>> = serde_json::from_value(run["ids"].clone()).unwrap();
        assert_eq!(ids.len(), texts.len());
        for (text, ids) in texts.iter().zip(ids) {
            let found = tokenizer.encode(text).unwrap();
            assert_eq!(found, ids, "{} {text:?}", run["name"]);
        }
    }
}

/// The value of a key that is recorded with its type.
fn value_of(kind: u64, value: &Value) -> GgufValue {
    match kind {
        0 => GgufValue::U8(serde_json::from_value(value.clone()).unwrap()),
        4 => GgufValue::U32(serde_json::from_value(value.clone()).unwrap()),
        5 => GgufValue::I32(serde_json::from_value(value.clone()).unwrap()),
        6 => GgufValue::F32(serde_json::from_value(value.clone()).unwrap()),
        7 => GgufValue::Bool(value.as_bool().unwrap()),
        8 => value.as_str().unwrap().into(),
        9 => {
            let items = value[1].as_array().unwrap().iter();
            let kind = value[0].as_u64().unwrap();
            GgufValue::Array(
                kind.try_into().unwrap(),
                items.map(|item| value_of(kind, item)).collect(),
            )
        }
        other => unreachable!("no key of a tokenizer has type {other}"),
    }
}

#[needs::data("oracle", "apr")]
#[test]
fn real_imports_tokenize_like_their_source() {
    for name in ["qwen2", "llama", "qwen3"] {
        let files = [format!("oracle/{name}.gguf"), format!("apr/{name}.A.apr")];
        let [gguf, apr] = files.map(|file| load(&shared::read(&file)).unwrap());
        for text in [
            "toe tae\n see 12",
            "<|im_start|>note<|im_end|>",
            "\u{e9}\u{1F999}",
        ] {
            assert_eq!(gguf.encode(text), apr.encode(text), "{name} {text:?}");
        }
    }
}

fn with_pre(bytes: &[u8], pre: &str) -> Vec<u8> {
    let mut changed = Vec::new();
    set_string(
        &mut &*bytes,
        &mut changed,
        "tokenizer.ggml.pre",
        pre.as_bytes(),
    )
    .unwrap();
    changed
}

fn strings(value: &Value) -> Vec<&str> {
    let items = value.as_array().unwrap().iter();
    items.map(|item| item.as_str().unwrap()).collect()
}
