//! A layer: its branches, and what is added to the residual.

use architectures::{Parallel, Recurrent};

use super::Builder;
use crate::{
    error::Error,
    program::{Op, Slot, Stage, Width},
};

impl Builder<'_> {
    /// Adds the steps of a layer.
    pub(super) fn layer(&mut self, index: usize) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let width = Width::Token(hidden);
        let described = self.architecture;
        let residual = self.numbers.factor(described.residual_scale, self.keys)?;
        let numbers = self.numbers_of(index);
        let parallel = self.is_parallel(index)?;
        let attention_norm = self.first_of(index, described.attention_norm);
        let input = self.normed(index, Stage::AttnNorm, attention_norm)?;
        let only_feed_forward =
            described.one_block && !numbers.recurrent && numbers.feed_forward != 0;
        if only_feed_forward {
            self.feed_forward(index, input)?;
            self.push(
                layer,
                Stage::LayerOut,
                Op::Add { from: Slot::Out },
                (Slot::Residual, width),
            );
            return Ok(());
        }
        match described.recurrent.filter(|_| numbers.recurrent) {
            Some(Recurrent::Delta { sharing, fused }) => {
                self.delta(index, input, sharing, fused)?;
            }
            Some(Recurrent::ShortConvolution) => self.short_convolution(index, input)?,
            Some(Recurrent::Mamba2) => self.state_space(index, input)?,
            None if described.latent => self.latent_attention(index, input)?,
            None => self.attention(index, input)?,
        }
        if described.one_block {
            self.push(
                layer,
                Stage::LayerOut,
                Op::Add { from: Slot::Branch },
                (Slot::Residual, width),
            );
            return Ok(());
        }
        if let Some(name) = described.attention_post_norm {
            self.norm(
                layer,
                Stage::AttnPostNorm,
                name,
                (Slot::Branch, Slot::Branch),
                hidden,
            )?;
        }
        if residual != 1.0 {
            let op = Op::Scale { factor: residual };
            let shown = self.push(layer, Stage::AttnScaled, op, (Slot::Branch, width));
            shown.push(super::setting("residual_scale", residual));
        }
        if !parallel {
            let op = Op::Add { from: Slot::Branch };
            self.push(layer, Stage::FfnInp, op, (Slot::Residual, width));
        }
        let norm = self.first_of(index, described.feed_forward_norm);
        // Beside each other, both may read the same norm of the same input.
        let input = match parallel && norm == attention_norm {
            true => input,
            false => self.normed(index, Stage::FfnNorm, norm)?,
        };
        self.feed_forward(index, input)?;
        if let Some(name) = described.feed_forward_post_norm {
            self.norm(
                layer,
                Stage::FfnPostNorm,
                name,
                (Slot::Out, Slot::Out),
                hidden,
            )?;
        }
        if residual != 1.0 {
            let op = Op::Scale { factor: residual };
            let shown = self.push(layer, Stage::FfnScaled, op, (Slot::Out, width));
            shown.push(super::setting("residual_scale", residual));
        }
        if parallel {
            let op = Op::Add { from: Slot::Out };
            self.push(layer, Stage::FfnInput, op, (Slot::Residual, width));
            let op = Op::Add { from: Slot::Branch };
            self.push(layer, Stage::LayerOut, op, (Slot::Residual, width));
            return Ok(());
        }
        self.leave(index)
    }

    /// Where the residual is after a norm, or as it is where there is none.
    fn normed(&mut self, index: usize, stage: Stage, name: Option<&str>) -> Result<Slot, Error> {
        let Some(name) = name else {
            return Ok(Slot::Residual);
        };
        let slots = (Slot::Residual, Slot::Normed);
        self.norm(Some(index), stage, name, slots, self.numbers.hidden)?;
        Ok(Slot::Normed)
    }

    /// The numbers of a layer.
    pub(super) fn numbers_of(&self, index: usize) -> super::numbers::LayerNumbers {
        let numbers = self.numbers.per_layer.get(index);
        let numbers = numbers.unwrap_or_else(|| unreachable!("each layer has its numbers"));
        numbers.clone()
    }

    fn is_parallel(&self, index: usize) -> Result<bool, Error> {
        Ok(match self.architecture.parallel {
            Parallel::No => false,
            Parallel::Yes => true,
            Parallel::Key => {
                let key = "use_parallel_residual";
                let flag = self.keys.flag(key)?;
                flag.ok_or_else(|| Error::model(self.keys.name(key), "true or false", "none"))?
            }
            Parallel::WithoutNorm => !self.has(Some(index), "ffn_norm.weight"),
        })
    }
}
