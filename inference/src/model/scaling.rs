//! Rope scaling as both formats state it.

use super::config::{Assumption, Format, Scaling, Yarn};
use crate::error::Error;

/// What a file says about rope scaling.
#[derive(Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct ScalingKeys {
    pub(crate) kind: Option<String>,
    pub(crate) factor: Option<f32>,
    pub(crate) original_context: Option<usize>,
    pub(crate) attention: Option<f32>,
    /// Turns above which a pair is fast, and below which it is slow.
    pub(crate) betas: (f32, f32),
}

impl ScalingKeys {
    /// The factor of layers that the type `none` does not reach: in llama.cpp it turns off that of the context, and these
    /// layers ask the model (src/llama-context.cpp, `get_rope_freq_scale` in src/llama-model.cpp).
    pub(crate) fn own_factor(&self) -> Option<f32> {
        let factor = self.factor.filter(|factor| *factor != 0.0);
        factor.filter(|_| self.kind.as_deref() == Some("none"))
    }

    /// Settles the scaling; a factor without a type is linear, as in llama.cpp.
    ///
    /// `default` and `llama3` are words of Hugging Face, which an APR file may have. llama.cpp stops at any word but `none`,
    /// `linear`, `yarn` and `longrope` (`LLAMA_ROPE_SCALING_TYPES` in src/llama-model.cpp): a GGUF with one runs nowhere.
    pub(crate) fn settle(
        self,
        format: Format,
        context: usize,
        has_factors: bool,
        assumptions: &mut Vec<Assumption>,
    ) -> Result<Scaling, Error> {
        let factor = self.factor.filter(|factor| *factor != 0.0);
        if let Some(factor) = factor.filter(|factor| !factor.is_finite() || *factor < 0.0) {
            let expected = "a positive number";
            return Err(Error::model("rope scaling factor", expected, factor));
        }
        match (self.kind.as_deref(), factor) {
            (Some("none"), _) | (None, None) => Ok(Scaling::None),
            (Some("default"), _) if format == Format::Apr => Ok(Scaling::None),
            // The tensor of factors holds all of it.
            (Some("llama3"), _) if format == Format::Apr && has_factors => Ok(Scaling::None),
            (None, Some(factor)) => {
                assumptions.push(Assumption {
                    what: "type of rope scaling".to_owned(),
                    value: "linear".to_owned(),
                    why: "as llama.cpp does for a factor without a type",
                });
                Ok(Scaling::Linear { factor })
            }
            // The tensors of factors hold most of it.
            (Some("longrope"), None) if has_factors => Ok(Scaling::None),
            (Some("longrope"), Some(factor)) if has_factors => Ok(Scaling::Linear { factor }),
            (Some("linear"), factor) => Ok(Scaling::Linear {
                factor: factor.unwrap_or(1.0),
            }),
            (Some("yarn"), factor) => Ok(Scaling::Yarn(Yarn {
                factor: factor.unwrap_or(1.0),
                original_context: self.original_context.unwrap_or_else(|| {
                    assumptions.push(Assumption {
                        what: "original context of rope scaling".to_owned(),
                        value: context.to_string(),
                        why: "the context of the model, as llama.cpp does",
                    });
                    context
                }),
                attention: self.attention.unwrap_or(1.0),
                extrapolation: 1.0,
                beta_fast: self.betas.0,
                beta_slow: self.betas.1,
            })),
            (Some(kind), _) => Err(Error::not_covered(format_args!(
                "rope scaling \"{}\"",
                kind.escape_debug()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_alone_is_linear_and_says_so() {
        let keys = ScalingKeys {
            factor: Some(2.0),
            ..ScalingKeys::default()
        };
        let mut assumptions = Vec::new();
        let scaling = keys.settle(Format::Gguf, 2048, false, &mut assumptions);
        assert_eq!(scaling, Ok(Scaling::Linear { factor: 2.0 }));
        assert_eq!(assumptions.len(), 1);
    }

    #[test]
    fn a_word_that_llama_cpp_does_not_know_is_not_covered() {
        for (kind, has_factors, in_gguf, in_apr) in [
            ("llama3", true, false, true),
            ("llama3", false, false, false),
            ("default", false, false, true),
            ("longrope", true, true, true),
            ("longrope", false, false, false),
            ("ntk", true, false, false),
            ("Linear", false, false, false),
            ("", true, false, false),
            ("none", false, true, true),
        ] {
            for (format, covered) in [(Format::Gguf, in_gguf), (Format::Apr, in_apr)] {
                let keys = ScalingKeys {
                    kind: Some(kind.to_owned()),
                    factor: Some(8.0),
                    ..ScalingKeys::default()
                };
                match keys.settle(format, 2048, has_factors, &mut Vec::new()) {
                    Ok(_) => assert!(covered, "{kind} {format:?}"),
                    Err(error) => {
                        let text = format!("not covered (rope scaling \"{kind}\")");
                        assert_eq!((error.to_string(), covered), (text, false), "{format:?}");
                    }
                }
            }
        }
    }
}
