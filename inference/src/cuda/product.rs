//! Matrix products on the GPU (rule 2): all tokens are multiplied by each panel of rows.

use crate::cuda::{
    driver::{
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    error::Error,
};
use crate::model::{Tensor, WeightType};

/// Buffers that products need besides their operands, shared by both files of a pair.
#[derive(Default)]
pub(crate) struct Products {
    /// The chains of a panel, where its blocks of columns are multiplied in parallel.
    partial: Option<Buffer>,
    /// Weights as f32, of types that no product reads directly.
    decoded: Option<Buffer>,
}

/// A product of one side.
#[derive(Clone, Copy)]
pub(crate) struct Product<'a> {
    /// The matrix.
    pub(crate) matrix: &'a Tensor,
    /// The activations, token-major.
    pub(crate) x: &'a Buffer,
    /// Where the result goes, token-major.
    pub(crate) y: &'a Buffer,
    /// The number of tokens.
    pub(crate) tokens: usize,
}

impl Product<'_> {
    /// Takes rows of the results of another product of the same shape.
    pub(crate) fn take_rows(
        self,
        gpu: &Gpu,
        other: Product<'_>,
        (first, rows): (usize, usize),
    ) -> Result<(), Error> {
        let [from, to] = [other.y, self.y].map(Argument::Buffer);
        let grid = [rows.div_ceil(256), self.tokens, 1];
        let [rows, first, all_rows] = [rows, first, self.matrix.rows()].map(Argument::Count);
        gpu.launch("copy_rows", grid, &[from, to, rows, first, all_rows])
    }
}

impl Products {
    /// Multiplies rows whose bytes are in a buffer: the part of a matrix that starts at row `first`.
    pub(crate) fn multiply(
        &mut self,
        gpu: &Gpu,
        product: Product<'_>,
        bytes: &Buffer,
        (first, rows): (usize, usize),
    ) -> Result<(), Error> {
        let Self { partial, decoded } = self;
        let (columns, row_bytes) = (product.matrix.columns(), product.matrix.row_bytes());
        let panel = |first, rows| Panel {
            first,
            rows,
            columns,
        };
        let kernel = match form(product.matrix.weight_type) {
            Form::Direct(direct) => {
                let weights = Argument::Buffer(bytes);
                return panel(first, rows).multiply(gpu, direct, weights, product, partial);
            }
            Form::Decoded(kernel) => kernel,
        };
        // Whole words of bytes: eight rows of any type are.
        let most = (MOST_DECODED / (columns * 4) / 8).max(1) * 8;
        for skipped in (0..rows).step_by(most) {
            let rows = most.min(rows - skipped);
            let count = rows * columns;
            let values = gpu.ensure_capacity::<f32>(decoded, count)?;
            let arguments = [
                Argument::At(bytes, skipped * row_bytes / 4),
                Argument::Buffer(values),
                Argument::Count(count),
            ];
            gpu.launch(kernel, [count.div_ceil(256), 1, 1], &arguments)?;
            let (first, weights) = (first + skipped, Argument::Buffer(values));
            panel(first, rows).multiply(gpu, Direct::F32, weights, product, partial)?;
        }
        Ok(())
    }
}

/// Rows of a matrix that are on the GPU.
struct Panel {
    first: usize,
    rows: usize,
    columns: usize,
}

impl Panel {
    fn multiply(
        &self,
        gpu: &Gpu,
        weights_are: Direct,
        weights: Argument<'_>,
        product: Product<'_>,
        partial: &mut Option<Buffer>,
    ) -> Result<(), Error> {
        let (tokens, all_rows) = (product.tokens, product.matrix.rows());
        let Self {
            first,
            rows,
            columns,
        } = *self;
        let [rows_, columns_, tokens_] = [rows, columns, tokens].map(Argument::Count);
        let [first_, all_rows_] = [first, all_rows].map(Argument::Count);
        let [x, y] = [product.x, product.y].map(Argument::Buffer);
        let blocks = columns.div_ceil(256);
        let count = blocks * tokens * rows;
        let gemv = weights_are.gemv(tokens);
        let (gemm, tile) = weights_are.gemm(tokens);
        let [width, height] = [rows.div_ceil(128), tokens.div_ceil(tile)];
        let is_full = width * height >= FULL_GRID;
        if gemv.is_none() && (is_full || blocks == 1 || count > MOST_PARTIAL) {
            let arguments = [weights, x, y, rows_, columns_, tokens_, first_, all_rows_];
            return gpu.launch(gemm, [width, height, 1], &arguments);
        }
        let partial = Argument::Buffer(gpu.ensure_capacity::<f32>(partial, count)?);
        if let Some(gemv) = gemv {
            let arguments = [weights, x, partial, rows_, columns_, tokens_];
            let grid = [rows.div_ceil(32), blocks.div_ceil(4), 1];
            gpu.launch(gemv, grid, &arguments)?;
        } else {
            let none = Argument::Count(0);
            let arguments = [weights, x, partial, rows_, columns_, tokens_, none, rows_];
            gpu.launch(gemm, [width, height, blocks], &arguments)?;
        }
        let blocks = Argument::Count(blocks);
        let arguments = [partial, y, rows_, blocks, tokens_, first_, all_rows_];
        gpu.launch("sum_partials", [rows.div_ceil(256), tokens, 1], &arguments)
    }
}

/// How products take a type.
#[derive(Clone, Copy)]
enum Form {
    /// As it is in the file.
    Direct(Direct),
    /// As f32, which this kernel makes of it.
    Decoded(&'static str),
}

/// The types that products take as they are in the file.
#[derive(Clone, Copy)]
enum Direct {
    F32,
    Q4K,
    Q6K,
}

const fn form(weight_type: WeightType) -> Form {
    match weight_type {
        WeightType::F32 => Form::Direct(Direct::F32),
        WeightType::Q4K => Form::Direct(Direct::Q4K),
        WeightType::Q6K => Form::Direct(Direct::Q6K),
        WeightType::F16 => Form::Decoded("dequantise_f16"),
        WeightType::BF16 => Form::Decoded("dequantise_bf16"),
        WeightType::Q4_0 => Form::Decoded("dequantise_q4_0"),
        WeightType::Q4_1 => Form::Decoded("dequantise_q4_1"),
        WeightType::Q5_0 => Form::Decoded("dequantise_q5_0"),
        WeightType::Q5_1 => Form::Decoded("dequantise_q5_1"),
        WeightType::Q8_0 => Form::Decoded("dequantise_q8_0"),
        WeightType::Q2K => Form::Decoded("dequantise_q2_k"),
        WeightType::Q3K => Form::Decoded("dequantise_q3_k"),
        WeightType::Q5K => Form::Decoded("dequantise_q5_k"),
        WeightType::Iq1S => Form::Decoded("dequantise_iq1_s"),
        WeightType::Iq1M => Form::Decoded("dequantise_iq1_m"),
        WeightType::Iq2Xxs => Form::Decoded("dequantise_iq2_xxs"),
        WeightType::Iq2Xs => Form::Decoded("dequantise_iq2_xs"),
        WeightType::Iq2S => Form::Decoded("dequantise_iq2_s"),
        WeightType::Iq3Xxs => Form::Decoded("dequantise_iq3_xxs"),
        WeightType::Iq3S => Form::Decoded("dequantise_iq3_s"),
        WeightType::Iq4Nl => Form::Decoded("dequantise_iq4_nl"),
        WeightType::Iq4Xs => Form::Decoded("dequantise_iq4_xs"),
        WeightType::Tq1_0 => Form::Decoded("dequantise_tq1_0"),
        WeightType::Tq2_0 => Form::Decoded("dequantise_tq2_0"),
        WeightType::Mxfp4 => Form::Decoded("dequantise_mxfp4"),
        WeightType::Nvfp4 => Form::Decoded("dequantise_nvfp4"),
        WeightType::Q1_0 => Form::Decoded("dequantise_q1_0"),
        WeightType::Q2_0 => Form::Decoded("dequantise_q2_0"),
    }
}

impl Direct {
    /// The kernel for few tokens; none for more.
    const fn gemv(self, tokens: usize) -> Option<&'static str> {
        Some(match (self, tokens) {
            (Self::F32, ..=1) => "matmul_f32_gemv_1",
            (Self::F32, 2) => "matmul_f32_gemv_2",
            (Self::F32, 3..=4) => "matmul_f32_gemv_4",
            (Self::F32, 5..=8) => "matmul_f32_gemv_8",
            (Self::Q4K, ..=1) => "matmul_q4_k_gemv_1",
            (Self::Q4K, 2) => "matmul_q4_k_gemv_2",
            (Self::Q4K, 3..=4) => "matmul_q4_k_gemv_4",
            (Self::Q4K, 5..=8) => "matmul_q4_k_gemv_8",
            (Self::Q6K, ..=1) => "matmul_q6_k_gemv_1",
            (Self::Q6K, 2) => "matmul_q6_k_gemv_2",
            (Self::Q6K, 3..=4) => "matmul_q6_k_gemv_4",
            (Self::Q6K, 5..=8) => "matmul_q6_k_gemv_8",
            (_, 9..) => return None,
        })
    }

    /// The kernel for many tokens, and the tokens of its tile.
    const fn gemm(self, tokens: usize) -> (&'static str, usize) {
        match (self, tokens) {
            (Self::F32, ..=16) => ("matmul_f32_gemm_16", 16),
            (Self::F32, 17..=32) => ("matmul_f32_gemm_32", 32),
            (Self::F32, 33..) => ("matmul_f32_gemm_64", 64),
            (Self::Q4K, ..=16) => ("matmul_q4_k_gemm_16", 16),
            (Self::Q4K, 17..=32) => ("matmul_q4_k_gemm_32", 32),
            (Self::Q4K, 33..) => ("matmul_q4_k_gemm_64", 64),
            (Self::Q6K, ..=16) => ("matmul_q6_k_gemm_16", 16),
            (Self::Q6K, 17..=32) => ("matmul_q6_k_gemm_32", 32),
            (Self::Q6K, 33..) => ("matmul_q6_k_gemm_64", 64),
        }
    }
}

/// The most bytes of weights as f32, unless eight rows have more.
const MOST_DECODED: usize = 64 << 20;
/// The thread blocks that fill a large GPU, two for each multiprocessor: a product of fewer tiles takes a part of the grid
/// for each block of columns.
const FULL_GRID: usize = 256;
/// The most chains of a panel that are kept for many tokens: 64 MiB.
const MOST_PARTIAL: usize = 16 << 20;
