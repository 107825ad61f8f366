//! Files of other producers, of the shared data.

use fixtures::shared;

use super::*;
use crate::{ValueType, read_header};

#[needs::data("vocab")]
#[test]
fn real_vocabularies_are_read_to_the_last_byte() {
    for (name, file) in shared::files("vocab", ".gguf") {
        let content = read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let tokens = content
            .get(b"tokenizer.ggml.tokens")
            .and_then(Value::as_array)
            .unwrap();
        assert_eq!(tokens.element_type, ValueType::String);
        assert_eq!(
            length(&vec![0; tokens.iter().count()]),
            tokens.count,
            "{name}"
        );
        assert_eq!(
            read_header(&file, &Limits::default()).unwrap().len(),
            file.len()
        );
    }
}

#[needs::data("oracle")]
#[test]
fn real_models_are_read_without_a_note() {
    for (name, file) in shared::files("oracle", ".gguf") {
        let content = read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(content.notes.is_empty(), "{name}: {:?}", content.notes);
        assert!(content.tensors.len() > 20, "{name}");
        let header = read_header(&file, &Limits::default()).unwrap();
        assert_eq!(length(&header), content.data_offset);
    }
}

#[needs::data("malformed")]
#[test]
fn the_malformed_corpus_is_judged_by_its_names() {
    for (name, file) in shared::files("malformed", ".gguf") {
        let expected = match name.get(..2).unwrap() {
            "02" => "gguf.version.unknown",
            "04" => "gguf.count.tensors",
            "06" => "gguf.key.length",
            "08" => "gguf.key.duplicate",
            "10" => "gguf.alignment.value",
            "12" => "gguf.tensor.rank",
            "14" => "gguf.tensor.elements",
            "18" => "gguf.offset.range",
            "20" => "gguf.truncated",
            "22" => "gguf.array.depth",
            "24" => "gguf.tensor.row",
            "26" => "gguf.value.bool",
            "28" => "gguf.key.empty",
            "30" => "gguf.padding",
            "32" => "gguf.count.kv",
            "38" => "gguf.short",
            "40" => "gguf.offset.order",
            "42" => "gguf.offset.align",
            "46" => "gguf.tensor.bytes",
            // Accepted, with a note.
            "16" => "note gguf.type.unknown",
            "34" => "note gguf.array.nested",
            "36" => "note gguf.tensor.zero-dim",
            "48" => "note gguf.name.long",
            "50" | "56" => "note gguf.key.style",
            _ => "ok",
        };
        let found = match read(&file) {
            Ok(content) => match codes(&content).first() {
                Some(code) => format!("note {code}"),
                None => "ok".to_owned(),
            },
            Err(error) => error.code().to_owned(),
        };
        assert_eq!(found, expected, "{name}");
    }
}
