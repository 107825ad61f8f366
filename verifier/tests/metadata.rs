//! The metadata of a file that carries our record: a function of source and options, held against it as a whole.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fixtures::apr::{Converted, converted};
use fixtures::models;
use serde_json::json;
use verifier::report::{Report, text};
use verifier::source::Source;
use verifier::verdict::Verdict;
use verifier::verify::{Input, Options, verify};

fn report(apr: &[u8], gguf: &[u8]) -> Report {
    let (apr, gguf) = (apr.to_vec(), gguf.to_vec());
    let input = |source| Input {
        name: "file".to_owned(),
        shards: vec![("file".to_owned(), source)],
    };
    let options = Options {
        threads: 1,
        file_digests: true,
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
    let changes: [Change; 14] = [
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
            found.findings.iter().any(|one| one.code == code),
            "{code}: {text}"
        );
    }
}

fn set(file: &mut Converted, key: &str, value: serde_json::Value) {
    file.metadata.insert(key.to_owned(), value);
}

fn remove(file: &mut Converted, key: &str) {
    file.metadata.remove(key).unwrap();
}
