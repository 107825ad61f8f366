//! Builds a model from what a loader read: settles what is missing and holds every tensor against the numbers.

use std::collections::BTreeMap;

use super::{
    Layer, Model,
    config::{Architecture, Assumption, Config, Format, Pairing, Rope},
    roles::{Naming, Part, RawTensor, Role, Tensors},
    scaling::ScalingKeys,
    tensor::Tensor,
    unhonoured::is_used_elsewhere,
};
use crate::{arithmetic::attention::scale, error::Error};

/// The numbers as a file states them.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) format: Format,
    pub(crate) architecture: Architecture,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) key_value_heads: Option<usize>,
    pub(crate) head_dim: Option<usize>,
    pub(crate) value_dim: Option<usize>,
    pub(crate) hidden: usize,
    pub(crate) feed_forward: usize,
    pub(crate) epsilon: Option<f32>,
    pub(crate) pairing: Option<Pairing>,
    pub(crate) base: Option<f32>,
    pub(crate) rope_dims: Option<usize>,
    pub(crate) scaling: ScalingKeys,
    pub(crate) attention_scale: Option<f32>,
    pub(crate) context: usize,
    pub(crate) window: Option<usize>,
    pub(crate) tied: Option<bool>,
}

/// Builds the model.
///
/// # Errors
/// Fails when a tensor is missing or has another shape than the numbers ask for, and when it is not covered.
pub(crate) fn assemble(
    facts: Facts,
    tensors: BTreeMap<String, RawTensor>,
    naming: &Naming,
) -> Result<Model, Error> {
    let format = facts.format;
    let mut tensors = Tensors {
        left: tensors,
        naming,
    };
    let embedding = tensors.take(Role::Embedding, &[Some(facts.hidden), None])?;
    let mut assumptions = Vec::new();
    let config = settle(facts, &embedding, &tensors, &mut assumptions)?;
    let mut layers = Vec::new();
    for index in 0..config.layers {
        layers.push(layer(&config, index, &mut tensors)?);
    }
    if tensors.has(Role::Layer(config.layers, Part::AttentionNorm)) {
        let found = format_args!("tensors of layer {}", config.layers);
        let expected = format_args!("no more than {}", config.layers);
        return Err(Error::model(naming.layers, expected, found));
    }
    let final_norm = tensors.take(Role::FinalNorm, &[Some(config.hidden)])?;
    let output = if config.tied {
        embedding.clone()
    } else {
        let dims = [Some(config.hidden), Some(config.vocabulary)];
        tensors.take(Role::Output, &dims)?
    };
    let rope_factors = if uses_factors(config.architecture) {
        tensors.find(Role::RopeFactors, &[Some(config.rope.dims / 2)])?
    } else {
        None
    };
    refuse_unread(tensors.left.keys().map(String::as_str))?;
    Ok(Model {
        format,
        config,
        assumptions,
        unused: tensors.left.into_keys().collect(),
        embedding,
        layers,
        final_norm,
        output,
        rope_factors,
    })
}

/// Completes the numbers, and notes what was assumed.
fn settle(
    facts: Facts,
    embedding: &Tensor,
    tensors: &Tensors<'_>,
    assumptions: &mut Vec<Assumption>,
) -> Result<Config, Error> {
    let naming = tensors.naming;
    let mut assume = |what: &str, value: String, why| {
        assumptions.push(Assumption {
            what: what.to_owned(),
            value,
            why,
        });
    };
    let architecture = facts.architecture;
    let key_value_heads = facts.key_value_heads.unwrap_or_else(|| {
        let why = "as many as query heads";
        assume(naming.key_value_heads, facts.heads.to_string(), why);
        facts.heads
    });
    let head_dim = match facts.head_dim {
        Some(head_dim) => head_dim,
        None => {
            let (length, why) = match facts.format {
                Format::Gguf => (facts.hidden, "the hidden size divided by the heads"),
                Format::Apr => {
                    let rows = tensors.rows(Role::Layer(0, Part::Query));
                    let why = "the rows of the first query matrix divided by the heads";
                    (rows.unwrap_or(facts.hidden), why)
                }
            };
            let head_dim = divided(length, facts.heads, naming.head_dim)?;
            assume(naming.head_dim, head_dim.to_string(), why);
            head_dim
        }
    };
    let epsilon = facts.epsilon.unwrap_or_else(|| {
        let epsilon = architecture.usual_epsilon();
        let why = "what published models of the architecture have";
        assume(naming.epsilon, epsilon.to_string(), why);
        epsilon
    });
    let base = facts.base.unwrap_or_else(|| {
        assume(naming.base, "10000".to_owned(), "the default of llama.cpp");
        10_000.0
    });
    let pairing = facts.pairing.unwrap_or_else(|| {
        let pairing = architecture.pairing();
        // In GGUF the architecture says it.
        if facts.format == Format::Apr {
            let why = "the pairing that llama.cpp gives the architecture";
            assume(naming.rope_type, pairing.id().to_string(), why);
        }
        pairing
    });
    let tied = match (tensors.has(Role::Output), facts.tied) {
        (true, _) => false,
        (false, Some(true)) => true,
        (false, Some(false)) => {
            return Err(Error::model(
                naming.tied,
                "an output matrix",
                "none, and false",
            ));
        }
        (false, None) => {
            let why = "since there is no output matrix";
            assume(naming.tied, "true".to_owned(), why);
            true
        }
    };
    let has_factors = uses_factors(architecture) && tensors.has(Role::RopeFactors);
    let scaling = facts.scaling.settle(
        facts.context,
        has_factors,
        naming.attention_factor,
        assumptions,
    )?;
    if let Some(found) = facts.attention_scale.filter(|scale| *scale != 0.0)
        && found.to_bits() != scale::<f32>(head_dim).to_bits()
    {
        // llama.cpp reads it for the granite family alone.
        let what = format_args!(
            "{} {found}, which is read for granite alone",
            naming.attention_scale
        );
        return Err(Error::not_covered(what));
    }
    let config = Config {
        architecture,
        layers: facts.layers,
        heads: facts.heads,
        key_value_heads,
        head_dim,
        hidden: facts.hidden,
        feed_forward: facts.feed_forward,
        epsilon,
        rope: Rope {
            pairing,
            base,
            dims: facts.rope_dims.unwrap_or(head_dim),
            scaling,
        },
        context: facts.context,
        window: facts.window,
        vocabulary: embedding.rows(),
        tied,
    };
    check(&config, facts.value_dim)?;
    Ok(config)
}

/// What the tensors do not check by their shapes.
fn check(config: &Config, value_dim: Option<usize>) -> Result<(), Error> {
    if value_dim.is_some_and(|value_dim| value_dim != config.head_dim) {
        return Err(Error::not_covered("values of another length than keys"));
    }
    for (field, number) in [
        ("layers", config.layers),
        ("heads", config.heads),
        ("key/value heads", config.key_value_heads),
        ("head dim", config.head_dim),
        ("hidden size", config.hidden),
        ("feed-forward size", config.feed_forward),
        ("vocabulary", config.vocabulary),
    ] {
        if number == 0 {
            return Err(Error::model(field, "at least 1", number));
        }
    }
    divided(config.heads, config.key_value_heads, "heads")?;
    if config.heads.checked_mul(config.head_dim).is_none() {
        return Err(Error::model(
            "head dim",
            "a smaller number",
            config.head_dim,
        ));
    }
    let dims = config.rope.dims;
    if dims < 2 || !dims.is_multiple_of(2) || dims > config.head_dim {
        let expected = format_args!("an even number from 2 to {}", config.head_dim);
        return Err(Error::model("rope dims", expected, dims));
    }
    if !(config.rope.base.is_finite() && config.rope.base > 0.0) {
        return Err(Error::model(
            "rope base",
            "a positive number",
            config.rope.base,
        ));
    }
    Ok(())
}

#[expect(
    clippy::arithmetic_side_effects,
    reason = "`check` has bounded the product of heads and head dim"
)]
fn layer(config: &Config, index: usize, tensors: &mut Tensors<'_>) -> Result<Layer, Error> {
    let (hidden, feed_forward) = (Some(config.hidden), Some(config.feed_forward));
    let query = Some(config.heads * config.head_dim);
    let key_value = Some(config.key_value_heads * config.head_dim);
    let mut take = |part, dims: &[Option<usize>]| tensors.take(Role::Layer(index, part), dims);
    let head_norms = match config.architecture {
        Architecture::Qwen3 => {
            let dims = [Some(config.head_dim)];
            Some([take(Part::QueryNorm, &dims)?, take(Part::KeyNorm, &dims)?])
        }
        _ => None,
    };
    let mut layer = Layer {
        attention_norm: take(Part::AttentionNorm, &[hidden])?,
        query: take(Part::Query, &[hidden, query])?,
        key: take(Part::Key, &[hidden, key_value])?,
        value: take(Part::Value, &[hidden, key_value])?,
        biases: None,
        head_norms,
        attention_output: take(Part::AttentionOutput, &[query, hidden])?,
        feed_forward_norm: take(Part::FeedForwardNorm, &[hidden])?,
        gate: take(Part::Gate, &[hidden, feed_forward])?,
        up: take(Part::Up, &[hidden, feed_forward])?,
        down: take(Part::Down, &[feed_forward, hidden])?,
    };
    let biases = [Part::QueryBias, Part::KeyBias, Part::ValueBias];
    let some = biases
        .iter()
        .any(|part| tensors.has(Role::Layer(index, *part)));
    let covered = match config.architecture {
        Architecture::Qwen2 => true,
        Architecture::Llama | Architecture::Mistral => some,
        Architecture::Qwen3 => false,
    };
    if covered {
        let [q, k, v] = biases.map(|part| Role::Layer(index, part));
        layer.biases = Some([
            tensors.take(q, &[query])?,
            tensors.take(k, &[key_value])?,
            tensors.take(v, &[key_value])?,
        ]);
    }
    Ok(layer)
}

/// What leaves out a tensor that an engine would use is not that model.
fn refuse_unread<'a>(left: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut used = left.filter(|name| is_used_elsewhere(name));
    let Some(first) = used.next() else {
        return Ok(());
    };
    let first = first.escape_debug();
    Err(match used.count() {
        0 => Error::not_covered(format_args!("tensor \"{first}\"")),
        more => Error::not_covered(format_args!("tensor \"{first}\" and {more} more")),
    })
}

fn divided(number: usize, by: usize, field: &str) -> Result<usize, Error> {
    match (number.checked_rem(by), number.checked_div(by)) {
        (Some(0), Some(quotient)) => Ok(quotient),
        _ => Err(Error::model(
            field,
            format_args!("a multiple of {by}"),
            number,
        )),
    }
}

const fn uses_factors(architecture: Architecture) -> bool {
    matches!(architecture, Architecture::Llama | Architecture::Mistral)
}
