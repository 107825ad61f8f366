//! The metadata of both files, key by key: equal, lost, changed, invented.
//!
//! Every key of the APR file is explained or named. Of a file that carries our record the whole metadata is a function of
//! the source and of the options, and is held against it (`expected`, `whole`); of other producers' files the keys
//! that they are known to write are typed and compared (`typed`), and others are a warning.

mod behaviour;
mod comparison;
mod derived;
mod equal;
mod expected;
mod loaders;
mod look_alike;
mod members;
mod only_apr;
mod own;
mod producer;
pub(crate) mod record;
mod rope;
pub(crate) mod same_format;
mod table;
mod typed;
mod unsaid;
mod whole;

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use self::comparison::{Comparison, gguf_place};
use self::equal::{shorten, show};
use self::expected::expected;
use self::record::check::Recorded;
use self::record::{Record, SourceRecord};
use crate::code::Code;
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::decode::gguf::ShardHead;
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
pub(crate) struct KeyResult {
    /// The GGUF key, or the APR key when only that file has it; raw bytes.
    pub key: Vec<u8>,
    /// The outcome.
    pub status: Status,
    /// What each file says, in a few words, the APR file or the first one first.
    pub values: [Option<String>; 2],
}

/// The outcome for all keys, in the order of the GGUF, then what only the APR file has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) keys: Vec<KeyResult>,
    pub(crate) findings: Vec<Finding>,
    /// The lossless records of the sources, when the artifact has them.
    pub(crate) records: Vec<SourceRecord>,
}

impl Compared {
    /// Whether anything of the metadata keeps the files from agreeing.
    pub(crate) fn decides(&self) -> bool {
        self.findings.iter().any(|found| found.effect.decides())
    }

    /// Whether anything of the metadata is unlike; what is only said to be in the record alone is not.
    pub(crate) fn differs(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|found| found.effect == Effect::Different)
    }
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
) -> Compared {
    let mut outcome = Compared::default();
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
                    Code::MetaRecord,
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
    let mut given = record.iter().flat_map(|record| &record.set);
    let given = given.find(|set| set.key == ARCHITECTURE);
    let given = given.and_then(|set| set.value().as_string());
    let comparison = Comparison {
        apr,
        gguf,
        document,
        recorded: recorded_values(sources),
        record_only,
        expected: expected.as_ref(),
        scaling: members_of(document, "rope_scaling"),
        architecture: gguf.metadata.architecture().or(given),
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
    own::check(document, &apr.tensors, &mut findings);
    if record_only
        .iter()
        .all(|key| comparison.is_read_by_none(key))
    {
        loaders::check(&apr.tensors, &mut findings);
    }
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
            comparison.name_needless_keys(&mut findings);
        }
        _ => {
            comparison.find_invented(&mut findings, keys);
            own::check_flags(apr, &mut findings);
            producer::check(&comparison, &mut findings);
        }
    }
    comparison.name_unread_keys(head, &mut findings);
    comparison.name_vocabulary_size(head, &mut findings);
    comparison.name_factors(&mut findings);
    outcome.findings = findings.into_list();
    outcome.records = record.map(|record| record.sources).unwrap_or_default();
    outcome
}

/// What an APR file without a record says of its own tensors and does not hold.
pub(crate) fn alone(apr: &Container<apr::Metadata>) -> Compared {
    let mut findings = Findings::default();
    if let Some(document) = &apr.metadata.document {
        own::check(document, &apr.tensors, &mut findings);
    }
    own::check_flags(apr, &mut findings);
    Compared {
        findings: findings.into_list(),
        ..Compared::default()
    }
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
        let name = document.name(name);
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

/// The key whose value no loader can do without.
const ARCHITECTURE: &[u8] = b"general.architecture";

/// What is said of a key that the record alone keeps, as the record says of itself.
fn record_only(what: &str) -> Finding {
    Finding::new(
        Code::MetaRecordOnly,
        Effect::Undecided,
        format!("{what}: no loader of APR runs this model as the GGUF says"),
    )
    .hint(
        "keep the GGUF and run it: `aprove restore` gives it back only where no tensor was decoded",
    )
}

/// What is said of an architecture that no loader of APR computes.
fn computes_otherwise(architecture: &str) -> Finding {
    Finding::new(
        Code::MetaNotCarried,
        Effect::Different,
        format!(
            "loaders of APR do not compute what a {architecture} does, and no key of APR says it"
        ),
    )
    .hint("run the GGUF itself: as an APR file this model computes something else")
}

/// What is said of a key, or a tensor, that changes what the model computes and that no loader reads.
fn not_carried(shown: &str) -> Finding {
    Finding::new(
        Code::MetaNotCarried,
        Effect::Different,
        format!(
            "{shown} changes what the model computes, and no key of APR that loaders read carries it"
        ),
    )
    .hint("run the GGUF itself: as an APR file this model computes something else")
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
    /// Keys that the user gave, which the GGUF does not have: an engine that runs the GGUF has something else there.
    fn name_given_keys(&self, record: &Record, findings: &mut Findings) {
        for set in &record.set {
            findings.push(
                Finding::new(
                    Code::MetaGiven,
                    Effect::Warning,
                    format!(
                        "{} = {} was given when the file was converted, by --set or as llama.cpp has it: the GGUF has no such key",
                        shorten(&String::from_utf8_lossy(&set.key)),
                        show(set.value())
                    ),
                )
                .at(record_place()),
            );
        }
    }

    /// Keys that the record says to change what the model computes, and that no engine reads.
    fn name_needless_keys(&self, findings: &mut Findings) {
        let needless = self.record_only.iter();
        for key in needless.filter(|key| self.is_read_by_none(key)) {
            findings.push(
                Finding::new(
                    Code::MetaRecord,
                    Effect::Warning,
                    format!(
                        "the record keeps {} as a key that changes what the model computes: neither llama.cpp nor a loader of APR reads it for a {}",
                        shorten(&String::from_utf8_lossy(key)),
                        escape(self.architecture.unwrap_or_default())
                    ),
                )
                .at(record_place()),
            );
        }
    }

    /// A size of the vocabulary below the number of tokens, which llama.cpp counts.
    fn name_vocabulary_size(&self, head: &ShardHead, findings: &mut Findings) {
        let is_size = |key: &[u8]| {
            let name = String::from_utf8_lossy(key);
            self.suffix(&name) == Some(".vocab_size")
        };
        for entry in head.entries.iter().filter(|entry| is_size(head.key(entry))) {
            let stated = head.value(entry).as_u64();
            let Some((stated, size)) = stated.zip(derived::vocabulary_size(self.gguf, stated))
            else {
                continue;
            };
            if stated >= size {
                continue;
            }
            let key = head.key(entry);
            let said = self.value("vocab_size");
            let is_lost = said.and_then(|json| self.document.u64(json)) == Some(stated);
            let (effect, so) = match is_lost {
                // Held against what a conversion writes where the artifact is one of ours.
                true if self.expected.is_some() => continue,
                true => (
                    Effect::Different,
                    "this artifact says the same, by which loaders take so many rows",
                ),
                false => (
                    Effect::Warning,
                    "and so do loaders of what is converted from it",
                ),
            };
            findings.push(
                Finding::new(
                    Code::MetaVocabSize,
                    effect,
                    format!(
                        "{} is {stated}, and there are {size} tokens: llama.cpp takes the tokens, {so}",
                        shorten(&String::from_utf8_lossy(key))
                    ),
                )
                .at(gguf_place(entry, key, None)),
            );
        }
    }

    /// Names the tensors that no loader of APR reads, though they change what others compute: they are compared as any other.
    fn name_factors(&self, findings: &mut Findings) {
        let mut factors = unsaid::left_out(&self.gguf.metadata, &self.gguf.tensors);
        // Those of which the record says so come last.
        factors.sort_by_key(|name| self.is_record_only(name));
        let Some(first) = factors.first() else {
            return;
        };
        let shown = match factors.len() {
            1 => escape(first),
            count => format!("{} (one of {count} such tensors)", escape(first)),
        };
        let finding = match self.is_record_only(first) {
            true => record_only(&format!(
                "{shown} changes what others compute, which no key of APR says"
            )),
            false => not_carried(&shown),
        };
        let places = factors
            .iter()
            .map(|name| Place::new(Side::Gguf, 0).name(*name));
        findings.push(places.fold(finding, Finding::at));
    }

    /// Keys that change how a text becomes tokens, and that no loader of APR files reads.
    fn name_unread_keys(&self, head: &ShardHead, findings: &mut Findings) {
        for entry in &head.entries {
            let name = String::from_utf8_lossy(head.key(entry));
            let off = head.value(entry).as_bool() == Some(false);
            if UNREAD_TOKENIZER_KEYS.contains(&&*name) && !off {
                findings.push(
                    Finding::new(
                        Code::MetaNotRead,
                        Effect::Warning,
                        format!("{name} changes how a text becomes tokens, and no loader of APR files reads it"),
                    )
                    .at(gguf_place(entry, head.key(entry), None)),
                );
            }
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
