//! The forward: a prompt of token ids through all layers, stage by stage.

use crate::{
    attention::{Heads, attend},
    error::Error,
    exp::silu,
    matmul::{Factor, matmul, rows},
    model::{Layer, Model, Tensor},
    norm::rms_norm,
    rope::Table,
    source::Source,
    stage::{Stage, Step},
};

/// The id of the numeric contract; results of another contract are never compared with these.
pub const NUMERICS: &str = "f32-fixed-1";

/// What may be chosen without changing a bit of any result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// The number of threads; 0 counts as 1.
    pub threads: usize,
    /// The most file bytes that a thread holds of a matrix, at least one row.
    pub panel_bytes: usize,
}

/// Takes the values of every stage, in execution order.
pub trait StageSink {
    /// Takes a stage, the number of tokens and the values, token-major.
    fn stage(&mut self, step: Step, tokens: usize, values: &[f32]);
}

/// Runs a prompt and returns the logits of every position, `vocabulary` values each.
///
/// The sources are those that the model was loaded from. Stages and their capture points are listed in `CONTRACT.md`.
///
/// # Errors
/// Fails when the prompt is empty, longer than the context or holds an id outside the vocabulary, when a read fails, and
/// with [`Error::NotCovered`] when it is longer than the window of the attention.
pub fn forward(
    model: &Model,
    sources: &[&dyn Source],
    tokens: &[u32],
    options: &Options,
    sink: &mut dyn StageSink,
) -> Result<Vec<f32>, Error> {
    let ids = check_prompt(model, tokens)?;
    let run = Run {
        model,
        sources,
        options,
    };
    let factors = match &model.rope_factors {
        Some(factors) => Some(run.vector(factors)?),
        None => None,
    };
    let table = Table::new(&model.config.rope, factors.as_deref(), ids.len());

    let mut x = Vec::new();
    for id in &ids {
        x.extend(rows(&model.embedding, sources, *id, 1)?);
    }
    sink.stage(Step::of_model(Stage::Embedding), ids.len(), &x);
    for (index, layer) in model.layers.iter().enumerate() {
        let mut emit =
            |stage, values: &[f32]| sink.stage(Step::in_layer(index, stage), ids.len(), values);
        run.attention(layer, &table, &mut x, &mut emit)?;
        run.feed_forward(layer, &mut x, &mut emit)?;
    }
    let x = run.norm(&x, &model.final_norm)?;
    sink.stage(Step::of_model(Stage::FinalNorm), ids.len(), &x);
    let logits = run.product(&model.output, &x)?;
    sink.stage(Step::of_model(Stage::Logits), ids.len(), &logits);
    Ok(logits)
}

impl Default for Options {
    /// Returns one thread per processor and panels of 4 MiB.
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            panel_bytes: 4 << 20,
        }
    }
}

/// A prompt on its way through a model.
struct Run<'a> {
    model: &'a Model,
    sources: &'a [&'a dyn Source],
    options: &'a Options,
}

/// Hands a stage of the current layer to the sink.
type Emit<'a> = &'a mut dyn FnMut(Stage, &[f32]);

impl Run<'_> {
    /// Norm, q/k/v, biases, head norms, rope, attention, output matrix, residual.
    fn attention(
        &self,
        layer: &Layer,
        table: &Table,
        x: &mut [f32],
        emit: Emit<'_>,
    ) -> Result<(), Error> {
        let config = &self.model.config;
        let normed = self.norm(x, &layer.attention_norm)?;
        emit(Stage::AttnNorm, &normed);
        let mut q = self.product(&layer.query, &normed)?;
        let mut k = self.product(&layer.key, &normed)?;
        let mut v = self.product(&layer.value, &normed)?;
        emit(Stage::QPreBias, &q);
        emit(Stage::KPreBias, &k);
        emit(Stage::VPreBias, &v);
        if let Some([q_bias, k_bias, v_bias]) = &layer.biases {
            add_to_each_token(&mut q, &self.vector(q_bias)?);
            add_to_each_token(&mut k, &self.vector(k_bias)?);
            add_to_each_token(&mut v, &self.vector(v_bias)?);
            emit(Stage::QPostBias, &q);
            emit(Stage::KPostBias, &k);
            emit(Stage::VPostBias, &v);
        }
        if let Some([q_norm, k_norm]) = &layer.head_norms {
            q = self.norm(&q, q_norm)?;
            k = self.norm(&k, k_norm)?;
            emit(Stage::QNorm, &q);
            emit(Stage::KNorm, &k);
        }
        table.rotate(&mut q, layer.query.rows(), config.head_dim);
        table.rotate(&mut k, layer.key.rows(), config.head_dim);
        emit(Stage::QRope, &q);
        emit(Stage::KRope, &k);
        let heads = Heads {
            queries: config.heads,
            key_values: config.key_value_heads,
            dim: config.head_dim,
            scale: config.attention_scale,
        };
        let attended = attend(heads, &q, &k, &v, self.options.threads);
        emit(Stage::AttnScores, &attended.scores);
        emit(Stage::AttnSoftmax, &attended.probabilities);
        emit(Stage::Attention, &attended.out);
        let out = self.product(&layer.attention_output, &attended.out)?;
        emit(Stage::AttnOut, &out);
        add(x, &out);
        emit(Stage::FfnInp, x);
        Ok(())
    }

    /// Norm, gate and up, silu, product, down, residual.
    fn feed_forward(&self, layer: &Layer, x: &mut [f32], emit: Emit<'_>) -> Result<(), Error> {
        let normed = self.norm(x, &layer.feed_forward_norm)?;
        emit(Stage::FfnNorm, &normed);
        let mut gate = self.product(&layer.gate, &normed)?;
        let up = self.product(&layer.up, &normed)?;
        emit(Stage::FfnGate, &gate);
        emit(Stage::FfnUp, &up);
        silu(&mut gate);
        emit(Stage::FfnSilu, &gate);
        for (gate, up) in gate.iter_mut().zip(&up) {
            *gate *= up;
        }
        emit(Stage::FfnSwiglu, &gate);
        let down = self.product(&layer.down, &gate)?;
        emit(Stage::FfnDown, &down);
        add(x, &down);
        emit(Stage::LayerOut, x);
        Ok(())
    }

    fn norm(&self, x: &[f32], weight: &Tensor) -> Result<Vec<f32>, Error> {
        Ok(rms_norm(
            x,
            &self.vector(weight)?,
            self.model.config.epsilon,
        ))
    }

    fn product(&self, matrix: &Tensor, x: &[f32]) -> Result<Vec<f32>, Error> {
        let factor = Factor {
            matrix,
            sources: self.sources,
            x,
        };
        let results = matmul(&[factor], self.options)?;
        Ok(results.into_iter().next().unwrap_or_default())
    }

    fn vector(&self, tensor: &Tensor) -> Result<Vec<f32>, Error> {
        rows(tensor, self.sources, 0, 1)
    }
}

/// The ids as indexes of rows.
fn check_prompt(model: &Model, tokens: &[u32]) -> Result<Vec<usize>, Error> {
    let config = &model.config;
    let wrong = |expected: String, found: String| Err(Error::Prompt { expected, found });
    if tokens.is_empty() || tokens.len() > config.context {
        let expected = format!("1 to {} tokens", config.context);
        return wrong(expected, tokens.len().to_string());
    }
    if let Some(window) = config.window.filter(|window| tokens.len() > *window) {
        let what = format_args!("a prompt longer than the attention window of {window}");
        return Err(Error::not_covered(what));
    }
    let mut ids = Vec::new();
    for token in tokens {
        match usize::try_from(*token) {
            Ok(id) if id < config.vocabulary => ids.push(id),
            _ => {
                let expected = format!("token ids below {}", config.vocabulary);
                return wrong(expected, token.to_string());
            }
        }
    }
    Ok(ids)
}

fn add(x: &mut [f32], more: &[f32]) {
    for (x, more) in x.iter_mut().zip(more) {
        *x += more;
    }
}

fn add_to_each_token(x: &mut [f32], bias: &[f32]) {
    for token in x.chunks_mut(bias.len().max(1)) {
        add(token, bias);
    }
}
