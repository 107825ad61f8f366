//! One side of a run on the GPU: the values of its prompts, which stay there between two steps.

use crate::cuda::{
    Weight,
    driver::{
        gpu::{Argument, Gpu},
        memory::{Buffer, Pinned},
    },
    product::Product,
    run_error::RunError,
};
use crate::{
    arithmetic::matmul::{bytes, decoded},
    model::{Pairing, Tensor},
    options::Options,
    program::{Heads, Instruction, Norm, Op, PerSlot, Reach, Rotation, Slot},
    record::Digest,
    run::{Side, state::State},
};
use architectures::Activation;

/// The prompts of one side between two steps.
pub(crate) struct DeviceState<'a> {
    gpu: &'a Gpu,
    /// The parts that do not depend on the device, and the values that were fetched.
    host: State<'a, f32>,
    values: PerSlot<Value>,
    /// The cosines and sines of the tables so far.
    turns: Vec<Buffer>,
    /// The weight of a norm, or a bias, and the pinned memory for its upload, two in turn.
    vector: Option<Buffer>,
    staging: [Option<Pinned>; 2],
    /// The digests of all of them so far.
    vectors: Vec<Weight>,
}

/// A value on the GPU: a buffer, and how many floats of it are used.
#[derive(Default)]
struct Value {
    buffer: Option<Buffer>,
    count: usize,
}

impl<'a> DeviceState<'a> {
    /// Checks the prompts.
    pub(crate) fn new(
        gpu: &'a Gpu,
        side: Side<'a>,
        prompts: &[&[u32]],
        options: &Options,
    ) -> Result<Self, RunError> {
        Ok(Self {
            gpu,
            host: State::<f32>::new(side, prompts, options)?,
            values: PerSlot::default(),
            turns: Vec::new(),
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

    /// Allocates the result of a product.
    pub(crate) fn prepare_product(&mut self, matrix: &Tensor, to: Slot) -> Result<(), RunError> {
        self.resize(to, self.tokens() * matrix.rows())
    }

    /// A product whose result is allocated.
    pub(crate) fn product<'b>(&'b self, matrix: &'b Tensor, from: Slot, to: Slot) -> Product<'b> {
        Product {
            matrix,
            x: self.buffer(from),
            y: self.buffer(to),
            tokens: self.tokens(),
        }
    }

    /// Takes an instruction that is not a product: by a kernel where there is one, else on the host, with the same bits.
    pub(crate) fn take(&mut self, instruction: &'a Instruction) -> Result<(), RunError> {
        let to = instruction.to;
        match &instruction.op {
            Op::Lookup { table } => {
                let ids = self.host.ids().iter().copied();
                let rows = self.host.rows_of(table, ids)?;
                self.resize(to, rows.len())?;
                self.buffer(to).write(&self.gpu.compute, &rows)?;
            }
            Op::Norm {
                from,
                norm:
                    Norm {
                        centred: false,
                        weight: Some(weight),
                        bias: None,
                        length,
                        epsilon,
                    },
            } if weight.rows() == 1 => {
                let vector = self.load_vector(weight)?;
                debug_assert_eq!(vector, *length, "a norm has a weight for each value");
                self.resize(to, self.count(*from))?;
                self.norm(*from, to, vector, *epsilon)?;
            }
            Op::AddVector { vector } if vector.columns() * self.tokens() == self.count(to) => {
                let vector = self.load_vector(vector)?;
                self.add_vector(to, vector)?;
            }
            Op::Rotate(rotation) if rotation.first == 0 => self.rotate(to, rotation)?,
            Op::Scores {
                query,
                key,
                heads,
                scale,
            } if has_kernels(heads) => self.scores(*query, *key, heads, scale.value())?,
            Op::Softmax { heads, sinks: None } if has_kernels(heads) => self.softmax(heads)?,
            Op::Weighted { value, heads } if has_kernels(heads) => self.weighted(*value, heads)?,
            Op::Add { from } => self.pair("add", to, *from)?,
            Op::Multiply { from } => self.pair("multiply", to, *from)?,
            Op::Activate {
                from,
                function: Activation::Silu,
            } if *from == to => self.silu(to)?,
            Op::Product { .. } => {
                unreachable!("{}: the backend computes products", instruction.step)
            }
            _ => self.take_on_host(instruction)?,
        }
        Ok(())
    }

    /// Fetches what an instruction reads, computes it on the host, and writes the value back.
    fn take_on_host(&mut self, instruction: &'a Instruction) -> Result<(), RunError> {
        for slot in instruction.inputs() {
            self.fetch(slot)?;
        }
        self.host.take(instruction)?;
        let to = instruction.to;
        let count = self.host.value(to).len();
        self.resize(to, count)?;
        self.buffer(to)
            .write(&self.gpu.compute, self.host.value(to))?;
        Ok(())
    }

    /// The number of values of each prompt, in their order.
    pub(crate) fn lengths(&self, slot: Slot) -> impl Iterator<Item = usize> {
        self.host.lengths(slot, self.count(slot))
    }

    /// Copies what a step wrote to the host.
    pub(crate) fn fetch(&mut self, slot: Slot) -> Result<(), RunError> {
        let mut values = vec![0f32; self.count(slot)];
        self.buffer(slot).read(&self.gpu.compute, 0, &mut values)?;
        self.host.set(slot, values);
        Ok(())
    }

    /// Replaces a value by that of another side if the lengths match; returns whether it did.
    pub(crate) fn replace(&self, slot: Slot, other: &Self) -> Result<bool, RunError> {
        let count = self.count(slot);
        if count == 0 || count != other.count(slot) {
            return Ok(false);
        }
        let from = other.buffer(slot);
        let to = self.buffer(slot);
        to.copy_from(&self.gpu.compute, from, count * 4)?;
        Ok(true)
    }

    fn norm(&self, from: Slot, to: Slot, n: usize, epsilon: f32) -> Result<(), RunError> {
        let (values, out) = (self.argument(from), self.argument(to));
        let epsilon = Argument::Float(epsilon);
        let rows = self.count(from) / n;
        let arguments = [values, self.vector(), out, Argument::Count(n), epsilon];
        Ok(self.gpu.launch("rms_norm", [rows, 1, 1], &arguments)?)
    }

    fn add_vector(&self, slot: Slot, n: usize) -> Result<(), RunError> {
        let value = self.argument(slot);
        let grid = [n.div_ceil(256), self.tokens(), 1];
        let arguments = [value, self.vector(), value, Argument::Count(n)];
        Ok(self.gpu.launch("add_vector", grid, &arguments)?)
    }

    /// Rotates the heads of each prompt: the positions of each start at 0.
    fn rotate(&mut self, slot: Slot, rotation: &'a Rotation) -> Result<(), RunError> {
        let token = self.row(slot);
        let head_dim = rotation.head_dim;
        let heads = token / head_dim;
        let prompts: Vec<_> = self.prompts_with_offsets().collect();
        for (tokens, first) in prompts {
            let number = self.host.table_of(rotation, tokens)?;
            self.upload_tables(number)?;
            let table = self.host.turns(number);
            let width = (heads * (table.dims() / 2)).div_ceil(256);
            let neox = usize::from(table.pairing() == Pairing::Neox);
            let [heads, head_dim, dims, neox] =
                [heads, head_dim, table.dims(), neox].map(Argument::Count);
            let values = Argument::At(self.buffer(slot), first * token);
            let turns = self.turns.get(number);
            let turns = turns.unwrap_or_else(|| unreachable!("it was uploaded before"));
            let turns = Argument::Buffer(turns);
            let arguments = [values, turns, heads, head_dim, dims, neox];
            self.gpu.launch("rotate", [width, tokens, 1], &arguments)?;
        }
        Ok(())
    }

    /// Uploads the tables up to a number that are not there yet.
    fn upload_tables(&mut self, number: usize) -> Result<(), RunError> {
        for number in self.turns.len()..=number {
            let turns = self.host.turns(number).turns().iter();
            let turns: Vec<f32> = turns.flat_map(|(cosine, sine)| [*cosine, *sine]).collect();
            let on_gpu = self.gpu.allocate::<f32>(turns.len())?;
            on_gpu.write(&self.gpu.compute, &turns)?;
            self.turns.push(on_gpu);
        }
        Ok(())
    }

    fn scores(
        &mut self,
        query: Slot,
        key: Slot,
        heads: &Heads,
        scale: f32,
    ) -> Result<(), RunError> {
        self.resize(Slot::Scores, self.score_count(heads))?;
        let scores = self.buffer(Slot::Scores);
        let mut first_score = 0usize;
        for (tokens, first) in self.prompts_with_offsets() {
            let blocks = tokens.div_ceil(16);
            let arguments = [
                Argument::At(self.buffer(query), first * self.row(query)),
                Argument::At(self.buffer(key), first * self.row(key)),
                Argument::At(scores, first_score),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
                Argument::Count(heads.key_values),
                Argument::Count(heads.key_dim),
                Argument::Float(scale),
            ];
            let grid = [blocks, blocks, heads.queries];
            self.gpu.launch("attention_scores", grid, &arguments)?;
            first_score += square(heads, tokens);
        }
        Ok(())
    }

    fn softmax(&mut self, heads: &Heads) -> Result<(), RunError> {
        self.resize(Slot::Probabilities, self.score_count(heads))?;
        let scores = self.buffer(Slot::Scores);
        let probabilities = self.buffer(Slot::Probabilities);
        let mut first_score = 0usize;
        for (tokens, _) in self.prompts_with_offsets() {
            let arguments = [
                Argument::At(scores, first_score),
                Argument::At(probabilities, first_score),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
            ];
            let rows = tokens * heads.queries;
            self.gpu.launch("softmax", [rows, 1, 1], &arguments)?;
            first_score += square(heads, tokens);
        }
        Ok(())
    }

    fn weighted(&mut self, value: Slot, heads: &Heads) -> Result<(), RunError> {
        let row = heads.queries * heads.value_dim;
        self.resize(Slot::Attended, self.tokens() * row)?;
        let probabilities = self.buffer(Slot::Probabilities);
        let out = self.buffer(Slot::Attended);
        let mut first_score = 0usize;
        for (tokens, first) in self.prompts_with_offsets() {
            let arguments = [
                Argument::At(probabilities, first_score),
                Argument::At(self.buffer(value), first * self.row(value)),
                Argument::At(out, first * row),
                Argument::Count(tokens),
                Argument::Count(heads.queries),
                Argument::Count(heads.key_values),
                Argument::Count(heads.value_dim),
            ];
            let grid = [tokens, heads.queries, 1];
            self.gpu.launch("attention_weighted", grid, &arguments)?;
            first_score += square(heads, tokens);
        }
        Ok(())
    }

    fn silu(&self, slot: Slot) -> Result<(), RunError> {
        let (value, count) = (self.argument(slot), self.count(slot));
        let grid = [count.div_ceil(256), 1, 1];
        let arguments = [value, value, Argument::Count(count)];
        Ok(self.gpu.launch("silu", grid, &arguments)?)
    }

    /// Replaces a value by what a kernel makes of it and a second one.
    fn pair(&self, kernel: &'static str, a: Slot, b: Slot) -> Result<(), RunError> {
        let (value, count) = (self.argument(a), self.count(a));
        let grid = [count.div_ceil(256), 1, 1];
        let arguments = [value, self.argument(b), value, Argument::Count(count)];
        Ok(self.gpu.launch(kernel, grid, &arguments)?)
    }

    /// Uploads a vector; returns its length.
    fn load_vector(&mut self, tensor: &Tensor) -> Result<usize, RunError> {
        let bytes = bytes(tensor, self.host.side().sources, 0, 1)?;
        let values = decoded(tensor, &bytes);
        self.vectors.push(Weight {
            name: tensor.name.clone(),
            digest: Digest(*blake3::hash(&bytes).as_bytes()),
        });
        let buffer = self
            .gpu
            .ensure_capacity::<f32>(&mut self.vector, values.len())?;
        self.staging.reverse();
        let [staging, _] = &mut self.staging;
        let bytes = values.len() * 4;
        let staging = match staging.take() {
            Some(pinned) if pinned.bytes() >= bytes => staging.insert(pinned),
            _ => staging.insert(Pinned::new(self.gpu.context(), bytes)?),
        };
        staging.write(&self.gpu.compute, buffer, &values)?;
        Ok(values.len())
    }

    fn vector(&self) -> Argument<'_> {
        let vector = self.vector.as_ref();
        Argument::Buffer(vector.unwrap_or_else(|| unreachable!("a vector was loaded before")))
    }

    fn resize(&mut self, slot: Slot, count: usize) -> Result<(), RunError> {
        let value = &mut self.values[slot];
        self.gpu.ensure_capacity::<f32>(&mut value.buffer, count)?;
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
    fn score_count(&self, heads: &Heads) -> usize {
        let prompts = self.host.prompts().iter();
        prompts.map(|tokens| square(heads, *tokens)).sum()
    }

    /// The number of tokens of each prompt, and of those before it.
    fn prompts_with_offsets(&self) -> impl Iterator<Item = (usize, usize)> {
        self.host.prompts().iter().scan(0usize, |before, tokens| {
            let first = *before;
            *before += *tokens;
            Some((*tokens, first))
        })
    }
}

/// Whether the kernels of the attention compute these heads: those that see all earlier tokens, with keys as long as values.
fn has_kernels(heads: &Heads) -> bool {
    heads.reach == Reach::All && heads.key_dim == heads.value_dim
}

/// The scores of a prompt.
const fn square(heads: &Heads, tokens: usize) -> usize {
    tokens * tokens * heads.queries
}
