//! Experts: the router, the chosen experts of each token, and what stands beside them.

use architectures::{Experts, Gate, Shared, Switch};

use super::{Builder, feed_forward::Gated, times};
use crate::{
    error::Error,
    model::tensor::Tensor,
    program::{Choice, Op, Slot, Stage, Weighing, Width},
};

/// The numbers of the experts of a file.
pub(super) struct Counts {
    experts: usize,
    used: usize,
}

impl Builder<'_> {
    /// The experts of a layer that has them.
    pub(super) fn experts_of(&self, index: usize) -> Result<Option<Counts>, Error> {
        let Some(described) = self.architecture.experts else {
            return Ok(None);
        };
        if described.shared != Shared::None {
            self.keys.knows("expert_shared_count");
        }
        let experts = self.keys.count("expert_count")?.unwrap_or_default();
        if experts == 0 {
            return Ok(None);
        }
        let used = self.used_by(index, described, experts)?;
        let lead = match described.dense_lead {
            true => self.keys.count("leading_dense_block_count")?.unwrap_or(0),
            false => 0,
        };
        let step = match described.interleaved {
            true => self.keys.positive("interleave_moe_layer_step")?,
            false => 1,
        };
        let number = index.checked_add(1);
        let due = number.is_some_and(|number| number.is_multiple_of(step));
        // gemma4 tells its layers apart by their tensors.
        let present = !described.beside_dense || self.has(Some(index), "ffn_gate_inp.weight");
        Ok((index >= lead && due && present).then_some(Counts { experts, used }))
    }

    /// How many of its experts a token of the layer uses. llama.cpp takes the number of the first layer for all, but in nemotron_h
    /// (`n_expert_used` in src/models/*.cpp).
    fn used_by(&self, index: usize, described: Experts, experts: usize) -> Result<usize, Error> {
        let key = "expert_used_count";
        let found = self.keys.counts(key, self.numbers.layers)?;
        let key = self.keys.name(key);
        let expected = format_args!("1 to {experts}");
        let Some(used) = found else {
            return Err(Error::model(key, expected, "none"));
        };
        if !described.used_by_layer && used.iter().any(|count| Some(count) != used.first()) {
            return Err(Error::not_covered(format_args!("{key} for each layer")));
        }
        let used = used.get(index).copied();
        let used = used.unwrap_or_else(|| unreachable!("there is one for each layer"));
        match 1 <= used && used <= experts {
            true => Ok(used),
            false => Err(Error::model(key, expected, used)),
        }
    }

    pub(super) fn experts(
        &mut self,
        index: usize,
        input: Slot,
        described: Experts,
        counts: &Counts,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let (experts, used) = (counts.experts, counts.used);
        let mut router_input = input;
        let mut input = input;
        if described.beside_dense {
            self.dense(index, input)?;
            let slots = (Slot::Out, Slot::Shared);
            self.norm(
                layer,
                Stage::DensePostNorm,
                "post_ffw_norm_1",
                slots,
                hidden,
            )?;
            (router_input, input) = self.router_input(index)?;
        }
        self.biased_product(
            layer,
            [Stage::MoeLogits, Stage::MoeLogitsBias],
            "ffn_gate_inp",
            (router_input, Slot::Router),
            [hidden, experts],
        )?;
        let gate = self.gate(described.gate)?;
        let of = match gate {
            Gate::SoftmaxOfChosen => Slot::Router,
            _ => {
                let op = Op::RouterProbabilities {
                    from: Slot::Router,
                    softmax: gate == Gate::Softmax,
                };
                let to = (Slot::RouterProbabilities, Width::Token(experts));
                let settings = self.push(layer, Stage::MoeProbs, op, to);
                settings.push(super::setting("expert_gating_func", gate.in_words()));
                Slot::RouterProbabilities
            }
        };
        self.choose(index, described, counts, of)?;
        let scale = match described.scaled {
            true => self.keys.float("expert_weights_scale")?.unwrap_or(0.0),
            false => 0.0,
        };
        let weighing = Weighing {
            of,
            used,
            softmax: gate == Gate::SoftmaxOfChosen,
            normalised: match described.normalised {
                Switch::On => true,
                Switch::Off => false,
                Switch::Key => self.keys.flag("expert_weights_norm")?.unwrap_or(false),
            },
            // None and 0 are no factor.
            scale: if scale == 0.0 { 1.0 } else { scale },
        };
        let shown = [
            super::setting("expert_weights_scale", weighing.scale),
            super::setting("expert_weights_norm", weighing.normalised),
            super::setting("expert_gating_func", gate.in_words()),
        ];
        let to = (Slot::ExpertWeights, Width::Token(used));
        let settings = self.push(layer, Stage::MoeWeights, Op::ExpertWeights(weighing), to);
        settings.extend(shown);
        let inner = self.each_expert(index, input, described, counts)?;
        let latent = described.latent && self.has(layer, "ffn_latent_up.weight");
        let sum = if latent { Slot::ExpertInput } else { Slot::Out };
        let op = Op::ExpertSum {
            from: Slot::Experts,
            used,
            weighted: !described.weight_first,
        };
        self.push(layer, Stage::MoeOut, op, (sum, Width::Token(inner)));
        if latent {
            let stage = Stage::MoeLatentOut;
            let slots = (sum, Slot::Out);
            self.product(layer, stage, "ffn_latent_up", slots, [inner, hidden])?;
        }
        if described.beside_dense {
            let slots = (Slot::Out, Slot::Out);
            self.norm(layer, Stage::MoePostNorm, "post_ffw_norm_2", slots, hidden)?;
        } else if !self.shared(index, router_input, described.shared)? {
            return Ok(());
        }
        let op = Op::Add { from: Slot::Shared };
        self.push(layer, Stage::FfnOut, op, (Slot::Out, Width::Token(hidden)));
        Ok(())
    }

    fn choose(
        &mut self,
        index: usize,
        described: Experts,
        counts: &Counts,
        of: Slot,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let bias = match described.choice_bias {
            true => self.vector(layer, "exp_probs_b.bias", counts.experts)?,
            false => None,
        };
        let groups = self.keys.count("expert_group_count")?.unwrap_or(0);
        let groups = match groups {
            0 | 1 => None,
            groups => {
                let kept = self.keys.needed("expert_group_used_count")?;
                super::numbers::divided(counts.experts, groups, "expert_count")?;
                let members = counts.experts.checked_div(groups).unwrap_or_default();
                let reachable = members.checked_mul(kept);
                if kept > groups || reachable.is_none_or(|count| count < counts.used) {
                    let key = self.keys.name("expert_group_used_count");
                    return Err(Error::model(key, "enough groups", kept));
                }
                Some((groups, kept))
            }
        };
        let choice = Choice {
            by: if described.weight_first {
                Slot::Router
            } else {
                of
            },
            bias,
            experts: counts.experts,
            used: counts.used,
            groups,
        };
        let to = (Slot::Chosen, Width::Token(counts.used));
        let settings = self.push(layer, Stage::MoeIndices, Op::Choose(choice), to);
        settings.extend([
            super::setting("num_experts", counts.experts),
            super::setting("num_experts_per_tok", counts.used),
        ]);
        if let Some((groups, kept)) = groups {
            settings.extend([
                super::setting("expert_group_count", groups),
                super::setting("expert_group_used_count", kept),
            ]);
        }
        Ok(())
    }

    /// Gate, up and down of the chosen experts; returns what they give for a token.
    fn each_expert(
        &mut self,
        index: usize,
        input: Slot,
        described: Experts,
        counts: &Counts,
    ) -> Result<usize, Error> {
        let layer = Some(index);
        let Counts { experts, used } = *counts;
        let mut from = input;
        let mut inner = self.numbers.hidden;
        if described.latent && self.has(layer, "ffn_latent_down.weight") {
            let rows = self.rows(layer, "ffn_latent_down.weight");
            let rows = rows.unwrap_or_default();
            let key = "moe_latent_size";
            self.check_size(index, key, rows)?;
            if self.keys.count(key)? == Some(0) {
                return Err(Error::model(self.keys.name(key), rows, 0));
            }
            let stage = Stage::MoeLatent;
            let slots = (from, Slot::ExpertInput);
            self.product(layer, stage, "ffn_latent_down", slots, [inner, rows])?;
            (from, inner) = (Slot::ExpertInput, rows);
        }
        if described.weight_first {
            let width = Width::Token(times(used, inner, "experts")?);
            let op = Op::Spread { from, used };
            self.push(layer, Stage::MoeSpread, op, (Slot::ExpertInput, width));
            from = Slot::ExpertInput;
        }
        let (gate, up) = self.expert_inputs(index, inner, experts)?;
        let width = Width::Token(times(used, up.rows(), "experts")?);
        let feed_forward = up.rows();
        self.check_size(index, described.size, feed_forward)?;
        if let Some(matrix) = gate {
            let op = Op::ExpertProduct { from, matrix, used };
            self.push(layer, Stage::MoeGate, op, (Slot::Gate, width));
        }
        let op = Op::ExpertProduct {
            from,
            matrix: up,
            used,
        };
        self.push(layer, Stage::MoeUp, op, (Slot::Up, width));
        for (stage, part, slot) in [
            (Stage::MoeGateBias, "ffn_gate_exps", Slot::Gate),
            (Stage::MoeUpBias, "ffn_up_exps", Slot::Up),
        ] {
            self.expert_bias(index, stage, part, (slot, width), [feed_forward, experts])?;
        }
        let gated = Gated {
            gate: Slot::Gate,
            up: Slot::Up,
            stages: [Stage::MoeAct, Stage::MoeGated],
        };
        self.gated(layer, &gated, width);
        let matrix = self.take(
            layer,
            "ffn_down_exps.weight",
            &[feed_forward, inner, experts],
        )?;
        let op = Op::ExpertProduct {
            from: Slot::Gate,
            matrix,
            used,
        };
        let width = Width::Token(times(used, inner, "experts")?);
        self.push(layer, Stage::MoeDown, op, (Slot::Experts, width));
        let to = (Slot::Experts, width);
        self.expert_bias(
            index,
            Stage::MoeDownBias,
            "ffn_down_exps",
            to,
            [inner, experts],
        )?;
        Ok(inner)
    }

    /// A size that both a key and the tensors say.
    pub(super) fn check_size(
        &self,
        index: usize,
        key: &'static str,
        found: usize,
    ) -> Result<(), Error> {
        let stated = self.keys.counts(key, self.numbers.layers)?;
        match stated.and_then(|stated| stated.get(index).copied()) {
            Some(stated) if stated != found && stated != 0 => {
                Err(Error::model(self.keys.name(key), found, stated))
            }
            _ => Ok(()),
        }
    }

    /// The gate, if there is one, and up; both may be parts of one tensor.
    fn expert_inputs(
        &mut self,
        index: usize,
        inner: usize,
        experts: usize,
    ) -> Result<(Option<Tensor>, Tensor), Error> {
        let layer = Some(index);
        if self.architecture.gated && self.has(layer, "ffn_gate_up_exps.weight") {
            let name = "ffn_gate_up_exps.weight";
            let both = self.rows(layer, name).unwrap_or_default();
            let half = super::numbers::divided(both, 2, name)?;
            let whole = self.take(layer, name, &[inner, both, experts])?;
            return Ok((Some(whole.part(0, half)), whole.part(half, half)));
        }
        let name = "ffn_up_exps.weight";
        let width = self.rows(layer, name).unwrap_or_default();
        let gate = match self.architecture.gated {
            true => Some(self.take(layer, "ffn_gate_exps.weight", &[inner, width, experts])?),
            false => None,
        };
        Ok((gate, self.take(layer, name, &[inner, width, experts])?))
    }

    fn expert_bias(
        &mut self,
        index: usize,
        stage: Stage,
        part: &str,
        to: (Slot, Width),
        dims: [usize; 2],
    ) -> Result<(), Error> {
        let name = format!("{part}.bias");
        let described = self.architecture;
        let is_there = described.further_biases.contains(&part) && self.has(Some(index), &name);
        if is_there || described.needed_biases.contains(&part) {
            let bias = self.take(Some(index), &name, &dims)?;
            self.push(Some(index), stage, Op::ExpertBias { bias }, to);
        }
        Ok(())
    }

    /// The expert that every token uses; returns whether there is one.
    fn shared(&mut self, index: usize, input: Slot, described: Shared) -> Result<bool, Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let Some(width) = self
            .rows(layer, "ffn_up_shexp.weight")
            .filter(|_| described != Shared::None)
        else {
            return Ok(false);
        };
        // llama.cpp takes the size from one of two keys (`n_ff_shexp` in src/models/*.cpp).
        let size = "expert_shared_feed_forward_length";
        self.check_size(index, size, width)?;
        let count = self.keys.count("expert_shared_count")?.unwrap_or(0);
        let one = self.keys.count("expert_feed_forward_length")?.unwrap_or(0);
        let by_count = matches!(self.keys.count(size)?, None | Some(0)) && count > 0;
        let fits = match one {
            0 => width.is_multiple_of(count),
            _ => one.checked_mul(count) == Some(width),
        };
        if by_count && !fits {
            let key = self.keys.name("expert_shared_count");
            let expected = format_args!("a number of experts that make {width} rows");
            return Err(Error::model(key, expected, count));
        }
        if self.architecture.gated {
            let stage = Stage::SharedGate;
            let slots = (input, Slot::SharedGate);
            self.product(layer, stage, "ffn_gate_shexp", slots, [hidden, width])?;
        }
        let stage = Stage::SharedUp;
        let slots = (input, Slot::SharedUp);
        self.product(layer, stage, "ffn_up_shexp", slots, [hidden, width])?;
        let gated = Gated {
            gate: Slot::SharedGate,
            up: Slot::SharedUp,
            stages: [Stage::SharedAct, Stage::SharedGated],
        };
        self.gated(layer, &gated, Width::Token(width));
        let stage = Stage::SharedDown;
        let slots = (Slot::SharedGate, Slot::Shared);
        self.product(layer, stage, "ffn_down_shexp", slots, [width, hidden])?;
        if described == Shared::Gated {
            let matrix = self.take(layer, "ffn_gate_inp_shexp.weight", &[hidden])?;
            let op = Op::Product {
                from: input,
                matrix,
            };
            let to = (Slot::SharedUp, Width::Token(1));
            self.push(layer, Stage::SharedWeight, op, to);
            let op = Op::Gate { by: Slot::SharedUp };
            let to = (Slot::Shared, Width::Token(hidden));
            self.push(layer, Stage::SharedOut, op, to);
        }
        Ok(true)
    }

    /// What the router of gemma4 reads, and its experts: norms of the residual.
    fn router_input(&mut self, index: usize) -> Result<(Slot, Slot), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let weight = None;
        let slots = (Slot::Residual, Slot::RouterInput);
        self.rms_norm(layer, Stage::MoeRouterNorm, (hidden, weight), slots, hidden);
        let to = (Slot::RouterInput, Width::Token(hidden));
        let factor = 1.0 / (hidden as f64).sqrt();
        self.push(layer, Stage::MoeRouterFactor, Op::Scale { factor }, to);
        let vector = self.take(layer, "ffn_gate_inp.scale", &[hidden])?;
        self.push(
            layer,
            Stage::MoeRouterScaled,
            Op::MultiplyVector { vector },
            to,
        );
        let slots = (Slot::Residual, Slot::Normed);
        self.norm(layer, Stage::MoeNorm, "pre_ffw_norm_2", slots, hidden)?;
        Ok((Slot::RouterInput, Slot::Normed))
    }
}
