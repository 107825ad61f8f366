//! Layers that lack what other layers of the same model have: nothing else of one file tells that a tensor is gone.

use std::collections::{BTreeMap, BTreeSet};

use crate::code::Code;
use crate::compare::names::gguf_name;
use crate::decode::decoded::Decoded;
use crate::explain::identity::Identity;
use crate::finding::{Effect, Finding, Place, escape};

/// The tensors of a layer, by their names within it.
type Names = BTreeSet<Vec<u8>>;

/// What is said of a model in which a layer lacks tensors; none where its architecture explains it.
pub(super) fn finding(decoded: &Decoded) -> Option<Finding> {
    if !decoded.is_complete() || says_why(decoded) {
        return None;
    }
    let identity = Identity::of(decoded)?;
    let architecture = identity.architecture.as_deref().unwrap_or_default();
    let are_alike = ALIKE.contains(&architecture);
    let layers = layers(decoded, architecture);
    let count = identity.layers.unwrap_or_default();
    let (layer, lacks, other) = lack(&layers, count, are_alike)?;
    let is_bias = |name: &&[u8]| name.ends_with(b".bias");
    let are_optional = !lacks.is_empty() && lacks.iter().all(is_bias);
    let (effect, rest) = if are_alike && (!are_optional || BIASED.contains(&architecture)) {
        let rest = format!(
            "all layers of {} have the same",
            escape(architecture.as_bytes())
        );
        (Effect::Undecided, rest)
    } else {
        (Effect::Warning, "nothing in the file says why".to_owned())
    };
    let message = match lacks.as_slice() {
        [] => format!("layer {layer} is missing: the file says that it has {count} layers"),
        [name] => format!(
            "layer {layer} has no {}, which layer {other} has: {rest}",
            escape(name)
        ),
        [name, more @ ..] => format!(
            "layer {layer} has no {} and {} more that layer {other} has: {rest}",
            escape(name),
            more.len()
        ),
    };
    Some(
        Finding::new(Code::TensorLayers, effect, message)
            .at(Place::new(decoded.side(), 0))
            .hint("compare with the file that it was made from, or with a digest of its publisher"),
    )
}

/// Whether the file itself says that its layers are unlike, or not all there: of an adapter, by a number for each layer, or by
/// layers that predict further tokens, which are in a file of their own or left out.
fn says_why(decoded: &Decoded) -> bool {
    let Decoded::Gguf(gguf) = decoded else {
        return false;
    };
    let text = |key: &[u8]| gguf.metadata.get(key)?.as_string();
    let architecture = text(b"general.architecture").unwrap_or_default();
    let value = |ending: &[u8]| gguf.metadata.get(&[architecture, ending].concat());
    let number = |ending: &[u8]| value(ending).and_then(|value| value.as_u64());
    let is_by_layer = |ending: &[u8]| {
        let value = value(ending);
        let numbers = value.and_then(|value| value.as_array());
        let mut numbers = numbers.into_iter().flatten().map(|one| one.as_u64());
        let first = numbers.next();
        numbers.any(|number| Some(number) != first)
    };
    text(b"general.type") == Some(b"adapter".as_slice())
        || number(b".nextn_predict_layers").is_some_and(|count| count > 0)
        || is_by_layer(b".attention.head_count")
        || is_by_layer(b".attention.head_count_kv")
        || is_by_layer(b".feed_forward_length")
}

/// The first layer that lacks something, what it lacks, and a layer that has it; a layer that is not there lacks nothing by
/// name. What has no layers at all is another kind of model.
fn lack(
    layers: &BTreeMap<u64, Names>,
    count: u64,
    are_alike: bool,
) -> Option<(u64, Vec<&[u8]>, u64)> {
    let end = layers.keys().next_back()? + 1;
    if let Some(missing) = (0..end.max(count)).find(|layer| !layers.contains_key(layer)) {
        return Some((missing, Vec::new(), missing));
    }
    // The kinds of layers, with the first layer of each.
    let mut kinds: Vec<(&Names, u64)> = Vec::new();
    for (layer, names) in layers {
        if kinds.len() < MOST_KINDS && !kinds.iter().any(|(kind, _)| *kind == names) {
            kinds.push((names, *layer));
        }
    }
    let mut pairs = kinds
        .iter()
        .flat_map(|less| kinds.iter().map(move |more| (less, more)));
    // A layer of another kind has something else in the place of what it lacks.
    pairs.find_map(|((less, layer), (more, other))| {
        if !are_alike && !less.is_subset(more) {
            return None;
        }
        let lacks: Vec<&[u8]> = more.difference(less).map(Vec::as_slice).collect();
        (!lacks.is_empty()).then_some((*layer, lacks, *other))
    })
}

fn layers(decoded: &Decoded, architecture: &str) -> BTreeMap<u64, Names> {
    let mut layers: BTreeMap<u64, Names> = BTreeMap::new();
    for tensor in decoded.tensors() {
        let name = match decoded {
            Decoded::Apr(_) => gguf_name(&tensor.name),
            Decoded::Gguf(_) | Decoded::Unknown(_) => tensor.name.clone(),
        };
        let Some((layer, name)) = in_layer(&name) else {
            continue;
        };
        let names = layers.entry(layer).or_default();
        if !is_of_some(architecture, name) {
            names.insert(name.to_vec());
        }
    }
    layers
}

/// The number of the layer that a tensor is of, and its name within that.
fn in_layer(name: &[u8]) -> Option<(u64, &[u8])> {
    let rest = name.strip_prefix(b"blk.")?;
    let end = rest.iter().position(|byte| *byte == b'.')?;
    let (number, name) = rest.split_at_checked(end)?;
    let number: u32 = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number.into(), name.strip_prefix(b".")?))
}

/// Whether a tensor is of some layers only, as its architecture or its type has it.
fn is_of_some(architecture: &str, name: &[u8]) -> bool {
    // Scales belong to a type that some products have; `nextn` is the head that predicts further tokens, in the last layer.
    let is_weight = name.ends_with(b".weight") || name.ends_with(b".bias");
    let is_of =
        |(of, starts): &(&str, &str)| *of == architecture && name.starts_with(starts.as_bytes());
    !is_weight || name.starts_with(b"nextn.") || OF_SOME.iter().any(is_of)
}

/// More kinds of layers than any architecture has.
const MOST_KINDS: usize = 16;

/// Tensors that layers of an architecture leave out: the last layers of gemma4 take keys and values of an earlier one, and some
/// of its models have no values but the keys.
const OF_SOME: [(&str, &str); 4] = [
    ("gemma4", "attn_k"),
    ("gemma4", "attn_v"),
    // The first layer has no norm before its attention.
    ("modern-bert", "attn_norm"),
    ("mimo2", "attn_sinks"),
];

/// Architectures whose layers all have biases; llama.cpp loads those of any other where they are.
const BIASED: [&str; 9] = [
    "bloom",
    "gpt-oss",
    "gpt2",
    "gptneox",
    "phi2",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "starcoder2",
];

/// Architectures whose layers all have the same tensors. Two sources: `create_tensor` of each in `src/models` of llama.cpp, and
/// the models of `../shared/data/arch`, which a test holds against this list.
const ALIKE: [&str; 41] = [
    "arcee",
    "bitnet",
    "bloom",
    "chatglm",
    "cohere2",
    "command-r",
    "ernie4_5",
    "exaone",
    "exaone4",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "glm4",
    "gpt-oss",
    "gpt2",
    "gptneox",
    "granite",
    "granitemoe",
    "hunyuan-dense",
    "internlm2",
    "llama",
    "minicpm",
    "minicpm3",
    "minimax-m2",
    "mistral3",
    "nemotron",
    "olmo2",
    "olmoe",
    "phi2",
    "phi3",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "qwen3",
    "qwen3moe",
    "qwen3vl",
    "seed_oss",
    "smollm3",
    "stablelm",
    "starcoder2",
];
