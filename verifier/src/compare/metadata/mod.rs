//! The metadata of both files, key by key: equal, lost, changed, invented.
//!
//! Every key of the APR file is explained or named. Of a file that carries our record the whole metadata is a function of
//! the source and of the options, and is held against it (`expected`, `whole`); of other producers' files the keys
//! that they are known to write are typed and compared (`typed`), and others are a warning.

mod behaviour;
mod derived;
mod equal;
mod expected;
mod look_alike;
pub(crate) mod record;
mod rope;
pub(crate) mod same_format;
mod table;
mod typed;
mod whole;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use self::equal::{Form, in_words, same, shorten, show};
use self::expected::{Expected, expected};
use self::look_alike::looks_like;
use self::record::check::Recorded;
use self::record::{Record, SourceRecord};
use self::table::Rule;
use crate::decode::apr::{ALIASES, Document, Json, Kind};
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::decode::gguf::{Entry, ShardHead};
use crate::decode::{apr, gguf};
use crate::finding::{Effect, Finding, Place, Side};
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
    /// Of two files of one format, only the first has it.
    #[serde(rename = "only a")]
    OnlyA,
    /// Of two files of one format, only the second has it.
    #[serde(rename = "only b")]
    OnlyB,
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
            Self::OnlyA => "only a",
            Self::OnlyB => "only b",
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
    /// What each file says, in a few words, the APR file or the first one first.
    pub values: [Option<String>; 2],
}

/// The outcome for all keys, in the order of the GGUF, then what only the APR file has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) keys: Vec<KeyResult>,
    pub(crate) findings: Vec<Finding>,
    /// The lossless records of the sources, when the artifact has them.
    pub(crate) records: Vec<SourceRecord>,
}

/// The digests of the whole source files, for what a record says about them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Digests<'a> {
    /// Of each file in shard order; none where it was not computed.
    Of {
        blake3: &'a [Option<[u8; 32]>],
        sha256: &'a [Option<[u8; 32]>],
    },
    /// The caller looks at the metadata alone.
    NotAsked,
}

/// Compares the metadata of two decoded models.
pub(crate) fn compare(
    apr: &Container<apr::Metadata>,
    gguf: &Container<gguf::Metadata>,
    digests: Digests<'_>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let (Some(document), Some(head)) = (&apr.metadata.document, gguf.metadata.shards.first())
    else {
        return outcome;
    };
    let mut findings = Findings::default();
    let record = match record::read(document) {
        Ok(record) => record,
        Err(what) => {
            findings.push(
                Finding::new(
                    "meta.record",
                    Effect::Different,
                    format!("the record of the source is broken: {what}"),
                )
                .at(record_place()),
            );
            // Still a file that says it is ours.
            Some(Record::default())
        }
    };
    let expected = record.as_ref().map(|record| expected(gguf, head, record));
    let sources = record.as_ref().map_or(&[][..], |record| &record.sources);
    let record_only = record
        .as_ref()
        .map_or(&[][..], |record| &record.record_only);
    let comparison = Comparison {
        apr,
        gguf,
        document,
        recorded: recorded_values(sources),
        record_only,
        expected: expected.as_ref(),
        scaling: members_of(document, "rope_scaling"),
    };
    let keys = &mut outcome.keys;
    for entry in &head.entries {
        comparison.compare_key(head, entry, &mut findings, keys);
    }
    // The other files of a set hold their place in it; anything else there must not go unseen.
    for other in gguf.metadata.shards.iter().skip(1) {
        let entries = other.entries.iter();
        for entry in entries.filter(|entry| !other.key(entry).starts_with(b"split.")) {
            comparison.compare_key(other, entry, &mut findings, keys);
        }
    }
    derived::check(&comparison, &mut findings);
    typed::check(&comparison, &mut findings);
    match (&record, &expected) {
        (Some(record), Some(expected)) => {
            // What another producer may leave out, a conversion of ours writes.
            findings.raise_warnings();
            whole::check(&comparison, expected, &mut findings, keys);
            let recorded = Recorded {
                record,
                document,
                apr,
                gguf,
                digests,
            };
            recorded.check(&mut findings);
            comparison.name_given_keys(record, &mut findings);
        }
        _ => comparison.find_invented(&mut findings, keys),
    }
    comparison.name_unread_keys(head, &mut findings);
    outcome.findings = findings.into_list();
    outcome.records = record.map(|record| record.sources).unwrap_or_default();
    outcome
}

/// The key that holds the record.
fn record_place() -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .name(record::KEY)
}

/// The members of an object at a top-level key, by name.
fn members_of<'a>(document: &'a Document, key: &str) -> HashMap<String, &'a Json> {
    let Some(Kind::Object(members)) = document.get(key).map(|json| &json.kind) else {
        return HashMap::new();
    };
    let mut found = HashMap::with_capacity(members.len());
    for (name, json) in members {
        let name = document.string(name).unwrap_or_default();
        found.entry(name.into_owned()).or_insert(json);
    }
    found
}

/// Whether a key of a GGUF of this architecture has a place in the JSON.
fn has_place(architecture: &[u8], key: &[u8]) -> bool {
    let name = String::from_utf8_lossy(key);
    let suffix = suffix(architecture, &name);
    let is_scaling = suffix.is_some_and(|suffix| suffix.starts_with(".rope.scaling."));
    let is_token = name.starts_with("tokenizer.ggml.") && name.ends_with("_token_id");
    is_scaling || is_token || table::rule(&name, suffix).is_some()
}

/// A key without the architecture that it begins with.
fn suffix<'k>(architecture: &[u8], key: &'k str) -> Option<&'k str> {
    key.strip_prefix(std::str::from_utf8(architecture).ok()?)
        .filter(|suffix| suffix.starts_with('.'))
}

/// What is said of a key that the record alone keeps, as the record says of itself.
fn record_only(shown: &str) -> Finding {
    Finding::new(
        "meta.record-only",
        Effect::Undecided,
        format!(
            "{shown} changes what the model computes and stands in the record alone: no loader of APR runs this model as the GGUF says"
        ),
    )
    .hint("run the GGUF itself, which `aprove restore` gives back")
}

/// What the comparison looks at.
struct Comparison<'a> {
    apr: &'a Container<apr::Metadata>,
    gguf: &'a Container<gguf::Metadata>,
    document: &'a Document,
    /// The key/values of the sources as the record builds them: the bytes from the key's length on.
    recorded: BTreeSet<&'a [u8]>,
    /// The keys that the record says stand in it alone.
    record_only: &'a [Vec<u8>],
    /// What a file that carries our record must hold; none for other producers' files.
    expected: Option<&'a BTreeMap<String, Expected<'a>>>,
    /// The members of `rope_scaling`.
    scaling: HashMap<String, &'a Json>,
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
    fn compare_key(
        &self,
        head: &ShardHead,
        entry: &Entry,
        findings: &mut Findings,
        keys: &mut Vec<KeyResult>,
    ) {
        let key = head.key(entry);
        let name = String::from_utf8_lossy(key);
        if self.is_record_only(key) {
            findings.push(record_only(&shorten(&name)).at(gguf_place(entry, key, None)));
        }
        let suffix = self.suffix(&name);
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
        for (apr_key, json) in &found {
            let form = if rule.is_some_and(|rule| rule.gguf == table::SCORES) {
                Form::Floats
            } else if suffix.is_some() {
                Form::OfLayers
            } else {
                Form::Plain
            };
            if let Err(mismatch) = same(head.value(entry), self.document, json, form) {
                status = Status::Changed;
                let (code, effect) = rule.map_or(("meta.changed", Effect::Different), |rule| {
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

    /// Whether the record says of a key that it stands in it alone.
    fn is_record_only(&self, key: &[u8]) -> bool {
        let found = self
            .record_only
            .binary_search_by(|one| one.as_slice().cmp(key));
        found.is_ok()
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
        let ending = suffix.map(|suffix| suffix.trim_start_matches('.'));
        let shown = shorten(&name);
        if rule.is_none() && !is_scaling {
            let changes = ending.map_or_else(
                || behaviour::GLOBAL.contains(&&*name),
                |ending| behaviour::changes(ending, value),
            );
            // Said already, of a key that the record keeps.
            if changes && kept && self.is_record_only(key) {
                return None;
            }
            if changes {
                return Some(
                    Finding::new(
                        "meta.not-carried",
                        Effect::Different,
                        format!(
                            "{shown} changes what the model computes, and no key of APR that loaders read carries it"
                        ),
                    )
                    .hint("run the GGUF itself: as an APR file this model computes something else"),
                );
            }
            if ending.is_some() {
                // Known to do nothing, with this value.
                return (!kept).then(|| {
                    Finding::new(
                        "meta.lost",
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
            "meta.lost",
            effect,
            format!("{shown} is not in the APR file"),
        ))
    }

    /// The chat template stands in two places; a loader that looks in the other one uses another prompt.
    fn name_missing_copies(&self, rule: &Rule, found: &[(&str, &Json)], findings: &mut Findings) {
        if rule.code != "meta.chat_template" || found.len() == rule.apr.len() {
            return;
        }
        for missing in rule
            .apr
            .iter()
            .filter(|key| found.iter().all(|(present, _)| present != *key))
        {
            findings.push(
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
        suffix(self.gguf.metadata.architecture()?, key)
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

    /// Keys that the user gave, which the GGUF does not have: an engine that runs the GGUF has something else there.
    fn name_given_keys(&self, record: &Record, findings: &mut Findings) {
        for set in &record.set {
            findings.push(
                Finding::new(
                    "meta.given",
                    Effect::Warning,
                    format!(
                        "{} = {} was given with --set when the file was converted: the GGUF has no such key",
                        shorten(&String::from_utf8_lossy(&set.key)),
                        show(set.value())
                    ),
                )
                .at(record_place()),
            );
        }
    }

    /// Keys that change how a text becomes tokens, and that no loader of APR files reads.
    fn name_unread_keys(&self, head: &ShardHead, findings: &mut Findings) {
        for entry in &head.entries {
            let name = String::from_utf8_lossy(head.key(entry));
            let off = head.value(entry).as_bool() == Some(false);
            if UNREAD_TOKENIZER_KEYS.contains(&&*name) && !off {
                findings.push(
                    Finding::new(
                        "meta.not-read",
                        Effect::Warning,
                        format!("{name} changes how a text becomes tokens, and no loader of APR files reads it"),
                    )
                    .at(gguf_place(entry, head.key(entry), None)),
                );
            }
        }
    }

    /// Keys of the APR file that stand for a GGUF key which the GGUF does not have.
    fn find_invented(&self, findings: &mut Findings, keys: &mut Vec<KeyResult>) {
        for (key, json) in self.document.members() {
            let Some(name) = self.document.string(key) else {
                continue;
            };
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
                    "meta.invented",
                    rule.changed,
                    format!(
                        "{} of the APR file comes from no key of the GGUF",
                        shorten(&name)
                    ),
                ),
                None if self.is_known_copy(canonical, &name) => continue,
                None => Finding::new("meta.unexplained", Effect::Warning, self.unexplained(&name)),
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

/// Keys of the tokenizer that llama.cpp reads and that have no key in APR.
const UNREAD_TOKENIZER_KEYS: [&str; 7] = [
    "tokenizer.ggml.add_sep_token",
    "tokenizer.ggml.remove_extra_whitespaces",
    "tokenizer.ggml.precompiled_charsmap",
    "tokenizer.ggml.normalizer.lowercase",
    "tokenizer.ggml.normalizer.strip_accents",
    "tokenizer.ggml.suppress_tokens",
    "tokenizer.ggml.token_type_count",
];

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
