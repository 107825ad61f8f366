//! The metadata of both files, key by key: equal, lost, changed, invented.

mod derived;
mod equal;
pub(crate) mod record;
mod rope;
mod table;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use self::equal::{same, shorten, show};
use self::record::SourceRecord;
use self::table::Rule;
use crate::decode::apr::{ALIASES, Document, Json, Kind};
use crate::decode::container::Container;
use crate::decode::gguf::{Entry, ShardHead};
use crate::decode::{apr, gguf};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// How a key of the GGUF, or of the APR file alone, came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Both files say the same, bit for bit.
    Equal,
    /// The GGUF has it and the APR file does not.
    Lost,
    /// Both have it and they differ.
    Changed,
    /// The APR file has it and the GGUF does not.
    Invented,
}

impl Status {
    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Lost => "lost",
            Self::Changed => "changed",
            Self::Invented => "invented",
        }
    }
}

/// One key and how it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyResult {
    /// The GGUF key, or the APR key when only that file has it; raw bytes.
    pub key: Vec<u8>,
    /// The outcome.
    pub status: Status,
}

/// The outcome for all keys, in the order of the GGUF, then what only the APR file has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) keys: Vec<KeyResult>,
    pub(crate) findings: Vec<Finding>,
    /// The lossless records of the sources, when the artifact has them.
    pub(crate) records: Vec<SourceRecord>,
}

/// Compares the metadata of two decoded models.
pub(crate) fn compare(apr: &Container<apr::Metadata>, gguf: &Container<gguf::Metadata>) -> Outcome {
    let mut outcome = Outcome::default();
    let (Some(document), Some(head)) = (&apr.metadata.document, gguf.metadata.shards.first())
    else {
        return outcome;
    };
    let records = match record::read(document) {
        Ok(records) => records.unwrap_or_default(),
        Err(what) => {
            outcome.findings.push(
                Finding::new(
                    "meta.record",
                    Effect::Different,
                    format!("the record of the source is broken: {what}"),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::Metadata)
                    .name("aprove")),
            );
            Vec::new()
        }
    };
    let comparison = Comparison {
        apr,
        gguf,
        document,
        recorded: recorded_values(&records),
    };
    for entry in &head.entries {
        comparison.compare_key(head, entry, &mut outcome);
    }
    // The other files of a set hold their place in it; anything else there must not go unseen.
    for other in gguf.metadata.shards.iter().skip(1) {
        let entries = other.entries.iter();
        for entry in entries.filter(|entry| !other.key(entry).starts_with(b"split.")) {
            comparison.compare_key(other, entry, &mut outcome);
        }
    }
    comparison.find_invented(&mut outcome);
    derived::check(&comparison, &mut outcome.findings);
    outcome.records = records;
    outcome
}

/// What the comparison looks at.
struct Comparison<'a> {
    apr: &'a Container<apr::Metadata>,
    gguf: &'a Container<gguf::Metadata>,
    document: &'a Document,
    /// The key/values of the sources as the record builds them: the bytes from the key's length on.
    recorded: BTreeSet<&'a [u8]>,
}

fn recorded_values(records: &[SourceRecord]) -> BTreeSet<&[u8]> {
    let regions = records
        .iter()
        .flat_map(|record| record.regions.iter().map(move |region| (record, region)));
    regions
        .filter(|(_, region)| region.kind == RegionKind::KeyValue)
        .map(|(record, region)| region.span.of(&record.head))
        .collect()
}

impl Comparison<'_> {
    fn compare_key(&self, head: &ShardHead, entry: &Entry, outcome: &mut Outcome) {
        let key = head.key(entry);
        let name = String::from_utf8_lossy(key);
        let suffix = self.suffix(&name);
        let rule = table::rule(&name, suffix);
        let kept = self.recorded.contains(head.raw(entry));
        let scaling = suffix.and_then(|suffix| suffix.strip_prefix(".rope.scaling."));
        let found: Vec<(&str, &Json)> = match (rule, scaling) {
            (Some(rule), _) => self.present(rule),
            (None, Some(part)) => self
                .value("rope_scaling")
                .and_then(|object| self.document.member(object, part))
                .map(|json| ("rope_scaling", json))
                .into_iter()
                .collect(),
            (None, None) => Vec::new(),
        };
        let mut status = Status::Equal;
        for (apr_key, json) in &found {
            if let Err(mismatch) = same(head.value(entry), self.document, json) {
                status = Status::Changed;
                let (code, effect) = rule.map_or(("meta.changed", Effect::Different), |rule| {
                    (rule.code, rule.changed)
                });
                let message = format!("{apr_key} is not what {} of the GGUF says", escape(key));
                outcome.findings.push(
                    Finding::new(code, effect, message)
                        .at(self.apr_place(apr_key, json, mismatch.detail.clone()))
                        .at(gguf_place(entry, key, mismatch.detail))
                        .expected_found(mismatch.expected, mismatch.found),
                );
            }
        }
        let effect = self.loss(&name, suffix, rule, head, entry);
        // Loaders do not read the record: what they need must stand where they look for it.
        let needed = (rule.is_some() || scaling.is_some()) && effect == Effect::Different;
        if found.is_empty() && (needed || !kept) {
            status = Status::Lost;
            outcome.findings.push(
                Finding::new(
                    "meta.lost",
                    effect,
                    format!("{} is not in the APR file", escape(key)),
                )
                .at(gguf_place(entry, key, None))
                .expected_found(show(head.value(entry)), "nothing"),
            );
        }
        if let Some(rule) = rule
            && !found.is_empty()
        {
            self.name_missing_copies(rule, &found, outcome);
        }
        outcome.keys.push(KeyResult {
            key: key.to_vec(),
            status,
        });
    }

    /// The chat template stands in two places; a loader that looks in the other one uses another prompt.
    fn name_missing_copies(&self, rule: &Rule, found: &[(&str, &Json)], outcome: &mut Outcome) {
        if rule.code != "meta.chat_template" || found.len() == rule.apr.len() {
            return;
        }
        for missing in rule
            .apr
            .iter()
            .filter(|key| found.iter().all(|(present, _)| present != *key))
        {
            outcome.findings.push(
                Finding::new(
                    "meta.lost",
                    Effect::Warning,
                    format!("{missing} is missing beside its copy: a loader that looks there uses another prompt"),
                )
                .at(Place::new(Side::Apr, 0).region(RegionKind::Metadata).name(*missing)),
            );
        }
    }

    /// What follows the architecture's name in a key of the architecture, with the dot.
    fn suffix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let architecture = std::str::from_utf8(self.gguf.metadata.architecture()?).ok()?;
        key.strip_prefix(architecture)
            .filter(|suffix| suffix.starts_with('.'))
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
    fn value(&self, key: &str) -> Option<&Json> {
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

    /// Keys of the APR file that stand for a GGUF key which the GGUF does not have.
    fn find_invented(&self, outcome: &mut Outcome) {
        for (key, json) in self.document.members() {
            let Some(name) = self.document.string(key) else {
                continue;
            };
            if matches!(json.kind, Kind::Null) || table::BOOKKEEPING.contains(&&*name) {
                continue;
            }
            let canonical = canonical(&name);
            let rule = table::RULES
                .iter()
                .find(|rule| rule.apr.contains(&canonical));
            let effect = match rule {
                Some(rule) if self.gguf_has(rule) || derived::explains(self, canonical, json) => {
                    continue;
                }
                Some(rule) => rule.changed,
                None if derived::KEYS.contains(&canonical) || name.starts_with("model.") => {
                    continue;
                }
                None => Effect::Note,
            };
            outcome.keys.push(KeyResult {
                key: name.as_bytes().to_vec(),
                status: Status::Invented,
            });
            outcome.findings.push(
                Finding::new(
                    "meta.invented",
                    effect,
                    format!(
                        "{} of the APR file comes from no key of the GGUF",
                        escape(name.as_bytes())
                    ),
                )
                .at(self.apr_place(&name, json, None))
                .expected_found("nothing", shorten(self.document.text(json))),
            );
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

    fn apr_place(&self, key: &str, json: &Json, detail: Option<String>) -> Place {
        Place {
            detail,
            ..Place::new(Side::Apr, 0)
                .region(RegionKind::Metadata)
                .span(self.document.span(json))
                .name(key)
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

fn gguf_place(entry: &Entry, key: &[u8], detail: Option<String>) -> Place {
    Place {
        detail,
        ..Place::new(Side::Gguf, 0)
            .region(RegionKind::KeyValue)
            .span(entry.value)
            .name(key)
    }
}
