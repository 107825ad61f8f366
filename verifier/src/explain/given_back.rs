//! Whether an artifact gives back what it records: the files of its source, put together from the record and the tensors,
//! have the BLAKE3 that it records of them.

use std::collections::{HashMap, HashSet};

use super::judge::Judge;
use super::recorded::{self, Held, RecordedFile};
use crate::compare::inputs::Model;
use crate::compare::metadata::record::SourceRecord;
use crate::compare::names::gguf_name;
use crate::compare::pairing::{Method, method};
use crate::compare::scan::{self, Also, FileDigest};
use crate::decode::apr;
use crate::decode::container::{Container, Tensor};
use crate::decode::gguf::Metadata;
use crate::finding::hex;
use crate::report::TensorResult;
use crate::source::Source;

/// What putting the source together came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// It was not done, or bytes for it are in neither file.
    #[default]
    Unknown,
    /// From the artifact alone.
    Alone,
    /// With the tensors of the GGUF, which are those of the source.
    WithGguf,
    /// With tensors of the GGUF where the artifact does not hold those of the source.
    Mixed,
    /// What the artifact holds are not the bytes of the source that it records.
    Not,
    /// It records more padding than is read for it.
    TooLarge,
}

impl GivenBack {
    /// Whether the record is that of a file whose every byte is at hand.
    pub(crate) const fn is_proven(self) -> bool {
        matches!(self, Self::Alone | Self::WithGguf | Self::Mixed)
    }
}

impl Judge<'_> {
    /// Puts the recorded files together and computes their BLAKE3; a conversion takes no padding but zeros. What the
    /// artifact holds is taken where it may hold the source.
    pub(super) fn given_back(
        &self,
        recorded: &Container<Metadata>,
        apr_may_hold: bool,
    ) -> GivenBack {
        let models = self.inputs.models();
        let held = models.iter().flat_map(|model| model.sources);
        if is_too_large(&self.metadata.records, held.map(|source| source.length())) {
            return GivenBack::TooLarge;
        }
        let [apr, gguf] = models.map(Holder::of);
        let is_in_apr = self.not_held(recorded).is_empty();
        let mut ways = vec![(GivenBack::WithGguf, vec![&gguf])];
        if apr_may_hold && is_in_apr {
            ways.insert(0, (GivenBack::Alone, vec![&apr]));
        } else if apr_may_hold {
            ways.push((GivenBack::Mixed, vec![&apr, &gguf]));
        }
        let found = ways.iter().find(|(_, held)| self.gives(recorded, held));
        match found {
            Some((way, _)) => *way,
            None if apr_may_hold && is_in_apr => GivenBack::Not,
            None => GivenBack::Unknown,
        }
    }

    /// The tensors of the recorded files that the artifact does not hold as they were: it has values of them at most.
    pub(crate) fn not_held<'r>(&self, recorded: &'r Container<Metadata>) -> HashSet<&'r [u8]> {
        let apr = Holder::of(&self.inputs.first);
        let tensors = recorded.tensors.iter();
        let not_held = tensors.filter(|tensor| apr.find(tensor).is_none());
        not_held.map(|tensor| tensor.name.as_slice()).collect()
    }

    /// Whether the artifact holds another tensor than the one of the GGUF with which the source was given back.
    pub(super) fn is_unlike_given(
        &self,
        recorded: &Container<Metadata>,
        given_back: GivenBack,
    ) -> bool {
        let not_held = match given_back {
            GivenBack::WithGguf => None,
            GivenBack::Mixed => Some(self.not_held(recorded)),
            _ => return false,
        };
        let mut pairs = self.pairing.pairs.iter().zip(&self.scan.pairs);
        pairs.any(|(pair, outcome)| {
            let (a, g) = self.inputs.tensors_of(*pair);
            let mut not_held = not_held.iter();
            not_held.all(|names| names.contains(g.name.as_slice()))
                && TensorResult::of(a, g, pair.how, outcome.as_ref()) == TensorResult::Different
        })
    }

    /// Whether the recorded files, each tensor taken from the first that holds it, have the BLAKE3 that is recorded.
    fn gives(&self, recorded: &Container<Metadata>, holders: &[&Holder<'_>]) -> bool {
        let records = &self.metadata.records;
        let mut files: Vec<RecordedFile<'_>> = records.iter().map(RecordedFile::of).collect();
        for tensor in &recorded.tensors {
            let Some(file) = files.get_mut(tensor.shard) else {
                unreachable!("a tensor is in a recorded file");
            };
            match holders.iter().find_map(|holder| holder.find(tensor)) {
                Some(held) => file.tensors.push(held),
                None => return false,
            }
        }
        files.iter_mut().enumerate().all(|(shard, file)| {
            file.tensors.sort_by_key(|held| held.span);
            let begun = self.scan.also.get(shard);
            scan::blake3_of(file, begun, self.scan.threads)
                .is_ok_and(|digest| hex(&digest) == file.record.blake3)
        })
    }
}

/// The recorded files, and where the tensors of the artifact lie in them: digested in the pass over an artifact on its own, so
/// that none of it is read twice.
pub(crate) fn to_digest(records: &[SourceRecord], apr: &Container<apr::Metadata>) -> Also {
    let lengths = apr.shards.iter().map(|shard| shard.length);
    if is_too_large(records, lengths) {
        return Also::default();
    }
    let Some(mut recorded) = recorded::decode(records) else {
        return Also::default();
    };
    let tensors = apr.tensors.iter().enumerate();
    let by_name: HashMap<Vec<u8>, (usize, &Tensor)> = tensors
        .map(|(index, tensor)| (gguf_name(&tensor.name), (index, tensor)))
        .collect();
    recorded
        .tensors
        .sort_by_key(|tensor| (tensor.shard, tensor.span));
    let mut also = Also {
        files: records
            .iter()
            .map(|record| FileDigest::new(record.size))
            .collect(),
        ..Also::default()
    };
    let mut end = (0, 0);
    for tensor in &recorded.tensors {
        let place = (tensor.shard, tensor.span.offset);
        // Of tensors that share their bytes the first counts.
        if place < end {
            continue;
        }
        end = (tensor.shard, tensor.span.end());
        if let Some((index, held)) = by_name.get(&tensor.name)
            && matches!(method(held, tensor), Some(Method::Bytes(_)))
        {
            also.tensors.insert(*index, place);
        }
    }
    also
}

/// Padding costs nothing to record: what is read is little more than what is there.
fn is_too_large(records: &[SourceRecord], held: impl Iterator<Item = u64>) -> bool {
    let held = held.fold(0, u64::saturating_add);
    let recorded = records.iter().map(|record| record.size);
    let most = held.saturating_mul(2).saturating_add(MOST_PADDING);
    recorded.fold(0, u64::saturating_add) > most
}

/// Bytes of padding that are read for any artifact: a second of work at most.
const MOST_PADDING: u64 = 1 << 30;

/// A model from which tensors of the source are taken.
struct Holder<'a> {
    by_name: HashMap<Vec<u8>, &'a Tensor>,
    sources: &'a [&'a dyn Source],
}

impl<'a> Holder<'a> {
    fn of(model: &Model<'a>) -> Self {
        let tensors = model.tensors.iter();
        Self {
            by_name: tensors
                .map(|tensor| (gguf_name(&tensor.name), tensor))
                .collect(),
            sources: model.sources,
        }
    }

    /// The bytes of a tensor of the source, where it has as many of its type.
    fn find(&self, tensor: &Tensor) -> Option<Held<'a>> {
        let held = self.by_name.get(tensor.name.as_slice())?;
        let is_same = matches!(method(held, tensor), Some(Method::Bytes(_)));
        Some(Held {
            span: tensor.span,
            source: *self.sources.get(held.shard).filter(|_| is_same)?,
            offset: held.span.offset,
        })
    }
}
