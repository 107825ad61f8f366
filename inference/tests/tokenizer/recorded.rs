//! The ids that llama.cpp gives, recorded by `scripts/record-tokens`.

use fixtures::{edit::set_string, shared};
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
