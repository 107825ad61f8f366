//! Whether the sizes that the keys of a model state are those of its tensors: loaders take them from the keys.

use std::collections::BTreeSet;

use architectures::{Architecture, find};
use gguf_file::GgmlType;

use crate::{
    error::{Error, Problems},
    plan::{
        TensorPlan,
        keys::Keys,
        metadata::TOKENS,
        names::{EMBEDDING, to_gguf},
        shapes::Shapes,
    },
};

/// Names every tensor of another shape than the keys give it, and every number that engines divide by and that is not above
/// 0; for a model that loaders run, what they would take wrong as well.
///
/// # Errors
/// Fails with all of them, and with the tensors that loaders refuse or take for others.
pub(crate) fn check(keys: &Keys<'_>, plan: &TensorPlan<'_>, is_run: bool) -> Result<(), Error> {
    let mut problems = Problems::default();
    if is_run {
        check_tensors(plan, &mut problems);
        check_numbers(keys, plan.vocabulary_rows()?, &mut problems)?;
    }
    if let Some(described) = find(keys.architecture()) {
        check_experts(keys, described, &mut problems);
        let shapes = Shapes::of(described, keys, plan.vocabulary_rows()?);
        check_shapes(&shapes, plan, &mut problems);
    }
    problems.into_result(|problems| Error::Unfit { problems })
}

fn check_numbers(keys: &Keys<'_>, rows: u64, problems: &mut Problems) -> Result<(), Error> {
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
    let [heads, groups] =
        ["attention.head_count", "attention.head_count_kv"].map(|ending| keys.name(ending));
    if let Some((count, of)) = keys.count(&groups)?.zip(keys.count(&heads)?)
        && (count == 0 || !of.is_multiple_of(count))
    {
        problems.push(format!(
            "{groups} is {count}, and has to divide {heads}, {of}"
        ));
    }
    let vocabulary = keys.name("vocab_size");
    let tokens = keys.array(TOKENS)?.map_or(0, |tokens| tokens.count);
    // Only there llama.cpp reads it (`llama_vocab::impl::load`).
    let is_read = matches!(
        keys.text("tokenizer.ggml.model")?,
        Some("none" | "no_vocab")
    );
    match keys.count(&vocabulary)? {
        Some(size) if size > rows => problems.push(format!(
            "{vocabulary} is {size}, and {EMBEDDING} has rows for {rows}"
        )),
        Some(size) if is_read && size < tokens => {
            problems.push(format!("{vocabulary} is {size}, and {TOKENS} has {tokens}"));
        }
        _ => {}
    }
    Ok(())
}

fn check_experts(keys: &Keys<'_>, described: &Architecture, problems: &mut Problems) {
    // What is no number is said where the key is read.
    let count = |key: &str| keys.count(key).ok().flatten();
    let key = keys.name("expert_count");
    let Some(experts) = count(&key).filter(|count| *count > 0) else {
        return;
    };
    if described.experts.is_none() {
        let architecture = described.name;
        problems.push(format!(
            "{key} is {experts}, and a {architecture} has no experts"
        ));
        return;
    }
    let used = keys.name("expert_used_count");
    match (keys.get(&used), count(&used)) {
        (None, _) => problems.push(format!("{used} is missing")),
        (_, Some(count)) if count == 0 || count > experts => {
            problems.push(format!("{used} is {count}, and has to be 1 to {experts}"));
        }
        _ => {}
    }
}

fn check_shapes(shapes: &Shapes, plan: &TensorPlan<'_>, problems: &mut Problems) {
    let tensors = || plan.tensors.iter().filter(|tensor| !tensor.is_copy);
    let names: BTreeSet<&str> = tensors().map(|tensor| tensor.gguf_name).collect();
    for tensor in tensors() {
        let name = tensor.gguf_name;
        let up = name.strip_suffix("ffn_up.weight");
        let is_fused =
            up.is_some_and(|layer| !names.contains(format!("{layer}ffn_gate.weight").as_str()));
        let Some(expected) = shapes.of_tensor(name, is_fused) else {
            continue;
        };
        let found = &tensor.info.dims;
        // Writers drop ones at the end, or add them: they are nothing.
        let axes = (0..found.len().max(expected.len())).map(|axis| {
            let size = expected.get(axis).copied();
            let (size, what) = size.unwrap_or((Some(1), "all else"));
            (size, what, found.get(axis).copied().unwrap_or(1))
        });
        let mut wrong = axes.filter(|(size, _, found)| size.is_some_and(|size| size != *found));
        if let Some((Some(size), what, has)) = wrong.next() {
            let expected = expected.iter().map(|(size, _)| match size {
                Some(size) => size.to_string(),
                None => "any".to_owned(),
            });
            let expected = expected.collect::<Vec<_>>().join(", ");
            problems.push(format!(
                "{what} is {size}, and {} has {has} (dims {found:?} for [{expected}])",
                name.escape_debug()
            ));
        }
    }
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
        if other != of_model || name.starts_with("layers.") {
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
