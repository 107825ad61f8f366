//! One side of a run on the GPU: the values of its prompts, which stay there between two steps.

use crate::cuda::{
    driver::{
        gpu::{Argument, Gpu},
        memory::{Buffer, Pinned},
    },
    product::Product,
    upload::weights::Weight,
};
use crate::{
    arithmetic::{
        attention::Heads,
        matmul::{bytes, decoded},
    },
    error::Error,
    model::{Pairing, Tensor},
    program::{PerSlot, Slot, Stage, Step},
    record::Digest,
    run::{Side, state::State},
};

/// Prompts on their way through a model.
pub(crate) struct DeviceState<'a> {
    gpu: &'a Gpu,
    /// What does not depend on the device, and the values that were fetched.
    host: State<'a, f32>,
    values: PerSlot<Value>,
    /// The cosines and sines of all positions.
    turns: Buffer,
    /// The weight of a norm, or a bias, and the memory through which it comes, in turn.
    vector: Option<Buffer>,
    staging: [Option<Pinned>; 2],
    /// The digests of all of them so far.
    vectors: Vec<Weight>,
}

/// A value on the GPU: room, and how many floats there are.
#[derive(Default)]
struct Value {
    buffer: Option<Buffer>,
    count: usize,
}

impl<'a> DeviceState<'a> {
    /// Checks the prompts and prepares the tables.
    pub(crate) fn new(
        gpu: &'a Gpu,
        side: Side<'a>,
        prompts: &[&[u32]],
        threads: usize,
    ) -> Result<Self, Error> {
        let host = State::<f32>::new(side, prompts, threads)?;
        let turns = host.table().turns().iter();
        let turns: Vec<f32> = turns.flat_map(|(cosine, sine)| [*cosine, *sine]).collect();
        let on_gpu = gpu.allocate::<f32>(turns.len())?;
        on_gpu.write(&gpu.compute, &turns)?;
        Ok(Self {
            gpu,
            host,
            values: PerSlot::default(),
            turns: on_gpu,
            vector: None,
            staging: [None, None],
            vectors: Vec::new(),
        })
    }

    /// The digests of the vectors that were used.
    pub(crate) fn into_vectors(self) -> Vec<Weight> {
        self.vectors
    }

    /// The side with the values that were fetched.
    pub(crate) const fn host(&self) -> &State<'a, f32> {
        &self.host
    }

    /// Makes room for the result of a step that is a product.
    pub(crate) fn prepare_product(&mut self, step: Step) -> Result<(), Error> {
        let (matrix, _) = self.host.matrix(step);
        self.resize(step.stage.slot(), self.tokens() * matrix.rows())
    }

    /// The product of a step that has room for its result.
    pub(crate) fn product(&self, step: Step) -> Product<'_> {
        let (matrix, x) = self.host.matrix(step);
        Product {
            matrix,
            x: self.buffer(x),
            y: self.buffer(step.stage.slot()),
            tokens: self.tokens(),
        }
    }

    /// Takes a step that is not a product.
    pub(crate) fn take(&mut self, step: Step) -> Result<(), Error> {
        let slot = step.stage.slot();
        match step.stage {
            Stage::Embedding => {
                let rows = self.host.embedding()?;
                self.resize(slot, rows.len())?;
                self.buffer(slot).write(&self.gpu.compute, &rows)?;
            }
            Stage::AttnNorm | Stage::FfnNorm | Stage::FinalNorm => {
                let vector = self.load_vector(self.host.tensor(step))?;
                self.resize(slot, self.count(Slot::Residual))?;
                self.norm(Slot::Residual, slot, vector)?;
            }
            Stage::QNorm | Stage::KNorm => {
                let vector = self.load_vector(self.host.tensor(step))?;
                self.norm(slot, slot, vector)?;
            }
            Stage::QPostBias | Stage::KPostBias | Stage::VPostBias => {
                let vector = self.load_vector(self.host.tensor(step))?;
                self.add_vector(slot, vector)?;
            }
            Stage::QRope | Stage::KRope => self.rotate(slot)?,
            Stage::AttnScores => self.scores()?,
            Stage::AttnSoftmax => self.softmax()?,
            Stage::Attention => self.weighted()?,
            Stage::FfnInp | Stage::LayerOut => self.pair("add", slot, Slot::Out)?,
            Stage::FfnSilu => self.silu(slot)?,
            Stage::FfnSwiglu => self.pair("multiply", slot, Slot::Up)?,
            Stage::QPreBias
            | Stage::KPreBias
            | Stage::VPreBias
            | Stage::AttnOut
            | Stage::FfnGate
            | Stage::FfnUp
            | Stage::FfnDown
            | Stage::Logits => unreachable!("{step} is a product, which the backend computes"),
        }
        Ok(())
    }

    /// The number of values of each prompt, in the order in which they lie there.
    pub(crate) fn lengths(&self, slot: Slot) -> impl Iterator<Item = usize> {
        self.host.lengths(slot, self.count(slot))
    }

    /// Copies what a step wrote to the host.
    pub(crate) fn fetch(&mut self, slot: Slot) -> Result<(), Error> {
        let mut values = vec![0f32; self.count(slot)];
        self.buffer(slot).read(&self.gpu.compute, 0, &mut values)?;
        self.host.set(slot, values);
        Ok(())
    }

    /// Takes a value of another side in the place of its own, if they are of one length; whether it did.
    pub(crate) fn replace(&self, slot: Slot, other: &Self) -> Result<bool, Error> {
        let count = self.count(slot);
        if count == 0 || count != other.count(slot) {
            return Ok(false);
        }
        let from = other.buffer(slot);
        let to = self.buffer(slot);
        to.copy_from(&self.gpu.compute, from, count * 4)?;
        Ok(true)
    }

    fn norm(&self, from: Slot, to: Slot, n: usize) -> Result<(), Error> {
        let (values, out) = (self.argument(from), self.argument(to));
        let epsilon = Argument::Float(self.host.side().model.config.epsilon);
        let rows = self.count(from) / n;
        let arguments = [values, self.vector(), out, Argument::Count(n), epsilon];
        Ok(self.gpu.launch("rms_norm", [rows, 1, 1], &arguments)?)
    }

    fn add_vector(&self, slot: Slot, n: usize) -> Result<(), Error> {
        let value = self.argument(slot);
        let grid = [n.div_ceil(256), self.tokens(), 1];
        let arguments = [value, self.vector(), value, Argument::Count(n)];
        Ok(self.gpu.launch("add_vector", grid, &arguments)?)
    }

    /// Rotates the heads of each prompt: the positions of each start at 0.
    fn rotate(&self, slot: Slot) -> Result<(), Error> {
        let (table, head_dim) = (self.host.table(), self.host.heads().dim);
        let pairs = table.dims() / 2;
        let token = self.row(slot);
        let heads = token / head_dim;
        let width = (heads * pairs).div_ceil(256);
        let turns = Argument::Buffer(&self.turns);
        let neox = usize::from(table.pairing() == Pairing::Neox);
        let [heads, head_dim, dims, neox] =
            [heads, head_dim, table.dims(), neox].map(Argument::Count);
        for (tokens, first) in self.spans() {
            let values = Argument::At(self.buffer(slot), first * token);
            let arguments = [values, turns, heads, head_dim, dims, neox];
            self.gpu.launch("rotate", [width, tokens, 1], &arguments)?;
        }
        Ok(())
    }

    fn scores(&mut self) -> Result<(), Error> {
        self.resize(Slot::Scores, self.score_count())?;
        let heads = self.host.heads();
        let (query, key) = (self.buffer(Slot::Query), self.buffer(Slot::Key));
        let scores = self.buffer(Slot::Scores);
        let mut first_score = 0usize;
        for (tokens, first) in self.spans() {
            let blocks = tokens.div_ceil(16);
            let arguments = [
                Argument::At(query, first * self.row(Slot::Query)),
                Argument::At(key, first * self.row(Slot::Key)),
                Argument::At(scores, first_score),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
                Argument::Count(heads.key_values),
                Argument::Count(heads.dim),
                Argument::Float(heads.scale),
            ];
            let grid = [blocks, blocks, heads.queries];
            self.gpu.launch("attention_scores", grid, &arguments)?;
            first_score += square(&heads, tokens);
        }
        Ok(())
    }

    fn softmax(&mut self) -> Result<(), Error> {
        self.resize(Slot::Probabilities, self.score_count())?;
        let heads = self.host.heads();
        let scores = self.buffer(Slot::Scores);
        let probabilities = self.buffer(Slot::Probabilities);
        let mut first_score = 0usize;
        for (tokens, _) in self.spans() {
            let arguments = [
                Argument::At(scores, first_score),
                Argument::At(probabilities, first_score),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
            ];
            let rows = tokens * heads.queries;
            self.gpu.launch("softmax", [rows, 1, 1], &arguments)?;
            first_score += square(&heads, tokens);
        }
        Ok(())
    }

    fn weighted(&mut self) -> Result<(), Error> {
        let heads = self.host.heads();
        let row = heads.queries * heads.dim;
        self.resize(Slot::Attended, self.tokens() * row)?;
        let probabilities = self.buffer(Slot::Probabilities);
        let (value, out) = (self.buffer(Slot::Value), self.buffer(Slot::Attended));
        let mut first_score = 0usize;
        for (tokens, first) in self.spans() {
            let arguments = [
                Argument::At(probabilities, first_score),
                Argument::At(value, first * self.row(Slot::Value)),
                Argument::At(out, first * row),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
                Argument::Count(heads.key_values),
                Argument::Count(heads.dim),
            ];
            let grid = [tokens, heads.queries, 1];
            self.gpu.launch("attention_weighted", grid, &arguments)?;
            first_score += square(&heads, tokens);
        }
        Ok(())
    }

    fn silu(&self, slot: Slot) -> Result<(), Error> {
        let (value, count) = (self.argument(slot), self.count(slot));
        let arguments = [value, value, Argument::Count(count)];
        Ok(self
            .gpu
            .launch("silu", [count.div_ceil(256), 1, 1], &arguments)?)
    }

    /// Writes what a kernel makes of two values in the place of the first one.
    fn pair(&self, kernel: &'static str, a: Slot, b: Slot) -> Result<(), Error> {
        let (value, count) = (self.argument(a), self.count(a));
        let arguments = [value, self.argument(b), value, Argument::Count(count)];
        Ok(self
            .gpu
            .launch(kernel, [count.div_ceil(256), 1, 1], &arguments)?)
    }

    /// Brings a vector to the GPU; returns its length.
    fn load_vector(&mut self, tensor: &Tensor) -> Result<usize, Error> {
        let bytes = bytes(tensor, self.host.side().sources, 0, 1)?;
        let values = decoded(tensor, &bytes);
        self.vectors.push(Weight {
            name: tensor.name.clone(),
            digest: Digest(*blake3::hash(&bytes).as_bytes()),
        });
        let room = self.gpu.room::<f32>(&mut self.vector, values.len())?;
        self.staging.reverse();
        let [staging, _] = &mut self.staging;
        let bytes = values.len() * 4;
        let staging = match staging.take() {
            Some(pinned) if pinned.bytes() >= bytes => staging.insert(pinned),
            _ => staging.insert(Pinned::new(self.gpu.context(), bytes)?),
        };
        staging.write(&self.gpu.compute, room, &values)?;
        Ok(values.len())
    }

    fn vector(&self) -> Argument<'_> {
        let vector = self.vector.as_ref();
        Argument::Buffer(vector.unwrap_or_else(|| unreachable!("a vector was loaded before")))
    }

    fn resize(&mut self, slot: Slot, count: usize) -> Result<(), Error> {
        let value = &mut self.values[slot];
        self.gpu.room::<f32>(&mut value.buffer, count)?;
        value.count = count;
        Ok(())
    }

    fn buffer(&self, slot: Slot) -> &Buffer {
        let buffer = self.values[slot].buffer.as_ref();
        buffer.unwrap_or_else(|| unreachable!("{slot:?} is read before it is written"))
    }

    /// A value, for a kernel.
    pub(crate) fn argument(&self, slot: Slot) -> Argument<'_> {
        Argument::Buffer(self.buffer(slot))
    }

    fn count(&self, slot: Slot) -> usize {
        self.values[slot].count
    }

    /// The values of a token.
    fn row(&self, slot: Slot) -> usize {
        self.count(slot) / self.tokens()
    }

    /// The number of tokens of all prompts.
    fn tokens(&self) -> usize {
        self.host.prompts().iter().sum()
    }

    /// The scores of all prompts.
    fn score_count(&self) -> usize {
        self.lengths(Slot::Scores).sum()
    }

    /// The number of tokens of each prompt, and of those before it.
    fn spans(&self) -> impl Iterator<Item = (usize, usize)> {
        self.host.prompts().iter().scan(0usize, |before, tokens| {
            let first = *before;
            *before += *tokens;
            Some((*tokens, first))
        })
    }
}

/// The scores of a prompt.
const fn square(heads: &Heads<f32>, tokens: usize) -> usize {
    tokens * tokens * heads.queries
}
