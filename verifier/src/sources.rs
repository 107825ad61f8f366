//! Which GGUF an artifact was made from, told by its record and without reading tensor data.

use std::io;

use crate::compare::metadata::record;
use crate::decode::apr;
use crate::decode::container::Format;
use crate::input::Input;
use crate::region::Span;
use crate::source::read_through;

/// The sources that an artifact records: of each file its length, and the digest of all of it that is no tensor data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources(Vec<Head>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Head {
    file_size: u64,
    length: u64,
    blake3: blake3::Hash,
}

impl Sources {
    /// Reads the record of an artifact; none when the model has no record, or a broken one.
    #[must_use]
    pub fn recorded_by(artifact: &Input<'_>) -> Option<Self> {
        let [(_, source)] = artifact.shards.as_slice() else {
            return None;
        };
        let mut magic = [0; 4];
        source.read_exact_at(0, &mut magic).ok()?;
        if Format::of(&magic) != Some(Format::Apr) {
            return None;
        }
        let document = apr::decode(*source).metadata.document?;
        let record = record::read(&document).ok()??;
        let heads = record.sources.iter().map(|source| Head {
            file_size: source.size,
            length: source.head.len() as u64,
            blake3: blake3::hash(&source.head),
        });
        Some(Self(heads.collect())).filter(|sources| !sources.0.is_empty())
    }

    /// Whether a model has the lengths and the heads of these sources. Whether it has their tensors is for a verification.
    ///
    /// # Errors
    /// The model cannot be read.
    pub fn look_like(&self, model: &Input<'_>) -> io::Result<bool> {
        let are_as_long = self.0.len() == model.shards.len()
            && self
                .0
                .iter()
                .zip(&model.shards)
                .all(|(head, (_, source))| head.file_size == source.length());
        if !are_as_long {
            return Ok(false);
        }
        for (head, (_, source)) in self.0.iter().zip(&model.shards) {
            let mut hasher = blake3::Hasher::new();
            let span = Span::new(0, head.length.min(head.file_size));
            read_through(*source, span, &mut Vec::new(), |_, bytes| {
                hasher.update(bytes);
            })?;
            if hasher.finalize() != head.blake3 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
