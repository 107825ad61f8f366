//! Broken and hostile tokenizers: an error that names the key, never a panic.

use fixtures::{apr::from_model, damage, gguf::Value, models};
use serde_json::json;

use crate::{
    files::{edited, with_key},
    load,
};

#[test]
fn broken_keys_of_gguf_are_errors_that_name_them() {
    let floats = |floats: &[f32]| Value::Array(6, floats.iter().copied().map(Value::F32).collect());
    let integers = |ints: &[i32]| Value::Array(5, ints.iter().copied().map(Value::I32).collect());
    let cases: [(&str, Value, &str); 19] = [
        (
            "merges",
            Value::strings(&["e t", "x yz"]),
            "tokenizer.ggml.merges[1]: expected two tokens that make a third",
        ),
        (
            "merges",
            Value::strings(&["a h"]),
            "tokenizer.ggml.merges[0]: expected two tokens that make a third",
        ),
        (
            "merges",
            Value::strings(&["et"]),
            "tokenizer.ggml.merges[0]: expected two tokens with a space",
        ),
        (
            "merges",
            Value::strings(&[" e"]),
            "tokenizer.ggml.merges[0]: expected two tokens with a space",
        ),
        (
            "merges",
            Value::strings(&["e t a"]),
            "tokenizer.ggml.merges[0]: expected two tokens that make a third",
        ),
        (
            "merges",
            Value::strings(&[b"\xFF\xFE"]),
            "tokenizer.ggml.merges[0]: expected strings in UTF-8",
        ),
        (
            "merges",
            integers(&[1]),
            "tokenizer.ggml.merges[0]: expected strings in UTF-8",
        ),
        (
            "merges",
            "e t".into(),
            "tokenizer.ggml.merges: expected an array",
        ),
        (
            "tokens",
            Value::strings::<&str>(&[]),
            "tokenizer.ggml.tokens: expected at least one token",
        ),
        (
            "tokens",
            Value::strings(&["a", "b", "a"]),
            "tokenizer.ggml.tokens[2]: expected another text than that of token 0",
        ),
        (
            "tokens",
            Value::strings(&[b"\x80"]),
            "tokenizer.ggml.tokens[0]: expected strings in UTF-8",
        ),
        (
            "tokens",
            7u32.into(),
            "tokenizer.ggml.tokens: expected an array",
        ),
        (
            "token_type",
            integers(&[1, 1]),
            "tokenizer.ggml.token_type: expected 320 items",
        ),
        (
            "token_type",
            integers(&[7; 320]),
            "tokenizer.ggml.token_type[0]: expected 0 to 6, found 7",
        ),
        (
            "token_type",
            floats(&[1.0]),
            "tokenizer.ggml.token_type[0]: expected integers",
        ),
        (
            "model",
            1u32.into(),
            "tokenizer.ggml.model: expected a string",
        ),
        (
            "pre",
            b"\xFF".as_slice().into(),
            "tokenizer.ggml.pre: expected a string in UTF-8",
        ),
        (
            "add_bos_token",
            "yes".into(),
            "tokenizer.ggml.add_bos_token: expected a bool",
        ),
        (
            "bos_token_id",
            (-1i32).into(),
            "tokenizer.ggml.bos_token_id: expected a token id, found -1",
        ),
    ];
    for (key, value, expected) in cases {
        let error = load(&with_key(models::qwen2(), key, value))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    for (scores, expected) in [
        (
            floats(&[0.0; 3]),
            "tokenizer.ggml.scores: expected 320 items",
        ),
        (
            floats(&[f32::NAN; 320]),
            "tokenizer.ggml.scores[0]: expected a number, found NaN",
        ),
    ] {
        let error = load(&with_key(models::llama_spm(), "scores", scores))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn lost_keys_are_errors_or_assumptions() {
    for (key, fatal) in [
        ("model", true),
        ("tokens", true),
        ("merges", true),
        ("pre", false),
        ("token_type", false),
    ] {
        let mut model = models::qwen2();
        model.remove(format!("tokenizer.ggml.{key}"));
        match load(&model.to_bytes()) {
            Ok(tokenizer) => assert!(!fatal && tokenizer.assumptions.len() == 2, "{key}"),
            Err(error) => assert!(fatal && error.to_string().contains(key), "{error}"),
        }
    }
}

#[test]
fn a_token_that_is_added_must_be_one() {
    let mut model = models::qwen2();
    model.set("tokenizer.ggml.add_bos_token", true);
    for id in [320u32, u32::MAX] {
        let error = load(&with_key(model.clone(), "bos_token_id", id))
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("tokenizer.ggml.bos_token_id: expected an id below 320, found {id}")
        );
    }
    model.remove("tokenizer.ggml.bos_token_id");
    let error = load(&model.to_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("tokenizer.ggml.bos_token_id: expected an id"),
        "{error}"
    );
}

#[test]
fn broken_keys_of_apr_are_errors_that_name_them() {
    let apr = from_model(&models::qwen2());
    for (key, value, expected) in [
        (
            "vocabulary",
            json!(["a", 5]),
            "tokenizer.vocabulary[1]: expected strings, found 5",
        ),
        (
            "vocabulary",
            json!(["a", null]),
            "tokenizer.vocabulary[1]: expected strings, found null",
        ),
        (
            "vocabulary",
            json!({}),
            "tokenizer.vocabulary: expected an array of strings",
        ),
        (
            "vocabulary",
            json!([]),
            "tokenizer.vocabulary: expected at least one token",
        ),
        (
            "merges",
            json!([["e", "t"]]),
            "tokenizer.merges[0]: expected strings",
        ),
        (
            "merges",
            json!(["e t", "q\u{0}"]),
            "tokenizer.merges[1]: expected two tokens with a space",
        ),
        (
            "token_type",
            json!([1.5]),
            "tokenizer.token_type[0]: expected integers",
        ),
        (
            "token_type",
            json!([1]),
            "tokenizer.token_type: expected 320 items",
        ),
        (
            "bos_token_id",
            json!(-1),
            "tokenizer.bos_token_id: expected a token id",
        ),
        (
            "add_bos_token",
            json!(1),
            "tokenizer.add_bos_token: expected true or false",
        ),
        ("model", json!(3), "tokenizer.model: expected a string"),
        (
            "model",
            json!(null),
            "tokenizer.model: expected a value, found none",
        ),
    ] {
        let bytes = edited(&apr, |keys| {
            keys[format!("tokenizer.{key}")] = value.clone();
        });
        let error = load(&bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn a_text_that_the_vocabulary_cannot_write_is_an_error() {
    // Its tokens are a, b, c, ab, abc and three special ones.
    let tokenizer = load(&models::tiny().to_bytes()).unwrap();
    assert_eq!(tokenizer.encode("abcab<|im_end|>c").unwrap(), [4, 3, 7, 2]);
    let error = tokenizer.encode("abxc").unwrap_err().to_string();
    assert_eq!(
        error,
        "tokenizer.ggml.tokens: expected a token \"x\", which the prompt needs, found none"
    );
}

#[test]
fn damaged_files_never_panic() {
    let model = models::tiny();
    for bytes in [model.to_bytes(), from_model(&model).to_bytes()] {
        let mut loaded = 0;
        for at in (0..bytes.len().min(3000)).step_by(5) {
            let bit = u32::try_from(at % 8).unwrap();
            if let Ok(tokenizer) = load(&damage::flip_bit(&bytes, at, bit)) {
                drop(tokenizer.encode("abc <|im_end|>cab"));
                loaded += 1;
            }
            assert!(load(&bytes[..at]).is_err());
        }
        assert!(loaded > 0);
    }
}
