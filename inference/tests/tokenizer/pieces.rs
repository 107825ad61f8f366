//! Unigram and word pieces: what their keys decide, and vocabularies and tables made to hurt.

use fixtures::{
    apr::converted,
    gguf::{Model, Value},
    models,
};
use inference::{Error, Tokenizer};

use crate::load;

#[test]
fn the_highest_sum_of_scores_decides() {
    // "ab" and "c" are worth more than "a" and "bc"; "bc" alone is the best token.
    let model = unigram(&[("a", -3.0), ("ab", -2.0), ("bc", -1.0), ("c", -1.5)]);
    assert_eq!(ids(&model, "abc"), [4, 6, 1]);
    assert_eq!(ids(&model, "bcbc"), [5, 5, 1]);
    // Unknown characters side by side are one token, and no space stands anywhere unless a key says so.
    assert_eq!(ids(&model, "xya\u{1F999}"), [2, 3, 2, 1]);
    assert_eq!(ids(&model, ""), [1]);
}

#[test]
fn keys_decide_where_spaces_stand() {
    let mut model = unigram(&[("a", -1.0), ("\u{2581}", -2.0), ("\u{2581}a", -1.0)]);
    let both = |model: &Model| (ids(model, "a  a"), ids(model, " a "));
    assert_eq!(both(&model), (vec![3, 4, 5, 1], vec![5, 4, 1]));
    model.set("tokenizer.ggml.add_space_prefix", true);
    assert_eq!(both(&model), (vec![5, 4, 5, 1], vec![4, 5, 4, 1]));
    model.set("tokenizer.ggml.remove_extra_whitespaces", true);
    assert_eq!(both(&model), (vec![5, 5, 1], vec![5, 1]));
}

#[test]
fn a_table_replaces_the_longest_sequence() {
    let mut model = unigram(&[("a", -1.0), ("b", -1.0)]);
    model.set("tokenizer.ggml.precompiled_charsmap", table(b'A', b"ab\0"));
    assert_eq!(ids(&model, "Ab"), [3, 4, 4, 1]);
    model.set("tokenizer.ggml.precompiled_charsmap", table(b'A', b"\0"));
    assert_eq!(ids(&model, "AbA"), [4, 1]);
}

#[test]
fn words_take_their_longest_pieces_from_the_left() {
    let mut model = word_pieces(&[
        "\u{2581}ab",
        "\u{2581}a",
        "bc",
        "c",
        "\u{2581}.",
        "\u{2581}e",
    ]);
    assert_eq!(ids(&model, "abc"), [1, 4, 7, 2]);
    // Nothing goes on with "d", so that the word is unknown; marks and accents, control characters and capitals.
    assert_eq!(ids(&model, "abcd aBC."), [1, 3, 4, 7, 8, 2]);
    assert_eq!(ids(&model, "\u{c9}\u{301}\u{7f}\u{4E2D}"), [1, 9, 3, 2]);
    assert_eq!(ids(&model, ""), [1, 2]);
    model.set("tokenizer.ggml.normalizer.lowercase", false);
    assert_eq!(ids(&model, "aBC \u{e9}"), [1, 3, 3, 2]);
    model.set("tokenizer.ggml.normalizer.strip_accents", true);
    assert_eq!(ids(&model, "\u{e9}"), [1, 9, 2]);
}

#[test]
fn special_tokens_that_a_kind_needs_must_be_there() {
    for (model, key, id) in [
        (unigram(&[("a", 0.0)]), "unknown_token_id", 9u32),
        (unigram(&[("a", 0.0)]), "eos_token_id", u32::MAX),
        (word_pieces(&["a"]), "unknown_token_id", 5),
        (word_pieces(&["a"]), "seperator_token_id", 5),
    ] {
        let mut model = model;
        let key = format!("tokenizer.ggml.{key}");
        model.set(&key, id);
        let error = failed(&model);
        assert!(
            error.starts_with(&format!("{key}: expected an id below")),
            "{error}"
        );
    }
    // Where a file does not say, the ids of BERT are taken, which a small vocabulary does not have.
    let mut model = word_pieces(&["a"]);
    model.remove("tokenizer.ggml.bos_token_id");
    assert_eq!(
        failed(&model),
        "tokenizer.ggml.bos_token_id: expected an id below 5, found 101"
    );
}

#[test]
fn broken_tables_are_errors() {
    let bytes = |bytes: &[u8]| Value::Array(0, bytes.iter().copied().map(Value::U8).collect());
    for (table, expected) in [
        (bytes(&[]), "expected the length of a table"),
        (bytes(&[1, 0, 0]), "expected the length of a table"),
        (
            bytes(&[4, 0, 0, 0, 1, 2, 3, 4]),
            "expected a table of the stated length",
        ),
        (bytes(&[0xFF; 12]), "expected a table of the stated length"),
        (Value::strings(&["a"]), "[0]: expected bytes"),
        ("a".into(), "expected an array of bytes"),
    ] {
        let mut model = unigram(&[("a", 0.0)]);
        model.set("tokenizer.ggml.precompiled_charsmap", table);
        let error = failed(&model);
        assert!(error.contains(expected), "{error}");
    }
    // Those that show when a text meets them: an entry outside the table, and replacements without an end.
    for (table, text) in [
        (bytes(&[4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]), "a"),
        (table(b'A', b"ab"), "A"),
        (table(b'A', &[b'a'; 300]), "A"),
    ] {
        let mut model = unigram(&[("a", 0.0)]);
        model.set("tokenizer.ggml.precompiled_charsmap", table);
        let error = load(&model.to_bytes()).unwrap().encode(text).unwrap_err();
        assert!(matches!(error, Error::Model { .. }), "{error}");
    }
}

#[test]
fn a_table_without_an_end_stops() {
    // Every byte `a` leads from an entry back to it.
    let mut entries = vec![0u32; 256];
    entries[0] = 0;
    entries[usize::from(b'a')] = u32::from(b'a') | (u32::from(b'a') << 10);
    let mut model = unigram(&[("a", 0.0)]);
    model.set(
        "tokenizer.ggml.precompiled_charsmap",
        compiled(&entries, b"\0"),
    );
    let tokenizer = load(&model.to_bytes()).unwrap();
    assert_eq!(tokenizer.encode("aaa").unwrap(), [3, 3, 3, 1]);
    let error = tokenizer.encode(&"a".repeat(10_000)).unwrap_err();
    assert!(error.to_string().contains("at most 256 bytes"), "{error}");
}

#[test]
fn tokens_that_begin_with_each_other_do_not_multiply() {
    let texts: Vec<String> = (1..200).map(|length| "a".repeat(length)).collect();
    let pieces: Vec<(&str, f32)> = texts.iter().map(|text| (text.as_str(), -1.0)).collect();
    // 199 and a remainder of 10, then the end.
    assert_eq!(ids(&unigram(&pieces), &"a".repeat(2000)).len(), 12);
    let mut pieces: Vec<&str> = texts.iter().map(String::as_str).collect();
    pieces.push("\u{2581}");
    // Each word fails at its last character.
    let text = format!("{}b ", "a".repeat(2000)).repeat(3);
    assert_eq!(ids(&word_pieces(&pieces), &text), [1, 3, 3, 3, 2]);
}

#[test]
fn converted_models_tokenize_like_their_source() {
    let mut gemma = empty("gemma4", &["a", "b", "\u{2581}", "\u{2581}a"], &[]);
    let merges = Value::strings(&["\u{2581} a"]);
    gemma.set("tokenizer.ggml.merges", merges);
    gemma.set("tokenizer.ggml.bos_token_id", 1u32);
    let mut phi = models::llama_spm();
    phi.set("general.name", "Phi-3 mini");
    let mut prefixed = unigram(&[("a", -1.0), ("\u{2581}", -2.0), ("\u{2581}a", -1.0)]);
    prefixed.set("tokenizer.ggml.add_space_prefix", true);
    let mut spm = models::llama_spm();
    spm.remove("tokenizer.ggml.scores");
    let words = word_pieces(&["\u{2581}ab", "\u{2581}a", "bc"]);
    for model in [gemma, phi, prefixed, spm, words, models::llama_spm()] {
        let apr = load(&converted(&model).to_bytes()).unwrap();
        for text in ["ab a", "", " aa  b", "abc</s> \n a"] {
            // Characters that the vocabulary cannot write are errors in both.
            let gguf = load(&model.to_bytes()).unwrap().encode(text);
            assert_eq!(gguf.ok(), apr.encode(text).ok(), "{text:?}");
        }
        assert!(apr.encode("a ab").unwrap().len() > 1);
    }
}

#[test]
fn damaged_tables_never_panic() {
    let Value::Array(_, bytes) = table(b'A', b"ab\0") else {
        unreachable!("a table is an array");
    };
    let mut encoded = 0;
    let is_used = |at: &usize| !matches!(bytes[*at], Value::U8(0)) || *at < 8;
    for at in (0..bytes.len()).filter(is_used) {
        for bit in [1, 0x10, 0x80] {
            let mut bytes = bytes.clone();
            if let Value::U8(byte) = &mut bytes[at] {
                *byte ^= bit;
            }
            let mut model = unigram(&[("a", 0.0)]);
            model.set(
                "tokenizer.ggml.precompiled_charsmap",
                Value::Array(0, bytes),
            );
            let tokenizer = load(&model.to_bytes());
            encoded += usize::from(
                tokenizer.is_ok_and(|tokenizer| tokenizer.encode("aAbA\u{e9}").is_ok()),
            );
        }
    }
    assert!(encoded > 0);
}

/// A table with one sequence of one byte.
fn table(byte: u8, replacement: &[u8]) -> Value {
    // The children of the root are at 256 and more, the end of the sequence at 512 and more.
    let node = 0x100 ^ usize::from(byte);
    let mut entries = vec![0u32; 0x400];
    entries[0] = 0x100 << 10;
    entries[node] = u32::from(byte) | 0x100 | (0x200 << 10);
    entries[node ^ 0x200] = 1 << 31;
    compiled(&entries, replacement)
}

fn compiled(entries: &[u32], replacements: &[u8]) -> Value {
    let length = u32::try_from(size_of_val(entries)).unwrap();
    let words = std::iter::once(&length).chain(entries);
    let bytes = words.flat_map(|word| word.to_le_bytes());
    let bytes = bytes.chain(replacements.iter().copied());
    Value::Array(0, bytes.map(Value::U8).collect())
}

/// A unigram model: padding, the end, the unknown token, then the given pieces.
fn unigram(pieces: &[(&str, f32)]) -> Model {
    let texts = ["<pad>", "</s>", "<unk>"].into_iter();
    let tokens: Vec<&str> = texts.chain(pieces.iter().map(|(text, _)| *text)).collect();
    let scores = [0.0; 3]
        .into_iter()
        .chain(pieces.iter().map(|(_, score)| *score));
    let mut model = empty("t5", &tokens, &[3, 3, 2]);
    let scores = scores.map(Value::F32).collect();
    model.set("tokenizer.ggml.scores", Value::Array(6, scores));
    model
}

/// A model of word pieces: padding, the beginning, the separator, the unknown token, then the given pieces.
fn word_pieces(pieces: &[&str]) -> Model {
    let tokens: Vec<&str> = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
        .into_iter()
        .chain(pieces.iter().copied())
        .collect();
    let mut model = empty("bert", &tokens, &[3, 3, 3, 2]);
    for (name, id) in [
        ("bos_token_id", 1u32),
        ("seperator_token_id", 2),
        ("unknown_token_id", 3),
    ] {
        model.set(format!("tokenizer.ggml.{name}"), id);
    }
    model
}

fn empty(kind: &str, tokens: &[&str], special: &[i32]) -> Model {
    let mut model = models::tiny();
    model
        .key_values
        .retain(|(key, _)| !key.starts_with(b"tokenizer."));
    let types = special
        .iter()
        .copied()
        .chain(std::iter::repeat(1))
        .take(tokens.len());
    model.set("tokenizer.ggml.model", kind);
    model.set("tokenizer.ggml.tokens", Value::strings(tokens));
    model.set(
        "tokenizer.ggml.token_type",
        Value::Array(5, types.map(Value::I32).collect()),
    );
    model
}

fn ids(model: &Model, text: &str) -> Vec<u32> {
    let tokenizer: Tokenizer = load(&model.to_bytes()).unwrap();
    tokenizer.encode(text).unwrap()
}

fn failed(model: &Model) -> String {
    load(&model.to_bytes()).unwrap_err().to_string()
}
