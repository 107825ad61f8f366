//! A prompt through a model, every step a launch of its kernel.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "the shapes are those of small models"
)]

use ptx_interpreter::{Argument, Module, Options};

use super::device::{Buffer, Device, count};
use crate::{
    forward::StageSink,
    matmul::rows,
    model::{Layer, Pairing, Tensor, WeightType},
    program::{Slot, program},
    rope::Table,
    side::Side,
    source::read,
    stage::{Stage, Step},
};

/// A model on a device.
pub(super) struct Simulation<'a> {
    side: Side<'a>,
    device: Device<'a>,
    values: [Buffer; Slot::COUNT],
    tokens: usize,
    turns: Buffer,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(side: Side<'a>, module: &'a Module, options: Options) -> Self {
        Self {
            side,
            device: Device::new(module, options),
            values: [Buffer::default(); Slot::COUNT],
            tokens: 0,
            turns: Buffer::default(),
        }
    }

    /// Runs a prompt; an error is a fault of a kernel or a value that was not written.
    pub(super) fn forward(
        mut self,
        tokens: &[u32],
        sink: &mut dyn StageSink,
    ) -> Result<(), String> {
        let model = self.side.model;
        self.tokens = tokens.len();
        let factors = model
            .rope_factors
            .as_ref()
            .map(|factors| self.decoded(factors));
        let table = Table::<f32>::new(&model.config.rope, factors.as_deref(), tokens.len());
        self.turns = self.device.upload(&bytes(&table.pairs()));
        for step in program(model) {
            let result = match step.stage {
                Stage::Embedding => self.embedding(tokens)?,
                Stage::FinalNorm => self.norm(Slot::Residual, &model.final_norm)?,
                Stage::Logits => self.product(Slot::Normed, &model.output)?,
                _ => self.in_layer(step, &model.layers[step.layer.unwrap()])?,
            };
            self.values[step.stage.slot() as usize] = result;
            sink.stage(step, tokens.len(), &self.device.download(result)?);
        }
        Ok(())
    }

    fn in_layer(&mut self, step: Step, layer: &Layer) -> Result<Buffer, String> {
        let biases = layer.biases.as_ref();
        let norms = layer.head_norms.as_ref();
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
            Stage::QRope => self.rotated(Slot::Query, self.side.model.config.heads),
            Stage::KRope => self.rotated(Slot::Key, self.side.model.config.key_value_heads),
            Stage::AttnScores => self.scores(),
            Stage::AttnSoftmax => self.softmax(),
            Stage::Attention => self.weighted(),
            Stage::AttnOut => self.product(Slot::Attended, &layer.attention_output),
            Stage::FfnInp | Stage::LayerOut => self.pair("add", Slot::Residual, Slot::Out),
            Stage::FfnGate => self.product(Slot::Normed, &layer.gate),
            Stage::FfnUp => self.product(Slot::Normed, &layer.up),
            Stage::FfnSilu => self.silu(),
            Stage::FfnSwiglu => self.pair("multiply", Slot::Gate, Slot::Up),
            Stage::FfnDown => self.product(Slot::Gate, &layer.down),
            Stage::Embedding | Stage::FinalNorm | Stage::Logits => unreachable!(),
        }
    }

    fn embedding(&mut self, tokens: &[u32]) -> Result<Buffer, String> {
        let embedding = &self.side.model.embedding;
        let table = self.dequantised(embedding)?;
        let ids: Vec<u8> = tokens.iter().flat_map(|id| id.to_le_bytes()).collect();
        let ids = self.device.upload(&ids);
        let columns = embedding.columns();
        let out = self.device.reserve(columns * self.tokens);
        let arguments = [table.into(), ids.into(), out.into(), count(columns)];
        let grid = [columns.div_ceil(256), self.tokens, 1];
        self.device.launch("copy_rows", grid, &arguments)?;
        Ok(out)
    }

    fn norm(&mut self, slot: Slot, weight: &Tensor) -> Result<Buffer, String> {
        let values = self.values[slot as usize];
        let weight = self.dequantised(weight)?;
        let out = self.device.reserve(values.words);
        let epsilon = Argument::F32(self.side.model.config.epsilon);
        let arguments = [
            values.into(),
            weight.into(),
            out.into(),
            count(weight.words),
            epsilon,
        ];
        let grid = [values.words / weight.words, 1, 1];
        self.device.launch("rms_norm", grid, &arguments)?;
        Ok(out)
    }

    fn biased(&mut self, slot: Slot, bias: &Tensor) -> Result<Buffer, String> {
        let values = self.values[slot as usize];
        let bias = self.dequantised(bias)?;
        let out = self.device.reserve(values.words);
        let arguments = [values.into(), bias.into(), out.into(), count(bias.words)];
        let grid = [bias.words.div_ceil(256), self.tokens, 1];
        self.device.launch("add_vector", grid, &arguments)?;
        Ok(out)
    }

    fn rotated(&mut self, slot: Slot, heads: usize) -> Result<Buffer, String> {
        let values = self.values[slot as usize];
        let config = &self.side.model.config;
        let arguments = [
            values.into(),
            self.turns.into(),
            count(heads),
            count(config.head_dim),
            count(config.rope.dims),
            count(usize::from(config.rope.pairing == Pairing::Neox)),
        ];
        let pairs = heads * config.rope.dims / 2;
        let grid = [pairs.div_ceil(256), self.tokens, 1];
        self.device.launch("rotate", grid, &arguments)?;
        Ok(values)
    }

    fn scores(&mut self) -> Result<Buffer, String> {
        let config = &self.side.model.config;
        let scale = 1.0 / (config.head_dim as f32).sqrt();
        let scale = config.attention_scale.unwrap_or(scale);
        let out = self
            .device
            .reserve(self.tokens * self.tokens * config.heads);
        let arguments = [
            self.values[Slot::Query as usize].into(),
            self.values[Slot::Key as usize].into(),
            out.into(),
            count(self.tokens),
            count(config.heads),
            count(config.key_value_heads),
            count(config.head_dim),
            Argument::F32(scale),
        ];
        let side = self.tokens.div_ceil(16);
        let grid = [side, side, config.heads];
        self.device.launch("attention_scores", grid, &arguments)?;
        Ok(out)
    }

    fn softmax(&mut self) -> Result<Buffer, String> {
        let scores = self.values[Slot::Scores as usize];
        let heads = self.side.model.config.heads;
        let out = self.device.reserve(scores.words);
        let arguments = [scores.into(), out.into(), count(self.tokens), count(heads)];
        let grid = [self.tokens * heads, 1, 1];
        self.device.launch("softmax", grid, &arguments)?;
        Ok(out)
    }

    fn weighted(&mut self) -> Result<Buffer, String> {
        let config = &self.side.model.config;
        let words = self.tokens * config.heads * config.head_dim;
        let out = self.device.reserve(words);
        let arguments = [
            self.values[Slot::Probabilities as usize].into(),
            self.values[Slot::Value as usize].into(),
            out.into(),
            count(self.tokens),
            count(config.heads),
            count(config.key_value_heads),
            count(config.head_dim),
        ];
        let grid = [self.tokens, config.heads, 1];
        self.device.launch("attention_weighted", grid, &arguments)?;
        Ok(out)
    }

    fn silu(&mut self) -> Result<Buffer, String> {
        let values = self.values[Slot::Gate as usize];
        let out = self.device.reserve(values.words);
        let arguments = [values.into(), out.into(), count(values.words)];
        let grid = [values.words.div_ceil(256), 1, 1];
        self.device.launch("silu", grid, &arguments)?;
        Ok(out)
    }

    fn pair(&mut self, name: &str, a: Slot, b: Slot) -> Result<Buffer, String> {
        let (a, b) = (self.values[a as usize], self.values[b as usize]);
        let out = self.device.reserve(a.words);
        let arguments = [a.into(), b.into(), out.into(), count(a.words)];
        let grid = [a.words.div_ceil(256), 1, 1];
        self.device.launch(name, grid, &arguments)?;
        Ok(out)
    }

    /// A product, in two panels of rows, by the kernels for few or for many tokens.
    fn product(&mut self, slot: Slot, matrix: &Tensor) -> Result<Buffer, String> {
        let out = self.device.reserve(matrix.rows() * self.tokens);
        let first_panel = matrix.rows().div_ceil(2);
        for (first, end) in [(0, first_panel), (first_panel, matrix.rows())] {
            if first < end {
                self.panel(self.values[slot as usize], matrix, first, end - first, out)?;
            }
        }
        Ok(out)
    }

    fn panel(
        &mut self,
        x: Buffer,
        matrix: &Tensor,
        first: usize,
        rows: usize,
        out: Buffer,
    ) -> Result<(), String> {
        let columns = matrix.columns();
        let (name, weights) = match matrix.weight_type {
            WeightType::Q4K => ("q4_k", self.raw(matrix, first, rows)),
            WeightType::Q6K => ("q6_k", self.raw(matrix, first, rows)),
            _ => ("f32", self.dequantised_rows(matrix, first, rows)?),
        };
        let place = [count(first), count(matrix.rows())];
        let shape = [count(rows), count(columns), count(self.tokens)];
        if self.tokens > 8 {
            let tile = self.tokens.next_power_of_two().clamp(16, 64);
            let arguments = [&[weights.into(), x.into(), out.into()][..], &shape, &place];
            let grid = [rows.div_ceil(128), self.tokens.div_ceil(tile), 1];
            let name = format!("matmul_{name}_gemm_{tile}");
            self.device.launch(&name, grid, &arguments.concat())?;
        } else {
            let blocks = columns.div_ceil(256);
            let partial = self.device.reserve(blocks * self.tokens * rows);
            let arguments = [&[weights.into(), x.into(), partial.into()][..], &shape];
            let grid = [rows.div_ceil(32), blocks.div_ceil(4), 1];
            let most = self.tokens.next_power_of_two();
            let name = format!("matmul_{name}_gemv_{most}");
            self.device.launch(&name, grid, &arguments.concat())?;
            let shape = [count(rows), count(blocks), count(self.tokens)];
            let arguments = [&[partial.into(), out.into()][..], &shape, &place];
            let grid = [rows.div_ceil(256), self.tokens, 1];
            self.device
                .launch("sum_partials", grid, &arguments.concat())?;
            self.device.free(partial);
        }
        self.device.free(weights);
        Ok(())
    }

    /// Rows as they lie in the file, readable up to a whole word.
    fn raw(&mut self, tensor: &Tensor, first: usize, rows: usize) -> Buffer {
        let skipped = (first * tensor.row_bytes()) as u64;
        let source = self.side.sources[tensor.shard];
        let length = rows * tensor.row_bytes();
        let mut bytes = read(source, tensor.offset + skipped, length).unwrap();
        bytes.resize(length.next_multiple_of(4), 0xFF);
        self.device.upload(&bytes)
    }

    fn dequantised(&mut self, tensor: &Tensor) -> Result<Buffer, String> {
        self.dequantised_rows(tensor, 0, tensor.rows())
    }

    fn dequantised_rows(
        &mut self,
        tensor: &Tensor,
        first: usize,
        rows: usize,
    ) -> Result<Buffer, String> {
        let raw = self.raw(tensor, first, rows);
        let out = self.device.reserve(rows * tensor.columns());
        let name = match tensor.weight_type {
            WeightType::F32 => "f32",
            WeightType::F16 => "f16",
            WeightType::BF16 => "bf16",
            WeightType::Q4_0 => "q4_0",
            WeightType::Q4_1 => "q4_1",
            WeightType::Q5_0 => "q5_0",
            WeightType::Q5_1 => "q5_1",
            WeightType::Q8_0 => "q8_0",
            WeightType::Q2K => "q2_k",
            WeightType::Q3K => "q3_k",
            WeightType::Q4K => "q4_k",
            WeightType::Q5K => "q5_k",
            WeightType::Q6K => "q6_k",
        };
        let arguments = [raw.into(), out.into(), count(out.words)];
        let grid = [out.words.div_ceil(256), 1, 1];
        self.device
            .launch(&format!("dequantise_{name}"), grid, &arguments)?;
        self.device.free(raw);
        Ok(out)
    }

    /// A vector on the CPU.
    fn decoded(&self, tensor: &Tensor) -> Vec<f32> {
        rows(tensor, self.side.sources, 0, 1).unwrap()
    }
}

fn bytes(values: &[f32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}
