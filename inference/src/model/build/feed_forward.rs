//! The feed-forward of a layer: dense, or experts.

use architectures::Activation;

use super::{Builder, times};
use crate::{
    error::Error,
    model::tensor::Tensor,
    program::{Op, Slot, Stage, Width},
};

/// Where the steps of a gated feed-forward go.
pub(super) struct Gated {
    pub(super) gate: Slot,
    pub(super) up: Slot,
    /// The activation, and what it becomes when it was multiplied by up.
    pub(super) stages: [Stage; 2],
}

impl Builder<'_> {
    pub(super) fn feed_forward(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let experts = self.experts_of(index)?;
        match (experts, self.architecture.experts) {
            (Some(numbers), Some(described)) => self.experts(index, input, described, &numbers),
            _ => self.dense(index, input),
        }
    }

    /// The dense feed-forward.
    pub(super) fn dense(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let width = self.numbers_of(index).feed_forward;
        if width == 0 {
            return Err(Error::model("feed-forward size", "at least 1", width));
        }
        let activation = self.architecture.activation;
        let to = |slot| (slot, Width::Token(width));
        // Gate and up may be one matrix, the gate first.
        let fused = self.architecture.gated && !self.has(layer, "ffn_gate.weight");
        let whole = match fused {
            false => None,
            true => {
                let rows = times(width, 2, "feed-forward size")?;
                let matrix = self.take(layer, "ffn_up.weight", &[hidden, rows])?;
                let bias = self.further_bias(layer, "ffn_up", rows)?;
                Some((matrix, bias))
            }
        };
        let half = |first| {
            let whole = whole.as_ref()?;
            let bias = whole.1.as_ref().map(|bias| bias.part(first, width));
            Some((whole.0.part(first, width), bias))
        };
        let gate = match self.architecture.gated {
            false => None,
            true => Some(match half(0) {
                Some(half) => half,
                None => self.matrix_and_bias(layer, "ffn_gate", [hidden, width])?,
            }),
        };
        let up = match half(width) {
            Some(half) => half,
            None => self.matrix_and_bias(layer, "ffn_up", [hidden, width])?,
        };
        let from = input;
        let (matrix, up_bias) = up;
        let gate_bias = gate.and_then(|(matrix, bias)| {
            self.push(
                layer,
                Stage::FfnGate,
                Op::Product { from, matrix },
                to(Slot::Gate),
            );
            bias
        });
        self.push(
            layer,
            Stage::FfnUp,
            Op::Product { from, matrix },
            to(Slot::Up),
        );
        if let Some(vector) = gate_bias {
            self.push(
                layer,
                Stage::FfnGateBias,
                Op::AddVector { vector },
                to(Slot::Gate),
            );
        }
        if let Some(vector) = up_bias {
            self.push(
                layer,
                Stage::FfnUpBias,
                Op::AddVector { vector },
                to(Slot::Up),
            );
        }
        let up_factor = self.dense_factor(layer, "ffn_up.scale")?;
        let gate_factor = match fused {
            // One number for both halves of a matrix.
            true => up_factor.clone(),
            false => self.dense_factor(layer, "ffn_gate.scale")?,
        };
        self.factor(layer, Stage::FfnGateFactor, gate_factor, to(Slot::Gate));
        self.factor(layer, Stage::FfnUpFactor, up_factor, to(Slot::Up));
        let stages = match activation {
            Activation::Silu => [Stage::FfnSilu, Stage::FfnSwiglu],
            _ => [Stage::FfnAct, Stage::FfnGated],
        };
        let gated = Gated {
            gate: Slot::Gate,
            up: Slot::Up,
            stages,
        };
        self.gated(layer, &gated, Width::Token(width));
        if let Some(name) = self.architecture.feed_forward_sub_norm {
            let slots = (Slot::Gate, Slot::Gate);
            self.norm(layer, Stage::FfnSubNorm, name, slots, width)?;
        }
        let stages = [Stage::FfnDown, Stage::FfnDownBias];
        let slots = (Slot::Gate, Slot::Out);
        self.biased_product(layer, stages, "ffn_down", slots, [width, hidden])?;
        let factor = self.dense_factor(layer, "ffn_down.scale")?;
        let to = (Slot::Out, Width::Token(hidden));
        self.factor(layer, Stage::FfnDownFactor, factor, to);
        Ok(())
    }

    /// The activation, of the gate or where there is none of up, and what is multiplied.
    pub(super) fn gated(&mut self, layer: Option<usize>, names: &Gated, width: Width) {
        let function = self.architecture.activation;
        let has_gate = self.architecture.gated;
        let to = (names.gate, width);
        let from = if has_gate { names.gate } else { names.up };
        let [activated, multiplied] = names.stages;
        self.push(layer, activated, Op::Activate { from, function }, to);
        if has_gate {
            let op = match function {
                Activation::SwigluOai => Op::MultiplyClipped { from: names.up },
                _ => Op::Multiply { from: names.up },
            };
            self.push(layer, multiplied, op, to);
        }
    }

    /// The number beside a matrix; where it has no effect it is left, and refused with its name.
    fn dense_factor(&mut self, layer: Option<usize>, part: &str) -> Result<Option<Tensor>, Error> {
        match self.architecture.dense_factors {
            true => self.vector(layer, part, 1),
            false => Ok(None),
        }
    }

    pub(super) fn vector(
        &mut self,
        layer: Option<usize>,
        part: &str,
        length: usize,
    ) -> Result<Option<Tensor>, Error> {
        match self.has(layer, part) {
            true => self.take(layer, part, &[length]).map(Some),
            false => Ok(None),
        }
    }

    /// The bias of a norm, or of a matrix other than query, key and value.
    pub(super) fn further_bias(
        &mut self,
        layer: Option<usize>,
        part: &str,
        length: usize,
    ) -> Result<Option<Tensor>, Error> {
        let name = format!("{part}.bias");
        let described = self.architecture;
        if described.needed_biases.contains(&part) {
            return self.take(layer, &name, &[length]).map(Some);
        }
        match described.further_biases.contains(&part) {
            true => self.vector(layer, &name, length),
            false => Ok(None),
        }
    }

    fn matrix_and_bias(
        &mut self,
        layer: Option<usize>,
        part: &str,
        [columns, rows]: [usize; 2],
    ) -> Result<(Tensor, Option<Tensor>), Error> {
        let matrix = self.take(layer, &format!("{part}.weight"), &[columns, rows])?;
        let bias = self.further_bias(layer, part, rows)?;
        Ok((matrix, bias))
    }
}
