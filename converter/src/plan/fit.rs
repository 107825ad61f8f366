//! Whether the sizes that the keys of a model state are those of its tensors: loaders take them from the keys.

use architectures::find;
use gguf_file::GgmlType;

use crate::{
    error::{Error, Problems},
    plan::{
        TensorPlan,
        keys::Keys,
        names::{EMBEDDING, to_gguf},
    },
};

/// Names every key that does not fit the tensors, and every number that loaders divide by and that is not above 0.
///
/// For models whose layers are those of a llama: of others, keys and shapes are related in other ways.
///
/// # Errors
/// Fails with all of them, and with the tensors that loaders refuse or take for others.
pub(crate) fn check(keys: &Keys<'_>, plan: &TensorPlan<'_>) -> Result<(), Error> {
    let mut problems = Problems::default();
    check_tensors(plan, &mut problems);
    for ending in ["attention.layer_norm_rms_epsilon", "rope.freq_base"] {
        let key = keys.name(ending);
        if let Some(number) = keys.float(&key)?.filter(|number| *number <= 0.0) {
            problems.push(format!("{key} is {number}, and has to be above 0"));
        }
    }
    let context = keys.name("context_length");
    if keys.count(&context)? == Some(0) {
        problems.push(format!("{context} is 0, so that not one token fits"));
    }
    let experts = keys.name("expert_count");
    let has_none = find(keys.architecture()).is_some_and(|described| described.experts.is_none());
    if let Some(count) = keys.count(&experts)?.filter(|count| has_none && *count > 0) {
        let architecture = keys.architecture();
        problems.push(format!(
            "{experts} is {count}, and a {architecture} has no experts"
        ));
    }
    let sizes = Sizes::of(keys)?;
    for tensor in plan.tensors.iter().filter(|tensor| !tensor.is_copy) {
        let name = tensor.gguf_name;
        let Some((axis, size, what)) = sizes.of_tensor(name) else {
            continue;
        };
        let found = tensor.info.dims.get(axis).copied();
        if let Some((size, found)) = size.zip(found).filter(|(size, found)| size != found) {
            problems.push(format!("{what} is {size}, and {name} has {found}"));
        }
    }
    let (vocabulary, rows) = (keys.name("vocab_size"), plan.vocabulary_rows()?);
    if let Some(size) = keys.count(&vocabulary)?.filter(|size| *size > rows) {
        problems.push(format!(
            "{vocabulary} is {size}, and {EMBEDDING} has rows for {rows}"
        ));
    }
    problems.into_result(|problems| Error::Unfit { problems })
}

/// Loaders of `apr` 0.72.3 find the embedding by a part of its name, know the names of layers with and without `model.`, and
/// refuse norms and biases of other types than three.
fn check_tensors(plan: &TensorPlan<'_>, problems: &mut Problems) {
    let plain = [GgmlType::F32, GgmlType::F16, GgmlType::Bf16].map(GgmlType::name);
    for tensor in &plan.tensors {
        let name = tensor.gguf_name;
        let shown = name.escape_debug();
        let is_like = |part: &&str| name.contains(*part);
        if name != EMBEDDING && EMBEDDINGS.iter().any(is_like) {
            problems.push(format!("{shown} would be taken for the embedding"));
        }
        let of_model = format!("model.{name}");
        let other = to_gguf(&of_model);
        if other != of_model {
            problems.push(format!("{shown} would be taken for {other}"));
        }
        let is_vector = name.ends_with("norm.weight") || name.ends_with(".bias");
        if is_vector && !plain.contains(&tensor.type_name) {
            let types = plain.join(", ");
            problems.push(format!(
                "{shown} is {}, and has to be one of {types}",
                tensor.type_name
            ));
        }
    }
}

const EMBEDDINGS: [&str; 3] = ["embed_tokens", "tok_embeddings", "token_embd"];

/// What the keys say; none where they say nothing, or not one number for all layers.
struct Sizes {
    hidden: Option<u64>,
    feed_forward: Option<u64>,
    queries: Option<u64>,
    keys: Option<u64>,
    values: Option<u64>,
    outputs: Option<u64>,
    /// Of the expert that every token uses, and the key that says it.
    shared: (Option<u64>, &'static str),
}

impl Sizes {
    fn of(keys: &Keys<'_>) -> Result<Self, Error> {
        let count = |ending| keys.count(&keys.name(ending));
        let (hidden, heads) = (count("embedding_length")?, count("attention.head_count")?);
        let divided = hidden
            .zip(heads)
            .filter(|(hidden, heads)| hidden.checked_rem(*heads) == Some(0))
            .and_then(|(hidden, heads)| hidden.checked_div(heads));
        let key_value_heads = count("attention.head_count_kv")?.or(heads);
        let key = count("attention.key_length")?.or(divided);
        let value = count("attention.value_length")?.or(divided);
        let product = |heads: Option<u64>, size: Option<u64>| heads?.checked_mul(size?);
        let some = |ending| count(ending).map(|size| size.filter(|size| *size > 0));
        let shared = match some("expert_shared_feed_forward_length")? {
            None => (
                product(
                    some("expert_shared_count")?,
                    some("expert_feed_forward_length")?,
                ),
                "expert_shared_count times expert_feed_forward_length",
            ),
            size => (size, "expert_shared_feed_forward_length"),
        };
        Ok(Self {
            hidden,
            feed_forward: count("feed_forward_length")?,
            queries: product(heads, key),
            keys: product(key_value_heads, key),
            values: product(key_value_heads, value),
            outputs: product(heads, value),
            shared,
        })
    }

    /// The axis of a tensor whose size follows from the keys, that size, and what it is.
    fn of_tensor(&self, name: &str) -> Option<(usize, Option<u64>, &'static str)> {
        if name == EMBEDDING {
            return Some((0, self.hidden, "embedding_length"));
        }
        let (_, part) = name.strip_prefix("blk.")?.split_once('.')?;
        Some(match part {
            "attn_q.weight" => (1, self.queries, "head_count times key_length"),
            "attn_k.weight" => (1, self.keys, "head_count_kv times key_length"),
            "attn_v.weight" => (1, self.values, "head_count_kv times value_length"),
            "attn_output.weight" => (0, self.outputs, "head_count times value_length"),
            "ffn_gate.weight" => (1, self.feed_forward, "feed_forward_length"),
            "ffn_down.weight" => (0, self.feed_forward, "feed_forward_length"),
            "ffn_gate_shexp.weight" | "ffn_up_shexp.weight" => (1, self.shared.0, self.shared.1),
            "ffn_down_shexp.weight" => (0, self.shared.0, self.shared.1),
            _ => return None,
        })
    }
}
