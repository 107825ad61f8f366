//! One side of a run: a model, and the values of its prompts between two steps.

mod operations;

use crate::{
    arithmetic::{
        activation::activate,
        attention, experts,
        matmul::{Factor, rows},
        number::Real,
        recurrent,
        rope::Table,
    },
    error::Error,
    model::{Model, Rope, Tensor, source::Source},
    options::Options,
    program::{Instruction, Op, PerSlot, Slot},
    run::memory,
};

/// A model with its files.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The model.
    pub model: &'a Model,
    /// The files that it was loaded from.
    pub sources: &'a [&'a dyn Source],
}

/// The prompts of one side between two steps; every value holds them one after the other.
pub(crate) struct State<'a, F> {
    side: Side<'a>,
    ids: Vec<usize>,
    /// The number of tokens of each prompt.
    prompts: Vec<usize>,
    /// The angles of the rotations so far: most models have one or two.
    tables: Vec<Turns<'a, F>>,
    values: PerSlot<Vec<F>>,
    options: Options,
}

/// The angles of a rotation.
struct Turns<'a, F> {
    rope: &'a Rope,
    factors: Option<&'a Tensor>,
    table: Table<F>,
}

impl<'a, F: Real> State<'a, F> {
    /// Checks the prompts.
    ///
    /// # Errors
    /// Fails when a prompt does not fit the model.
    pub(crate) fn new(
        side: Side<'a>,
        prompts: &[&[u32]],
        options: &Options,
    ) -> Result<Self, Error> {
        let mut ids = Vec::new();
        for tokens in prompts {
            ids.extend(check_prompt(side.model, tokens)?);
        }
        if prompts.is_empty() {
            return Err(Error::Prompt {
                expected: "at least one prompt".to_owned(),
                found: "none".to_owned(),
            });
        }
        memory::check::<F>(side.model, prompts, options.memory)?;
        Ok(Self {
            side,
            ids,
            prompts: prompts.iter().map(|tokens| tokens.len()).collect(),
            tables: Vec::new(),
            values: PerSlot::default(),
            options: *options,
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

    /// The matrix and the activations of a product.
    pub(crate) fn factor<'b>(&'b self, matrix: &'b Tensor, from: Slot) -> Factor<'b, F> {
        Factor {
            matrix,
            sources: self.side.sources,
            x: self.value(from),
        }
    }

    /// Takes an instruction that is not a product.
    ///
    /// # Errors
    /// Fails when a read fails.
    pub(crate) fn take(&mut self, instruction: &'a Instruction) -> Result<(), Error> {
        let value = self.result(instruction)?;
        self.set(instruction.to, value);
        Ok(())
    }

    fn result(&mut self, instruction: &'a Instruction) -> Result<Vec<F>, Error> {
        let to = instruction.to;
        let threads = self.options.threads;
        Ok(match &instruction.op {
            Op::Lookup { table } => self.rows_of(table, self.ids.iter().copied())?,
            Op::AddPositions { table } => {
                let positions = self.prompts.iter().flat_map(|tokens| 0..*tokens);
                let rows = self.rows_of(table, positions)?;
                self.changed(to, &rows, |x, more| x + more)
            }
            Op::Scale { factor } => {
                let factor = F::from_f64(*factor);
                self.value(to).iter().map(|x| *x * factor).collect()
            }
            Op::Copy { from } => self.value(*from).to_vec(),
            Op::Norm { from, norm } => self.norm(*from, norm)?,
            Op::Product { .. } => {
                unreachable!("{}: a backend computes products", instruction.step)
            }
            Op::HeadProduct { from, matrix } => {
                let heads = (0..matrix.slices()).cycle();
                self.sliced_product(matrix, self.value(*from), heads)?
            }
            Op::AddVector { vector } => self.changed(to, &self.read(vector)?, |x, y| x + y),
            Op::MultiplyVector { vector } => self.changed(to, &self.read(vector)?, |x, y| x * y),
            Op::Clamp { limit } => {
                let limit = F::from_f32(*limit);
                let values = self.value(to).iter();
                values.map(|x| clipped(*x, limit)).collect()
            }
            Op::Cap { limit } => {
                let limit = F::from_f32(*limit);
                let cap = |x: &F| (*x / limit).through_f64(libm::tanh) * limit;
                self.value(to).iter().map(cap).collect()
            }
            Op::Pick {
                from,
                chunk,
                first,
                count,
            } => {
                let chunks = self.value(*from).chunks(*chunk);
                let picked = chunks.flat_map(|chunk| chunk.iter().skip(*first).take(*count));
                picked.copied().collect()
            }
            Op::Join { a, b } => self.joined(*a, *b),
            Op::Rotate(rotation) => self.rotated(to, rotation)?,
            Op::Temper {
                scale,
                length,
                offset,
            } => self.tempered(to, *scale, *length, *offset),
            Op::Scores {
                query,
                key,
                heads,
                scale,
            } => self.attended(*query, *key, |_, query, key| {
                attention::scores(*heads, scale.value(), query, key, threads)
            }),
            Op::Slope { heads, largest } => self.attended(to, to, |tokens, scores, _| {
                attention::sloped(*heads, scores, tokens, *largest)
            }),
            Op::Softmax { heads, sinks } => {
                let sinks = self.read_optional(sinks.as_ref())?;
                let sinks = sinks.as_deref();
                self.attended(Slot::Scores, Slot::Scores, |tokens, scores, _| {
                    attention::softmax(*heads, sinks, scores, tokens, threads)
                })
            }
            Op::Weighted { value, heads } => self.attended(
                Slot::Probabilities,
                *value,
                |tokens, probabilities, value| {
                    attention::weighted(*heads, probabilities, value, tokens, threads)
                },
            ),
            Op::Gate { by } => {
                let by = self.value(*by);
                let each = self.value(to).len() / by.len();
                let chunks = self.value(to).chunks(each).zip(by);
                let gated = chunks.flat_map(|(chunk, by)| {
                    let share = by.sigmoid();
                    chunk.iter().map(move |x| *x * share)
                });
                gated.collect()
            }
            Op::Add { from } => self.changed(to, self.value(*from), |x, more| x + more),
            Op::Multiply { from } => self.changed(to, self.value(*from), |x, y| x * y),
            Op::MultiplyClipped { from } => {
                let limit = F::from_count(7);
                self.changed(to, self.value(*from), |x, up| {
                    x * (clipped(up, limit) + F::ONE)
                })
            }
            Op::Activate { from, function } => activate(*function, self.value(*from)),
            Op::RouterProbabilities { from, softmax } => {
                experts::probabilities(self.value(*from), self.row(*from), *softmax)
            }
            Op::Choose(choice) => {
                let bias = self.read_optional(choice.bias.as_ref())?;
                let (values, experts) = (self.value(choice.by), self.row(choice.by));
                experts::choose(values, experts, choice, bias.as_deref())
            }
            Op::ExpertWeights(weighing) => experts::weights(
                self.value(weighing.of),
                self.value(Slot::Chosen),
                self.row(weighing.of),
                weighing,
            ),
            Op::ExpertProduct { from, matrix, used } => {
                let x = self.value(*from);
                let chosen = self
                    .value(Slot::Chosen)
                    .iter()
                    .map(|id| experts::number(*id));
                // The values of a token are those of each of its experts.
                match self.row(*from) == matrix.columns() {
                    true => {
                        let rows = x.chunks(matrix.columns());
                        let rows = rows.flat_map(|row| std::iter::repeat_n(row, *used));
                        let x: Vec<F> = rows.flatten().copied().collect();
                        self.sliced_product(matrix, &x, chosen)?
                    }
                    false => self.sliced_product(matrix, x, chosen)?,
                }
            }
            Op::ExpertBias { bias } => {
                let all = self.read(bias)?;
                let chosen = self.value(Slot::Chosen).iter();
                let rows = self.value(to).chunks(bias.columns()).zip(chosen);
                let biased = rows.flat_map(|(row, id)| {
                    let bias = all.chunks(bias.columns()).nth(experts::number(*id));
                    let bias = bias.unwrap_or_else(|| unreachable!("an expert that there is"));
                    let pairs = row.iter().zip(bias);
                    pairs.map(|(x, more)| *x + *more)
                });
                biased.collect()
            }
            Op::Spread { from, used } => {
                let rows = self.value(*from).chunks(self.row(*from));
                let weights = self.value(Slot::ExpertWeights).chunks(*used);
                let spread = rows.zip(weights).flat_map(|(row, weights)| {
                    let each = move |weight: &F| {
                        let weight = *weight;
                        row.iter().map(move |x| *x * weight)
                    };
                    weights.iter().flat_map(each)
                });
                spread.collect()
            }
            Op::ExpertSum {
                from,
                used,
                weighted,
            } => {
                let weights = weighted.then(|| self.value(Slot::ExpertWeights));
                experts::sum(self.value(*from), weights, *used, self.ids.len())
            }
            Op::Convolve { weight, bias } => {
                let channels = weight.rows();
                let weight = self.read(weight)?;
                let bias = self.read_optional(bias.as_ref())?;
                self.attended(to, to, |_, values, _| {
                    recurrent::convolve(values, &weight, bias.as_deref(), channels)
                })
            }
            Op::Delta(rule) => self.delta(rule)?,
            Op::StateSpace(space) => self.state_space(space)?,
        })
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
        let squares: usize = self.prompts.iter().map(|tokens| tokens * tokens).sum();
        let tokens = self.ids.len();
        self.prompts.iter().map(move |length| match slot {
            // For each token and head a row of one value per position.
            Slot::Scores | Slot::Probabilities => count / squares * (length * length),
            _ => count / tokens * length,
        })
    }

    /// The values of a token.
    fn row(&self, slot: Slot) -> usize {
        self.value(slot).len() / self.ids.len()
    }

    /// Rows of a table, one after the other.
    ///
    /// # Errors
    /// Fails when a read fails.
    pub(crate) fn rows_of(
        &self,
        table: &Tensor,
        numbers: impl Iterator<Item = usize>,
    ) -> Result<Vec<F>, Error> {
        let mut value = Vec::new();
        for number in numbers {
            let row = rows(table, self.side.sources, number, 1)?;
            value.extend(row.into_iter().map(F::from_f32));
        }
        Ok(value)
    }

    /// The values of a tensor, all rows.
    fn read(&self, tensor: &Tensor) -> Result<Vec<F>, Error> {
        let values = rows(tensor, self.side.sources, 0, tensor.rows())?;
        Ok(values.into_iter().map(F::from_f32).collect())
    }

    fn read_optional(&self, tensor: Option<&Tensor>) -> Result<Option<Vec<F>>, Error> {
        tensor.map(|tensor| self.read(tensor)).transpose()
    }
}

/// The parts that a GPU needs as well.
#[cfg(feature = "cuda")]
impl<'a, F> State<'a, F> {
    /// The model with its files.
    pub(crate) const fn side(&self) -> Side<'a> {
        self.side
    }

    /// The tokens of all prompts.
    pub(crate) fn ids(&self) -> &[usize] {
        &self.ids
    }

    /// The number of tokens of each prompt.
    pub(crate) fn prompts(&self) -> &[usize] {
        &self.prompts
    }
}

fn clipped<F: Real>(x: F, limit: F) -> F {
    x.least(limit).greatest(-limit)
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
