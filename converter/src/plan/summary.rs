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
    /// What the user should know.
    pub warnings: Vec<String>,
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

impl TensorPlan<'_> {
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
                how: match tensor.storage {
                    Storage::Kept => How::Kept,
                    Storage::Raw => How::Raw,
                    Storage::Decoded => How::Decoded,
                },
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
