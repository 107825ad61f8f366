//! The inputs of a stage: the tensors and numbers of a model that its value depends on, besides earlier stages.

use crate::{
    arithmetic::attention::scale,
    model::{Config, Model, Scaling, Tensor},
    program::{Stage, Step},
};

/// The tensors and the settings that a step reads.
#[derive(Debug, Clone, PartialEq)]
pub struct Feeds<'a> {
    /// The tensors.
    pub tensors: Vec<&'a Tensor>,
    /// The numbers of the model.
    pub settings: Vec<Setting>,
}

/// A number of a model as text, so that two of them compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name: that of the key in APR files.
    pub name: &'static str,
    /// The value; floats as their shortest text that reads back to the same bits.
    pub value: String,
}

impl Model {
    /// Returns what a step reads of the model. Two models with equal feeds and equal earlier stages have an equal stage.
    pub fn feeds(&self, step: Step) -> Feeds<'_> {
        Feeds {
            tensors: self.tensor(step).into_iter().collect(),
            settings: settings(&self.config, step.stage),
        }
    }

    /// The tensor that a step reads: the matrix of a product, the weight of a norm, a bias, the factors of rope, or the
    /// rows that are looked up.
    pub fn tensor(&self, step: Step) -> Option<&Tensor> {
        let layer = step.layer.and_then(|layer| self.layers.get(layer));
        let bias = |which: usize| layer?.biases.as_ref()?.get(which);
        let head_norm = |which: usize| layer?.head_norms.as_ref()?.get(which);
        match step.stage {
            Stage::Embedding => Some(&self.embedding),
            Stage::AttnNorm => layer.map(|layer| &layer.attention_norm),
            Stage::QPreBias => layer.map(|layer| &layer.query),
            Stage::KPreBias => layer.map(|layer| &layer.key),
            Stage::VPreBias => layer.map(|layer| &layer.value),
            Stage::QPostBias => bias(0),
            Stage::KPostBias => bias(1),
            Stage::VPostBias => bias(2),
            Stage::QNorm => head_norm(0),
            Stage::KNorm => head_norm(1),
            Stage::QRope | Stage::KRope => self.rope_factors.as_ref(),
            Stage::AttnOut => layer.map(|layer| &layer.attention_output),
            Stage::FfnNorm => layer.map(|layer| &layer.feed_forward_norm),
            Stage::FfnGate => layer.map(|layer| &layer.gate),
            Stage::FfnUp => layer.map(|layer| &layer.up),
            Stage::FfnDown => layer.map(|layer| &layer.down),
            Stage::FinalNorm => Some(&self.final_norm),
            Stage::Logits => Some(&self.output),
            Stage::AttnScores
            | Stage::AttnSoftmax
            | Stage::Attention
            | Stage::FfnInp
            | Stage::FfnSilu
            | Stage::FfnSwiglu
            | Stage::LayerOut => None,
        }
    }
}

fn settings(config: &Config, stage: Stage) -> Vec<Setting> {
    let heads = ("num_heads", config.heads.to_string());
    let key_value_heads = ("num_kv_heads", config.key_value_heads.to_string());
    let head_dim = ("head_dim", config.head_dim.to_string());
    let epsilon = ("rms_norm_eps", config.epsilon.to_string());
    let settings = match stage {
        Stage::AttnNorm | Stage::FfnNorm | Stage::FinalNorm | Stage::QNorm | Stage::KNorm => {
            vec![epsilon]
        }
        Stage::QPreBias => vec![heads, head_dim],
        Stage::KPreBias | Stage::VPreBias => vec![key_value_heads, head_dim],
        Stage::QRope | Stage::KRope => {
            let mut settings = vec![
                ("rope_type", config.rope.pairing.id().to_string()),
                ("rope_theta", config.rope.base.to_string()),
                ("rope_dimension_count", config.rope.dims.to_string()),
                head_dim,
            ];
            settings.extend(scaling(&config.rope.scaling));
            settings
        }
        Stage::AttnScores => vec![
            heads,
            key_value_heads,
            head_dim,
            ("attention_scale", scale::<f32>(config.head_dim).to_string()),
        ],
        Stage::Attention => vec![heads, key_value_heads, head_dim],
        _ => Vec::new(),
    };
    settings
        .into_iter()
        .map(|(name, value)| Setting { name, value })
        .collect()
}

/// The keys of an APR file for what both formats say.
fn scaling(scaling: &Scaling) -> Vec<(&'static str, String)> {
    match scaling {
        Scaling::None => vec![("rope_scaling.type", "none".to_owned())],
        Scaling::Linear { factor } => vec![
            ("rope_scaling.type", "linear".to_owned()),
            ("rope_scaling.factor", factor.to_string()),
        ],
        Scaling::Yarn(yarn) => vec![
            ("rope_scaling.type", "yarn".to_owned()),
            ("rope_scaling.factor", yarn.factor.to_string()),
            (
                "rope_scaling.original_context_length",
                yarn.original_context.to_string(),
            ),
            (
                "rope_scaling.yarn_ext_factor",
                yarn.extrapolation.to_string(),
            ),
            ("rope_scaling.attn_factor", yarn.attention.to_string()),
            ("rope_scaling.yarn_beta_fast", yarn.beta_fast.to_string()),
            ("rope_scaling.yarn_beta_slow", yarn.beta_slow.to_string()),
        ],
    }
}
