//! The stages of a run and their sizes, before it runs.

use crate::{
    model::Model,
    stage::{Stage, Step},
};

/// Returns the stages that a run of `tokens` tokens hands out, in execution order, and the values of each for a token.
pub fn stage_widths(model: &Model, tokens: usize) -> Vec<(Step, usize)> {
    let config = &model.config;
    let mut out = vec![(Step::of_model(Stage::Embedding), config.hidden)];
    for (index, layer) in model.layers.iter().enumerate() {
        let (q, k, v) = (layer.query.rows(), layer.key.rows(), layer.value.rows());
        let scores = config.heads.saturating_mul(tokens);
        let mut add = |stage, width| out.push((Step::in_layer(index, stage), width));
        add(Stage::AttnNorm, config.hidden);
        add(Stage::QPreBias, q);
        add(Stage::KPreBias, k);
        add(Stage::VPreBias, v);
        if layer.biases.is_some() {
            add(Stage::QPostBias, q);
            add(Stage::KPostBias, k);
            add(Stage::VPostBias, v);
        }
        if layer.head_norms.is_some() {
            add(Stage::QNorm, q);
            add(Stage::KNorm, k);
        }
        add(Stage::QRope, q);
        add(Stage::KRope, k);
        add(Stage::AttnScores, scores);
        add(Stage::AttnSoftmax, scores);
        add(Stage::Attention, layer.attention_output.columns());
        add(Stage::AttnOut, config.hidden);
        add(Stage::FfnInp, config.hidden);
        add(Stage::FfnNorm, config.hidden);
        add(Stage::FfnGate, layer.gate.rows());
        add(Stage::FfnUp, layer.up.rows());
        add(Stage::FfnSilu, layer.gate.rows());
        add(Stage::FfnSwiglu, layer.gate.rows());
        add(Stage::FfnDown, config.hidden);
        add(Stage::LayerOut, config.hidden);
    }
    out.push((Step::of_model(Stage::FinalNorm), config.hidden));
    out.push((Step::of_model(Stage::Logits), config.vocabulary));
    out
}
