//! The attention of a layer.

use architectures::{Alibi, HeadNorm, HeadNormOf, NormKind, RopeFactors, Temperature};

use super::{
    Builder,
    numbers::{LayerNumbers, has_head_norms},
    projections::Widths,
    rope, setting, times,
};
use crate::{
    error::Error,
    model::Rope,
    program::{Factors, Heads, Norm, Op, Rotation, ScoreScale, Slot, Stage, Width},
};

impl Builder<'_> {
    pub(super) fn attention(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let numbers = self.numbers_of(index);
        let layer = Some(index);
        let described = self.architecture;
        let heads = Heads {
            queries: numbers.heads,
            key_values: numbers.key_value_heads,
            key_dim: numbers.key_dim,
            value_dim: numbers.value_dim,
            reach: numbers.reach,
        };
        for (field, number) in [
            ("heads", heads.queries),
            ("key/value heads", heads.key_values),
            ("head dim", heads.value_dim),
        ] {
            if number == 0 {
                return Err(Error::model(field, "at least 1", number));
            }
        }
        let queries = times(heads.queries, heads.key_dim, "head dim")?;
        let widths = Widths {
            // A gate has as many rows as a query.
            product: times(
                queries,
                if described.query_gate { 2 } else { 1 },
                "head dim",
            )?,
            query: queries,
            key: times(heads.key_values, heads.key_dim, "head dim")?,
            value: times(heads.key_values, heads.value_dim, "head dim")?,
        };
        let lent = self.lent(index)?;
        self.projections(index, input, &widths, &heads, lent.is_none())?;
        self.clamped(index, &widths)?;
        if described.query_gate {
            let chunk = times(heads.key_dim, 2, "head dim")?;
            let part = |first| Op::Pick {
                from: Slot::Query,
                chunk,
                first,
                count: heads.key_dim,
            };
            let width = Width::Token(queries);
            self.push(
                layer,
                Stage::AttnGate,
                part(heads.key_dim),
                (Slot::QueryGate, width),
            );
            self.push(layer, Stage::QPart, part(0), (Slot::Query, width));
        }
        if described.value_norm && lent.is_none() {
            let weight = None;
            let slots = (Slot::Value, Slot::Value);
            self.rms_norm(
                layer,
                Stage::VNorm,
                (heads.value_dim, weight),
                slots,
                widths.value,
            );
        }
        let norms = described.head_norm.filter(|norm| !norm.after_rope);
        if let Some(norm) = norms {
            let stages = [Stage::QNorm, Stage::KNorm];
            self.head_norms(index, norm, stages, &heads, lent.is_none())?;
        }
        if let Some(rope) = &numbers.rope {
            let rotation = self.rotation(rope, &numbers, heads.key_dim)?;
            self.rotate(layer, Stage::QRope, rotation.clone(), Slot::Query, queries);
            if lent.is_none() {
                self.rotate(layer, Stage::KRope, rotation, Slot::Key, widths.key);
            }
        }
        let norms = described.head_norm.filter(|norm| norm.after_rope);
        if let Some(norm) = norms {
            let stages = [Stage::QRopeNorm, Stage::KRopeNorm];
            let applies = norm.of != HeadNormOf::Unit || numbers.rope.is_some();
            if applies && has_head_norms(described, self.keys)? {
                self.head_norms(index, norm, stages, &heads, true)?;
            }
        }
        self.tempered(index, &numbers, queries)?;
        let (key, value) = match &lent {
            Some(lent) => lent.slots,
            None => self.kept(index, &widths)?,
        };
        let scale = self.numbers.scale;
        self.attend(index, &heads, scale, (key, value), Stage::Attention)?;
        if let (Some(lent), Some(attention)) = (lent, self.program.last_mut()) {
            let shown = setting("keys_and_values_of_layer", lent.source);
            attention.settings.push(shown);
        }
        let attended = times(heads.queries, heads.value_dim, "head dim")?;
        if described.query_gate {
            let op = Op::Gate {
                by: Slot::QueryGate,
            };
            let to = (Slot::Attended, Width::Token(attended));
            self.push(layer, Stage::AttentionGated, op, to);
        }
        if let Some(name) = described.attention_sub_norm {
            let slots = (Slot::Attended, Slot::Attended);
            self.norm(layer, Stage::AttnSubNorm, name, slots, attended)?;
        }
        let (part, hidden) = ("attn_output", self.numbers.hidden);
        let slots = (Slot::Attended, Slot::Branch);
        self.product(layer, Stage::AttnOut, part, slots, [attended, hidden])?;
        let factor = self.vector(layer, "attn_output.scale", 1)?;
        let to = (Slot::Branch, Width::Token(hidden));
        self.factor(layer, Stage::AttnOutFactor, factor, to);
        self.bias(layer, Stage::AttnOutBias, part, (Slot::Branch, hidden))
    }

    /// Scores, probabilities and weighted values.
    pub(super) fn attend(
        &mut self,
        index: usize,
        heads: &Heads,
        scale: ScoreScale,
        (key, value): (Slot, Slot),
        stage: Stage,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let described = self.architecture;
        let heads = *heads;
        let width = Width::Positions(heads.queries);
        let numbers = [
            setting("num_heads", heads.queries),
            setting("num_kv_heads", heads.key_values),
            setting("head_dim", heads.key_dim),
        ];
        let query = Slot::Query;
        let op = Op::Scores {
            query,
            key,
            heads,
            scale,
        };
        let shown = scale.as_f32();
        let settings = self.push(layer, Stage::AttnScores, op, (Slot::Scores, width));
        settings.extend(numbers.clone());
        settings.push(setting("attention_scale", shown));
        if heads.reach != crate::program::Reach::All {
            settings.push(setting("sliding_window", heads.reach));
        }
        if let Some(default) = described.score_cap {
            let limit = self.keys.float("attn_logit_softcapping")?;
            let limit = limit.unwrap_or(default);
            if limit != 0.0 {
                let op = Op::Cap { limit };
                let settings = self.push(layer, Stage::AttnCapped, op, (Slot::Scores, width));
                settings.push(setting("attn_logit_softcapping", limit));
            }
        }
        let largest = match described.alibi {
            Alibi::None => 0.0,
            Alibi::Fixed(largest) => largest,
            Alibi::Key => self
                .keys
                .float("attention.max_alibi_bias")?
                .unwrap_or_default(),
        };
        if largest != 0.0 {
            let op = Op::Slope { heads, largest };
            let settings = self.push(layer, Stage::AttnSloped, op, (Slot::Scores, width));
            settings.push(setting("max_alibi_bias", largest));
        }
        let sinks = match described.sinks {
            true => Some(self.take(layer, "attn_sinks.weight", &[heads.queries])?),
            false => None,
        };
        let op = Op::Softmax { heads, sinks };
        self.push(layer, Stage::AttnSoftmax, op, (Slot::Probabilities, width));
        let attended = times(heads.queries, heads.value_dim, "head dim")?;
        let op = Op::Weighted { value, heads };
        let to = (Slot::Attended, Width::Token(attended));
        let settings = self.push(layer, stage, op, to);
        settings.extend(numbers);
        Ok(())
    }

    fn head_norms(
        &mut self,
        index: usize,
        norm: HeadNorm,
        [of_query, of_key]: [Stage; 2],
        heads: &Heads,
        own_keys: bool,
    ) -> Result<(), Error> {
        let layer = Some(index);
        if norm.optional && !self.has(layer, "attn_q_norm.weight") {
            return Ok(());
        }
        for (stage, part, slot, count) in [
            (of_query, "attn_q_norm", Slot::Query, heads.queries),
            (of_key, "attn_k_norm", Slot::Key, heads.key_values),
        ] {
            if slot == Slot::Key && !own_keys {
                continue;
            }
            let name = format!("{part}.weight");
            let width = times(count, heads.key_dim, "head dim")?;
            let (length, weight) = match norm.of {
                HeadNormOf::Head => (
                    heads.key_dim,
                    Some(self.take(layer, &name, &[heads.key_dim])?),
                ),
                HeadNormOf::Row => (width, Some(self.take(layer, &name, &[width])?)),
                HeadNormOf::OwnHead => (
                    heads.key_dim,
                    Some(self.take(layer, &name, &[heads.key_dim, count])?),
                ),
                HeadNormOf::Unit => (heads.key_dim, None),
            };
            let norm = Norm {
                centred: norm.kind != NormKind::Rms,
                epsilon: self.numbers.epsilon,
                length,
                weight,
                bias: None,
            };
            self.push_norm(layer, stage, norm, (slot, slot), width);
        }
        Ok(())
    }

    /// A rotation of heads from their first value on.
    pub(super) fn rotation(
        &mut self,
        rope: &Rope,
        numbers: &LayerNumbers,
        head_dim: usize,
    ) -> Result<Rotation, Error> {
        let read = match self.architecture.rope_factors {
            RopeFactors::None => false,
            RopeFactors::All => true,
            RopeFactors::WithoutWindow => !numbers.has_window,
        };
        let factors = match read {
            true => self.factors(rope.dims / 2)?,
            false => None,
        };
        Ok(Rotation {
            rope: rope.clone(),
            head_dim,
            first: 0,
            factors,
        })
    }

    /// The tensors of factors, which all layers share.
    fn factors(&mut self, pairs: usize) -> Result<Option<Factors>, Error> {
        if let Some(known) = &self.factors {
            return Ok(known.clone());
        }
        let kind = self.keys.text("rope.scaling.type")?;
        // With this type llama.cpp reads the one kind of tensors, without it the other (src/models/llama.cpp).
        let by_type = self.architecture.factors_by_type;
        let is_longrope = kind.as_deref() == Some("longrope");
        let longrope = !by_type || is_longrope;
        let has = |part| self.has(None, part);
        let factors = if !(by_type && is_longrope) && has("rope_freqs.weight") {
            Some(Factors::Always(self.take(
                None,
                "rope_freqs.weight",
                &[pairs],
            )?))
        } else if longrope && has("rope_factors_short.weight") && has("rope_factors_long.weight") {
            let key = "rope.scaling.original_context_length";
            let original = self.keys.count(key)?.unwrap_or(self.numbers.context);
            self.assumptions.push(crate::model::Assumption {
                what: "context of the run".to_owned(),
                value: "the prompt, in whole 256 tokens".to_owned(),
                why: "as llama.cpp does: it decides between long and short factors of rope",
            });
            Some(Factors::ByContext {
                short: self.take(None, "rope_factors_short.weight", &[pairs])?,
                long: self.take(None, "rope_factors_long.weight", &[pairs])?,
                original,
            })
        } else {
            None
        };
        self.factors = Some(factors.clone());
        Ok(factors)
    }

    pub(super) fn rotate(
        &mut self,
        layer: Option<usize>,
        stage: Stage,
        rotation: Rotation,
        slot: Slot,
        width: usize,
    ) {
        let mut settings = rope::settings(&rotation.rope);
        settings.insert(
            settings.len().min(3),
            ("head_dim", rotation.head_dim.to_string()),
        );
        if let Some(Factors::ByContext { original, .. }) = rotation.factors {
            settings.push(("rope_scaling.original_context_length", original.to_string()));
        }
        // In some models layers with a window rotate by other numbers, and say so first.
        let reach = layer.map(|index| self.numbers_of(index).reach);
        if let Some(reach) = reach.filter(|reach| *reach != crate::program::Reach::All) {
            settings.insert(0, ("sliding_window", reach.to_string()));
        }
        let to = (slot, Width::Token(width));
        let shown = self.push(layer, stage, Op::Rotate(rotation), to);
        shown.extend(
            settings
                .into_iter()
                .map(|(name, value)| setting(name, value)),
        );
    }

    fn tempered(
        &mut self,
        index: usize,
        numbers: &LayerNumbers,
        width: usize,
    ) -> Result<(), Error> {
        let op = match self.architecture.temperature {
            Temperature::None => return Ok(()),
            Temperature::Key => {
                let scale = self.keys.float("attention.temperature_scale")?;
                let scale = scale.unwrap_or(0.0);
                if scale == 0.0 {
                    return Ok(());
                }
                let key = "rope.scaling.original_context_length";
                let length = self.keys.count(key)?.unwrap_or(self.numbers.context);
                Op::Temper {
                    scale,
                    length,
                    offset: 0,
                }
            }
            Temperature::Unrotated => {
                let any = self.numbers.per_layer.iter().any(|layer| layer.has_window);
                if numbers.rope.is_some() || !any {
                    return Ok(());
                }
                Op::Temper {
                    scale: 0.1,
                    length: 8192,
                    offset: 1,
                }
            }
        };
        if let Op::Temper { length: 0, .. } = op {
            return Err(Error::model("original context", "at least 1", 0));
        }
        let to = (Slot::Query, Width::Token(width));
        let Op::Temper { scale: shown, .. } = op else {
            unreachable!("it was made above")
        };
        let settings = self.push(Some(index), Stage::QTempered, op, to);
        settings.push(setting("attention_temperature_scale", shown));
        Ok(())
    }
}
