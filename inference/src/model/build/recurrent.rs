//! Layers with a state in place of an attention.

use architectures::{Activation, Sharing};

use super::{Builder, numbers::divided, setting, times};
use crate::{
    error::Error,
    model::tensor::Tensor,
    program::{Delta, Op, Setting, Slot, Stage, StateSpace, Width},
};

impl Builder<'_> {
    /// The gated delta rule.
    pub(super) fn delta(
        &mut self,
        index: usize,
        input: Slot,
        sharing: Sharing,
        fused: bool,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let key_dim = self.at_least_one("ssm.state_size")?;
        let key_heads = self.at_least_one("ssm.group_count")?;
        let value_heads = self.at_least_one("ssm.time_step_rank")?;
        let inner = self.at_least_one("ssm.inner_size")?;
        let value_dim = divided(inner, value_heads, "ssm.inner_size")?;
        let shared = divided(value_heads, key_heads, "ssm.time_step_rank")?;
        let keys = times(key_heads, key_dim, "ssm.state_size")?;
        let channels = times(keys, 2, "ssm.state_size")?.checked_add(inner);
        let channels = channels.unwrap_or(usize::MAX);
        self.product(
            layer,
            Stage::SsmIn,
            "attn_qkv",
            (input, Slot::Mixed),
            [hidden, channels],
        )?;
        let slots = (input, Slot::QueryGate);
        self.product(layer, Stage::SsmGate, "attn_gate", slots, [hidden, inner])?;
        let heads = Width::Token(value_heads);
        if fused {
            let both = times(value_heads, 2, "ssm.time_step_rank")?;
            let slots = (input, Slot::Up);
            self.product(layer, Stage::SsmBetaAlpha, "ssm_ba", slots, [hidden, both])?;
            let pick = |first| Op::Pick {
                from: Slot::Up,
                chunk: shared.saturating_mul(2),
                first,
                count: shared,
            };
            self.push(layer, Stage::SsmBeta, pick(0), (Slot::Beta, heads));
            self.push(layer, Stage::SsmAlpha, pick(shared), (Slot::Alpha, heads));
        } else {
            let dims = [hidden, value_heads];
            self.product(layer, Stage::SsmBeta, "ssm_beta", (input, Slot::Beta), dims)?;
            self.product(
                layer,
                Stage::SsmAlpha,
                "ssm_alpha",
                (input, Slot::Alpha),
                dims,
            )?;
        }
        self.convolution(index, "ssm_conv1d", Slot::Mixed, channels, true)?;
        let op = Op::Delta(Delta {
            mixed: Slot::Mixed,
            beta: Slot::Beta,
            alpha: Slot::Alpha,
            step_bias: self.take(layer, "ssm_dt.bias", &[value_heads])?,
            rates: self.take(layer, "ssm_a", &[value_heads])?,
            key_heads,
            value_heads,
            key_dim,
            value_dim,
            modulo: sharing == Sharing::Modulo,
            epsilon: self.numbers.epsilon,
        });
        let numbers = [
            setting("recurrence", "gated delta rule"),
            setting("ssm_state_size", key_dim),
            setting("ssm_group_count", key_heads),
            setting("ssm_time_step_rank", value_heads),
            setting("ssm_inner_size", inner),
        ];
        self.scan(index, op, inner, numbers);
        let weight = Some(self.take(layer, "ssm_norm.weight", &[value_dim])?);
        let slots = (Slot::Attended, Slot::Attended);
        self.rms_norm(layer, Stage::SsmNorm, (value_dim, weight), slots, inner);
        self.silu_gated(index, inner);
        let stages = [Stage::AttnOut, Stage::AttnOutBias];
        let slots = (Slot::Attended, Slot::Branch);
        self.biased_product(layer, stages, "ssm_out", slots, [inner, hidden])
    }

    /// A convolution between two gates.
    pub(super) fn short_convolution(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let all = times(hidden, 3, "hidden size")?;
        let stage = Stage::SsmIn;
        let slots = (input, Slot::Mixed);
        self.product(layer, stage, "shortconv.in_proj", slots, [hidden, all])?;
        let width = Width::Token(hidden);
        let thirds = [
            (Stage::SsmB, Slot::Beta, 0),
            (Stage::SsmC, Slot::QueryGate, hidden),
            (Stage::SsmX, Slot::Alpha, hidden.saturating_mul(2)),
        ];
        for (stage, to, first) in thirds {
            let op = Op::Pick {
                from: Slot::Mixed,
                chunk: all,
                first,
                count: hidden,
            };
            self.push(layer, stage, op, (to, width));
        }
        let op = Op::Multiply { from: Slot::Beta };
        self.push(layer, Stage::SsmGatedIn, op, (Slot::Alpha, width));
        self.convolution(index, "shortconv.conv", Slot::Alpha, hidden, false)?;
        let op = Op::Multiply {
            from: Slot::QueryGate,
        };
        self.push(layer, Stage::SsmGated, op, (Slot::Alpha, width));
        let stages = [Stage::AttnOut, Stage::AttnOutBias];
        let slots = (Slot::Alpha, Slot::Branch);
        self.biased_product(layer, stages, "shortconv.out_proj", slots, [hidden, hidden])
    }

    /// The state space of Mamba 2.
    pub(super) fn state_space(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let state = self.at_least_one("ssm.state_size")?;
        let groups = self.at_least_one("ssm.group_count")?;
        let heads = self.at_least_one("ssm.time_step_rank")?;
        let inner = self.at_least_one("ssm.inner_size")?;
        divided(inner, heads, "ssm.inner_size")?;
        divided(heads, groups, "ssm.time_step_rank")?;
        let row = divided(inner, groups, "ssm.inner_size")?;
        let shared = times(times(groups, state, "ssm.state_size")?, 2, "ssm.state_size")?;
        let channels = inner.saturating_add(shared);
        let all = inner.saturating_add(channels).saturating_add(heads);
        let stage = Stage::SsmIn;
        self.product(layer, stage, "ssm_in", (input, Slot::Up), [hidden, all])?;
        for (stage, to, first, count) in [
            (Stage::SsmGatePart, Slot::QueryGate, 0, inner),
            (Stage::SsmMixed, Slot::Mixed, inner, channels),
            (
                Stage::SsmAlpha,
                Slot::Alpha,
                inner.saturating_add(channels),
                heads,
            ),
        ] {
            let op = Op::Pick {
                from: Slot::Up,
                chunk: all,
                first,
                count,
            };
            self.push(layer, stage, op, (to, Width::Token(count)));
        }
        self.convolution(index, "ssm_conv1d", Slot::Mixed, channels, true)?;
        let op = Op::StateSpace(StateSpace {
            mixed: Slot::Mixed,
            step: Slot::Alpha,
            step_bias: self.take(layer, "ssm_dt.bias", &[heads])?,
            rates: self.of_heads(index, "ssm_a", heads)?,
            skip: self.of_heads(index, "ssm_d", heads)?,
            heads,
            groups,
            state,
            inner,
        });
        let numbers = [
            setting("recurrence", "state space"),
            setting("ssm_state_size", state),
            setting("ssm_group_count", groups),
            setting("ssm_time_step_rank", heads),
            setting("ssm_inner_size", inner),
        ];
        self.scan(index, op, inner, numbers);
        self.silu_gated(index, inner);
        if self.has(layer, "ssm_norm.weight") {
            let weight = Some(self.take(layer, "ssm_norm.weight", &[row, groups])?);
            let slots = (Slot::Attended, Slot::Attended);
            self.rms_norm(layer, Stage::SsmGatedNorm, (row, weight), slots, inner);
        }
        let stages = [Stage::AttnOut, Stage::AttnOutBias];
        let slots = (Slot::Attended, Slot::Branch);
        self.biased_product(layer, stages, "ssm_out", slots, [inner, hidden])
    }

    /// What goes through the positions, with its numbers.
    fn scan(&mut self, index: usize, op: Op, inner: usize, numbers: [Setting; 5]) {
        let to = (Slot::Attended, Width::Token(inner));
        let settings = self.push(Some(index), Stage::SsmScan, op, to);
        settings.extend(numbers);
    }

    fn convolution(
        &mut self,
        index: usize,
        part: &str,
        slot: Slot,
        channels: usize,
        activated: bool,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let name = format!("{part}.weight");
        let taps = self.dims(layer, &name);
        let taps = taps.and_then(|dims| dims.first().copied());
        let taps = taps.unwrap_or_default();
        let (key, numbers) = match part {
            "shortconv.conv" => (
                "shortconv.l_cache",
                vec![
                    setting("recurrence", "short convolution"),
                    setting("shortconv_l_cache", taps),
                ],
            ),
            _ => ("ssm.conv_kernel", vec![setting("ssm_conv_kernel", taps)]),
        };
        self.check_size(index, key, taps)?;
        let weight = self.take(layer, &name, &[taps, channels])?;
        let bias = self.further_bias(layer, part, channels)?;
        let to = (slot, Width::Token(channels));
        let op = Op::Convolve { weight, bias };
        self.push(layer, Stage::SsmConv, op, to).extend(numbers);
        if activated {
            let op = Op::Activate {
                from: slot,
                function: Activation::Silu,
            };
            self.push(layer, Stage::SsmSilu, op, to);
        }
        Ok(())
    }

    /// What was read from the state, times silu of the gate.
    fn silu_gated(&mut self, index: usize, inner: usize) {
        let layer = Some(index);
        let width = Width::Token(inner);
        let from = Slot::QueryGate;
        let op = Op::Activate {
            from,
            function: Activation::Silu,
        };
        self.push(layer, Stage::SsmGateSilu, op, (from, width));
        self.push(
            layer,
            Stage::SsmGated,
            Op::Multiply { from },
            (Slot::Attended, width),
        );
    }

    /// A number for each head, which files hold as a row or as a column.
    fn of_heads(&mut self, index: usize, part: &str, heads: usize) -> Result<Tensor, Error> {
        let layer = Some(index);
        match self.dims(layer, part) {
            Some(dims) if dims.len() == 1 => self.take(layer, part, &[heads]),
            _ => self.take(layer, part, &[1, heads]),
        }
    }

    fn at_least_one(&self, key: &'static str) -> Result<usize, Error> {
        match self.keys.needed(key)? {
            0 => Err(Error::model(self.keys.name(key), "at least 1", 0)),
            number => Ok(number),
        }
    }
}
