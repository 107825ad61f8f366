//! The GGUF at hand against the one that an artifact records as its source: what a tool has rewritten.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::compare::metadata::record::SourceRecord;
use crate::decode::container::Container;
use crate::decode::gguf::{self, Metadata, ShardHead};
use crate::finding::escape;
use crate::source::Source;

/// Decodes the heads of the recorded sources; none when one of them is no sound GGUF: such a record accuses nobody.
pub(crate) fn decode(records: &[SourceRecord]) -> Option<Container<Metadata>> {
    let heads: Vec<RecordedHead<'_>> = records.iter().map(RecordedHead).collect();
    let sources: Vec<&dyn Source> = heads.iter().map(|head| head as &dyn Source).collect();
    let container = gguf::decode(&sources);
    let is_sound = !records.is_empty()
        && container.complete
        && container
            .findings
            .iter()
            .all(|finding| !finding.effect.decides());
    is_sound.then_some(container)
}

/// A recorded source: its head, and zeros where its tensors were.
struct RecordedHead<'a>(&'a SourceRecord);

impl Source for RecordedHead<'_> {
    fn length(&self) -> u64 {
        self.0.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let held = self.0.head.get(start..).unwrap_or_default();
        let (from_head, rest) = buffer.split_at_mut(held.len().min(buffer.len()));
        from_head.copy_from_slice(held.get(..from_head.len()).unwrap_or_default());
        rest.fill(0);
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What is written otherwise in the GGUF at hand than in the recorded one.
#[derive(Debug, Default)]
pub(crate) struct Rewriting {
    /// Each change in a few words.
    pub(crate) changes: Vec<String>,
    /// Names of recorded tensors that the GGUF at hand does not have.
    pub(crate) missing: HashSet<Vec<u8>>,
    /// Whether the version of the format is another one.
    pub(crate) is_other_version: bool,
}

impl Rewriting {
    /// Compares two sound heads.
    pub(crate) fn between(recorded: &Container<Metadata>, found: &Container<Metadata>) -> Self {
        let mut rewriting = Self::default();
        rewriting.compare_files(recorded, found);
        rewriting.compare_keys(recorded, found);
        rewriting.compare_tensors(recorded, found);
        rewriting
    }

    fn compare_files(&mut self, recorded: &Container<Metadata>, found: &Container<Metadata>) {
        let (before, now) = (recorded.shards.len(), found.shards.len());
        if before != now {
            self.changes.push(if now == 1 {
                format!("its {before} files are merged into one")
            } else {
                format!("it is a set of {now} files instead of {before}")
            });
        }
        let version = |container: &Container<Metadata>| {
            let head = container.metadata.shards.first();
            head.map_or(0, |head| head.version)
        };
        let (before, now) = (version(recorded), version(found));
        if before != now {
            self.is_other_version = true;
            self.changes
                .push(format!("GGUF version {now} instead of {before}"));
        }
    }

    fn compare_keys(&mut self, recorded: &Container<Metadata>, found: &Container<Metadata>) {
        let (before, now) = (keys(recorded), keys(found));
        let (old, new): (HashMap<_, _>, HashMap<_, _>) = (
            before.iter().copied().collect(),
            now.iter().copied().collect(),
        );
        let names = |of: &[(&[u8], &[u8])], is: &dyn Fn(&[u8], &[u8]) -> bool| {
            let names = of.iter().filter(|(key, raw)| is(key, raw));
            names.map(|(key, _)| escape(key)).collect::<Vec<_>>()
        };
        let added = names(&now, &|key, _| !old.contains_key(key));
        let removed = names(&before, &|key, _| !new.contains_key(key));
        let changed = names(&now, &|key, raw| {
            old.get(key).is_some_and(|before| *before != raw)
        });
        for (names, how) in [(added, "added"), (removed, "removed"), (changed, "changed")] {
            if !names.is_empty() {
                self.changes.push(format!("{how}: {}", listed(&names)));
            }
        }
        let common = |of: &[(&[u8], &[u8])]| {
            let common = of.iter().map(|(key, _)| *key);
            common
                .filter(|key| old.contains_key(key) && new.contains_key(key))
                .map(<[u8]>::to_vec)
                .collect::<Vec<_>>()
        };
        if common(&before) != common(&now) {
            self.changes.push("keys in another order".to_owned());
        }
    }

    fn compare_tensors(&mut self, recorded: &Container<Metadata>, found: &Container<Metadata>) {
        let names = |container: &Container<Metadata>| {
            let tensors = container.tensors.iter();
            tensors
                .map(|tensor| tensor.name.clone())
                .collect::<Vec<_>>()
        };
        let (before, now) = (names(recorded), names(found));
        let (old, new): (HashSet<_>, HashSet<_>) = (before.iter().collect(), now.iter().collect());
        let only = |of: &[Vec<u8>], other: &HashSet<&Vec<u8>>| {
            let only = of.iter().filter(|name| !other.contains(name));
            only.cloned().collect::<Vec<_>>()
        };
        let missing = only(&before, &new);
        for (names, how) in [(&missing, "missing"), (&only(&now, &old), "added")] {
            if !names.is_empty() {
                let names: Vec<String> = names.iter().map(|name| escape(name)).collect();
                self.changes
                    .push(format!("tensors {how}: {}", listed(&names)));
            }
        }
        let common = |of: &[Vec<u8>]| {
            let common = of.iter();
            common
                .filter(|name| old.contains(name) && new.contains(name))
                .cloned()
                .collect::<Vec<_>>()
        };
        if common(&before) != common(&now) {
            self.changes.push("tensors in another order".to_owned());
        }
        self.missing = missing.into_iter().collect();
    }
}

/// The key/values of a model with their bytes; those that only say which file of a set it is are left out.
fn keys(container: &Container<Metadata>) -> Vec<(&[u8], &[u8])> {
    let heads = container.metadata.shards.iter();
    let entries = heads.flat_map(|head: &ShardHead| {
        let entries = head.entries.iter();
        entries.map(move |entry| (head.key(entry), head.raw(entry)))
    });
    entries
        .filter(|(key, _)| !key.starts_with(b"split."))
        .collect()
}

/// The first few names, and how many more.
fn listed(names: &[String]) -> String {
    let (shown, more) = names.split_at(names.len().min(MOST_NAMES));
    let shown = shown.join(", ");
    if more.is_empty() {
        shown
    } else {
        format!("{shown} and {} more", more.len())
    }
}

const MOST_NAMES: usize = 5;
