//! The stages of a run and their sizes, before it runs.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of a model that fits its file"
)]

use inference::{Model, Stage, Step, internals::program};

/// Returns the stages that a run of `tokens` tokens hands out, in execution order, and the values of each for a token.
pub fn stage_widths(model: &Model, tokens: usize) -> Vec<(Step, usize)> {
    let steps = program(model).into_iter();
    steps
        .map(|step| (step, width(model, step.stage, tokens)))
        .collect()
}

fn width(model: &Model, stage: Stage, tokens: usize) -> usize {
    let config = &model.config;
    let of_heads = |heads: usize| heads * config.head_dim;
    match stage {
        Stage::QPreBias | Stage::QPostBias | Stage::QNorm | Stage::QRope | Stage::Attention => {
            of_heads(config.heads)
        }
        Stage::KPreBias | Stage::KPostBias | Stage::KNorm | Stage::KRope => {
            of_heads(config.key_value_heads)
        }
        Stage::VPreBias | Stage::VPostBias => of_heads(config.key_value_heads),
        Stage::AttnScores | Stage::AttnSoftmax => config.heads * tokens,
        Stage::FfnGate | Stage::FfnUp | Stage::FfnSilu | Stage::FfnSwiglu => config.feed_forward,
        Stage::Logits => config.vocabulary,
        Stage::Embedding
        | Stage::AttnNorm
        | Stage::AttnOut
        | Stage::FfnInp
        | Stage::FfnNorm
        | Stage::FfnDown
        | Stage::LayerOut
        | Stage::FinalNorm => config.hidden,
    }
}
