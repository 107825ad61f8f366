//! A prompt through a model, every step by its kernels.

use super::{
    device::{Buffer, Device},
    launches::Panel,
};
use crate::{
    arithmetic::{attention::Heads, matmul::rows, rope::Table},
    model::{Layer, Pairing, Tensor, source::read},
    program::{PerSlot, Slot, Stage, Step},
    run::Side,
};

/// A prompt on its way through a model on a device.
pub(super) struct Simulation<'a> {
    pub(super) device: Device<'a>,
    side: Side<'a>,
    values: PerSlot<Buffer>,
    tokens: usize,
    ids: Buffer,
    turns: Buffer,
}

impl<'a> Simulation<'a> {
    /// Prepares a prompt on a device.
    pub(super) fn new(side: Side<'a>, tokens: &[u32], mut device: Device<'a>) -> Self {
        let model = side.model;
        let factors = model.rope_factors.as_ref();
        let factors = factors.map(|factors| rows(factors, side.sources, 0, 1).unwrap());
        let table = Table::<f32>::new(&model.config.rope, factors.as_deref(), tokens.len());
        Self {
            side,
            tokens: tokens.len(),
            ids: device.put(tokens),
            turns: device.put(&table.pairs()),
            values: PerSlot::default(),
            device,
        }
    }

    /// Takes a step and returns its value; an error is a fault of a kernel or a value that was not written.
    pub(super) fn take(&mut self, step: Step) -> Result<Vec<f32>, String> {
        let model = self.side.model;
        let result = match step.stage {
            Stage::Embedding => self.embedding()?,
            Stage::FinalNorm => self.norm(Slot::Residual, &model.final_norm)?,
            Stage::Logits => self.product(Slot::Normed, &model.output)?,
            _ => self.in_layer(step, &model.layers[step.layer.unwrap()])?,
        };
        self.values[step.stage.slot()] = result;
        self.device.download(result)
    }

    /// Sets the value of a step that is not taken.
    pub(super) fn set(&mut self, step: Step, values: &[f32]) {
        self.values[step.stage.slot()] = self.device.put(values);
    }

    fn in_layer(&mut self, step: Step, layer: &Layer) -> Result<Buffer, String> {
        let biases = layer.biases.as_ref();
        let norms = layer.head_norms.as_ref();
        let (config, tokens, heads) = (&self.side.model.config, self.tokens, self.heads());
        match step.stage {
            Stage::AttnNorm => self.norm(Slot::Residual, &layer.attention_norm),
            Stage::FfnNorm => self.norm(Slot::Residual, &layer.feed_forward_norm),
            Stage::QPreBias => self.product(Slot::Normed, &layer.query),
            Stage::KPreBias => self.product(Slot::Normed, &layer.key),
            Stage::VPreBias => self.product(Slot::Normed, &layer.value),
            Stage::QPostBias => self.biased(Slot::Query, &biases.unwrap()[0]),
            Stage::KPostBias => self.biased(Slot::Key, &biases.unwrap()[1]),
            Stage::VPostBias => self.biased(Slot::Value, &biases.unwrap()[2]),
            Stage::QNorm => self.norm(Slot::Query, &norms.unwrap()[0]),
            Stage::KNorm => self.norm(Slot::Key, &norms.unwrap()[1]),
            Stage::QRope => self.rotated(Slot::Query, config.heads),
            Stage::KRope => self.rotated(Slot::Key, config.key_value_heads),
            Stage::AttnScores => {
                let (q, k) = (self.value(Slot::Query), self.value(Slot::Key));
                self.device.scores(heads, tokens, q, k)
            }
            Stage::AttnSoftmax => {
                let scores = self.value(Slot::Scores);
                self.device.softmax(heads, tokens, scores)
            }
            Stage::Attention => {
                let (p, v) = (self.value(Slot::Probabilities), self.value(Slot::Value));
                self.device.weighted(heads, tokens, p, v)
            }
            Stage::AttnOut => self.product(Slot::Attended, &layer.attention_output),
            Stage::FfnInp | Stage::LayerOut => {
                let (a, b) = (self.value(Slot::Residual), self.value(Slot::Out));
                self.device.pair("add", a, b)
            }
            Stage::FfnGate => self.product(Slot::Normed, &layer.gate),
            Stage::FfnUp => self.product(Slot::Normed, &layer.up),
            Stage::FfnSilu => self.device.silu(self.value(Slot::Gate)),
            Stage::FfnSwiglu => {
                let (a, b) = (self.value(Slot::Gate), self.value(Slot::Up));
                self.device.pair("multiply", a, b)
            }
            Stage::FfnDown => self.product(Slot::Gate, &layer.down),
            Stage::Embedding | Stage::FinalNorm | Stage::Logits => unreachable!(),
        }
    }

    fn value(&self, slot: Slot) -> Buffer {
        self.values[slot]
    }

    fn heads(&self) -> Heads<f32> {
        let config = &self.side.model.config;
        Heads {
            queries: config.heads,
            key_values: config.key_value_heads,
            dim: config.head_dim,
            scale: match config.attention_scale {
                Some(scale) => scale,
                None => 1.0 / (config.head_dim as f32).sqrt(),
            },
        }
    }

    fn embedding(&mut self) -> Result<Buffer, String> {
        let embedding = &self.side.model.embedding;
        let table = self.decoded(embedding)?;
        self.device
            .gather_rows(table, self.ids, embedding.columns())
    }

    fn norm(&mut self, slot: Slot, weight: &Tensor) -> Result<Buffer, String> {
        let weight = self.decoded(weight)?;
        let epsilon = self.side.model.config.epsilon;
        self.device.rms_norm(self.value(slot), weight, epsilon)
    }

    fn biased(&mut self, slot: Slot, bias: &Tensor) -> Result<Buffer, String> {
        let bias = self.decoded(bias)?;
        self.device.add_vector(self.value(slot), bias)
    }

    fn rotated(&mut self, slot: Slot, heads: usize) -> Result<Buffer, String> {
        let (values, config) = (self.value(slot), &self.side.model.config);
        let shape = [heads, config.head_dim, config.rope.dims];
        let neox = config.rope.pairing == Pairing::Neox;
        self.device.rotate(values, self.turns, shape, neox)?;
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
