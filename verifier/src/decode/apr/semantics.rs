//! Checks of the metadata alone: what makes loaders drop or misread them.

use super::{Document, Kind, Metadata};
use crate::code::Code;
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, clip, escape};
use crate::region::RegionKind;

/// Other spellings that the serving loader maps to a canonical key.
pub const ALIASES: [(&str, &[&str]); 8] = [
    ("hidden_size", &["hidden_dim", "d_model", "n_embd"]),
    ("num_layers", &["n_layers", "num_hidden_layers", "n_layer"]),
    ("num_heads", &["n_heads", "num_attention_heads", "n_head"]),
    ("num_kv_heads", &["n_kv_heads", "num_key_value_heads"]),
    ("vocab_size", &["n_vocab"]),
    (
        "intermediate_size",
        &["ffn_dim", "intermediate_dim", "n_inner"],
    ),
    (
        "max_position_embeddings",
        &["max_seq_len", "context_length", "n_ctx"],
    ),
    ("rms_norm_eps", &["layer_norm_eps", "norm_eps"]),
];

pub(super) fn check(container: &Container<Metadata>, findings: &mut Findings) {
    if let Some(document) = &container.metadata.document {
        check_aliases(document, findings);
        check_copies(document, findings);
        check_vocabulary(document, findings);
    }
}

fn check_aliases(document: &Document, findings: &mut Findings) {
    for (canonical, aliases) in ALIASES {
        let present: Vec<&str> = std::iter::once(canonical)
            .chain(aliases.iter().copied())
            .filter(|key| document.get(key).is_some())
            .collect();
        let [first, second, ..] = present.as_slice() else {
            continue;
        };
        findings.push(finding(
            document,
            Code::AprMetaAlias,
            second,
            &format!("{second} stands beside {first}: the serving loader drops all metadata then"),
        ));
    }
}

/// Producers write a second copy of the configuration under `model.`; loaders read the first.
fn check_copies(document: &Document, findings: &mut Findings) {
    for (key, copy) in document.members() {
        let name = document.name(key);
        let original = name
            .strip_prefix("model.")
            .or((name == "tokenizer.chat_template").then_some("chat_template"))
            .and_then(|original| document.get(original));
        let Some(original) = original else {
            continue;
        };
        let same = match (document.f32(original), document.f32(copy)) {
            (Some(a), Some(b)) if document.integer(original).is_none() => {
                a.to_bits() == b.to_bits()
            }
            (Some(_), Some(_)) => document.integer(original) == document.integer(copy),
            _ => {
                document.string(original) == document.string(copy)
                    && document.string(copy).is_some()
            }
        };
        if !same {
            findings.push(
                finding(
                    document,
                    Code::AprMetaCopiesDisagree,
                    &name,
                    &format!(
                        "{} is not what its copy {} says",
                        name.trim_start_matches("model."),
                        escape(name.as_bytes())
                    ),
                )
                .expected_found(shown(document.text(original)), shown(document.text(copy))),
            );
        }
    }
}

/// Loaders skip what is no string, which shifts every later id.
fn check_vocabulary(document: &Document, findings: &mut Findings) {
    for key in ["tokenizer.vocabulary", "tokenizer.merges"] {
        let Some(list) = document.get(key) else {
            continue;
        };
        let whole = match &list.kind {
            Kind::Array(items) => items.iter().all(|item| matches!(item.kind, Kind::String)),
            _ => false,
        };
        if !whole {
            findings.push(finding(
                document,
                Code::AprMetaVocabulary,
                key,
                &format!("{key} has items that are no strings: loaders skip them and shift every later id"),
            ));
        }
    }
}

fn finding(document: &Document, code: Code, key: &str, text: &str) -> Finding {
    let mut place = Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .name(key);
    if let Some(value) = document.get(key) {
        place = place.span(document.span(value));
    }
    Finding::new(code, Effect::Different, text).at(place)
}

/// A value short enough for one line, with nothing that a terminal would follow.
fn shown(text: &str) -> String {
    clip(&escape(text.as_bytes()))
}
