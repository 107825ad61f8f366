//! The GGUF at hand against the one that an artifact records as its source: what a tool has rewritten.

use std::collections::{HashMap, HashSet};
use std::io;

use crate::code::Code;
use crate::compare::metadata::record::SourceRecord;
use crate::compare::metadata::{self, Compared, Digests, record};
use crate::decode::apr;
use crate::decode::container::{Container, Tensor};
use crate::decode::gguf::{self, Metadata, ShardHead};
use crate::finding::escape;
use crate::finding::{Effect, Finding, Place, Side};
use crate::origin::Origin;
use crate::region::Span;
use crate::source::Source;

/// Decodes the heads of the recorded sources; none when one of them is no sound GGUF: such a record accuses nobody.
pub(crate) fn decode(records: &[SourceRecord]) -> Option<Container<Metadata>> {
    let heads: Vec<RecordedFile<'_>> = records.iter().map(RecordedFile::of).collect();
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

/// A recorded source, put together: its head, the tensors where another file holds them, and zeros elsewhere.
pub(super) struct RecordedFile<'a> {
    pub(super) record: &'a SourceRecord,
    /// In the order of the file, none inside another.
    pub(super) tensors: Vec<Held<'a>>,
}

/// A tensor of a recorded source.
pub(super) struct Held<'a> {
    /// Where it lies in the recorded file.
    pub(super) span: Span,
    /// The file that holds its bytes.
    pub(super) source: &'a dyn Source,
    /// Where they lie there.
    pub(super) offset: u64,
}

impl<'a> RecordedFile<'a> {
    /// The file without its tensors.
    pub(super) const fn of(record: &'a SourceRecord) -> Self {
        let tensors = Vec::new();
        Self { record, tensors }
    }
}

impl Source for RecordedFile<'_> {
    fn length(&self) -> u64 {
        self.record.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let held = self.record.head.get(start..).unwrap_or_default();
        let (from_head, rest) = buffer.split_at_mut(held.len().min(buffer.len()));
        from_head.copy_from_slice(held.get(..from_head.len()).unwrap_or_default());
        rest.fill(0);
        let end = offset.saturating_add(buffer.len() as u64);
        let first = self
            .tensors
            .partition_point(|held| held.span.end() <= offset);
        for held in self.tensors.iter().skip(first) {
            if held.span.offset >= end {
                break;
            }
            let (from, to) = (held.span.offset.max(offset), held.span.end().min(end));
            let inside = |at: u64| usize::try_from(at - offset).map_err(io::Error::other);
            let part = buffer.get_mut(inside(from)?..inside(to)?);
            let part = part.ok_or(io::ErrorKind::UnexpectedEof)?;
            let within = from - held.span.offset;
            held.source.read_exact_at(held.offset + within, part)?;
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }

    /// That of what holds its tensors.
    fn origin(&self) -> Option<&Origin> {
        self.tensors.first()?.source.origin()
    }
}

/// What is written otherwise in the GGUF at hand than in the recorded one.
#[derive(Debug, Default)]
pub(crate) struct Rewriting {
    /// Each change in a few words.
    pub(crate) changes: Vec<String>,
    /// Names of recorded tensors that the GGUF at hand does not have.
    pub(crate) missing: HashSet<Vec<u8>>,
    /// Whether tensors came or went.
    pub(crate) has_other_tensors: bool,
    /// Whether the version of the format is another one.
    pub(crate) is_other_version: bool,
    /// Whether the files begin at other tensors.
    is_other_split: bool,
}

/// The metadata of a GGUF and the list of its tensors.
pub(crate) type Head<'a> = (&'a Metadata, &'a [Tensor]);

/// The head of a decoded GGUF.
pub(crate) fn head_of(container: &Container<Metadata>) -> Head<'_> {
    (&container.metadata, &container.tensors)
}

impl Rewriting {
    /// Compares two sound heads.
    pub(crate) fn between(recorded: Head<'_>, found: Head<'_>) -> Self {
        let mut rewriting = Self::default();
        rewriting.compare_files(recorded.0, found.0);
        rewriting.compare_keys(recorded.0, found.0);
        rewriting.compare_tensors(recorded.1, found.1);
        rewriting
    }

    /// Whether the same model is split into files in another way, and nothing else is written otherwise.
    pub(crate) fn is_split_alone(&self) -> bool {
        self.is_other_split && self.changes.len() == 1
    }

    fn compare_files(&mut self, recorded: &Metadata, found: &Metadata) {
        let (before, now) = (recorded.shards.len(), found.shards.len());
        if before != now {
            self.is_other_split = true;
            self.changes.push(if now == 1 {
                format!("its {before} files are merged into one")
            } else {
                format!("it is a set of {now} files instead of {before}")
            });
        }
        let versions = [recorded, found].map(|metadata| {
            let heads = metadata.shards.iter();
            heads.map(|head| head.version)
        });
        let [before, now] = versions;
        if let Some((before, now)) = before.zip(now).find(|(before, now)| before != now) {
            self.is_other_version = true;
            self.changes
                .push(format!("GGUF version {now} instead of {before}"));
        }
    }

    fn compare_keys(&mut self, recorded: &Metadata, found: &Metadata) {
        let (before, now) = (keys(recorded), keys(found));
        let old: HashMap<_, _> = before.iter().copied().collect();
        let changed = now.iter().filter(|(key, raw)| {
            let before = old.get(key);
            before.is_some_and(|before| before != raw)
        });
        let changed: Vec<Vec<u8>> = changed.map(|(key, _)| key.to_vec()).collect();
        let names = |keys: &[(&[u8], &[u8])]| keys.iter().map(|(key, _)| key.to_vec()).collect();
        let moves = Moves::between(names(&before), names(&now));
        for (names, how) in [
            (&moves.added, "added"),
            (&moves.removed, "removed"),
            (&changed, "changed"),
        ] {
            if !names.is_empty() {
                self.changes.push(format!("{how}: {}", listed(names)));
            }
        }
        if moves.are_in_other_order {
            self.changes.push("keys in another order".to_owned());
        }
    }

    fn compare_tensors(&mut self, recorded: &[Tensor], found: &[Tensor]) {
        let names = |tensors: &[Tensor]| tensors.iter().map(|one| one.name.clone()).collect();
        let moves = Moves::between(names(recorded), names(found));
        for (names, how) in [(&moves.removed, "missing"), (&moves.added, "added")] {
            if !names.is_empty() {
                self.changes
                    .push(format!("tensors {how}: {}", listed(names)));
            }
        }
        if moves.are_in_other_order {
            self.changes.push("tensors in another order".to_owned());
        }
        let before: HashMap<&[u8], &Tensor> = recorded
            .iter()
            .map(|tensor| (tensor.name.as_slice(), tensor))
            .collect();
        let changed = |is_other: fn(&Tensor, &Tensor) -> bool| -> Vec<Vec<u8>> {
            let changed = found.iter().filter(|tensor| {
                let before = before.get(tensor.name.as_slice());
                before.is_some_and(|before| is_other(before, tensor))
            });
            changed.map(|tensor| tensor.name.clone()).collect()
        };
        let retyped = changed(|before, now| before.type_id != now.type_id);
        let reshaped = changed(|before, now| before.dims != now.dims);
        for (names, what) in [(retyped, "type"), (reshaped, "shape")] {
            if !names.is_empty() {
                let names = listed(&names);
                self.changes
                    .push(format!("tensors of another {what}: {names}"));
            }
        }
        let is_one_set = self.changes.is_empty();
        if is_one_set && !changed(|before, now| before.shard != now.shard).is_empty() {
            self.is_other_split = true;
            self.changes
                .push("its tensors stand in other files of the set".to_owned());
        }
        self.has_other_tensors = !moves.added.is_empty() || !moves.removed.is_empty();
        self.missing = moves.removed.into_iter().collect();
    }
}

/// How a list of names has changed.
pub(super) struct Moves {
    pub(super) added: Vec<Vec<u8>>,
    pub(super) removed: Vec<Vec<u8>>,
    /// Whether those that both lists have stand in another order.
    pub(super) are_in_other_order: bool,
}

impl Moves {
    pub(super) fn between(before: Vec<Vec<u8>>, now: Vec<Vec<u8>>) -> Self {
        let (old, new): (HashSet<_>, HashSet<_>) = (
            before.iter().cloned().collect(),
            now.iter().cloned().collect(),
        );
        let split = |names: Vec<Vec<u8>>, other: &HashSet<Vec<u8>>| -> (Vec<_>, Vec<_>) {
            names.into_iter().partition(|name| other.contains(name))
        };
        let (of_before, removed) = split(before, &new);
        let (of_now, added) = split(now, &old);
        Self {
            added,
            removed,
            are_in_other_order: of_before != of_now,
        }
    }
}

/// The key/values of a model with their bytes, which the first file of a set holds; those that only say which file it is
/// are left out.
fn keys(metadata: &Metadata) -> Vec<(&[u8], &[u8])> {
    let heads = metadata.shards.iter().take(1);
    let entries = heads.flat_map(|head: &ShardHead| {
        let entries = head.entries.iter();
        entries.map(move |entry| (head.key(entry), head.raw(entry)))
    });
    entries
        .filter(|(key, _)| !key.starts_with(b"split."))
        .collect()
}

/// The first few names, and how many more.
pub(super) fn listed(names: &[Vec<u8>]) -> String {
    let (shown, more) = names.split_at(names.len().min(MOST_NAMES));
    let shown: Vec<String> = shown.iter().map(|name| escape(name)).collect();
    let shown = shown.join(", ");
    if more.is_empty() {
        shown
    } else {
        format!("{shown} and {} more", more.len())
    }
}

const MOST_NAMES: usize = 5;
/// The metadata of an artifact are a function of the source, which its record holds: they are compared with that.
pub(crate) fn metadata_of(apr: &Container<apr::Metadata>) -> Compared {
    let broken = |what: String| Compared {
        findings: vec![
            Finding::new(
                Code::MetaRecord,
                Effect::Different,
                format!("the record of the source is broken: {what}"),
            )
            .at(Place::new(Side::Apr, 0)),
        ],
        ..Compared::default()
    };
    let document = apr.metadata.document.as_ref().filter(|_| apr.complete);
    let Some(document) = document else {
        return Compared::default();
    };
    let record = match record::read(document) {
        Ok(None) => return metadata::alone(apr),
        Err(what) => return broken(what),
        Ok(Some(record)) => record,
    };
    let Some(source) = decode(&record.sources) else {
        return broken("what it holds is no sound GGUF".to_owned());
    };
    let mut outcome = metadata::compare(apr, &source, Digests::NotAsked);
    for finding in &mut outcome.findings {
        finding.places.retain(|place| place.side == Side::Apr);
    }
    outcome
}
