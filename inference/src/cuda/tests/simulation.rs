//! A prompt through a model, every step by its kernels.

use super::{
    device::{Buffer, Device},
    launches::Panel,
};
use architectures::Activation;

use crate::{
    arithmetic::{matmul::rows, rope::Table},
    model::{Pairing, Tensor, source::read},
    program::{Instruction, Norm, Op, PerSlot, Rotation, Slot, Step},
    run::Side,
};

/// A prompt on its way through a model on a device.
pub(super) struct Simulation<'a> {
    pub(super) device: Device<'a>,
    side: Side<'a>,
    values: PerSlot<Buffer>,
    tokens: usize,
    ids: Buffer,
}

impl<'a> Simulation<'a> {
    /// Prepares a prompt on a device.
    pub(super) fn new(side: Side<'a>, tokens: &[u32], mut device: Device<'a>) -> Self {
        Self {
            side,
            tokens: tokens.len(),
            ids: device.put(tokens),
            values: PerSlot::default(),
            device,
        }
    }

    /// Takes a step and returns its value; an error is a fault of a kernel or a value that was not written.
    pub(super) fn take(&mut self, step: Step) -> Result<Vec<f32>, String> {
        let instruction = self.side.model.instruction(step).unwrap();
        let result = self.result(instruction)?;
        self.values[instruction.to] = result;
        self.device.download(result)
    }

    /// Sets the value of a step that is not taken.
    pub(super) fn set(&mut self, step: Step, values: &[f32]) {
        let instruction = self.side.model.instruction(step).unwrap();
        self.values[instruction.to] = self.device.put(values);
    }

    fn result(&mut self, instruction: &Instruction) -> Result<Buffer, String> {
        let (to, tokens) = (self.value(instruction.to), self.tokens);
        match &instruction.op {
            Op::Lookup { table } => {
                let columns = table.columns();
                let table = self.decoded(table)?;
                self.device.gather_rows(table, self.ids, columns)
            }
            Op::Norm { from, norm } => self.norm(*from, norm),
            Op::Product { from, matrix } => self.product(*from, matrix),
            Op::AddVector { vector } => {
                let vector = self.decoded(vector)?;
                self.device.add_vector(to, vector)
            }
            Op::Rotate(rotation) => self.rotated(instruction.to, rotation),
            Op::Scores {
                query,
                key,
                heads,
                scale,
            } => {
                let (q, k) = (self.value(*query), self.value(*key));
                self.device.scores(*heads, scale.as_f32(), tokens, q, k)
            }
            Op::Softmax { heads, .. } => {
                let scores = self.value(Slot::Scores);
                self.device.softmax(*heads, tokens, scores)
            }
            Op::Weighted { value, heads } => {
                let (p, v) = (self.value(Slot::Probabilities), self.value(*value));
                self.device.weighted(*heads, tokens, p, v)
            }
            Op::Add { from } => self.device.pair("add", to, self.value(*from)),
            Op::Multiply { from } => self.device.pair("multiply", to, self.value(*from)),
            Op::Activate {
                function: Activation::Silu,
                from,
            } => self.device.silu(self.value(*from)),
            _ => panic!("{}: no kernel", instruction.step),
        }
    }

    fn value(&self, slot: Slot) -> Buffer {
        self.values[slot]
    }

    fn norm(&mut self, slot: Slot, norm: &Norm) -> Result<Buffer, String> {
        let weight = self.decoded(norm.weight.as_ref().unwrap())?;
        self.device.rms_norm(self.value(slot), weight, norm.epsilon)
    }

    fn rotated(&mut self, slot: Slot, rotation: &Rotation) -> Result<Buffer, String> {
        let factors = rotation.factors.as_ref();
        let factors = factors.map(|factors| factors.of(self.tokens));
        let factors = factors.map(|factors| rows(factors, self.side.sources, 0, 1).unwrap());
        let table = Table::<f32>::new(&rotation.rope, factors.as_deref(), self.tokens);
        let turns = self.device.put(&table.pairs());
        let values = self.value(slot);
        let heads = values.words / self.tokens / rotation.head_dim;
        let shape = [heads, rotation.head_dim, rotation.rope.dims];
        let neox = rotation.rope.pairing == Pairing::Neox;
        self.device.rotate(values, turns, shape, neox)?;
        Ok(values)
    }

    /// A product, in two panels of rows.
    fn product(&mut self, slot: Slot, matrix: &Tensor) -> Result<Buffer, String> {
        let out = self.device.reserve(matrix.rows() * self.tokens);
        let middle = matrix.rows().div_ceil(2);
        for (first, end) in [(0, middle), (middle, matrix.rows())] {
            if first < end {
                let panel = self.panel(matrix, first, end - first);
                let x = self.value(slot);
                self.device.product(panel, x, self.tokens, out)?;
            }
        }
        Ok(out)
    }

    fn decoded(&mut self, tensor: &Tensor) -> Result<Buffer, String> {
        let panel = self.panel(tensor, 0, tensor.rows());
        self.device.dequantise(panel)
    }

    /// Rows as they lie in the file.
    fn panel(&mut self, tensor: &Tensor, first: usize, rows: usize) -> Panel {
        let skipped = (first * tensor.row_bytes()) as u64;
        let source = self.side.sources[tensor.shard];
        let length = rows * tensor.row_bytes();
        let bytes = read(source, tensor.offset + skipped, length).unwrap();
        Panel {
            weight_type: tensor.weight_type,
            raw: self.device.upload_padded(bytes),
            rows,
            columns: tensor.columns(),
            first,
            all_rows: tensor.rows(),
        }
    }
}
