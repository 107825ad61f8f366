//! Models of the fixtures in both formats: the same tokenizer gives the same ids, a changed one shows.

use fixtures::{
    apr::{Apr, from_model, from_model_b},
    gguf::{Model, Value},
    models,
    tokenizer::BytePairs,
};
use inference::{Format, Tokenizer};
use serde_json::{Value as Json, json};

use crate::load;

#[test]
fn both_formats_give_the_same_ids() {
    for (model, expected) in [
        (models::qwen2(), vec![71, 257]),
        (models::llama(), vec![71, 257]),
        (models::qwen3(), vec![71, 257]),
    ] {
        let gguf = load(&model.to_bytes()).unwrap();
        let apr = load(&from_model(&model).to_bytes()).unwrap();
        assert_eq!((gguf.format, apr.format), (Format::Gguf, Format::Apr));
        // The 72nd printable byte, then the second merge.
        assert_eq!(gguf.encode("het").unwrap(), expected);
        for text in TEXTS {
            assert_eq!(
                gguf.encode(text).unwrap(),
                apr.encode(text).unwrap(),
                "{text:?}"
            );
        }
        assert_eq!(assumed(&gguf), ["tokenizer.ggml.add_eos_token=false"]);
        assert_eq!(assumed(&apr), ["tokenizer.add_eos_token=false"]);
    }
}

#[test]
fn special_tokens_in_a_text_become_one_id() {
    let tokenizer = load(&models::qwen2().to_bytes()).unwrap();
    let ids = tokenizer
        .encode("<|im_start|>et<|im_end|><|endoftext|>")
        .unwrap();
    assert_eq!(ids, [318, 257, 319, 317]);
    // Not quite special.
    assert!(tokenizer.encode("<|im_start|").unwrap().len() > 5);
}

#[test]
fn swapped_merges_give_other_ids() {
    let model = models::qwen2();
    let apr = edited(&from_model(&model), |keys| {
        let merges = keys["tokenizer.merges"].as_array_mut().unwrap();
        assert_eq!((&merges[10], &merges[26]), (&json!("t o"), &json!("o n")));
        merges.swap(10, 26);
    });
    let [gguf, apr] = [load(&model.to_bytes()), load(&apr)].map(Result::unwrap);
    assert_eq!(gguf.encode("ton").unwrap(), [266, 77]);
    assert_eq!(apr.encode("ton").unwrap(), [83, 282]);
}

#[test]
fn of_two_equal_merges_the_first_counts() {
    let model = models::qwen2();
    let apr = edited(&from_model(&model), |keys| {
        let merges = keys["tokenizer.merges"].as_array_mut().unwrap();
        merges.push(json!("t o"));
    });
    assert_eq!(load(&apr).unwrap().encode("ton").unwrap(), [266, 77]);
}

#[test]
fn swapped_tokens_give_other_ids() {
    let model = models::qwen2();
    let apr = edited(&from_model(&model), |keys| {
        keys["tokenizer.vocabulary"]
            .as_array_mut()
            .unwrap()
            .swap(257, 258);
    });
    let [gguf, apr] = [load(&model.to_bytes()), load(&apr)].map(Result::unwrap);
    assert_eq!(gguf.encode("et").unwrap(), [257]);
    assert_eq!(apr.encode("et").unwrap(), [258]);
}

#[test]
fn a_lost_pre_tokenizer_is_an_assumption_and_shows_in_numbers() {
    let mut model = models::qwen2();
    BytePairs::new(320, b"0123456").set_keys(&mut model, "qwen2");
    let apr = edited(&from_model(&model), |keys| {
        keys.as_object_mut().unwrap().remove("tokenizer.pre_type");
    });
    let [gguf, apr] = [load(&model.to_bytes()), load(&apr)].map(Result::unwrap);
    assert_eq!(
        assumed(&apr),
        [
            "tokenizer.pre_type=default",
            "tokenizer.add_eos_token=false"
        ]
    );
    // Digits stand alone for qwen2; by default three of them are one word.
    assert_eq!(gguf.encode("0122").unwrap(), [15, 16, 17, 17]);
    assert_eq!(apr.encode("0122").unwrap(), [314, 17]);
}

#[test]
fn what_the_other_importer_loses_is_assumed() {
    let apr = load(&from_model_b(&models::qwen2()).to_bytes()).unwrap();
    let expected = [
        "tokenizer.token_type=normal for every token",
        "tokenizer.pre_type=default",
        "tokenizer.add_bos_token=false",
        "tokenizer.add_eos_token=false",
    ];
    assert_eq!(assumed(&apr), expected);
    // Ends of turns are special by their names, beginnings only by their types.
    assert_eq!(apr.encode("<|im_end|>").unwrap(), [319]);
    assert!(apr.encode("<|im_start|>").unwrap().len() > 5);
}

#[test]
fn tokens_around_a_text_are_those_that_the_file_names() {
    let mut model = models::qwen2();
    model.set("tokenizer.ggml.add_bos_token", true);
    model.set("tokenizer.ggml.add_eos_token", true);
    let tokenizer = load(&model.to_bytes()).unwrap();
    assert_eq!(tokenizer.encode("et").unwrap(), [317, 257, 319]);
    assert_eq!(tokenizer.encode("").unwrap(), [317, 319]);
    assert_eq!(assumed(&tokenizer), [""; 0]);
    // A file that does not say: the pre-tokenizer decides.
    for (mut model, expected) in [
        (models::qwen2(), vec![257]),
        (models::llama(), vec![317, 257]),
    ] {
        model.remove("tokenizer.ggml.add_bos_token");
        let tokenizer = load(&model.to_bytes()).unwrap();
        assert_eq!(tokenizer.encode("et").unwrap(), expected);
        assert!(assumed(&tokenizer)[0].starts_with("tokenizer.ggml.add_bos_token="));
    }
}

#[test]
fn scores_join_sentence_pieces() {
    let model = models::llama_spm();
    let tokenizer = load(&model.to_bytes()).unwrap();
    assert_eq!(
        assumed(&tokenizer),
        ["tokenizer.ggml.add_space_prefix=true"]
    );
    // "\u{2581}e" has a higher score than "et", and no token is a single t: its byte is.
    assert_eq!(tokenizer.encode("et").unwrap(), [1, 260, 0x74 + 3]);
    assert_eq!(tokenizer.encode("").unwrap(), [1]);
    // A space stands in front of what follows a special token, too.
    assert_eq!(tokenizer.encode("</s>et").unwrap(), [1, 2, 260, 0x74 + 3]);
    assert_eq!(
        tokenizer.encode("\u{e9}").unwrap().last(),
        Some(&(0xA9 + 3))
    );
    let mut model = model;
    model.set("tokenizer.ggml.add_space_prefix", false);
    let tokenizer = load(&model.to_bytes()).unwrap();
    assert_eq!(tokenizer.encode("et").unwrap(), [1, 271]);
}

#[test]
fn sentence_pieces_without_scores_all_have_one_score() {
    let mut model = models::llama_spm();
    let apr = from_model(&model);
    let with_scores = edited(&apr, |keys| {
        let scores = (0..320).map(|id| if id < 259 { 0.0 } else { 259.0 - f64::from(id) });
        keys["tokenizer.scores"] = scores.collect();
    });
    let [gguf, apr, with_scores] =
        [model.to_bytes(), apr.to_bytes(), with_scores].map(|bytes| load(&bytes).unwrap());
    for text in TEXTS {
        let ids = gguf.encode(text).unwrap();
        assert_eq!(ids, with_scores.encode(text).unwrap(), "{text:?}");
    }
    assert_eq!(
        assumed(&apr),
        [
            "tokenizer.scores=0 for every token",
            "tokenizer.add_space_prefix=true",
            "tokenizer.add_eos_token=false",
        ]
    );
    // Of "oe" and "et" the second has the higher score; of equal scores the first pair counts.
    assert_ne!(gguf.encode("ooet").unwrap(), apr.encode("ooet").unwrap());
    model.remove("tokenizer.ggml.scores");
    let gguf = load(&model.to_bytes()).unwrap();
    for text in TEXTS {
        assert_eq!(gguf.encode(text).unwrap(), apr.encode(text).unwrap());
    }
}

#[test]
fn other_tokenizers_are_not_covered_by_name() {
    for (key, value, expected) in [
        ("model", "rwkv", "not covered (tokenizer model rwkv)"),
        (
            "model",
            "plamo2\n",
            "not covered (tokenizer model plamo2\\n)",
        ),
        (
            "pre",
            "jina-v2-es",
            "not covered (pre-tokenizer jina-v2-es)",
        ),
        ("pre", "", "not covered (pre-tokenizer )"),
    ] {
        let mut model = models::qwen2();
        model.set(format!("tokenizer.ggml.{key}"), value);
        assert_eq!(load(&model.to_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_vocabulary_of_the_usual_size_loads() {
    let mut model = models::qwen2();
    let bytes: Vec<u8> = (0..=255).collect();
    BytePairs::new(151_936, &bytes).set_keys(&mut model, "qwen2");
    let [gguf, apr] =
        [model.to_bytes(), from_model(&model).to_bytes()].map(|bytes| load(&bytes).unwrap());
    for text in TEXTS {
        assert_eq!(
            gguf.encode(text).unwrap(),
            apr.encode(text).unwrap(),
            "{text:?}"
        );
    }
}

/// The APR file with other metadata.
pub(crate) fn edited(apr: &Apr, edit: impl Fn(&mut Json)) -> Vec<u8> {
    let mut metadata: Json = serde_json::from_str(&apr.metadata).unwrap();
    edit(&mut metadata);
    let metadata = metadata.to_string();
    Apr {
        metadata,
        ..apr.clone()
    }
    .to_bytes()
}

/// A model with another value for a tokenizer key.
pub(crate) fn with_key(mut model: Model, key: &str, value: impl Into<Value>) -> Vec<u8> {
    model.set(format!("tokenizer.ggml.{key}"), value);
    model.to_bytes()
}

fn assumed(tokenizer: &Tokenizer) -> Vec<String> {
    let all = tokenizer.assumptions.iter();
    all.map(|assumption| format!("{}={}", assumption.what, assumption.value))
        .collect()
}

const TEXTS: [&str; 8] = [
    "",
    " ",
    "tea ties noise\n\n toast 'tis I'M",
    "<|im_start|>note<|im_end|>\r\n",
    "<s> seat</s>station",
    "caf\u{e9} e\u{301} \u{65e5}\u{672c} \u{1F999}\u{200D}",
    "\u{0}\u{7f}\u{85}\u{a0}\u{3000}",
    "\u{2581}et \u{2581}\u{2581}",
];
