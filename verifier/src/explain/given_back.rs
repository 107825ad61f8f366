//! Whether an artifact gives back what it records: the files of its source, put together from the record and the tensors,
//! have the BLAKE3 that it records of them.

use std::collections::HashMap;

use super::judge::Judge;
use super::recorded::{Held, RecordedFile};
use crate::compare::inputs::Model;
use crate::compare::names::gguf_name;
use crate::compare::pairing::{Method, method};
use crate::compare::scan;
use crate::decode::container::{Container, Tensor};
use crate::decode::gguf::Metadata;
use crate::finding::hex;

/// What putting the source together came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// It was not done, or bytes for it are in neither file.
    #[default]
    Unknown,
    /// With tensors of the GGUF, since the artifact holds other values: the record holds.
    WithGguf,
    /// From the artifact alone.
    Alone,
    /// What the artifact holds are not the bytes of the source that it records.
    Not,
    /// It records more padding than is read for it.
    TooLarge,
}

impl Judge<'_> {
    /// Puts the recorded files together and computes their BLAKE3; a conversion takes no padding but zeros.
    pub(super) fn given_back(&self, recorded: &Container<Metadata>) -> GivenBack {
        let records = &self.metadata.records;
        let models = self.inputs.models();
        let held = models.iter().flat_map(|model| model.sources);
        let held = held.fold(0_u64, |sum, source| sum.saturating_add(source.length()));
        let recorded_size = records.iter().map(|record| record.size);
        // Padding costs nothing to record: what is read is little more than what is there.
        let most = held.saturating_mul(2).saturating_add(MOST_PADDING);
        if recorded_size.fold(0, u64::saturating_add) > most {
            return GivenBack::TooLarge;
        }
        let [apr, gguf] = models.map(by_name);
        let mut is_alone = true;
        let mut by_shard = vec![Vec::new(); records.len()];
        for tensor in &recorded.tensors {
            let Some(of_file) = by_shard.get_mut(tensor.shard) else {
                unreachable!("a tensor is in a recorded file");
            };
            of_file.push(tensor);
        }
        for (record, of_file) in records.iter().zip(by_shard) {
            let mut tensors = Vec::new();
            for tensor in of_file {
                let mut held = [&apr, &gguf].into_iter().zip(models);
                let found = held.find_map(|(by_name, model)| {
                    let held = by_name.get(tensor.name.as_slice())?;
                    let is_same = matches!(method(held, tensor), Some(Method::Bytes(_)));
                    let source = model.sources.get(held.shard).filter(|_| is_same)?;
                    Some((model, *source, held.span.offset))
                });
                let Some((model, source, offset)) = found else {
                    return GivenBack::Unknown;
                };
                is_alone &= model.side == self.inputs.first.side;
                let span = tensor.span;
                tensors.push(Held {
                    span,
                    source,
                    offset,
                });
            }
            tensors.sort_by_key(|held| held.span);
            let file = RecordedFile { record, tensors };
            let Ok(digest) = scan::blake3_of(&file, self.scan.threads) else {
                return GivenBack::Unknown;
            };
            if hex(&digest) != record.blake3 {
                // A tensor that came from the GGUF may be the one that is wrong.
                return if is_alone {
                    GivenBack::Not
                } else {
                    GivenBack::Unknown
                };
            }
        }
        if is_alone {
            GivenBack::Alone
        } else {
            GivenBack::WithGguf
        }
    }
}

/// Bytes of padding that are read for any artifact: a second of work at most.
const MOST_PADDING: u64 = 1 << 30;

fn by_name<'a>(model: &Model<'a>) -> HashMap<Vec<u8>, &'a Tensor> {
    let tensors = model.tensors.iter();
    tensors
        .map(|tensor| (gguf_name(&tensor.name), tensor))
        .collect()
}
