//! What a GGUF file is when it is not a model.

use gguf_file::{SplitSet, Value};

use crate::error::Error;

/// Refuses files that are sound GGUF and not models.
///
/// # Errors
/// Fails with what the file is.
pub(crate) fn check(set: &SplitSet<'_>) -> Result<(), Error> {
    match kind(set) {
        Some((kind, advice)) => Err(Error::NotModel { kind, advice }),
        None => Ok(()),
    }
}

fn kind(set: &SplitSet<'_>) -> Option<(&'static str, &'static str)> {
    let text = |key: &[u8]| set.get(key).and_then(Value::as_str);
    let stated = (text(b"general.type"), text(b"general.architecture"));
    if stated.0 == Some(b"adapter") || has_keys(set, b"adapter.") {
        return Some((
            "an adapter (LoRA)",
            "merge it into its base model and convert the result",
        ));
    }
    if stated.0 == Some(b"mmproj") || stated.1 == Some(b"clip") || has_keys(set, b"clip.") {
        return Some((
            "a projector (mmproj), which puts images or sound into a model",
            "convert the model that it belongs to",
        ));
    }
    if stated.0 == Some(b"imatrix") || stated.1 == Some(b"imatrix") || has_keys(set, b"imatrix.") {
        return Some((
            "an importance matrix (imatrix), the statistics that a quantiser used",
            "convert the model that was made with it",
        ));
    }
    if stated.1 == Some(b"controlvector") || has_keys(set, b"controlvector.") {
        return Some(("a control vector", "convert the model that it is used with"));
    }
    if set.tensors().next().is_none() {
        let vocabulary = set.get(b"tokenizer.ggml.tokens").is_some();
        return Some(if vocabulary {
            ("a vocabulary without weights", "convert the model itself")
        } else {
            ("metadata without weights", "convert the model itself")
        });
    }
    match stated.0 {
        None | Some(b"model") => None,
        Some(_) => Some((
            "of another kind (general.type is not \"model\")",
            "convert the model that it belongs to",
        )),
    }
}

fn has_keys(set: &SplitSet<'_>, start: &[u8]) -> bool {
    let first = set.shards().first();
    let mut pairs = first.into_iter().flat_map(|shard| &shard.metadata);
    pairs.any(|pair| pair.key.starts_with(start))
}
