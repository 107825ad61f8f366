//! Keys that the APR file alone has.

use super::comparison::Comparison;
use super::equal::{in_words, shorten};
use super::look_alike::looks_like;
use super::table::{self, Rule};
use super::{KeyResult, Status, derived};
use crate::code::Code;
use crate::decode::apr::{ALIASES, Kind};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding};

impl Comparison<'_> {
    /// Keys of the APR file that stand for a GGUF key which the GGUF does not have.
    pub(super) fn find_invented(&self, findings: &mut Findings, keys: &mut Vec<KeyResult>) {
        for (key, json) in self.document.members() {
            let name = self.document.name(key);
            let canonical = canonical(&name);
            let rule = table::RULES
                .iter()
                .find(|rule| rule.apr.contains(&canonical));
            let is_null = matches!(json.kind, Kind::Null);
            if table::BOOKKEEPING.contains(&&*name) || (is_null && rule.is_some()) {
                continue;
            }
            let finding = match rule {
                Some(rule) if self.gguf_has(rule) || derived::explains(self, canonical, json) => {
                    continue;
                }
                Some(rule) => Finding::new(
                    Code::MetaInvented,
                    rule.changed,
                    format!(
                        "{} of the APR file comes from no key of the GGUF",
                        shorten(&name)
                    ),
                ),
                None if self.is_known_copy(canonical, &name) => continue,
                None => Finding::new(
                    Code::MetaUnexplained,
                    Effect::Warning,
                    self.unexplained(&name),
                ),
            };
            keys.push(KeyResult {
                key: name.as_bytes().to_vec(),
                status: Status::Invented,
                values: [Some(in_words(self.document, json)), None],
            });
            findings.push(
                finding
                    .at(self.apr_place(&name, json, None))
                    .expected_found("nothing", shorten(self.document.text(json))),
            );
        }
    }

    /// A key that is checked elsewhere, or a producer's second copy of one that stands beside it.
    fn is_known_copy(&self, canonical: &str, name: &str) -> bool {
        let original = name.strip_prefix("model.");
        derived::KEYS.contains(&canonical)
            || original.is_some_and(|original| self.document.get(original).is_some())
            || name
                .strip_prefix("tokenizer.")
                .filter(|name| name.ends_with("_token_id"))
                .is_some_and(|name| self.is_token_id(name))
    }

    /// Token ids beyond those of the table stand under the name that the GGUF has.
    fn is_token_id(&self, name: &str) -> bool {
        let value = self
            .gguf
            .metadata
            .get(format!("tokenizer.ggml.{name}").as_bytes());
        let found = self.value(&format!("tokenizer.{name}"));
        value.zip(found).is_some_and(|(value, json)| {
            value.as_u64().is_some() && value.as_u64() == self.document.u64(json)
        })
    }

    fn unexplained(&self, name: &str) -> String {
        let known = table::RULES
            .iter()
            .flat_map(|rule| rule.apr)
            .chain(table::BOOKKEEPING)
            .chain(derived::KEYS);
        match looks_like(name, known.copied()) {
            Some(twin) => format!(
                "{} is not a key that loaders or known producers have, and looks like {twin}",
                shorten(name)
            ),
            None => format!(
                "{} is not a key that loaders or known producers have",
                shorten(name)
            ),
        }
    }

    fn gguf_has(&self, rule: &Rule) -> bool {
        if rule.gguf.starts_with('.') {
            self.gguf
                .metadata
                .of_architecture(rule.gguf.trim_start_matches('.'))
                .is_some()
        } else {
            self.gguf.metadata.get(rule.gguf.as_bytes()).is_some()
        }
    }
}

/// The canonical key of an alias; other keys stay as they are.
fn canonical(key: &str) -> &str {
    ALIASES
        .iter()
        .find(|(_, aliases)| aliases.contains(&key))
        .map_or(key, |(canonical, _)| canonical)
}
