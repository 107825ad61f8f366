//! The numbers of one file: what its architecture reads, with the values of llama.cpp where a key is absent.

use architectures::{
    Architecture, AttentionScale, Factor, HeadNormOf, NormKind, Number, RopeKind, RopeLayers,
    WindowKind,
};

use super::{
    kinds::{recurrent, windows},
    rope,
};
use crate::{
    error::Error,
    model::{
        Assumption, Config, Format, Pairing, Rope,
        keys::Keys,
        tensors::{Place, Tensors},
    },
    program::{Reach, ScoreScale},
};

/// The numbers of a model.
#[derive(Debug)]
pub(super) struct Numbers {
    architecture: &'static Architecture,
    pub(super) layers: usize,
    /// Those and the ones behind them that draft later tokens, which no logits come from.
    pub(super) blocks: usize,
    pub(super) hidden: usize,
    pub(super) epsilon: f32,
    pub(super) context: usize,
    pub(super) vocabulary: usize,
    /// Prompts that are longer are not covered.
    window: Option<usize>,
    pub(super) scale: ScoreScale,
    pub(super) per_layer: Vec<LayerNumbers>,
}

/// The numbers of a layer.
#[derive(Debug, Clone)]
pub(super) struct LayerNumbers {
    pub(super) heads: usize,
    pub(super) key_value_heads: usize,
    pub(super) key_dim: usize,
    pub(super) value_dim: usize,
    pub(super) feed_forward: usize,
    pub(super) has_window: bool,
    pub(super) reach: Reach,
    /// The rotation of a layer that rotates.
    pub(super) rope: Option<Rope>,
    pub(super) recurrent: bool,
}

impl Numbers {
    pub(super) fn resolve(
        architecture: &'static Architecture,
        format: Format,
        keys: &Keys<'_>,
        tensors: &Tensors,
        pairing: Option<Pairing>,
        assumptions: &mut Vec<Assumption>,
    ) -> Result<Self, Error> {
        let mut assume = |what: String, value: String, why| {
            assumptions.push(Assumption { what, value, why });
        };
        keys.require(architecture.required)?;
        let blocks = keys.needed("block_count")?;
        if blocks > tensors.left.len() {
            // Each has tensors, and what a file says of each is kept.
            let expected = format_args!("no more than the {} tensors", tensors.left.len());
            return Err(Error::model(keys.name("block_count"), expected, blocks));
        }
        let drafts = match format {
            Format::Gguf => keys.count(DRAFTS)?.unwrap_or(0),
            // The number of layers of Hugging Face has no drafts in it.
            Format::Apr => 0,
        };
        let Some(layers) = blocks.checked_sub(drafts) else {
            let expected = format_args!("at most {blocks}");
            return Err(Error::model(keys.name(DRAFTS), expected, drafts));
        };
        let head_counts = keys.counts("attention.head_count", layers)?;
        let head_counts = head_counts
            .ok_or_else(|| Error::model(keys.name("attention.head_count"), "an integer", "none"))?;
        let key_value_heads = keys.counts("attention.head_count_kv", layers)?;
        let hidden = keys.needed("embedding_length")?;
        // A model of experts alone has no other size.
        let feed_forward = match architecture.experts {
            Some(_) => keys
                .counts("feed_forward_length", layers)?
                .unwrap_or_else(|| vec![0; layers]),
            None => keys.counts("feed_forward_length", layers)?.ok_or_else(|| {
                Error::model(keys.name("feed_forward_length"), "an integer", "none")
            })?,
        };
        let context = keys.needed("context_length")?;
        let heads = head_counts.iter().copied().max().unwrap_or_default();
        let key_value_heads = key_value_heads.unwrap_or_else(|| {
            let why = "as many as query heads";
            assume(keys.name("attention.head_count_kv"), heads.to_string(), why);
            head_counts.clone()
        });
        let key_dim = match keys.count("attention.key_length")? {
            Some(key_dim) => key_dim,
            None => {
                let (length, why) = match format {
                    Format::Gguf => (hidden, "the hidden size divided by the heads"),
                    Format::Apr => {
                        let rows = tensors.rows(Place {
                            layer: Some(0),
                            part: "attn_q.weight",
                        });
                        let why = "the rows of the first query matrix divided by the heads";
                        (rows.unwrap_or(hidden), why)
                    }
                };
                let name = keys.name("attention.key_length");
                let key_dim = divided(length, heads, &name)?;
                assume(name, key_dim.to_string(), why);
                key_dim
            }
        };
        let value_dim = keys.count("attention.value_length")?.unwrap_or(key_dim);
        let epsilon_key = match architecture.norm {
            NormKind::Rms => "attention.layer_norm_rms_epsilon",
            NormKind::Layer | NormKind::LayerWithoutWeight => "attention.layer_norm_epsilon",
        };
        let mut epsilon = keys.float(epsilon_key)?;
        if epsilon.is_none() && architecture.norm == NormKind::Rms && architecture.one_block {
            epsilon = keys.float("attention.layer_norm_epsilon")?;
        }
        let epsilon = epsilon.unwrap_or_else(|| {
            let epsilon = architecture.usual_epsilon;
            let why = "what published models of the architecture have";
            assume(keys.name(epsilon_key), epsilon.to_string(), why);
            epsilon
        });
        let vocabulary = tensors.dims(Place {
            layer: None,
            part: "token_embd.weight",
        });
        let vocabulary = vocabulary.and_then(|dims| dims.get(1).copied());
        let vocabulary = vocabulary.unwrap_or_default();
        // It says what the embedding shows.
        if keys.unread("vocab_size")? == Some(vocabulary) {
            keys.knows("vocab_size");
        }
        for (field, number) in [
            ("layers", layers),
            ("heads", heads),
            ("head dim", key_dim),
            ("hidden size", hidden),
        ] {
            if number == 0 {
                return Err(Error::model(field, "at least 1", number));
            }
        }
        let windows = windows(architecture, keys, layers)?;
        let mut turned = rope::ropes(
            architecture,
            format,
            keys,
            tensors,
            pairing,
            (context, key_dim),
            assumptions,
        )?;
        let recurrent = recurrent(architecture, keys, &key_value_heads, &feed_forward)?;
        let any_window = windows.iter().any(Option::is_some);
        let finetuned = match architecture.rope_layers {
            RopeLayers::Finetuned => keys.flag("rope.scaling.finetuned")?.unwrap_or(true),
            _ => true,
        };
        let rotates = |layer: usize, has_window: bool| {
            // A file of llama 4 without windows has its own rule.
            let chunked = architecture
                .window
                .is_some_and(|window| window.kind == WindowKind::Chunked);
            match architecture.rope_layers {
                _ if architecture.rope == RopeKind::None => false,
                RopeLayers::AllButEvery(_) if chunked && !any_window => {
                    layer.checked_add(1) != Some(layers)
                }
                RopeLayers::All => true,
                RopeLayers::Window => has_window,
                RopeLayers::WindowIfAny => has_window || !any_window,
                RopeLayers::AllButEvery(n) => !layer.wrapping_add(1).is_multiple_of(n),
                RopeLayers::Finetuned => finetuned,
            }
        };
        let swa = |key, other: usize| {
            // Without windows it is not read.
            let stated = if any_window { keys.count(key)? } else { None };
            match stated {
                Some(stated) if stated != other && !architecture.shared_keys => {
                    let key = keys.name(key);
                    let what = format_args!("{key} {stated}, where other layers have {other}");
                    Err(Error::not_covered(what))
                }
                stated => Ok(stated.unwrap_or(other)),
            }
        };
        turned.window.dims = swa("rope.dimension_count_swa", turned.window.dims)?;
        let dims_swa = (
            swa("attention.key_length_swa", key_dim)?,
            swa("attention.value_length_swa", value_dim)?,
        );
        let mut per_layer = Vec::new();
        for layer in 0..layers {
            let reach = windows.get(layer).copied().flatten();
            let has_window = reach.is_some();
            let (key_dim, value_dim) = match has_window {
                true => dims_swa,
                false => (key_dim, value_dim),
            };
            let at = |numbers: &[usize]| numbers.get(layer).copied().unwrap_or_default();
            let rope = match has_window {
                true => &turned.window,
                false => &turned.full,
            };
            let numbers = LayerNumbers {
                heads: at(&head_counts),
                key_value_heads: at(&key_value_heads),
                key_dim,
                value_dim,
                feed_forward: at(&feed_forward),
                has_window,
                reach: reach.unwrap_or(Reach::All),
                rope: rotates(layer, has_window).then(|| rope.clone()),
                recurrent: recurrent.get(layer).copied().unwrap_or_default(),
            };
            if !numbers.recurrent && numbers.key_value_heads != 0 {
                divided(numbers.heads, numbers.key_value_heads, "heads")?;
            }
            per_layer.push(numbers);
        }
        let scale = score_scale(
            architecture,
            keys,
            (layers, hidden, heads),
            key_dim,
            &turned.full,
        )?;
        if !architecture.latent {
            for layer in per_layer.iter().filter(|layer| layer.rope.is_some()) {
                check_rope(layer)?;
            }
        }
        let window = match architecture.window {
            Some(_) => None,
            None => keys
                .unread("attention.sliding_window")?
                .filter(|window| *window != 0 && !architecture.ignores_window),
        };
        Ok(Self {
            architecture,
            layers,
            blocks,
            hidden,
            epsilon,
            context,
            vocabulary,
            window,
            scale,
            per_layer,
        })
    }

    pub(super) fn config(&self, tied: bool) -> Config {
        Config {
            architecture: self.architecture,
            layers: self.layers,
            drafts: self.blocks.saturating_sub(self.layers),
            hidden: self.hidden,
            epsilon: self.epsilon,
            context: self.context,
            window: self.window,
            vocabulary: self.vocabulary,
            tied,
        }
    }

    /// The value of a factor, of which 0 means 1.
    pub(super) fn factor(&self, factor: Factor, keys: &Keys<'_>) -> Result<f64, Error> {
        let value = match factor {
            Factor::One => 1.0,
            Factor::RootOfHidden => (self.hidden as f64).sqrt(),
            Factor::Fixed(number) => self.number(number),
            Factor::Key(key, default) => match keys.float(key)? {
                Some(value) => value.into(),
                None => self.number(default),
            },
        };
        Ok(if value == 0.0 { 1.0 } else { value })
    }

    pub(super) fn number(&self, number: Number) -> f64 {
        match number {
            Number::Is(number) => number,
            Number::ByDepth => 1.4 / (self.layers as f64).sqrt(),
            Number::ByWidth => 256.0 / self.hidden as f64,
        }
    }
}

/// Of the layers the last ones that draft later tokens: llama.cpp counts none of them, whatever the architecture.
const DRAFTS: &str = "nextn_predict_layers";

fn score_scale(
    architecture: &Architecture,
    keys: &Keys<'_>,
    (layers, hidden, heads): (usize, usize, usize),
    key_dim: usize,
    rope: &Rope,
) -> Result<ScoreScale, Error> {
    let usual = ScoreScale::InverseRoot(key_dim);
    Ok(match architecture.scale {
        AttentionScale::HeadDim => {
            keys.knows_as("attention.scale", usual.as_f32())?;
            usual
        }
        AttentionScale::Key => match keys.float("attention.scale")? {
            Some(scale) if scale != 0.0 => ScoreScale::Is(scale.into()),
            _ => usual,
        },
        AttentionScale::One => ScoreScale::Is(1.0),
        AttentionScale::RopeDims => ScoreScale::InverseRoot(rope.dims),
        AttentionScale::ByDepth(special) if layers == special => {
            ScoreScale::InverseRoot(divided(hidden, heads, "heads")?)
        }
        AttentionScale::ByDepth(_) => usual,
    })
}

fn check_rope(layer: &LayerNumbers) -> Result<(), Error> {
    let Some(rope) = &layer.rope else {
        return Ok(());
    };
    if rope.dims < 2 || !rope.dims.is_multiple_of(2) || rope.dims > layer.key_dim {
        let expected = format_args!("an even number from 2 to {}", layer.key_dim);
        return Err(Error::model("rope dims", expected, rope.dims));
    }
    Ok(())
}

/// Whether the heads of an architecture have norms, in a file with this number of experts.
pub(super) fn has_head_norms(architecture: &Architecture, keys: &Keys<'_>) -> Result<bool, Error> {
    Ok(match architecture.head_norm {
        None => false,
        Some(norm) if norm.of == HeadNormOf::Unit => keys.count("expert_count")? != Some(128),
        Some(_) => true,
    })
}

pub(super) fn divided(number: usize, by: usize, field: &str) -> Result<usize, Error> {
    match (number.checked_rem(by), number.checked_div(by)) {
        (Some(0), Some(quotient)) => Ok(quotient),
        _ => Err(Error::model(
            field,
            format_args!("a multiple of {by}"),
            number,
        )),
    }
}
