//! Checks above the container: what loaders trip over although every byte is where it should be.

use super::value::STRING;
use super::{Metadata, Value};
use crate::code::Code;
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape};

pub(super) fn check(container: &Container<Metadata>, findings: &mut Findings) {
    let metadata = &container.metadata;
    check_vocabulary(metadata, findings);
    check_keys(metadata, findings);
    if metadata.architecture().is_none() && !container.tensors.is_empty() {
        findings.push(remark(
            b"general.architecture",
            Code::GgufMetaArchitecture,
            "is missing or no string",
        ));
    }
}

fn check_vocabulary(metadata: &Metadata, findings: &mut Findings) {
    let Some(tokens) = metadata
        .get(b"tokenizer.ggml.tokens")
        .and_then(|value| value.as_array())
    else {
        return;
    };
    let arrays: [(&[u8], u32, bool); 3] = [
        (b"tokenizer.ggml.scores", 6, true),
        (b"tokenizer.ggml.token_type", 5, true),
        (b"tokenizer.ggml.merges", STRING, false),
    ];
    for (key, type_id, as_long) in arrays {
        let Some(value) = metadata.get(key) else {
            continue;
        };
        let items = value.as_array().filter(|items| items.type_id == type_id);
        match items {
            None => findings.push(remark(
                key,
                Code::GgufMetaType,
                "has another type than loaders read",
            )),
            Some(items) if as_long && items.count != tokens.count => {
                findings.push(remark(
                    key,
                    Code::GgufMetaLength,
                    "is not as long as the vocabulary",
                ));
            }
            Some(_) => {}
        }
    }
    for key in ["bos", "eos", "padding", "unknown"] {
        let key = format!("tokenizer.ggml.{key}_token_id").into_bytes();
        let id = metadata
            .get(&key)
            .and_then(|value: Value<'_>| value.as_u64());
        if id.is_some_and(|id| id >= tokens.count) {
            findings.push(remark(
                &key,
                Code::GgufMetaTokenId,
                "is not an id of the vocabulary",
            ));
        }
    }
}

/// Keys that break the naming rules of the format text, which llama.cpp does not mind.
fn check_keys(metadata: &Metadata, findings: &mut Findings) {
    for head in &metadata.shards {
        for entry in &head.entries {
            let key = head.key(entry);
            let regular = |byte: &u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(byte)
            };
            if !key.iter().all(regular) && key.is_ascii() {
                findings.push(Finding {
                    effect: Effect::Note,
                    ..remark(key, Code::GgufKeyStyle, "is not in lower snake case")
                });
            }
            let nested = head
                .value(entry)
                .as_array()
                .is_some_and(|items| items.type_id == super::value::ARRAY);
            if nested {
                findings.push(Finding {
                    effect: Effect::Note,
                    ..remark(
                        key,
                        Code::GgufArrayNested,
                        "is an array of arrays, which llama.cpp does not load",
                    )
                });
            }
        }
    }
}

fn remark(key: &[u8], code: Code, text: &str) -> Finding {
    Finding::new(code, Effect::Warning, format!("{} {text}", escape(key))).at(Place::new(
        Side::Gguf,
        0,
    )
    .name(key))
}
