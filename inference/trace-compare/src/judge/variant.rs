//! Hypotheses about what another engine does differently: a short list.
//!
//! A hypothesis is a changed model. Where it reproduces the values of the other engine and the model as it is does not, it
//! names what the other engine does.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "shapes that loading has checked, and fewer than 16 hypotheses"
)]

use inference::{Model, Op, Pairing, ScoreScale, Stage, Width};

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
    /// Nothing is added in norms.
    no_epsilon: bool,
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
            no_epsilon: false,
        };
        let alone = Self {
            no_epsilon: true,
            ..Self::default()
        };
        all.into_iter().map(of).chain([alone]).collect()
    }

    /// Returns the changed model; `None` when a change does not apply to it.
    pub(crate) fn apply(self, model: &Model) -> Option<Model> {
        let mut changed = model.clone();
        if self.no_head_norms {
            leave_out(&mut changed, &[Stage::QNorm, Stage::KNorm])?;
        }
        if self.no_biases {
            let biases = [Stage::QPostBias, Stage::KPostBias, Stage::VPostBias];
            leave_out(&mut changed, &biases)?;
        }
        if self.other_pairing {
            for instruction in &mut changed.program {
                if let Op::Rotate(rotation) = &mut instruction.op {
                    rotation.rope.pairing = other(rotation.rope.pairing);
                }
            }
        }
        if self.no_epsilon {
            for instruction in &mut changed.program {
                if let Op::Norm { norm, .. } = &mut instruction.op {
                    norm.epsilon = 0.0;
                }
            }
        }
        if self.head_from_hidden {
            shrink_heads(&mut changed)?;
        }
        Some(changed)
    }

    /// Says what the other engine does, one change after the other.
    pub(crate) fn describe(self, model: &Model) -> Vec<String> {
        let heads = model.scores(0).map(|(heads, _)| heads);
        let pairing = model.rope(0).map(|rope| rope.pairing);
        let mut changes = Vec::new();
        if self.no_head_norms {
            changes.push("leaves out q_norm and k_norm".to_owned());
        }
        if let Some(heads) = heads.filter(|_| self.head_from_hidden) {
            changes.push(format!(
                "uses a head size of {} (hidden / heads) instead of {}",
                model.config.hidden / heads.queries,
                heads.key_dim
            ));
        }
        if let Some(pairing) = pairing.filter(|_| self.other_pairing) {
            let name = |pairing| match pairing {
                Pairing::Norm => "NORM pairs (2i, 2i + 1)",
                Pairing::Neox => "NEOX pairs (i, i + half)",
            };
            let theirs = name(other(pairing));
            changes.push(format!(
                "rotates {theirs}, but this file says {}",
                name(pairing)
            ));
        }
        if self.no_biases {
            changes.push("leaves out the biases of q, k and v".to_owned());
        }
        if self.no_epsilon {
            changes.push("adds no epsilon in norms".to_owned());
        }
        changes
    }
}

/// Leaves out stages; `None` where there is none of them.
fn leave_out(model: &mut Model, stages: &[Stage]) -> Option<()> {
    let before = model.program.len();
    let program = &mut model.program;
    program.retain(|instruction| !stages.contains(&instruction.step.stage));
    (model.program.len() < before).then_some(())
}

/// Heads of hidden / heads values: the first rows of query, key and value, and the bytes of the output matrix cut into
/// shorter rows.
fn shrink_heads(model: &mut Model) -> Option<()> {
    let (heads, _) = model.scores(0)?;
    let hidden = model.config.hidden;
    let dim = hidden / heads.queries;
    if dim >= heads.key_dim || !dim.is_multiple_of(2) || !hidden.is_multiple_of(heads.queries) {
        return None;
    }
    let (queries, keys) = (dim * heads.queries, dim * heads.key_values);
    for instruction in &mut model.program {
        let width = match instruction.step.stage {
            Stage::QPreBias | Stage::QPostBias | Stage::QRope | Stage::Attention => queries,
            Stage::KPreBias | Stage::KPostBias | Stage::KRope => keys,
            Stage::VPreBias | Stage::VPostBias => keys,
            // The norm of a head is as long as a head.
            Stage::QNorm | Stage::KNorm => return None,
            _ => 0,
        };
        if width > 0 {
            instruction.width = Width::Token(width);
        }
        match (&mut instruction.op, instruction.step.stage) {
            (Op::Product { matrix, .. }, Stage::AttnOut) => {
                let (block, _) = matrix.weight_type.block();
                if queries % block != 0 {
                    return None;
                }
                *matrix.dims.first_mut()? = queries;
            }
            (Op::Product { matrix, .. }, _) if width > 0 => *matrix.dims.get_mut(1)? = width,
            (Op::AddVector { vector }, _) if width > 0 => *vector.dims.first_mut()? = width,
            (Op::Rotate(rotation), _) => {
                // A latent attention has rows of other sizes.
                if rotation.head_dim != heads.key_dim {
                    return None;
                }
                rotation.head_dim = dim;
                rotation.rope.dims = rotation.rope.dims.min(dim);
            }
            (
                Op::Scores { heads, .. } | Op::Softmax { heads, .. } | Op::Weighted { heads, .. },
                _,
            ) => (heads.key_dim, heads.value_dim) = (dim, dim),
            _ => {}
        }
        if let Op::Scores { scale, .. } = &mut instruction.op {
            *scale = ScoreScale::InverseRoot(dim);
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
            assert_eq!(all.len(), 16);
            all.into_iter()
                .filter(|variant| variant.apply(&model).is_some())
                .count()
        };
        // The pairing; the pairing and the biases, alone and together; the head norms likewise; and everywhere the epsilon.
        assert_eq!(applicable(models::llama().to_bytes()), 2);
        assert_eq!(applicable(models::qwen2().to_bytes()), 4);
        assert!(applicable(models::qwen3().to_bytes()) >= 4);
    }

    #[needs::data("arch/deepseek2.f32.gguf")]
    #[test]
    fn heads_of_a_latent_attention_are_not_made_smaller() {
        let bytes = fixtures::shared::read("arch/deepseek2.f32.gguf");
        let mut model = inference::load(&[&bytes]).unwrap();
        assert_eq!(shrink_heads(&mut model), None);
    }
}
