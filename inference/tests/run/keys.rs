//! Keys and tensors of files from the field: what changes nothing, and what is not covered.

use crate::support::run;
use fixtures::{
    gguf::{Model as Fixture, Tensor, Value},
    models,
};
use inference::{Model, Options};

/// The llama of the fixtures under the name of another architecture, without these tensors.
fn named(architecture: &str, without: &[&str]) -> Fixture {
    let mut model = models::llama();
    for (key, _) in &mut model.key_values {
        if let Some(rest) = key.strip_prefix(b"llama.") {
            *key = [architecture.as_bytes(), b".", rest].concat();
        }
    }
    model.set("general.architecture", architecture);
    model.tensors.retain(|tensor| {
        let name = str::from_utf8(&tensor.name).unwrap();
        !without
            .iter()
            .any(|end| name == *end || name.ends_with(&format!(".{end}")))
    });
    model
}

/// What a run gives, or what is said in place of one.
fn outcome(model: &Fixture) -> Result<(Model, String), String> {
    let done = run(&model.to_bytes(), &[1, 2, 3], &Options::default());
    let (loaded, recorded) = done.map_err(|error| error.to_string())?;
    Ok((loaded, format!("{:?}", recorded.digests.run())))
}

#[test]
fn what_stablelm_writes_of_its_branches_is_what_it_is() {
    let mut model = named("stablelm", &[]);
    let plain = outcome(&model).unwrap().1;
    model.set("stablelm.use_parallel_residual", Value::Bool(true));
    assert_eq!(outcome(&model).unwrap().1, plain);
    let mut other = models::llama();
    other.set("llama.use_parallel_residual", Value::Bool(true));
    let text = "not covered (llama.use_parallel_residual: it runs attention and feed-forward beside each other)";
    assert_eq!(outcome(&other).unwrap_err(), text);
}

#[test]
fn a_key_of_experts_is_known_where_no_layer_has_any() {
    let mut model = named("dots1", &[]);
    for layer in 0..2 {
        for norm in ["attn_q_norm", "attn_k_norm"] {
            model.tensors.push(Tensor {
                name: format!("blk.{layer}.{norm}.weight").into_bytes(),
                dims: vec![64],
                type_id: 0,
                data: 1f32.to_le_bytes().repeat(64),
            });
        }
    }
    model.set("dots1.expert_count", 4_u32);
    model.set("dots1.expert_used_count", 2_u32);
    model.set("dots1.expert_shared_count", 1_u32);
    model.set("dots1.leading_dense_block_count", 2_u32);
    assert!(outcome(&model).is_ok());
}

#[test]
fn windows_with_heads_of_their_own_are_not_covered() {
    let model = || {
        let mut model = named("cohere2", &["ffn_norm.weight", "output.weight"]);
        model.set("cohere2.attention.sliding_window", 2_u32);
        model
    };
    let (loaded, plain) = outcome(&model()).unwrap();
    let dims = loaded.rope(0).unwrap().dims;
    for (key, usual) in [
        ("rope.dimension_count_swa", dims),
        ("attention.key_length_swa", 64),
        ("attention.value_length_swa", 64),
    ] {
        let with = |value: usize| {
            let mut model = model();
            let value = u32::try_from(value).unwrap();
            model.set(format!("cohere2.{key}"), value);
            model
        };
        assert_eq!(outcome(&with(usual)).unwrap().1, plain, "{key}");
        let text = format!("not covered ({key} 8, where other layers have {usual})");
        assert_eq!(outcome(&with(8)).unwrap_err(), text);
        // Without a window nothing is read of it.
        let mut all = with(8);
        all.set("cohere2.attention.sliding_window", 0_u32);
        assert!(outcome(&all).is_ok(), "{key}");
    }
}

#[test]
fn layers_that_draft_later_tokens_are_left_out() {
    let mut model = models::llama();
    let layers = model.get("llama.block_count").unwrap().as_u32().unwrap();
    let drafts = |count: u32| {
        let mut model = model.clone();
        model.set("llama.nextn_predict_layers", count);
        outcome(&model)
    };
    let with = drafts(1).unwrap();
    assert_eq!(with.0.config.layers, usize::try_from(layers - 1).unwrap());
    let last = format!("blk.{}.", layers - 1);
    assert!(with.0.unused.iter().all(|name| name.starts_with(&last)));
    assert!(!with.0.unused.is_empty());
    assert!(drafts(layers).is_err());
    assert!(drafts(layers + 1).is_err());
    // As if they were not there.
    model.set("llama.block_count", layers - 1);
    model
        .tensors
        .retain(|tensor| !tensor.name.starts_with(last.as_bytes()));
    assert_eq!(outcome(&model).unwrap().1, with.1);
}

#[test]
fn a_dimension_of_one_at_the_end_changes_nothing() {
    let mut model = models::llama();
    let plain = outcome(&model).unwrap().1;
    model.tensor_mut("output_norm.weight").dims.push(1);
    model.tensor_mut("blk.0.attn_q.weight").dims.push(1);
    assert_eq!(outcome(&model).unwrap().1, plain);
}
