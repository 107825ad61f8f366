//! One key of the GGUF, looked up in the APR file.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::equal::{Form, in_words, same, shorten, show};
use super::expected::Expected;
use super::table::{self, Rule};
use super::{
    ARCHITECTURE, KeyResult, Status, behaviour, computes_otherwise, derived, not_carried,
    record_only, suffix, unsaid,
};
use crate::code::Code;
use crate::decode::apr::{self, ALIASES, Document, Json, Kind};
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::decode::gguf::{self, Entry, ShardHead, Value};
use crate::finding::{Effect, Finding, Place, Side};
use crate::region::RegionKind;

/// What the comparison looks at.
pub(super) struct Comparison<'a> {
    pub(super) apr: &'a Container<apr::Metadata>,
    pub(super) gguf: &'a Container<gguf::Metadata>,
    pub(super) document: &'a Document,
    /// The key/values of the sources as the record builds them: the bytes from the key's length on.
    pub(super) recorded: BTreeSet<&'a [u8]>,
    /// The keys that the record says stand in it alone.
    pub(super) record_only: &'a [Vec<u8>],
    /// What a file that carries our record must hold; none for other producers' files.
    pub(super) expected: Option<&'a BTreeMap<String, Expected<'a>>>,
    /// The members of `rope_scaling`.
    pub(super) scaling: HashMap<String, &'a Json>,
    /// The architecture, as the GGUF says or else the user.
    pub(super) architecture: Option<&'a [u8]>,
}

impl Comparison<'_> {
    pub(super) fn compare_key(
        &self,
        head: &ShardHead,
        entry: &Entry,
        findings: &mut Findings,
        keys: &mut Vec<KeyResult>,
    ) {
        let key = head.key(entry);
        let name = String::from_utf8_lossy(key);
        if self.is_record_only(key) && !self.is_read_by_none(key) {
            let what = match key {
                ARCHITECTURE => format!(
                    "no key of APR says what a {} computes",
                    show(head.value(entry))
                ),
                _ => format!(
                    "{} changes what the model computes and stands in the record alone",
                    shorten(&name)
                ),
            };
            findings.push(record_only(&what).at(gguf_place(entry, key, None)));
        }
        let suffix = self.suffix(&name);
        if self.is_unsaid(key, suffix, head.value(entry)) && !self.is_record_only(key) {
            let finding = match key {
                ARCHITECTURE => computes_otherwise(&show(head.value(entry))),
                _ => not_carried(&shorten(&name)),
            };
            findings.push(finding.at(gguf_place(entry, key, None)));
        }
        let rule = table::rule(&name, suffix);
        let scaling = suffix.and_then(|suffix| suffix.strip_prefix(".rope.scaling."));
        // What describes the model and is no string has no place in the JSON, where null stands for none.
        let is_odd = name.starts_with("general.") && head.value(entry).as_string().is_none();
        let is_null = |json: &Json| matches!(json.kind, Kind::Null);
        let found: Vec<(&str, &Json)> = match (rule, scaling) {
            (Some(rule), _) if is_odd => {
                let present = self.present(rule).into_iter();
                present.filter(|(_, json)| !is_null(json)).collect()
            }
            (Some(rule), _) => self.present(rule),
            (None, Some(part)) => self
                .scaling
                .get(part)
                .map(|json| ("rope_scaling", *json))
                .into_iter()
                .collect(),
            (None, None) => Vec::new(),
        };
        let mut status = Status::Equal;
        let ending = suffix.and_then(|suffix| suffix.strip_prefix('.'));
        for (apr_key, json) in &found {
            let form = if rule.is_some_and(|rule| rule.gguf == table::SCORES) {
                Form::Floats
            } else if ending.is_some_and(|ending| unsaid::OF_LAYERS.contains(&ending)) {
                Form::OfLayers
            } else {
                Form::Plain
            };
            // Said beside what loaders do not read.
            let is_of_tokens =
                ending == Some("vocab_size") && derived::explains(self, apr_key, json);
            if let Err(mismatch) = same(head.value(entry), self.document, json, form)
                && !is_of_tokens
            {
                status = Status::Changed;
                let (code, effect) = rule.map_or((Code::MetaChanged, Effect::Different), |rule| {
                    (rule.code, rule.changed)
                });
                let message = format!("{apr_key} is not what {} of the GGUF says", shorten(&name));
                findings.push(
                    Finding::new(code, effect, message)
                        .at(self.apr_place(apr_key, json, mismatch.detail.clone()))
                        .at(gguf_place(entry, key, mismatch.detail))
                        .expected_found(mismatch.expected, mismatch.found),
                );
            }
        }
        if found.is_empty()
            && let Some(finding) = self.lost(head, entry, rule, scaling.is_some())
        {
            status = Status::Lost;
            findings.push(
                finding
                    .at(gguf_place(entry, key, None))
                    .expected_found(show(head.value(entry)), "nothing"),
            );
        }
        if let Some(rule) = rule
            && !found.is_empty()
        {
            self.name_missing_copies(rule, &found, findings);
        }
        let of_apr = found.first().map(|(apr_key, json)| {
            let value = in_words(self.document, json);
            format!("{apr_key}: {value}")
        });
        keys.push(KeyResult {
            key: key.to_vec(),
            status,
            values: [of_apr, Some(show(head.value(entry)))],
        });
    }

    /// Whether a key changes what the model computes although loaders do not read it where the JSON has it.
    fn is_unsaid(&self, key: &[u8], suffix: Option<&str>, value: Value<'_>) -> bool {
        if key == ARCHITECTURE {
            return unsaid::computes_otherwise(&self.gguf.metadata);
        }
        let ending = suffix.and_then(|suffix| suffix.strip_prefix('.'));
        ending.is_some_and(|ending| unsaid::is_unread(&self.gguf.metadata, ending, value))
    }

    /// Whether the record says of a key or a tensor that it stands in it alone.
    pub(super) fn is_record_only(&self, key: &[u8]) -> bool {
        let found = self
            .record_only
            .binary_search_by(|one| one.as_slice().cmp(key));
        found.is_ok()
    }

    /// Whether no engine reads a key of this architecture.
    pub(super) fn is_read_by_none(&self, key: &[u8]) -> bool {
        let name = String::from_utf8_lossy(key);
        let ending = self
            .suffix(&name)
            .and_then(|suffix| suffix.strip_prefix('.'));
        ending.is_some_and(|ending| {
            behaviour::is_read_by_none(self.architecture.unwrap_or_default(), ending)
        })
    }

    /// What is to be said of a key of the GGUF that stands at no key of the APR file.
    ///
    /// Loaders do not read the record: it explains what only describes the model, and never what they need.
    fn lost(
        &self,
        head: &ShardHead,
        entry: &Entry,
        rule: Option<&Rule>,
        is_scaling: bool,
    ) -> Option<Finding> {
        let key = head.key(entry);
        let name = String::from_utf8_lossy(key);
        let suffix = self.suffix(&name);
        let value = head.value(entry);
        let kept = self.recorded.contains(head.raw(entry));
        let ending = suffix.and_then(|suffix| suffix.strip_prefix('.'));
        let shown = shorten(&name);
        // Some files have a key for what no loader reads: it is compared, and no help where it is missing.
        let is_unread = ending.is_some_and(|ending| behaviour::meaning(ending).is_some());
        if (rule.is_none() || is_unread) && !is_scaling {
            let changes = ending.map_or_else(
                || behaviour::GLOBAL.contains(&&*name),
                |ending| behaviour::changes(self.architecture.unwrap_or_default(), ending, value),
            );
            // Said already, of a key that the record keeps.
            if changes && kept && self.is_record_only(key) {
                return None;
            }
            if changes {
                return Some(not_carried(&shown));
            }
            if ending.is_some() {
                // Known to do nothing, with this value.
                return (!kept).then(|| {
                    Finding::new(
                        Code::MetaLost,
                        Effect::Warning,
                        format!("{shown} is not in the APR file"),
                    )
                });
            }
        }
        // Of our own files it is known which keys loaders find; the whole is checked where all keys are.
        if let Some(expected) = self.expected
            && kept
        {
            let needed = rule.is_some_and(|rule| {
                let is_needed =
                    |value: &Expected<'_>| !value.is_optional() && !matches!(value, Expected::Null);
                let mut keys = rule.apr.iter();
                keys.any(|key| expected.get(*key).is_some_and(is_needed))
            });
            if !needed && !is_scaling {
                return None;
            }
        }
        let effect = self.loss(&name, suffix, rule, head, entry);
        Some(Finding::new(
            Code::MetaLost,
            effect,
            format!("{shown} is not in the APR file"),
        ))
    }

    /// The chat template stands in two places; a loader that looks in the other one uses another prompt.
    fn name_missing_copies(&self, rule: &Rule, found: &[(&str, &Json)], findings: &mut Findings) {
        if rule.code != Code::MetaChatTemplate || found.len() == rule.apr.len() {
            return;
        }
        for missing in rule
            .apr
            .iter()
            .filter(|key| found.iter().all(|(present, _)| present != *key))
        {
            findings.push(
                Finding::new(
                    Code::MetaLost,
                    Effect::Warning,
                    format!("{missing} is missing beside its copy: a loader that looks there uses another prompt"),
                )
                .at(Place::new(Side::Apr, 0).region(RegionKind::Metadata).name(*missing)),
            );
        }
    }

    /// What follows the architecture's name in a key of the architecture, with the dot.
    pub(super) fn suffix<'k>(&self, key: &'k str) -> Option<&'k str> {
        suffix(self.architecture?, key)
    }

    /// The values of a rule's keys that the APR file has; an alias stands in for a canonical key that is absent.
    fn present(&self, rule: &Rule) -> Vec<(&'static str, &Json)> {
        let own: Vec<_> = rule
            .apr
            .iter()
            .filter_map(|key| Some((*key, self.value(key)?)))
            .collect();
        if !own.is_empty() {
            return own;
        }
        ALIASES
            .iter()
            .filter(|(canonical, _)| rule.apr.contains(canonical))
            .flat_map(|(_, aliases)| aliases.iter())
            .filter_map(|alias| Some((*alias, self.value(alias)?)))
            .collect()
    }

    /// The value of a top-level key; `null` says nothing.
    pub(super) fn value(&self, key: &str) -> Option<&Json> {
        self.document
            .get(key)
            .filter(|json| !matches!(json.kind, Kind::Null))
    }

    fn loss(
        &self,
        key: &str,
        suffix: Option<&str>,
        rule: Option<&Rule>,
        head: &ShardHead,
        entry: &Entry,
    ) -> Effect {
        let effect = rule.map_or_else(|| table::lost_without_rule(key, suffix), |rule| rule.lost);
        if effect == Effect::Different
            && suffix
                .is_some_and(|suffix| derived::is_implied(self.gguf, suffix, head.value(entry)))
        {
            return Effect::Warning;
        }
        effect
    }

    pub(super) fn apr_place(&self, key: &str, json: &Json, detail: Option<String>) -> Place {
        Place {
            detail,
            ..apr_place(self.document, key, json)
        }
    }
}

/// Where the value of a key stands in the JSON.
pub(super) fn apr_place(document: &Document, key: &str, json: &Json) -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .span(document.span(json))
        .name(key)
}

pub(super) fn gguf_place(entry: &Entry, key: &[u8], detail: Option<String>) -> Place {
    Place {
        detail,
        ..Place::new(Side::Gguf, 0)
            .region(RegionKind::KeyValue)
            .span(entry.value)
            .name(key)
    }
}
