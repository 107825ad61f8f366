//! What is written otherwise in the second of two files of one format.

use super::recorded::{Moves, Rewriting, listed};
use crate::compare::inputs::{Inputs, Metadata, Model};
use crate::compare::metadata::{KeyResult, Status};
use crate::compare::pairing::Pairing;
use crate::decode::apr;
use crate::decode::container::Tensor;

/// Each change in a few words.
pub(super) fn changes(inputs: &Inputs<'_>, pairing: &Pairing, keys: &[KeyResult]) -> Vec<String> {
    let (first, second) = (&inputs.first, &inputs.second);
    let mut changes = match (first.metadata, second.metadata) {
        (Metadata::Gguf(a), Metadata::Gguf(b)) => {
            Rewriting::between((a, first.tensors), (b, second.tensors)).changes
        }
        (Metadata::Apr(a), Metadata::Apr(b)) => changes_of_text(a, b, keys),
        _ => unreachable!("two files of one format have the same kind of metadata"),
    };
    if changes.is_empty() && are_laid_out_otherwise(inputs, pairing) {
        changes.push("the data of its tensors stand at other places".to_owned());
    }
    changes
}

/// Keys that came, went or changed, keys in another order, or values in another form.
fn changes_of_text(a: &apr::Metadata, b: &apr::Metadata, keys: &[KeyResult]) -> Vec<String> {
    let (Some(a), Some(b)) = (&a.document, &b.document) else {
        return Vec::new();
    };
    if a.text(a.root()) == b.text(b.root()) {
        return Vec::new();
    }
    let names = |document: &apr::Document| {
        let members = document.members().iter();
        let names = members.filter_map(|(key, _)| document.string(key));
        names.map(|name| name.into_owned().into_bytes()).collect()
    };
    let moves = Moves::between(names(a), names(b));
    let changed = keys.iter().filter(|key| key.status == Status::Changed);
    let changed = changed.map(|key| key.key.clone()).collect();
    let mut changes = Vec::new();
    for (names, how) in [
        (moves.added, "added"),
        (moves.removed, "removed"),
        (changed, "changed"),
    ] {
        if !names.is_empty() {
            changes.push(format!("{how}: {}", listed(&names)));
        }
    }
    if moves.are_in_other_order {
        changes.push("keys in another order".to_owned());
    }
    if changes.is_empty() {
        changes.push("another text of its metadata, which says the same".to_owned());
    }
    changes
}

/// Whether a tensor stands at another distance from the start of the data.
fn are_laid_out_otherwise(inputs: &Inputs<'_>, pairing: &Pairing) -> bool {
    let start = |model: &Model<'_>, shard: usize| match model.metadata {
        Metadata::Apr(metadata) => metadata.header.map(|header| header.data_offset),
        Metadata::Gguf(metadata) => metadata.shards.get(shard).map(|head| head.data_offset),
    };
    pairing.pairs.iter().any(|pair| {
        let (a, b) = inputs.tensors_of(*pair);
        let from = |model, tensor: &Tensor| {
            let distance = start(model, tensor.shard)?.abs_diff(tensor.span.offset);
            Some((tensor.shard, distance))
        };
        from(&inputs.first, a) != from(&inputs.second, b)
    })
}
