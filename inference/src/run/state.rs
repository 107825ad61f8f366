//! One side of a run: a model, and the values of its prompts between two steps.

use crate::{
    arithmetic::{
        attention::{self, Heads},
        exp::silu,
        matmul::{Factor, rows},
        norm::rms_norm,
        number::Real,
        rope::Table,
    },
    error::Error,
    model::{Model, Tensor, source::Source},
    program::{PerSlot, Slot, Stage, Step},
};

/// A model with its files.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The model.
    pub model: &'a Model,
    /// The files that it was loaded from.
    pub sources: &'a [&'a dyn Source],
}

/// Prompts on their way through a model, one after the other in every value.
pub(crate) struct State<'a, F> {
    side: Side<'a>,
    ids: Vec<usize>,
    /// The number of tokens of each prompt.
    prompts: Vec<usize>,
    table: Table<F>,
    values: PerSlot<Vec<F>>,
    threads: usize,
}

impl<'a, F: Real> State<'a, F> {
    /// Checks the prompts and prepares the tables.
    ///
    /// # Errors
    /// Fails when a prompt does not fit the model, and when a read fails.
    pub(crate) fn new(side: Side<'a>, prompts: &[&[u32]], threads: usize) -> Result<Self, Error> {
        let mut ids = Vec::new();
        for tokens in prompts {
            ids.extend(check_prompt(side.model, tokens)?);
        }
        let prompts: Vec<usize> = prompts.iter().map(|tokens| tokens.len()).collect();
        let longest = prompts.iter().copied().max();
        let longest = longest.ok_or_else(|| Error::Prompt {
            expected: "at least one prompt".to_owned(),
            found: "none".to_owned(),
        })?;
        let factors = match &side.model.rope_factors {
            Some(factors) => Some(rows(factors, side.sources, 0, 1)?),
            None => None,
        };
        let table = Table::new(&side.model.config.rope, factors.as_deref(), longest);
        Ok(Self {
            side,
            ids,
            prompts,
            table,
            values: PerSlot::default(),
            threads,
        })
    }

    /// The value that a step has written, token-major.
    pub(crate) fn value(&self, slot: Slot) -> &[F] {
        &self.values[slot]
    }

    /// The value that a step has written, prompt by prompt.
    pub(crate) fn pieces(&self, slot: Slot) -> Vec<&[F]> {
        let mut rest = self.value(slot);
        let mut pieces = Vec::new();
        for length in self.lengths(slot, rest.len()) {
            let (piece, more) = rest.split_at(length);
            pieces.push(piece);
            rest = more;
        }
        pieces
    }

    /// Replaces a value.
    pub(crate) fn set(&mut self, slot: Slot, value: Vec<F>) {
        self.values[slot] = value;
    }

    /// Takes a value away.
    pub(crate) fn take_value(&mut self, slot: Slot) -> Vec<F> {
        std::mem::take(&mut self.values[slot])
    }

    /// The tensor of a step that cannot be taken without one.
    pub(crate) fn tensor(&self, step: Step) -> &'a Tensor {
        let tensor = self.side.model.tensor(step);
        tensor.unwrap_or_else(|| {
            unreachable!("{step} is in no program of a model without its tensor")
        })
    }

    /// The matrix of a step that is a product, and where its activations are.
    pub(crate) fn matrix(&self, step: Step) -> (&'a Tensor, Slot) {
        let activations = step.stage.activations();
        let activations = activations.unwrap_or_else(|| unreachable!("{step} is not a product"));
        (self.tensor(step), activations)
    }

    /// The matrix and the activations of a step that is a product.
    pub(crate) fn factor(&self, step: Step) -> Factor<'_, F> {
        let (matrix, x) = self.matrix(step);
        Factor {
            matrix,
            sources: self.side.sources,
            x: self.value(x),
        }
    }

    /// Takes a step that is not a product.
    ///
    /// # Errors
    /// Fails when a read fails.
    pub(crate) fn take(&mut self, step: Step) -> Result<(), Error> {
        let slot = step.stage.slot();
        let heads = self.heads();
        let threads = self.threads;
        let value = match step.stage {
            Stage::Embedding => self.embedding()?,
            Stage::AttnNorm | Stage::FfnNorm | Stage::FinalNorm => {
                self.norm(Slot::Residual, &self.vector(step)?)
            }
            Stage::QNorm | Stage::KNorm => self.norm(slot, &self.vector(step)?),
            Stage::QPostBias | Stage::KPostBias | Stage::VPostBias => {
                self.plus_vector(slot, &self.vector(step)?)
            }
            Stage::QRope => self.rotated(slot, heads.queries * heads.dim),
            Stage::KRope => self.rotated(slot, heads.key_values * heads.dim),
            Stage::AttnScores => self.attended(Slot::Query, Slot::Key, |_, query, key| {
                attention::scores(heads, query, key, threads)
            }),
            Stage::AttnSoftmax => self.attended(Slot::Scores, Slot::Scores, |tokens, scores, _| {
                attention::softmax(heads, scores, tokens, threads)
            }),
            Stage::Attention => self.attended(
                Slot::Probabilities,
                Slot::Value,
                |tokens, probabilities, value| {
                    attention::weighted(heads, probabilities, value, tokens, threads)
                },
            ),
            Stage::FfnInp | Stage::LayerOut => {
                self.combined(Slot::Residual, Slot::Out, |x, more| x + more)
            }
            Stage::FfnSilu => silu(self.value(Slot::Gate)),
            Stage::FfnSwiglu => self.combined(Slot::Gate, Slot::Up, |gate, up| gate * up),
            Stage::QPreBias
            | Stage::KPreBias
            | Stage::VPreBias
            | Stage::AttnOut
            | Stage::FfnGate
            | Stage::FfnUp
            | Stage::FfnDown
            | Stage::Logits => unreachable!("{step} is a product, which a backend computes"),
        };
        self.set(slot, value);
        Ok(())
    }

    /// The model with its files.
    pub(crate) const fn side(&self) -> Side<'a> {
        self.side
    }

    /// The number of tokens of each prompt.
    pub(crate) fn prompts(&self) -> &[usize] {
        &self.prompts
    }

    /// The cosines and sines of the positions of the longest prompt.
    pub(crate) const fn table(&self) -> &Table<F> {
        &self.table
    }

    /// The heads of the attention.
    pub(crate) fn heads(&self) -> Heads<F> {
        let config = &self.side.model.config;
        Heads {
            queries: config.heads,
            key_values: config.key_value_heads,
            dim: config.head_dim,
            scale: attention::scale(config),
        }
    }

    /// The rows of the tokens.
    ///
    /// # Errors
    /// Fails when a read fails.
    pub(crate) fn embedding(&self) -> Result<Vec<F>, Error> {
        let embedding = &self.side.model.embedding;
        let mut value = Vec::new();
        for id in &self.ids {
            value.extend(self.read(embedding, *id)?);
        }
        Ok(value)
    }

    /// The weight of a norm, or a bias.
    fn vector(&self, step: Step) -> Result<Vec<F>, Error> {
        self.read(self.tensor(step), 0)
    }

    fn norm(&self, slot: Slot, weight: &[F]) -> Vec<F> {
        let epsilon = F::from_f32(self.side.model.config.epsilon);
        rms_norm(self.value(slot), weight, epsilon)
    }

    fn plus_vector(&self, slot: Slot, vector: &[F]) -> Vec<F> {
        let mut value = self.value(slot).to_vec();
        for token in value.chunks_mut(vector.len()) {
            for (x, more) in token.iter_mut().zip(vector) {
                *x += *more;
            }
        }
        value
    }

    fn rotated(&self, slot: Slot, token_length: usize) -> Vec<F> {
        let head_dim = self.side.model.config.head_dim;
        let mut value = Vec::new();
        for piece in self.pieces(slot) {
            let mut piece = piece.to_vec();
            self.table.rotate(&mut piece, token_length, head_dim);
            value.extend(piece);
        }
        value
    }

    /// A part of the attention: prompts do not see each other.
    fn attended(&self, a: Slot, b: Slot, part: impl Fn(usize, &[F], &[F]) -> Vec<F>) -> Vec<F> {
        let pieces = self.pieces(a).into_iter().zip(self.pieces(b));
        let prompts = self.prompts.iter().zip(pieces);
        prompts
            .flat_map(|(tokens, (a, b))| part(*tokens, a, b))
            .collect()
    }

    /// How many of the `count` values of a slot each prompt has.
    pub(crate) fn lengths(&self, slot: Slot, count: usize) -> impl Iterator<Item = usize> {
        let row = count / self.ids.len();
        let heads = self.side.model.config.heads;
        self.prompts.iter().map(move |tokens| match slot {
            // For each token and head a row of one value per position.
            Slot::Scores | Slot::Probabilities => tokens * tokens * heads,
            _ => tokens * row,
        })
    }

    fn combined(&self, a: Slot, b: Slot, with: impl Fn(F, F) -> F) -> Vec<F> {
        let pairs = self.value(a).iter().zip(self.value(b));
        pairs.map(|(a, b)| with(*a, *b)).collect()
    }

    /// The values of a row of a tensor.
    ///
    /// # Errors
    /// Fails when the read fails.
    pub(crate) fn read(&self, tensor: &Tensor, row: usize) -> Result<Vec<F>, Error> {
        let row = rows(tensor, self.side.sources, row, 1)?;
        Ok(row.into_iter().map(F::from_f32).collect())
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
