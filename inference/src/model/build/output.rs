//! What stands before the first layer and behind the last one.

use architectures::{LogitScale, Output};

use super::{Builder, TIED, setting};
use crate::{
    error::Error,
    model::{Assumption, Format, tensor::Tensor},
    program::{Op, Slot, Stage, Width},
};

impl Builder<'_> {
    /// The rows of the tokens, and what is added to them.
    pub(super) fn embedding(&mut self) -> Result<(), Error> {
        let hidden = self.numbers.hidden;
        let dims = [hidden, self.numbers.vocabulary];
        let table = self.take(None, "token_embd.weight", &dims)?;
        if table.rows() == 0 {
            return Err(Error::model("vocabulary", "at least 1", 0));
        }
        let to = (Slot::Residual, Width::Token(hidden));
        self.push(None, Stage::Embedding, Op::Lookup { table }, to);
        let factor = self
            .numbers
            .factor(self.architecture.embedding_scale, self.keys)?;
        if factor != 1.0 {
            let settings = self.push(None, Stage::EmbeddingScaled, Op::Scale { factor }, to);
            settings.push(setting("embedding_scale", factor));
        }
        if self.architecture.learned_positions {
            let table = self.take(
                None,
                "position_embd.weight",
                &[hidden, self.numbers.context],
            )?;
            self.push(
                None,
                Stage::EmbeddingPositions,
                Op::AddPositions { table },
                to,
            );
        }
        if self.architecture.embedding_norm {
            let slots = (Slot::Residual, Slot::Residual);
            self.norm(None, Stage::EmbeddingNorm, "token_embd_norm", slots, hidden)?;
        }
        self.layer_inputs()
    }

    /// The final norm and the logits; returns whether the embedding makes them.
    pub(super) fn output(&mut self, format: Format) -> Result<bool, Error> {
        let hidden = self.numbers.hidden;
        let slots = (Slot::Residual, Slot::Normed);
        let name = self.architecture.final_norm;
        self.norm(None, Stage::FinalNorm, name, slots, hidden)?;
        let factor = self
            .numbers
            .factor(self.architecture.final_scale, self.keys)?;
        if factor != 1.0 {
            let to = (Slot::Normed, Width::Token(hidden));
            self.push(None, Stage::FinalScaled, Op::Scale { factor }, to);
        }
        let (matrix, tied) = self.output_matrix(format)?;
        let vocabulary = matrix.rows();
        let mut steps = vec![(
            Stage::Output,
            Op::Product {
                from: Slot::Normed,
                matrix,
            },
            None,
        )];
        if let Some(vector) = self.further_bias(None, "output", vocabulary)? {
            steps.push((Stage::OutputBias, Op::AddVector { vector }, None));
        }
        let factor = self.logit_factor()?;
        if factor != 1.0 {
            let shown = setting("logit_scale", factor);
            steps.push((Stage::OutputScaled, Op::Scale { factor }, Some(shown)));
        }
        let limit = match self.architecture.logit_cap {
            None => 0.0,
            Some(default) => {
                let stated = self.keys.float("final_logit_softcapping")?;
                stated.unwrap_or(default)
            }
        };
        if limit != 0.0 {
            let shown = setting("final_logit_softcapping", limit);
            steps.push((Stage::OutputScaled, Op::Cap { limit }, Some(shown)));
        }
        // What comes last are the logits.
        let last = steps.len().checked_sub(1);
        for (number, (stage, op, shown)) in steps.into_iter().enumerate() {
            let stage = match Some(number) == last {
                true => Stage::Logits,
                false => stage,
            };
            let to = (Slot::Out, Width::Token(vocabulary));
            self.push(None, stage, op, to).extend(shown);
        }
        Ok(tied)
    }

    fn output_matrix(&mut self, format: Format) -> Result<(Tensor, bool), Error> {
        let dims = [self.numbers.hidden, self.numbers.vocabulary];
        let stated = self.keys.flag(TIED)?;
        let present = self.has(None, "output.weight");
        let tied = match (self.architecture.output, present, stated) {
            (Output::Embedding, ..) => true,
            (Output::Own, ..) | (Output::OwnOrEmbedding, true, _) => false,
            (Output::OwnOrEmbedding, false, Some(true)) => true,
            (Output::OwnOrEmbedding, false, Some(false)) => {
                let key = "tied_embeddings";
                return Err(Error::model(key, "an output matrix", "none, and false"));
            }
            (Output::OwnOrEmbedding, false, None) => {
                let what = match format {
                    Format::Gguf => "tied flag",
                    Format::Apr => "tied_embeddings",
                };
                self.assumptions.push(Assumption {
                    what: what.to_owned(),
                    value: "true".to_owned(),
                    why: "since there is no output matrix",
                });
                true
            }
        };
        if !tied {
            return Ok((self.take(None, "output.weight", &dims)?, false));
        }
        match self.program.first().map(|first| &first.op) {
            Some(Op::Lookup { table }) => Ok((table.clone(), true)),
            _ => unreachable!("every program starts with the rows of the tokens"),
        }
    }

    fn logit_factor(&self) -> Result<f64, Error> {
        let stated =
            || -> Result<Option<f64>, Error> { Ok(self.keys.float("logit_scale")?.map(f64::from)) };
        Ok(match self.architecture.logit_scale {
            LogitScale::None => 1.0,
            LogitScale::Multiply => match stated()?.unwrap_or(0.0) {
                0.0 => 1.0,
                scale => scale,
            },
            LogitScale::Divide(default) => {
                let default = default.map(|number| self.numbers.number(number));
                let scale = stated()?.or(default);
                let key = self.keys.name("logit_scale");
                let scale = scale.ok_or_else(|| Error::model(&key, "a number", "none"))?;
                if scale == 0.0 {
                    return Err(Error::model(key, "a number but 0", scale));
                }
                1.0 / scale
            }
        })
    }
}
