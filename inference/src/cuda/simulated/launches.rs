//! The kernels as functions over buffers: grids and arguments.

use ptx_interpreter::Argument;

use super::device::{Buffer, Device, count};
use crate::{attention::Heads, model::WeightType};

/// A panel of a matrix in device memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel {
    /// As the file has it.
    pub(super) weight_type: WeightType,
    /// The bytes, readable up to a whole word.
    pub(super) raw: Buffer,
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// The row of the matrix that it starts at, and the rows of the matrix.
    pub(super) first: usize,
    pub(super) all_rows: usize,
}

impl Device<'_> {
    /// Rows of f32, from the bytes of a panel.
    pub(super) fn dequantise(&mut self, panel: Panel) -> Result<Buffer, String> {
        let out = self.reserve(panel.rows * panel.columns);
        let (name, _) = WEIGHT_TYPES
            .iter()
            .find(|(_, weight_type)| *weight_type == panel.weight_type)
            .unwrap();
        let arguments = [panel.raw.into(), out.into(), count(out.words)];
        let grid = [out.words.div_ceil(256), 1, 1];
        self.launch(&format!("dequantise_{name}"), grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn gather_rows(
        &mut self,
        table: Buffer,
        ids: Buffer,
        columns: usize,
    ) -> Result<Buffer, String> {
        let out = self.reserve(columns * ids.words);
        let arguments = [table.into(), ids.into(), out.into(), count(columns)];
        let grid = [columns.div_ceil(256), ids.words, 1];
        self.launch("gather_rows", grid, &arguments)?;
        Ok(out)
    }

    /// Adds the products of a panel to the results, by the kernels for few or for many tokens.
    pub(super) fn product(
        &mut self,
        panel: Panel,
        x: Buffer,
        tokens: usize,
        out: Buffer,
    ) -> Result<(), String> {
        let (name, weights) = match panel.weight_type {
            WeightType::Q4K => ("q4_k", panel.raw),
            WeightType::Q6K => ("q6_k", panel.raw),
            _ => ("f32", self.dequantise(panel)?),
        };
        let place = [count(panel.first), count(panel.all_rows)];
        let shape = [count(panel.rows), count(panel.columns), count(tokens)];
        if tokens > 8 {
            let tile = tokens.next_power_of_two().clamp(16, 64);
            let buffers = [weights.into(), x.into(), out.into()];
            let grid = [panel.rows.div_ceil(128), tokens.div_ceil(tile), 1];
            let arguments = [&buffers[..], &shape, &place].concat();
            return self.launch(&format!("matmul_{name}_gemm_{tile}"), grid, &arguments);
        }
        let blocks = panel.columns.div_ceil(256);
        let partial = self.reserve(blocks * tokens * panel.rows);
        let buffers = [weights.into(), x.into(), partial.into()];
        let grid = [panel.rows.div_ceil(32), blocks.div_ceil(4), 1];
        let most = tokens.next_power_of_two();
        let arguments = [&buffers[..], &shape].concat();
        self.launch(&format!("matmul_{name}_gemv_{most}"), grid, &arguments)?;
        let shape = [count(panel.rows), count(blocks), count(tokens)];
        let buffers = [partial.into(), out.into()];
        let arguments = [&buffers[..], &shape, &place].concat();
        let grid = [panel.rows.div_ceil(256), tokens, 1];
        self.launch("sum_partials", grid, &arguments)
    }

    pub(super) fn rms_norm(
        &mut self,
        values: Buffer,
        weight: Buffer,
        epsilon: f32,
    ) -> Result<Buffer, String> {
        let out = self.reserve(values.words);
        let arguments = [
            values.into(),
            weight.into(),
            out.into(),
            count(weight.words),
            Argument::F32(epsilon),
        ];
        let grid = [values.words / weight.words, 1, 1];
        self.launch("rms_norm", grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn add_vector(&mut self, values: Buffer, vector: Buffer) -> Result<Buffer, String> {
        let out = self.reserve(values.words);
        let n = vector.words;
        let arguments = [values.into(), vector.into(), out.into(), count(n)];
        let grid = [n.div_ceil(256), values.words / n, 1];
        self.launch("add_vector", grid, &arguments)?;
        Ok(out)
    }

    /// Turns heads in place: numbers of heads, of values of a head and of those that turn.
    pub(super) fn rotate(
        &mut self,
        values: Buffer,
        turns: Buffer,
        [heads, head_dim, dims]: [usize; 3],
        neox: bool,
    ) -> Result<(), String> {
        let arguments = [
            values.into(),
            turns.into(),
            count(heads),
            count(head_dim),
            count(dims),
            count(usize::from(neox)),
        ];
        let tokens = values.words / (heads * head_dim);
        let grid = [(heads * dims / 2).div_ceil(256), tokens, 1];
        self.launch("rotate", grid, &arguments)
    }

    pub(super) fn scores(
        &mut self,
        heads: Heads<f32>,
        tokens: usize,
        q: Buffer,
        k: Buffer,
    ) -> Result<Buffer, String> {
        let out = self.reserve(tokens * tokens * heads.queries);
        let arguments = [
            q.into(),
            k.into(),
            out.into(),
            count(tokens),
            count(heads.queries),
            count(heads.key_values),
            count(heads.dim),
            Argument::F32(heads.scale),
        ];
        let side = tokens.div_ceil(16);
        let grid = [side, side, heads.queries];
        self.launch("attention_scores", grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn softmax(
        &mut self,
        heads: Heads<f32>,
        tokens: usize,
        scores: Buffer,
    ) -> Result<Buffer, String> {
        let out = self.reserve(scores.words);
        let arguments = [
            scores.into(),
            out.into(),
            count(tokens),
            count(heads.queries),
        ];
        let grid = [tokens * heads.queries, 1, 1];
        self.launch("softmax", grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn weighted(
        &mut self,
        heads: Heads<f32>,
        tokens: usize,
        probabilities: Buffer,
        v: Buffer,
    ) -> Result<Buffer, String> {
        let out = self.reserve(tokens * heads.queries * heads.dim);
        let arguments = [
            probabilities.into(),
            v.into(),
            out.into(),
            count(tokens),
            count(heads.queries),
            count(heads.key_values),
            count(heads.dim),
        ];
        let grid = [tokens, heads.queries, 1];
        self.launch("attention_weighted", grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn silu(&mut self, values: Buffer) -> Result<Buffer, String> {
        let out = self.reserve(values.words);
        let arguments = [values.into(), out.into(), count(values.words)];
        let grid = [values.words.div_ceil(256), 1, 1];
        self.launch("silu", grid, &arguments)?;
        Ok(out)
    }

    /// `add` or `multiply`.
    pub(super) fn pair(&mut self, name: &str, a: Buffer, b: Buffer) -> Result<Buffer, String> {
        let out = self.reserve(a.words);
        let arguments = [a.into(), b.into(), out.into(), count(a.words)];
        let grid = [a.words.div_ceil(256), 1, 1];
        self.launch(name, grid, &arguments)?;
        Ok(out)
    }
}

/// The types of weights and their names in kernels.
pub(in crate::cuda) const WEIGHT_TYPES: [(&str, WeightType); 13] = [
    ("f32", WeightType::F32),
    ("f16", WeightType::F16),
    ("bf16", WeightType::BF16),
    ("q4_0", WeightType::Q4_0),
    ("q4_1", WeightType::Q4_1),
    ("q5_0", WeightType::Q5_0),
    ("q5_1", WeightType::Q5_1),
    ("q8_0", WeightType::Q8_0),
    ("q2_k", WeightType::Q2K),
    ("q3_k", WeightType::Q3K),
    ("q4_k", WeightType::Q4K),
    ("q5_k", WeightType::Q5K),
    ("q6_k", WeightType::Q6K),
];
