//! Hypotheses about what another engine does differently: a short list.
//!
//! A hypothesis is a changed model. Where it reproduces the values of the other engine and the model as it is does not, it
//! names what the other engine does.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes that loading has checked, and fewer than 16 hypotheses"
)]

use inference::{Model, Pairing};

/// A set of changes to a model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Variant {
    /// The norms of query and key heads are left out.
    no_head_norms: bool,
    /// The other values make a rope pair.
    other_pairing: bool,
    /// A head has hidden / heads values; matrices are read as if they had been made for that.
    head_from_hidden: bool,
    /// The biases of query, key and value are left out.
    no_biases: bool,
}

impl Variant {
    /// Every set of changes but the empty one, those with fewer changes first.
    pub(crate) fn all() -> Vec<Self> {
        let mut all: Vec<u32> = (1..16).collect();
        all.sort_by_key(|bits| bits.count_ones());
        let of = |bits: u32| Self {
            no_head_norms: bits & 1 != 0,
            other_pairing: bits & 2 != 0,
            head_from_hidden: bits & 4 != 0,
            no_biases: bits & 8 != 0,
        };
        all.into_iter().map(of).collect()
    }

    /// Returns the changed model; `None` when a change does not apply to it.
    pub(crate) fn apply(self, model: &Model) -> Option<Model> {
        let mut changed = model.clone();
        if self.no_head_norms {
            for layer in &mut changed.layers {
                layer.head_norms.take()?;
            }
        }
        if self.no_biases {
            for layer in &mut changed.layers {
                layer.biases.take()?;
            }
        }
        if self.other_pairing {
            changed.config.rope.pairing = other(changed.config.rope.pairing);
        }
        if self.head_from_hidden {
            shrink_heads(&mut changed)?;
        }
        Some(changed)
    }

    /// Says what the other engine does, one change after the other.
    pub(crate) fn describe(self, model: &Model) -> Vec<String> {
        let config = &model.config;
        let mut changes = Vec::new();
        if self.no_head_norms {
            changes.push("leaves out q_norm and k_norm".to_owned());
        }
        if self.head_from_hidden {
            changes.push(format!(
                "uses a head size of {} (hidden / heads) instead of {}",
                config.hidden / config.heads,
                config.head_dim
            ));
        }
        if self.other_pairing {
            let name = |pairing| match pairing {
                Pairing::Norm => "NORM pairs (2i, 2i + 1)",
                Pairing::Neox => "NEOX pairs (i, i + half)",
            };
            let theirs = name(other(config.rope.pairing));
            changes.push(format!(
                "rotates {theirs}, but this file says {}",
                name(config.rope.pairing)
            ));
        }
        if self.no_biases {
            changes.push("leaves out the biases of q, k and v".to_owned());
        }
        changes
    }
}

/// Heads of hidden / heads values: the first rows of query, key and value, and the bytes of the output matrix cut into
/// shorter rows.
fn shrink_heads(model: &mut Model) -> Option<()> {
    let config = &mut model.config;
    let dim = config.hidden / config.heads;
    if dim >= config.head_dim
        || !dim.is_multiple_of(2)
        || !config.hidden.is_multiple_of(config.heads)
    {
        return None;
    }
    let (queries, keys) = (dim * config.heads, dim * config.key_value_heads);
    config.head_dim = dim;
    config.rope.dims = config.rope.dims.min(dim);
    for layer in &mut model.layers {
        // The norm of a head is as long as a head.
        if layer.head_norms.is_some() {
            return None;
        }
        for (matrix, rows) in [
            (&mut layer.query, queries),
            (&mut layer.key, keys),
            (&mut layer.value, keys),
        ] {
            *matrix.dims.get_mut(1)? = rows;
        }
        let (block, _) = layer.attention_output.weight_type.block();
        if queries % block != 0 {
            return None;
        }
        *layer.attention_output.dims.first_mut()? = queries;
        if let Some([query, key, value]) = &mut layer.biases {
            for (bias, length) in [(query, queries), (key, keys), (value, keys)] {
                *bias.dims.first_mut()? = length;
            }
        }
    }
    Some(())
}

const fn other(pairing: Pairing) -> Pairing {
    match pairing {
        Pairing::Norm => Pairing::Neox,
        Pairing::Neox => Pairing::Norm,
    }
}

#[cfg(test)]
mod tests {
    use fixtures::models;

    use super::*;

    #[test]
    fn changes_that_do_not_apply_are_no_hypotheses() {
        let applicable = |bytes: Vec<u8>| {
            let model = inference::load(&[&bytes]).unwrap();
            let all = Variant::all();
            assert_eq!(all.len(), 15);
            all.into_iter()
                .filter(|variant| variant.apply(&model).is_some())
                .count()
        };
        // The pairing; the pairing and the biases, alone and together; the head norms likewise.
        assert_eq!(applicable(models::llama().to_bytes()), 1);
        assert_eq!(applicable(models::qwen2().to_bytes()), 3);
        assert!(applicable(models::qwen3().to_bytes()) >= 3);
    }
}
