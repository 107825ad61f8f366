//! What YaRN multiplies: cosines and sines, and the scores of deepseek2.

use architectures::YarnKeys;

use crate::{
    error::Error,
    model::{Rope, Scaling, Yarn, keys::Keys},
    program::ScoreScale,
};

/// What cosines and sines are multiplied by.
///
/// llama.cpp makes it of two parts: the context divides by 1 + 0.1 ln(factor), and each rotation multiplies by the same of
/// its own factor (src/llama-context.cpp, `rope_yarn` of ggml). Where a layer is not stretched, only the division is left.
pub(super) struct Magnitude {
    pub(super) stretched: f64,
    pub(super) unstretched: f64,
}

impl Magnitude {
    pub(super) fn new(
        yarn: YarnKeys,
        keys: &Keys<'_>,
        scaling: &Scaling,
        stated: Option<f32>,
    ) -> Result<Self, Error> {
        // Asked for without YaRN as well: the key is one that the architecture reads.
        let multiplier = log_multiplier(yarn, keys)?;
        let attention = f64::from(stated.unwrap_or(1.0));
        let Scaling::Yarn(numbers) = scaling else {
            return Ok(Self {
                stretched: attention,
                unstretched: attention,
            });
        };
        let factor = f64::from(numbers.factor);
        let grown = |by: f64| match factor <= 1.0 {
            true => 1.0,
            false => 1.0 + 0.1 * by * libm::log(factor),
        };
        let above = match yarn {
            YarnKeys::Deepseek if multiplier != 0.0 && multiplier != 1.0 => grown(multiplier),
            _ => grown(1.0),
        };
        let ratio = above / grown(multiplier);
        Ok(Self {
            stretched: attention * ratio,
            unstretched: attention * (ratio / (1.0 + 0.1 * libm::log(factor))),
        })
    }
}

/// What `yarn_log_multiplier` means for an architecture.
fn log_multiplier(yarn: YarnKeys, keys: &Keys<'_>) -> Result<f64, Error> {
    let stated = || -> Result<f64, Error> {
        let stated = keys.float("rope.scaling.yarn_log_multiplier")?;
        Ok(stated.unwrap_or(0.0).into())
    };
    Ok(match yarn {
        YarnKeys::Plain => 0.0,
        YarnKeys::Betas => stated()?,
        YarnKeys::Deepseek => stated()? / 0.1,
    })
}

/// deepseek2 scales the scores by what its rotation grows by, once more by the multiplier, whatever the type of the
/// scaling (src/models/deepseek2.cpp of llama.cpp).
pub(super) fn score_scale(
    yarn: YarnKeys,
    keys: &Keys<'_>,
    key: usize,
    rope: &Rope,
) -> Result<ScoreScale, Error> {
    let usual = ScoreScale::InverseRoot(key);
    if yarn != YarnKeys::Deepseek {
        return Ok(usual);
    }
    let grown = |by: f64, factor: f32| 1.0 + 0.1 * by * libm::log(factor.into());
    let multiplier = log_multiplier(yarn, keys)?;
    let grown = match rope.scaling {
        Scaling::Yarn(Yarn { factor, .. }) => grown(multiplier, factor),
        Scaling::Linear { factor } => grown(1.0, factor) * grown(multiplier, factor),
        Scaling::None => 1.0,
    };
    let grown = rope.magnitude * grown;
    Ok(match grown == 1.0 {
        true => usual,
        false => ScoreScale::Is(grown * grown / (key as f64).sqrt()),
    })
}
