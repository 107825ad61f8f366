use fixtures::models;

use super::*;
use crate::source::Source;

fn of(bytes: &[Vec<u8>]) -> Inspection {
    let shards = bytes
        .iter()
        .map(|bytes| ("m\x1b[2J.gguf".to_owned(), bytes as &dyn Source));
    inspect(&Input {
        name: "m".to_owned(),
        shards: shards.collect(),
    })
}

fn header_field<'a>(inspection: &'a Inspection, name: &str) -> Option<&'a str> {
    let header = &inspection.files.first()?.header;
    header
        .iter()
        .find(|field| field.name == name)
        .map(|field| field.value.as_str())
}

const ALL: Sections = Sections {
    metadata: true,
    tensors: true,
    regions: true,
};

#[test]
fn a_gguf_is_shown_with_all_its_parts() {
    let model = models::tiny();
    let bytes = model.to_bytes();
    let seen = of(std::slice::from_ref(&bytes));
    assert_eq!(
        (seen.result, seen.format.as_str()),
        (Decoding::Decoded, "gguf")
    );
    assert_eq!(header_field(&seen, "version"), Some("3"));
    assert_eq!(header_field(&seen, "alignment"), Some("32"));
    assert_eq!(seen.metadata.len(), model.key_values.len());
    assert_eq!(seen.tensors.len(), model.tensors.len());
    let extra = seen
        .tensors
        .iter()
        .find(|tensor| tensor.name == "blk.0.extra.weight")
        .unwrap();
    assert_eq!((extra.r#type.as_str(), extra.size), ("Q4_K", 144));
    let end = seen
        .regions
        .last()
        .map(|region| region.offset + region.length);
    assert_eq!(end, Some(bytes.len() as u64));
    let tokens = seen
        .metadata
        .iter()
        .find(|key| key.key == "tokenizer.ggml.tokens")
        .unwrap();
    assert_eq!(
        (tokens.r#type.as_str(), tokens.count),
        ("arr[str]", Some(8))
    );
}

#[test]
fn an_apr_file_is_shown_with_all_its_parts() {
    let apr = fixtures::apr::from_model(&models::tiny());
    let seen = of(&[apr.to_bytes()]);
    assert_eq!(
        (seen.result, seen.format.as_str()),
        (Decoding::Decoded, "apr")
    );
    assert_eq!(
        header_field(&seen, "flags"),
        Some("0x0400 (LAYOUT_ROW_MAJOR)")
    );
    assert_eq!(seen.tensors.len(), apr.tensors.len());
    assert!(
        seen.metadata
            .iter()
            .any(|key| key.key == "hidden_size" && key.value == "32")
    );
    assert!(header_field(&seen, "footer").is_some());
}

#[test]
fn all_value_types_are_shown_and_nothing_raw_passes() {
    let seen = of(&[models::odd().to_bytes()]);
    let value = |key: &str| {
        let found = seen.metadata.iter().find(|view| view.key == key);
        found.map(|view| view.value.as_str()).unwrap()
    };
    assert_eq!(value("odd.i64"), i64::MIN.to_string());
    assert_eq!(value("odd.f32_nan"), "NaN");
    assert_eq!(value("odd.f64_tenth"), "0.1");
    assert_eq!(value("odd.bool"), "true");
    for text in [to_json(&seen), to_text(&seen, ALL)] {
        let raw = text
            .chars()
            .find(|character| character.is_control() && *character != '\n');
        assert_eq!(raw, None);
    }
}

#[test]
fn every_shard_of_a_set_is_shown() {
    let shards = models::tiny().shards(2);
    let seen = of(&shards);
    assert_eq!(seen.result, Decoding::Decoded);
    assert_eq!(seen.files.len(), 2);
    assert!(seen.files.iter().all(|file| !file.header.is_empty()));
    assert!(seen.tensors.iter().any(|tensor| tensor.shard == 1));
}

#[test]
fn what_is_cut_or_no_model_is_not_passed() {
    let whole = models::tiny().to_bytes();
    for length in [0, 3, 20, 200] {
        let seen = of(&[whole[..length].to_vec()]);
        assert_eq!(seen.result, Decoding::Undecided, "{length}");
        assert!(!seen.findings.is_empty());
    }
    let without_data = of(&[whole[..whole.len() - 1000].to_vec()]);
    assert_ne!(without_data.result, Decoding::Decoded);
    let page = of(&[fixtures::damage::html_page()]);
    assert_eq!(
        (page.result, page.format.as_str()),
        (Decoding::Undecided, "unknown")
    );
    assert_eq!(of(&[]).result, Decoding::Undecided);
    let apr = fixtures::apr::from_model(&models::tiny()).to_bytes();
    assert_eq!(of(&[apr.clone(), apr]).result, Decoding::Undecided);
}

#[test]
fn columns_are_aligned_and_sections_can_be_left_out() {
    let seen = of(&[models::tiny().to_bytes()]);
    let all = to_text(&seen, ALL);
    for title in ["\nmetadata: ", "\ntensors: ", "\nregions: ", "\nfindings"] {
        assert!(all.contains(title), "{title}");
    }
    assert!(all.lines().all(|line| line.trim_end() == line));
    let rows: Vec<&str> = all
        .lines()
        .skip_while(|line| !line.starts_with("tensors"))
        .skip(1)
        .collect();
    let at = rows[0].find("type");
    assert_eq!(rows[1].find("F16").or(rows[1].find("F32")), at);
    let none = Sections {
        metadata: false,
        tensors: false,
        regions: false,
    };
    let short = to_text(&seen, none);
    assert!(short.contains("data offset") && !short.contains("tensors:"));
}

#[test]
fn what_a_model_is_stands_first() {
    let model = models::tiny();
    let apr = fixtures::apr::from_model(&model).to_bytes();
    let size = "qwen2, 1,640 parameters in 16 tensors (9 F16, 6 F32, 1 Q4_K)";
    let numbers = "1 layer, hidden size 32, context length 2,048, vocabulary size 8";
    for bytes in [model.to_bytes(), apr] {
        let text = to_text(&of(&[bytes]), ALL);
        assert!(
            text.starts_with(&format!("decoded: {size}\n{numbers}\n\nm")),
            "{text}"
        );
        assert!(!text.contains("shard"), "{text}");
    }
    let set = to_text(&of(&model.shards(2)), ALL);
    assert!(set.contains("shard"), "{set}");
    let page = to_text(&of(&[fixtures::damage::html_page()]), ALL);
    let first =
        "undecided: m\\x1b[2J.gguf is a web page or an error message of a server, not a model";
    assert!(page.starts_with(first), "{page}");
}

#[test]
fn a_vocabulary_has_no_tensors() {
    let mut model = models::tiny();
    model.tensors.clear();
    let seen = of(&[model.to_bytes()]);
    let text = to_text(&seen, ALL);
    assert!(
        text.starts_with("decoded: qwen2, no tensors\n1 layer, "),
        "{text}"
    );
    assert_eq!(seen.summary.unwrap().vocabulary, Some(8));
}
