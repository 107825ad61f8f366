//! What producers say of a model beside the keys of the GGUF: held against it as far as anything follows from it, and named
//! where nothing does.

use super::equal::shorten;
use super::{Comparison, members, own, rope};
use crate::code::Code;
use crate::decode::apr::Json;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding};

/// Checks the keys that describe a file of another producer.
pub(super) fn check(comparison: &Comparison<'_>, findings: &mut Findings) {
    let value = |key| comparison.value(key).map(|json| (key, json));
    let named = ["model_type", "hf_model_type", "hf_architecture"].into_iter();
    for (key, json) in named.filter_map(value) {
        if let Some((code, effect, what)) = comparison.other_architecture(key, json) {
            let architecture = String::from_utf8_lossy(comparison.architecture.unwrap_or_default());
            findings.push(
                Finding::new(code, effect, format!("{key} names {what}"))
                    .at(comparison.apr_place(key, json, None))
                    .expected_found(
                        shorten(&architecture),
                        shorten(comparison.document.text(json)),
                    ),
            );
        }
    }
    members::check(comparison, findings);
    comparison.name_unexplained_flags(findings);
    for (key, json) in DESCRIPTIVE.into_iter().filter_map(value) {
        if !comparison.is_explained(key, json) {
            let message = format!("{key} is held against nothing: the GGUF does not say it");
            findings.push(
                Finding::new(Code::MetaUnexplained, Effect::Warning, message)
                    .at(comparison.apr_place(key, json, None))
                    .expected_found("nothing", shorten(comparison.document.text(json))),
            );
        }
    }
}

impl Comparison<'_> {
    /// What a word for the architecture says that is not the one of the GGUF: another one, or none that is known.
    fn other_architecture(&self, key: &str, json: &Json) -> Option<(Code, Effect, &'static str)> {
        let text = self.document.string(json)?;
        let word = letters(class(&text));
        let is_own = word == letters(&String::from_utf8_lossy(self.architecture?));
        if is_own || key == "model_type" && OF_PRODUCERS.contains(&&*text) {
            None
        } else if rope::names().any(|name| letters(name) == word) {
            let what = "another architecture than the GGUF";
            Some((Code::MetaArchitecture, Effect::Different, what))
        } else {
            let what = "no architecture that is known";
            Some((Code::MetaUnexplained, Effect::Warning, what))
        }
    }

    /// Whether a key that describes the file follows from the GGUF, from the tensors, or from what the known producers
    /// write of every model.
    fn is_explained(&self, key: &str, json: &Json) -> bool {
        let text = self.document.string(json);
        let is_in_gguf = || {
            let key = format!("general.{key}");
            self.gguf.metadata.get(key.as_bytes()).is_some()
        };
        match key {
            // Compared with the key of the GGUF where that has one.
            "name" => is_in_gguf() || text.as_deref().map(str::as_bytes) == self.architecture,
            "description" => {
                is_in_gguf()
                    || text.is_some_and(|text| {
                        text.starts_with("GGUF ")
                            && text.ends_with(" model imported with native quantization")
                    })
            }
            "version" => is_in_gguf() || text.as_deref() == Some("1.0.0"),
            "total_size" => self.is_total_size(self.document.u64(json)),
            _ => false,
        }
    }

    /// Whether a number is the bytes of all tensors; some writers leave it at zero.
    pub(super) fn is_total_size(&self, found: Option<u64>) -> bool {
        let sizes = self.apr.tensors.iter().map(|tensor| tensor.span.length);
        found == Some(0) || found == Some(sizes.fold(0_u64, u64::saturating_add))
    }

    /// Flags of the header that nothing in the file or in the GGUF says.
    fn name_unexplained_flags(&self, findings: &mut Findings) {
        let flags = self.apr.metadata.header.map_or(0, |header| header.flags);
        if flags & UNEXPLAINED != 0 {
            let message = "flags of the header are held against nothing: neither the tensors nor the GGUF say them";
            findings.push(
                Finding::new(Code::MetaUnexplained, Effect::Warning, message)
                    .at(own::flags_place())
                    .expected_found(
                        format!("{:#06x}", flags & !UNEXPLAINED),
                        format!("{flags:#06x}"),
                    ),
            );
        }
    }
}

/// The model that a class of `transformers` is of: `Qwen2` of `Qwen2ForCausalLM`.
fn class(name: &str) -> &str {
    let endings = ["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"];
    let mut endings = endings.into_iter();
    endings
        .find_map(|ending| name.strip_suffix(ending))
        .unwrap_or(name)
}

/// Letters and digits in lower case: the rest is written in several ways.
fn letters(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|character| character.to_ascii_lowercase())
        .collect()
}

/// What producers write as `model_type` whatever the model is: section 5 of the format page.
const OF_PRODUCERS: [&str; 2] = ["Auto", "transformer_lm_q4k"];
/// Keys that loaders do not compute with and that have no place in a GGUF, or may have none.
const DESCRIPTIVE: [&str; 9] = [
    "name",
    "description",
    "version",
    "source",
    "created_at",
    "data_source",
    "data_license",
    "total_size",
    "chat_format",
];

/// `HAS_FILTERBANK`, `HAS_MODEL_CARD` and `STREAMING`.
const UNEXPLAINED: u16 = 0x01c0;
