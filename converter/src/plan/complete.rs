//! Whether all weights of a model are there.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use architectures::{Architecture, Need, find};
use gguf_file::SplitSet;

use crate::{
    error::{Error, Problems},
    plan::{
        keys::{Keys, required},
        metadata::TOKENS,
        names::EMBEDDING,
    },
};

/// Names every weight that is missing.
///
/// # Errors
/// Fails when a weight that the architecture needs is missing, when a layer lacks what others have, when there are more
/// or fewer layers than `block_count` says, and when there are more tokens than rows of the embedding.
pub(crate) fn check(keys: &Keys<'_>, set: &SplitSet<'_>) -> Result<(), Error> {
    let tensors = Tensors::of(set);
    let layers_key = keys.name("block_count");
    let layers = required(&layers_key, keys.count(&layers_key)?)?;
    let mut problems = Problems::default();
    let described = find(keys.architecture());
    tensors.check_globals(described, &mut problems);
    tensors.check_count(layers, &layers_key, &mut problems);
    let has_experts = keys
        .count(&keys.name("expert_count"))?
        .is_some_and(|count| count > 0);
    tensors.check_layers(described, has_experts, &mut problems);
    check_vocabulary(keys, set, &mut problems)?;
    problems.into_result(|problems| Error::Incomplete {
        architecture: keys.architecture().escape_debug().to_string(),
        problems,
    })
}

/// The names of the tensors, those of layers by number.
struct Tensors<'a> {
    globals: BTreeSet<&'a str>,
    layers: BTreeMap<u64, BTreeSet<&'a str>>,
}

impl<'a> Tensors<'a> {
    fn of(set: &SplitSet<'a>) -> Self {
        let mut tensors = Self {
            globals: BTreeSet::new(),
            layers: BTreeMap::new(),
        };
        for (_, info) in set.tensors() {
            // A name that is not UTF-8 is refused where tensors are planned.
            let Ok(name) = str::from_utf8(info.name) else {
                continue;
            };
            match layer_and_part(name) {
                Some((layer, part)) => tensors.layers.entry(layer).or_default().insert(part),
                None => tensors.globals.insert(name),
            };
        }
        tensors
    }

    fn check_globals(&self, described: Option<&Architecture>, problems: &mut Problems) {
        let usual = || vec![EMBEDDING.to_owned(), "output_norm.weight".to_owned()];
        for name in described.map_or_else(usual, Architecture::global_needs) {
            if !self.globals.contains(name.as_str()) {
                problems.push(format!("{name} is missing"));
            }
        }
    }

    fn check_count(&self, layers: u64, key: &str, problems: &mut Problems) {
        let found = self.layers.len();
        // At most one step more than there are layers, whatever numbers they have.
        let missing = (0..).find(|layer| !self.layers.contains_key(layer));
        let missing = missing.unwrap_or_else(|| unreachable!("some number has no layer"));
        if Ok(layers) != u64::try_from(found) {
            problems.push(format!(
                "{key} is {layers}, and the tensors are those of {found} layers"
            ));
        } else if missing < layers {
            problems.push(format!("all tensors of layer {missing} are missing"));
        }
    }

    fn check_layers(
        &self,
        described: Option<&Architecture>,
        has_experts: bool,
        problems: &mut Problems,
    ) {
        let needs = described.map(|described| described.layer_needs(has_experts));
        // Where the layers of an architecture are all alike, one layer shows what another one lacks.
        let parts = self.layers.values().flatten().copied();
        let regular: BTreeSet<&str> = match described {
            Some(described) if described.has_like_layers(has_experts) => {
                parts.filter(|part| is_regular(part)).collect()
            }
            _ => BTreeSet::new(),
        };
        for (layer, parts) in &self.layers {
            let mut missing: BTreeSet<&str> = regular.difference(parts).copied().collect();
            missing.extend(lacking(parts, needs.as_deref().unwrap_or_default()));
            for part in missing {
                problems.push(format!("blk.{layer}.{} is missing", part.escape_debug()));
            }
        }
    }
}

/// Returns what a layer lacks of what its architecture needs.
fn lacking<'a>(parts: &BTreeSet<&str>, needs: &'a [Need]) -> BTreeSet<&'a str> {
    let absent = |part: &&str| !parts.contains(*part);
    let mut lacking: BTreeSet<&str> = BTreeSet::new();
    for alternatives in needs {
        // Of the alternatives the one that is there, or else the one of which most is.
        let choices = alternatives.iter().map(|parts| {
            let parts = parts.iter().map(String::as_str);
            let (lacking, present): (Vec<&str>, Vec<&str>) = parts.partition(absent);
            (!lacking.is_empty(), Reverse(present.len()), lacking)
        });
        lacking.extend(choices.min().into_iter().flat_map(|(.., lacking)| lacking));
    }
    lacking
}

/// Whether a part is one that every layer has or none: the weights of the attention and the feed-forward. Biases and factors are
/// those that a layer has, unless its architecture needs them (`TENSOR_NOT_REQUIRED` in llama.cpp).
fn is_regular(part: &str) -> bool {
    let is_part = |start| part.starts_with(start);
    let is_weight = ["attn_", "ffn_", "post_"].into_iter().any(is_part);
    let mut others = [".bias", ".scale", ".input_scale"].into_iter();
    is_weight && !others.any(|end| part.ends_with(end))
}

fn check_vocabulary(
    keys: &Keys<'_>,
    set: &SplitSet<'_>,
    problems: &mut Problems,
) -> Result<(), Error> {
    let embedding = set
        .tensors()
        .find(|(_, info)| info.name == EMBEDDING.as_bytes());
    let Some(rows) = embedding.and_then(|(_, info)| info.dims.get(1).copied()) else {
        return Ok(());
    };
    let tokens = keys.array(TOKENS)?.map(|tokens| tokens.count);
    if let Some(tokens) = tokens.filter(|tokens| *tokens > rows) {
        problems.push(format!(
            "{TOKENS} has {tokens} tokens, and {EMBEDDING} has rows for {rows}"
        ));
    }
    Ok(())
}

fn layer_and_part(name: &str) -> Option<(u64, &str)> {
    let (layer, part) = name.strip_prefix("blk.")?.split_once('.')?;
    Some((layer.parse().ok()?, part))
}

#[cfg(test)]
mod tests {
    use gguf_file::{Content, Limits};

    use super::*;

    /// The models of the oracle run in llama.cpp, so nothing that an architecture needs is missing from them.
    #[needs::data("arch")]
    #[test]
    fn the_lists_are_the_tensors_of_models_that_run() {
        let mut known = BTreeSet::new();
        for (name, bytes) in fixtures::shared::files("arch", ".gguf") {
            let length = u64::try_from(bytes.len()).unwrap();
            let contents = [Content::parse(&bytes, length, &Limits::default()).unwrap()];
            let set = SplitSet::join(&contents).unwrap();
            let keys = Keys::new(set, &[]).unwrap();
            if find(keys.architecture()).is_some() {
                known.insert(keys.architecture().to_owned());
            }
            check(&keys, &set).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        assert_eq!(known.len(), 52, "{known:?}");
    }
}
