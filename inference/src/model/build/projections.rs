//! Query, key and value of a layer.

use architectures::Biases;

use super::{Builder, setting};
use crate::{
    error::Error,
    model::tensor::Tensor,
    program::{Heads, Op, Slot, Stage, Width},
};

impl Builder<'_> {
    /// Query, key and value, each with its bias.
    pub(super) fn projections(
        &mut self,
        index: usize,
        input: Slot,
        widths: &Widths,
        heads: &Heads,
        own_keys: bool,
    ) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        let fused = self.has(layer, "attn_qkv.weight");
        let all = [widths.product, widths.key, widths.value];
        // Where a layer of gemma4 has no value matrix, its keys are its values.
        let keys_are_values = self.architecture.shared_keys && !self.has(layer, "attn_v.weight");
        let matrices = match fused {
            true => {
                let rows = sum(&all)?;
                let whole = self.take(layer, "attn_qkv.weight", &[hidden, rows])?;
                parts(&whole, all).to_vec()
            }
            false if !own_keys => {
                vec![self.take(layer, "attn_q.weight", &[hidden, widths.product])?]
            }
            false => {
                let query = self.take(layer, "attn_q.weight", &[hidden, widths.product])?;
                let key = self.take(layer, "attn_k.weight", &[hidden, widths.key])?;
                let values = match keys_are_values {
                    true => key.clone(),
                    false => self.take(layer, "attn_v.weight", &[hidden, widths.value])?,
                };
                vec![query, key, values]
            }
        };
        let biases = self.biases(index, fused, all)?;
        let factors = match fused {
            true => {
                let whole = self.vector(layer, "attn_qkv.scale", 1)?;
                [whole.clone(), whole.clone(), whole]
            }
            false if !own_keys => [self.vector(layer, "attn_q.scale", 1)?, None, None],
            false => {
                let key = self.vector(layer, "attn_k.scale", 1)?;
                let value = match keys_are_values {
                    true => key.clone(),
                    false => self.vector(layer, "attn_v.scale", 1)?,
                };
                [self.vector(layer, "attn_q.scale", 1)?, key, value]
            }
        };
        // Without keys of its own a layer has a query alone.
        let taken = if own_keys { 3 } else { 1 };
        let counts = [
            [
                setting("num_heads", heads.queries),
                setting("head_dim", heads.key_dim),
            ],
            [
                setting("num_kv_heads", heads.key_values),
                setting("head_dim", heads.key_dim),
            ],
            [
                setting("num_kv_heads", heads.key_values),
                setting("head_dim", heads.value_dim),
            ],
        ];
        let slots = [Slot::Query, Slot::Key, Slot::Value];
        let stages = [Stage::QPreBias, Stage::KPreBias, Stage::VPreBias];
        let each = stages.into_iter().zip(slots).zip(matrices).zip(counts);
        for (((stage, to), matrix), counts) in each.take(taken) {
            let width = Width::Token(matrix.rows());
            let op = Op::Product {
                from: input,
                matrix,
            };
            self.push(layer, stage, op, (to, width)).extend(counts);
        }
        let stages = [Stage::QFactor, Stage::KFactor, Stage::VFactor];
        let each = stages.into_iter().zip(slots).zip(factors).zip(all);
        for (((stage, to), factor), width) in each.take(taken) {
            self.factor(layer, stage, factor, (to, Width::Token(width)));
        }
        let stages = [Stage::QPostBias, Stage::KPostBias, Stage::VPostBias];
        let each = stages.into_iter().zip(slots).zip(biases);
        for ((stage, to), bias) in each.take(taken) {
            if let Some(vector) = bias {
                let width = Width::Token(vector.columns());
                self.push(layer, stage, Op::AddVector { vector }, (to, width));
            }
        }
        Ok(())
    }

    /// The biases of query, key and value, of each where the layer has it.
    fn biases(
        &mut self,
        index: usize,
        fused: bool,
        widths: [usize; 3],
    ) -> Result<[Option<Tensor>; 3], Error> {
        let layer = Some(index);
        let described = self.architecture.biases;
        let names = ["attn_q.bias", "attn_k.bias", "attn_v.bias"];
        let is_whole = fused && (described == Biases::Required || self.has(layer, "attn_qkv.bias"));
        if is_whole && described != Biases::Refused {
            let whole = self.take(layer, "attn_qkv.bias", &[sum(&widths)?])?;
            return Ok(parts(&whole, widths).map(Some));
        }
        // Beside one matrix for all three llama.cpp adds all three biases or none.
        let all = names.iter().all(|name| self.has(layer, name));
        if described == Biases::Refused || (fused && !all) {
            return Ok([None, None, None]);
        }
        let ([q, k, v], [query, key, value]) = (names, widths);
        Ok([
            self.vector(layer, q, query)?,
            self.vector(layer, k, key)?,
            self.vector(layer, v, value)?,
        ])
    }

    pub(super) fn clamped(&mut self, index: usize, widths: &Widths) -> Result<(), Error> {
        if !self.architecture.clamp {
            return Ok(());
        }
        let limit = self.keys.float("attention.clamp_kqv")?.unwrap_or(0.0);
        if limit == 0.0 {
            return Ok(());
        }
        for (stage, to, width) in [
            (Stage::QClamped, Slot::Query, widths.query),
            (Stage::KClamped, Slot::Key, widths.key),
            (Stage::VClamped, Slot::Value, widths.value),
        ] {
            let to = (to, Width::Token(width));
            let settings = self.push(Some(index), stage, Op::Clamp { limit }, to);
            settings.push(setting("clip_qkv", limit));
        }
        Ok(())
    }
}

/// Values of a token.
pub(super) struct Widths {
    /// Rows of the query matrix.
    pub(super) product: usize,
    pub(super) query: usize,
    pub(super) key: usize,
    pub(super) value: usize,
}

fn sum(numbers: &[usize; 3]) -> Result<usize, Error> {
    let sum = numbers
        .iter()
        .try_fold(0usize, |sum, number| sum.checked_add(*number));
    sum.ok_or_else(|| Error::model("head dim", "smaller numbers", "too many"))
}

/// Three parts of rows, or of values, one after the other.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the sum of the three was taken before"
)]
fn parts(whole: &Tensor, [a, b, c]: [usize; 3]) -> [Tensor; 3] {
    [whole.part(0, a), whole.part(a, b), whole.part(a + b, c)]
}
