//! What a conversion would write, for a person to decide by.

use std::collections::BTreeMap;

use super::{TensorPlan, types::Storage};

/// What a conversion would write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Length of the artifact in bytes.
    pub size: u64,
    /// How the tensors are stored, by type; the copy of a tied embedding counts as a tensor.
    pub stored: Vec<Stored>,
    /// Each tensor of the artifact, in the order of its index.
    pub tensors: Vec<PlannedTensor>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// One tensor of the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedTensor {
    /// The name in the artifact.
    pub name: String,
    /// The name in the source.
    pub source_name: String,
    /// The type in the source.
    pub source_type: &'static str,
    /// How it gets into the artifact.
    pub how: How,
    /// The type in the artifact.
    pub stored_type: &'static str,
    /// Its bytes in the artifact, without padding.
    pub bytes: u64,
}

/// The tensors of one type, and how they are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The type in the source.
    pub source_type: &'static str,
    /// How they get into the artifact.
    pub how: How,
    /// How many there are.
    pub tensors: usize,
    /// Their bytes in the source.
    pub source_bytes: u64,
    /// Their bytes in the artifact, without padding.
    pub bytes: u64,
}

/// How tensors get into an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Byte for byte.
    Kept,
    /// Byte for byte, under an id that only the loader that runs models reads right.
    Raw,
    /// As F32 with exactly the decoded values.
    Decoded,
}

impl From<Storage> for How {
    fn from(storage: Storage) -> Self {
        match storage {
            Storage::Kept => Self::Kept,
            Storage::Raw => Self::Raw,
            Storage::Decoded => Self::Decoded,
        }
    }
}

impl TensorPlan<'_> {
    /// Lists the tensors.
    pub(crate) fn listed(&self) -> Vec<PlannedTensor> {
        let tensors = self.tensors.iter();
        let listed = tensors.map(|tensor| PlannedTensor {
            name: tensor.name.clone(),
            source_name: tensor.gguf_name.to_owned(),
            source_type: tensor.source_type_name(),
            how: tensor.storage.into(),
            stored_type: tensor.type_name,
            bytes: tensor.size,
        });
        listed.collect()
    }

    /// Sums up the tensors by type.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "sums of lengths inside one file, whose end was computed"
    )]
    pub(crate) fn summary(&self) -> Vec<Stored> {
        let mut types: BTreeMap<&str, Stored> = BTreeMap::new();
        for tensor in &self.tensors {
            let source_type = tensor.source_type_name();
            let sum = types.entry(source_type).or_insert(Stored {
                source_type,
                // The storage is picked by the type alone.
                how: tensor.storage.into(),
                tensors: 0,
                source_bytes: 0,
                bytes: 0,
            });
            sum.tensors += 1;
            sum.source_bytes += tensor.info.data.length;
            sum.bytes += tensor.size;
        }
        types.into_values().collect()
    }
}
