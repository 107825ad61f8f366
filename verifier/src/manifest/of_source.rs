//! Rows of the GGUF that an artifact was made from: its tensors have other names there, and may have other bytes.

use std::collections::HashMap;

use super::check::Resolved;
use super::described::{record_of, source_name};
use super::target::Target;
use crate::code::Code;
use crate::compare::metadata::record::Record;
use crate::decode::decoded::Decoded;
use crate::finding::{Effect, Finding};

/// The tensors of an artifact by their names in its source.
pub(super) struct SourceNames {
    record: Option<Record>,
    tensors: HashMap<Vec<u8>, Vec<usize>>,
}

impl SourceNames {
    /// None of what is no artifact.
    pub(super) fn of(target: &Target<'_>) -> Self {
        let record = record_of(target);
        let mut tensors: HashMap<Vec<u8>, Vec<usize>> = HashMap::new();
        if matches!(target.decoded, Decoded::Apr(_)) {
            for (index, tensor) in target.decoded.tensors().iter().enumerate() {
                let name = source_name(tensor, record.as_ref());
                tensors.entry(name).or_default().push(index);
            }
        }
        Self { record, tensors }
    }

    /// Whether a path of rows is that of a GGUF, where an artifact is at hand.
    pub(super) fn are_of_gguf(&self, path: Option<&[u8]>) -> bool {
        let ending = path.and_then(|path| path.last_chunk::<5>());
        !self.tensors.is_empty() && ending.is_some_and(|end| end.eq_ignore_ascii_case(b".gguf"))
    }

    /// Notes what a tensor of the source became; those that are stored as they were are returned, to be held against its row.
    pub(super) fn unchanged(&self, name: &[u8], resolved: &mut Resolved) -> Option<&[usize]> {
        let indices = self.tensors.get(name)?;
        resolved.is_of_source = true;
        let is_unchanged = |record: &Record| !record.is_decoded(name);
        if self.record.as_ref().is_some_and(is_unchanged) {
            return Some(indices);
        }
        resolved.not_compared.extend(indices);
        Some(&[])
    }
}

/// What is said of rows that could not be held against an artifact.
pub(super) fn not_compared(resolved: &Resolved) -> Option<Finding> {
    let count = resolved.not_compared.len();
    let text = format!(
        "the rows are those of a GGUF: {count} tensors are not known to be stored as there, and were not compared"
    );
    (count > 0).then(|| {
        Finding::new(Code::ManifestNotCompared, Effect::Undecided, text)
            .hint("hold the rows against the GGUF: aprove verify SOURCE.gguf --manifest FILE")
    })
}
