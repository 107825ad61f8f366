//! Attention through a latent space (MLA): keys and values of all heads come from one short row.

use super::{Builder, times, yarn::score_scale};
use crate::{
    error::Error,
    program::{Heads, Op, Rotation, ScoreScale, Slot, Stage, Width},
};

/// The sizes of a latent attention.
struct Sizes {
    heads: usize,
    /// Values of a key that do not rotate, and that do.
    plain: usize,
    turned: usize,
    /// Values of a key, all of them, and of a value.
    key: usize,
    value: usize,
    latent: usize,
}

impl Builder<'_> {
    pub(super) fn latent_attention(&mut self, index: usize, input: Slot) -> Result<(), Error> {
        let layer = Some(index);
        let numbers = self.numbers_of(index);
        let hidden = self.numbers.hidden;
        let Some(rope) = numbers.rope.clone() else {
            unreachable!("every layer of such an architecture rotates");
        };
        let stated = |key, other: usize| -> Result<usize, Error> {
            Ok(match self.keys.count(key)? {
                None | Some(0) => other,
                Some(stated) => stated,
            })
        };
        let key = stated("attention.key_length_mla", numbers.key_dim)?;
        let value = stated("attention.value_length_mla", numbers.value_dim)?;
        let latent = self.keys.needed("attention.kv_lora_rank")?;
        if self
            .keys
            .count("attention.key_length_mla")?
            .is_some_and(|key| key > 0)
        {
            // Of keys and values as the cache of llama.cpp holds them: what is latent, and the part that rotates.
            self.check_size(
                index,
                "attention.key_length",
                latent.saturating_add(rope.dims),
            )?;
            self.check_size(index, "attention.value_length", latent)?;
        }
        let plain = key.checked_sub(rope.dims).filter(|plain| *plain > 0);
        let plain =
            plain.ok_or_else(|| Error::model("rope dims", "fewer than a key", rope.dims))?;
        if rope.dims < 2 || !rope.dims.is_multiple_of(2) || value == 0 || latent == 0 {
            return Err(Error::model("rope dims", "an even number", rope.dims));
        }
        let sizes = Sizes {
            heads: numbers.heads,
            plain,
            turned: rope.dims,
            key,
            value,
            latent,
        };
        let queries = times(sizes.heads, key, "head dim")?;
        self.latent_query(index, input, queries)?;
        // The latent part, and one key head that rotates.
        let width = sizes.latent.saturating_add(sizes.turned);
        let stage = Stage::KvLatentProduct;
        self.product(
            layer,
            stage,
            "attn_kv_a_mqa",
            (input, Slot::Mixed),
            [hidden, width],
        )?;
        let pick = |first, count| Op::Pick {
            from: Slot::Mixed,
            chunk: width,
            first,
            count,
        };
        let to = (Slot::Turned, Width::Token(sizes.turned));
        self.push(layer, Stage::KRotated, pick(sizes.latent, sizes.turned), to);
        let to = (Slot::Latent, Width::Token(sizes.latent));
        self.push(layer, Stage::KvLatent, pick(0, sizes.latent), to);
        let weight = self.take(layer, "attn_kv_a_norm.weight", &[sizes.latent])?;
        let weight = Some(weight);
        let slots = (Slot::Latent, Slot::Latent);
        self.rms_norm(
            layer,
            Stage::KvLatentNorm,
            (sizes.latent, weight),
            slots,
            sizes.latent,
        );
        let old = self.has(layer, "attn_kv_b.weight");
        if old {
            let rows = times(sizes.heads, plain.saturating_add(value), "head dim")?;
            let stage = Stage::KvProduct;
            let slots = (Slot::Latent, Slot::Mixed);
            self.product(layer, stage, "attn_kv_b", slots, [sizes.latent, rows])?;
        }
        let rotation = self.rotation(&rope, &numbers, sizes.turned)?;
        let of_query = Rotation {
            head_dim: key,
            first: plain,
            ..rotation.clone()
        };
        self.rotate(layer, Stage::QRope, of_query, Slot::Query, queries);
        self.rotate(layer, Stage::KRope, rotation, Slot::Turned, sizes.turned);
        let wanted = if old { sizes.heads } else { 1 };
        if numbers.key_value_heads != wanted {
            let key = self.keys.name("attention.head_count_kv");
            return Err(Error::model(key, wanted, numbers.key_value_heads));
        }
        let scale = score_scale(self.architecture.yarn, self.keys, key, &rope)?;
        match old {
            true => self.expanded(index, &sizes, scale)?,
            false => self.absorbed(index, &sizes, scale)?,
        }
        let attended = times(sizes.heads, value, "head dim")?;
        self.biased_product(
            layer,
            [Stage::AttnOut, Stage::AttnOutBias],
            "attn_output",
            (Slot::Attended, Slot::Branch),
            [attended, hidden],
        )
    }

    fn latent_query(&mut self, index: usize, input: Slot, queries: usize) -> Result<(), Error> {
        let layer = Some(index);
        let hidden = self.numbers.hidden;
        if !self.has(layer, "attn_q_a.weight") {
            let stage = Stage::QLatentProduct;
            let slots = (input, Slot::Query);
            return self.product(layer, stage, "attn_q", slots, [hidden, queries]);
        }
        let rank = self.keys.needed("attention.q_lora_rank")?;
        let stage = Stage::QLatent;
        self.product(
            layer,
            stage,
            "attn_q_a",
            (input, Slot::Latent),
            [hidden, rank],
        )?;
        let weight = self.take(layer, "attn_q_a_norm.weight", &[rank])?;
        let weight = Some(weight);
        let slots = (Slot::Latent, Slot::Latent);
        self.rms_norm(layer, Stage::QLatentNorm, (rank, weight), slots, rank);
        let stage = Stage::QLatentProduct;
        let slots = (Slot::Latent, Slot::Query);
        self.product(layer, stage, "attn_q_b", slots, [rank, queries])
    }

    /// Keys and values of each head, from one product.
    fn expanded(&mut self, index: usize, sizes: &Sizes, scale: ScoreScale) -> Result<(), Error> {
        let layer = Some(index);
        let chunk = sizes.plain.saturating_add(sizes.value);
        let pick = |first, count| Op::Pick {
            from: Slot::Mixed,
            chunk,
            first,
            count,
        };
        let plain = Width::Token(times(sizes.heads, sizes.plain, "head dim")?);
        self.push(
            layer,
            Stage::KPlain,
            pick(0, sizes.plain),
            (Slot::Key, plain),
        );
        let op = Op::Join {
            a: (Slot::Key, sizes.plain),
            b: (Slot::Turned, sizes.turned),
        };
        let all = Width::Token(times(sizes.heads, sizes.key, "head dim")?);
        self.push(layer, Stage::KJoined, op, (Slot::Key, all));
        let values = Width::Token(times(sizes.heads, sizes.value, "head dim")?);
        let op = pick(sizes.plain, sizes.value);
        self.push(layer, Stage::VPart, op, (Slot::Value, values));
        let heads = Heads {
            queries: sizes.heads,
            key_values: sizes.heads,
            key_dim: sizes.key,
            value_dim: sizes.value,
            reach: self.numbers_of(index).reach,
        };
        let slots = (Slot::Key, Slot::Value);
        self.attend(index, &heads, scale, slots, Stage::Attention)
    }

    /// Queries are taken to the latent space, where one head holds keys and values of all.
    fn absorbed(&mut self, index: usize, sizes: &Sizes, scale: ScoreScale) -> Result<(), Error> {
        let layer = Some(index);
        let heads = sizes.heads;
        let pick = |first, count| Op::Pick {
            from: Slot::Query,
            chunk: sizes.key,
            first,
            count,
        };
        let width =
            |each| -> Result<Width, Error> { Ok(Width::Token(times(heads, each, "head dim")?)) };
        let to = (Slot::Alpha, width(sizes.plain)?);
        self.push(layer, Stage::QPlain, pick(0, sizes.plain), to);
        let to = (Slot::Beta, width(sizes.turned)?);
        self.push(layer, Stage::QTurned, pick(sizes.plain, sizes.turned), to);
        let dims = [sizes.plain, sizes.latent, heads];
        let matrix = self.take(layer, "attn_k_b.weight", &dims)?;
        let op = Op::HeadProduct {
            from: Slot::Alpha,
            matrix,
        };
        let to = (Slot::Alpha, width(sizes.latent)?);
        self.push(layer, Stage::QAbsorbed, op, to);
        let both = sizes.latent.saturating_add(sizes.turned);
        let op = Op::Join {
            a: (Slot::Alpha, sizes.latent),
            b: (Slot::Beta, sizes.turned),
        };
        self.push(layer, Stage::QJoined, op, (Slot::Query, width(both)?));
        let op = Op::Join {
            a: (Slot::Latent, sizes.latent),
            b: (Slot::Turned, sizes.turned),
        };
        self.push(layer, Stage::KJoined, op, (Slot::Key, Width::Token(both)));
        let of_scores = Heads {
            queries: heads,
            key_values: 1,
            key_dim: both,
            value_dim: sizes.latent,
            reach: self.numbers_of(index).reach,
        };
        let slots = (Slot::Key, Slot::Latent);
        self.attend(index, &of_scores, scale, slots, Stage::AttentionLatent)?;
        let dims = [sizes.latent, sizes.value, heads];
        let matrix = self.take(layer, "attn_v_b.weight", &dims)?;
        let op = Op::HeadProduct {
            from: Slot::Attended,
            matrix,
        };
        let to = (Slot::Attended, width(sizes.value)?);
        self.push(layer, Stage::Attention, op, to);
        Ok(())
    }
}
