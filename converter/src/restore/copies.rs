//! Where the data of a source lies in the artifact.

use crate::plan::names::Names;
use crate::restore::{artifact::Artifact, record::Source};

/// A stretch of the artifact and its place in the restored file.
pub(super) struct Copy {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) length: u64,
}

/// Finds the data of every tensor of a source in the artifact.
pub(super) fn copies_of(
    source: &Source<'_>,
    names: Names,
    artifact: &Artifact,
) -> Result<Vec<Copy>, String> {
    let mut copies = Vec::new();
    for tensor in &source.contents.tensors {
        let name = String::from_utf8_lossy(&tensor.name);
        let wrong = |what: &str| format!("tensor \"{}\" {what}", name.escape_debug());
        let (from, size) = artifact
            .tensor(&names.apply(&name))
            .ok_or_else(|| wrong("is not in the index"))?;
        if size != tensor.size {
            return Err(wrong("is not stored as the bytes of its source"));
        }
        let to = source.data_offset.checked_add(tensor.offset);
        let to = to.filter(|to| to.checked_add(size).is_some_and(|end| end <= source.size));
        copies.push(Copy {
            from,
            to: to.ok_or_else(|| wrong("lies outside its source"))?,
            length: size,
        });
    }
    let mut lengths = copies.iter().map(|copy| copy.length);
    let data = lengths.try_fold(0, u64::checked_add);
    let after_head = source.size.checked_sub(source.data_offset);
    let gaps = (copies.len() as u64 + 1) * LARGEST_GAP;
    match (data, after_head) {
        (Some(data), Some(bytes)) if data <= bytes && bytes - data <= gaps => Ok(copies),
        _ => Err("the recorded size of a source is not that of its tensors".to_owned()),
    }
}

/// No alignment puts more zeros between two tensors.
const LARGEST_GAP: u64 = 1 << 20;
