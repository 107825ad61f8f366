//! The kernels as functions over buffers: grids and arguments.

use ptx_interpreter::Argument;

use super::device::{Buffer, Device, count};
use crate::{model::WeightType, program::Heads};

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
        let arguments = [panel.raw.into(), out.into(), count(out.words)];
        let grid = [out.words.div_ceil(256), 1, 1];
        let name = format!("dequantise_{}", name(panel.weight_type));
        self.launch(&name, grid, &arguments)?;
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
        let panel = match panel.weight_type {
            WeightType::Q4K | WeightType::Q6K => panel,
            _ => Panel {
                weight_type: WeightType::F32,
                raw: self.dequantise(panel)?,
                ..panel
            },
        };
        if tokens > 8 {
            let tile = tokens.next_power_of_two().clamp(16, 64);
            return self.gemm(panel, x, tokens, out, [tile, 1]);
        }
        let partial = self.gemv(panel, x, tokens)?;
        self.sum_partials(panel, partial, tokens, out)
    }

    /// The products with up to `tile` tokens at a time, in as many parts of the columns.
    pub(super) fn gemm(
        &mut self,
        panel: Panel,
        x: Buffer,
        tokens: usize,
        out: Buffer,
        [tile, parts]: [usize; 2],
    ) -> Result<(), String> {
        let arguments = [
            panel.raw.into(),
            x.into(),
            out.into(),
            count(panel.rows),
            count(panel.columns),
            count(tokens),
            count(panel.first),
            count(panel.all_rows),
        ];
        let name = format!("matmul_{}_gemm_{tile}", name(panel.weight_type));
        let grid = [panel.rows.div_ceil(128), tokens.div_ceil(tile), parts];
        self.launch(&name, grid, &arguments)
    }

    /// The products of each block of columns, for up to eight tokens.
    pub(super) fn gemv(
        &mut self,
        panel: Panel,
        x: Buffer,
        tokens: usize,
    ) -> Result<Buffer, String> {
        let blocks = panel.columns.div_ceil(256);
        let partial = self.reserve(blocks * tokens * panel.rows);
        let arguments = [
            panel.raw.into(),
            x.into(),
            partial.into(),
            count(panel.rows),
            count(panel.columns),
            count(tokens),
        ];
        let most = tokens.next_power_of_two();
        let name = format!("matmul_{}_gemv_{most}", name(panel.weight_type));
        let grid = [panel.rows.div_ceil(32), blocks.div_ceil(4), 1];
        self.launch(&name, grid, &arguments)?;
        Ok(partial)
    }

    pub(super) fn sum_partials(
        &mut self,
        panel: Panel,
        partial: Buffer,
        tokens: usize,
        out: Buffer,
    ) -> Result<(), String> {
        let arguments = [
            partial.into(),
            out.into(),
            count(panel.rows),
            count(panel.columns.div_ceil(256)),
            count(tokens),
            count(panel.first),
            count(panel.all_rows),
        ];
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
        heads: Heads,
        scale: f32,
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
            count(heads.key_dim),
            Argument::F32(scale),
        ];
        let side = tokens.div_ceil(16);
        let grid = [side, side, heads.queries];
        self.launch("attention_scores", grid, &arguments)?;
        Ok(out)
    }

    pub(super) fn softmax(
        &mut self,
        heads: Heads,
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
        heads: Heads,
        tokens: usize,
        probabilities: Buffer,
        v: Buffer,
    ) -> Result<Buffer, String> {
        let out = self.reserve(tokens * heads.queries * heads.value_dim);
        let arguments = [
            probabilities.into(),
            v.into(),
            out.into(),
            count(tokens),
            count(heads.queries),
            count(heads.key_values),
            count(heads.key_dim),
        ];
        let grid = [tokens, heads.queries, 1];
        self.launch("attention_weighted", grid, &arguments)?;
        Ok(out)
    }

    /// Copies rows from `first` on of each token, which has as many in all; the others stay as they are.
    pub(super) fn copy_rows(
        &mut self,
        from: Buffer,
        to: Buffer,
        [rows, first, all_rows]: [usize; 3],
    ) -> Result<(), String> {
        let arguments = [
            from.into(),
            to.into(),
            count(rows),
            count(first),
            count(all_rows),
        ];
        let grid = [rows.div_ceil(256), from.words / all_rows, 1];
        self.launch("copy_rows", grid, &arguments)
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

/// What kernels call a type of weights.
fn name(weight_type: WeightType) -> &'static str {
    let mut types = WEIGHT_TYPES.iter();
    types.find(|(_, named)| *named == weight_type).unwrap().0
}

/// The types of weights and their names in kernels.
pub(super) const WEIGHT_TYPES: [(&str, WeightType); 28] = [
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
    ("iq1_s", WeightType::Iq1S),
    ("iq1_m", WeightType::Iq1M),
    ("iq2_xxs", WeightType::Iq2Xxs),
    ("iq2_xs", WeightType::Iq2Xs),
    ("iq2_s", WeightType::Iq2S),
    ("iq3_xxs", WeightType::Iq3Xxs),
    ("iq3_s", WeightType::Iq3S),
    ("iq4_nl", WeightType::Iq4Nl),
    ("iq4_xs", WeightType::Iq4Xs),
    ("tq1_0", WeightType::Tq1_0),
    ("tq2_0", WeightType::Tq2_0),
    ("mxfp4", WeightType::Mxfp4),
    ("nvfp4", WeightType::Nvfp4),
    ("q1_0", WeightType::Q1_0),
    ("q2_0", WeightType::Q2_0),
];
