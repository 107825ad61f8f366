//! Each stage from the stages before it, one operation at a time.
//!
//! The same table serves two ends: an operation is judged on the inputs that another engine recorded, and a whole run is
//! made of operations that feed each other ([`super::emulate`]).
#![expect(
    clippy::arithmetic_side_effects,
    reason = "floats, and indexes inside shapes that the caller has checked"
)]

use crate::{
    error::Error,
    matmul::rows,
    model::{Layer, Model, Tensor},
    norm::rms_norm,
    rope::Table,
    source::Source,
    stage::{Stage, Step},
};

/// A model whose operations can be computed one by one.
pub(crate) struct Reference<'a> {
    pub(crate) model: &'a Model,
    pub(crate) sources: &'a [&'a dyn Source],
    pub(crate) tokens: &'a [u32],
    table: Table<f32>,
}

/// What an operation takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation<'a> {
    /// The stages that it takes, in the order of [`Reference::compute`].
    pub(crate) inputs: Vec<Step>,
    /// The matrix of a product.
    pub(crate) matrix: Option<&'a Tensor>,
    /// Whether a token's result depends on that token's inputs alone, wherever it stands.
    pub(crate) by_token: bool,
}

impl<'a> Reference<'a> {
    /// Prepares a prompt, whose ids are below the size of the vocabulary.
    pub(crate) fn new(
        model: &'a Model,
        sources: &'a [&'a dyn Source],
        tokens: &'a [u32],
    ) -> Result<Self, Error> {
        let factors = match &model.rope_factors {
            Some(factors) => Some(rows(factors, sources, 0, 1)?),
            None => None,
        };
        let table = Table::new(&model.config.rope, factors.as_deref(), tokens.len());
        Ok(Self {
            model,
            sources,
            tokens,
            table,
        })
    }

    /// Returns the operation that makes a stage; `None` for one that this model does not have.
    pub(crate) fn operation(&self, step: Step) -> Option<Operation<'a>> {
        let Some(index) = step.layer else {
            return Some(match step.stage {
                Stage::Embedding => self.plain(Vec::new()),
                Stage::FinalNorm => self.plain(vec![self.entering(self.model.layers.len())]),
                Stage::Logits => product(&self.model.output, Step::of_model(Stage::FinalNorm)),
                _ => return None,
            });
        };
        let layer = self.model.layers.get(index)?;
        let at = |stage| Step::in_layer(index, stage);
        let biased = layer.biases.is_some();
        let normed = layer.head_norms.is_some();
        // What the head norm or rope takes, and what rope takes.
        let projected = |plain, post| at(if biased { post } else { plain });
        let headed = |plain, post, norm| {
            if normed {
                at(norm)
            } else {
                projected(plain, post)
            }
        };
        let query = headed(Stage::QPreBias, Stage::QPostBias, Stage::QNorm);
        let key = headed(Stage::KPreBias, Stage::KPostBias, Stage::KNorm);
        Some(match step.stage {
            Stage::AttnNorm => self.plain(vec![self.entering(index)]),
            Stage::QPreBias => product(&layer.query, at(Stage::AttnNorm)),
            Stage::KPreBias => product(&layer.key, at(Stage::AttnNorm)),
            Stage::VPreBias => product(&layer.value, at(Stage::AttnNorm)),
            Stage::QPostBias if biased => self.plain(vec![at(Stage::QPreBias)]),
            Stage::KPostBias if biased => self.plain(vec![at(Stage::KPreBias)]),
            Stage::VPostBias if biased => self.plain(vec![at(Stage::VPreBias)]),
            Stage::QNorm if normed => {
                self.plain(vec![projected(Stage::QPreBias, Stage::QPostBias)])
            }
            Stage::KNorm if normed => {
                self.plain(vec![projected(Stage::KPreBias, Stage::KPostBias)])
            }
            Stage::QRope => self.across(vec![query]),
            Stage::KRope => self.across(vec![key]),
            Stage::AttnScores => self.across(vec![at(Stage::QRope), at(Stage::KRope)]),
            Stage::AttnSoftmax => self.across(vec![at(Stage::AttnScores)]),
            Stage::Attention => {
                let value = projected(Stage::VPreBias, Stage::VPostBias);
                self.across(vec![at(Stage::AttnSoftmax), value])
            }
            Stage::AttnOut => product(&layer.attention_output, at(Stage::Attention)),
            Stage::FfnInp => self.plain(vec![self.entering(index), at(Stage::AttnOut)]),
            Stage::FfnNorm => self.plain(vec![at(Stage::FfnInp)]),
            Stage::FfnGate => product(&layer.gate, at(Stage::FfnNorm)),
            Stage::FfnUp => product(&layer.up, at(Stage::FfnNorm)),
            Stage::FfnSilu => self.plain(vec![at(Stage::FfnGate)]),
            Stage::FfnSwiglu => self.plain(vec![at(Stage::FfnGate), at(Stage::FfnUp)]),
            Stage::FfnDown => product(&layer.down, at(Stage::FfnSwiglu)),
            Stage::LayerOut => self.plain(vec![at(Stage::FfnInp), at(Stage::FfnDown)]),
            _ => return None,
        })
    }

    /// Computes an operation that is no product from its inputs, of all tokens or, by token, of any.
    pub(crate) fn compute(&self, step: Step, inputs: &[Vec<f32>]) -> Result<Vec<f64>, Error> {
        let layer = step.layer.and_then(|index| self.model.layers.get(index));
        let first = inputs.first().map_or(&[][..], Vec::as_slice);
        let second = inputs.get(1).map_or(&[][..], Vec::as_slice);
        let config = &self.model.config;
        Ok(match step.stage {
            Stage::Embedding => {
                let mut out = Vec::new();
                for token in self.tokens {
                    let row = usize::try_from(*token).unwrap_or(usize::MAX);
                    out.extend(rows(&self.model.embedding, self.sources, row, 1)?);
                }
                widened(&out)
            }
            Stage::QPostBias | Stage::KPostBias | Stage::VPostBias => {
                let bias = layer.and_then(|layer| bias(layer, step.stage));
                let bias = self.vector(bias)?;
                let tokens = first.chunks(bias.len().max(1));
                tokens.flat_map(|token| sums(token, &bias)).collect()
            }
            Stage::QRope | Stage::KRope => {
                let mut out = first.to_vec();
                let width = out.len().checked_div(self.tokens.len()).unwrap_or(1);
                self.table.rotate(&mut out, width, config.head_dim);
                widened(&out)
            }
            Stage::AttnScores => self.scores(first, second),
            Stage::AttnSoftmax => self.softmax(first),
            Stage::Attention => self.attention(first, second),
            Stage::FfnInp | Stage::LayerOut => sums(first, second).collect(),
            Stage::FfnSilu => first.iter().map(|gate| silu(f64::from(*gate))).collect(),
            Stage::FfnSwiglu => {
                let pairs = first.iter().zip(second);
                pairs
                    .map(|(gate, up)| silu(f64::from(*gate)) * f64::from(*up))
                    .collect()
            }
            stage => {
                let weight = match stage {
                    Stage::FinalNorm => Some(&self.model.final_norm),
                    _ => layer.and_then(|layer| norm_weight(layer, stage)),
                };
                widened(&rms_norm(first, &self.vector(weight)?, config.epsilon))
            }
        })
    }

    /// What enters a layer.
    fn entering(&self, layer: usize) -> Step {
        match layer.checked_sub(1) {
            Some(before) => Step::in_layer(before, Stage::LayerOut),
            None => Step::of_model(Stage::Embedding),
        }
    }

    fn plain(&self, inputs: Vec<Step>) -> Operation<'a> {
        Operation {
            inputs,
            matrix: None,
            by_token: true,
        }
    }

    fn across(&self, inputs: Vec<Step>) -> Operation<'a> {
        Operation {
            inputs,
            matrix: None,
            by_token: false,
        }
    }

    fn vector(&self, tensor: Option<&Tensor>) -> Result<Vec<f32>, Error> {
        tensor.map_or_else(|| Ok(Vec::new()), |tensor| rows(tensor, self.sources, 0, 1))
    }

    /// Query times key, times the scale, for each token and head; 0 for positions that a token does not see.
    fn scores(&self, query: &[f32], key: &[f32]) -> Vec<f64> {
        let config = &self.model.config;
        let scale: f64 = config.scale();
        let mut out = Vec::new();
        let heads = query.chunks(config.head_dim).enumerate();
        for (index, query) in heads {
            let (token, head) = (index / config.heads, index % config.heads);
            for (position, key) in self.serving(key, head).enumerate() {
                let products = query.iter().zip(key);
                let chain: f64 = products.map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                out.push(if position <= token {
                    chain * scale
                } else {
                    0.0
                });
            }
        }
        out
    }

    fn softmax(&self, scores: &[f32]) -> Vec<f64> {
        let mut out = Vec::new();
        for (index, row) in scores.chunks(self.tokens.len().max(1)).enumerate() {
            let seen = index / self.model.config.heads + 1;
            let scores = || row.iter().take(seen).map(|score| f64::from(*score));
            let maximum = scores().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = scores().map(|score| libm::exp(score - maximum)).sum();
            out.extend(scores().map(|score| libm::exp(score - maximum) / sum));
            out.extend(row.iter().skip(seen).map(|_| 0.0));
        }
        out
    }

    /// The values, weighted by the probabilities.
    fn attention(&self, probabilities: &[f32], values: &[f32]) -> Vec<f64> {
        let config = &self.model.config;
        let mut out = Vec::new();
        let rows = probabilities.chunks(self.tokens.len().max(1)).enumerate();
        for (index, probabilities) in rows {
            let mut sum = vec![0f64; config.head_dim];
            let values = self.serving(values, index % config.heads);
            for (p, values) in probabilities.iter().zip(values) {
                for (sum, value) in sum.iter_mut().zip(values) {
                    *sum += f64::from(*p) * f64::from(*value);
                }
            }
            out.extend(sum);
        }
        out
    }

    /// The rows of the key/value head that serves a query head, one per position.
    fn serving<'v>(&self, values: &'v [f32], head: usize) -> impl Iterator<Item = &'v [f32]> {
        let config = &self.model.config;
        let group = (config.heads / config.key_value_heads).max(1);
        let rows = values.chunks(config.head_dim);
        rows.skip(head / group).step_by(config.key_value_heads)
    }
}

fn product(matrix: &Tensor, input: Step) -> Operation<'_> {
    Operation {
        inputs: vec![input],
        matrix: Some(matrix),
        by_token: true,
    }
}

fn bias(layer: &Layer, stage: Stage) -> Option<&Tensor> {
    let [query, key, value] = layer.biases.as_ref()?;
    Some(match stage {
        Stage::QPostBias => query,
        Stage::KPostBias => key,
        _ => value,
    })
}

fn norm_weight(layer: &Layer, stage: Stage) -> Option<&Tensor> {
    match (stage, &layer.head_norms) {
        (Stage::AttnNorm, _) => Some(&layer.attention_norm),
        (Stage::FfnNorm, _) => Some(&layer.feed_forward_norm),
        (Stage::QNorm, Some([query, _])) => Some(query),
        (Stage::KNorm, Some([_, key])) => Some(key),
        _ => None,
    }
}

fn silu(gate: f64) -> f64 {
    gate / (1.0 + libm::exp(-gate))
}

fn sums<'a>(a: &'a [f32], b: &'a [f32]) -> impl Iterator<Item = f64> + 'a {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) + f64::from(*b))
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}
