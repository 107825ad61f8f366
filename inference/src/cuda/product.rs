//! Matrix products on the GPU (rule 2): panels of rows go through the ring, and all tokens are multiplied by each.

use super::{
    error::Error as Reason,
    gpu::{Argument, Gpu},
    memory::Buffer,
    ring::Ring,
};
use crate::{
    error::Error,
    matmul::place,
    model::{Tensor, WeightType},
    options::Options,
    parallel,
    source::Source,
};

/// What products need besides their operands; it is there once, for both files of a pair.
pub(crate) struct Products {
    ring: Ring,
    threads: usize,
    /// The chains of a panel, where its blocks of columns are multiplied beside each other.
    partial: Option<Buffer>,
    /// The weights of a panel as f32, of types that no product takes as they are.
    decoded: Option<Buffer>,
}

/// A product of one side.
pub(crate) struct Product<'a> {
    /// The matrix.
    pub(crate) matrix: &'a Tensor,
    /// The files of its model.
    pub(crate) sources: &'a [&'a dyn Source],
    /// The activations, token-major.
    pub(crate) x: &'a Buffer,
    /// Where the result goes, token-major.
    pub(crate) y: &'a Buffer,
    /// The number of tokens.
    pub(crate) tokens: usize,
}

impl Products {
    /// Prepares products of matrices whose longest row has this many bytes.
    pub(crate) fn new(gpu: &Gpu, longest_row: usize, options: &Options) -> Result<Self, Reason> {
        Ok(Self {
            ring: Ring::new(gpu, options.panel_bytes.max(longest_row))?,
            threads: options.threads,
            partial: None,
            decoded: None,
        })
    }

    /// Multiplies, in lock step: a panel of the first product, the same panel of the next one, and so on.
    pub(crate) fn multiply(&mut self, gpu: &Gpu, products: &[Product<'_>]) -> Result<(), Error> {
        let mut starts = vec![0; products.len()];
        loop {
            let mut done = true;
            for (product, start) in products.iter().zip(&mut starts) {
                let rows = self.panel_rows(product.matrix);
                let rows = rows.min(product.matrix.rows().saturating_sub(*start));
                if rows > 0 {
                    self.multiply_panel(gpu, product, *start, rows)?;
                    *start = start.saturating_add(rows);
                    done = false;
                }
            }
            if done {
                return Ok(());
            }
        }
    }

    /// The rows of a panel: as many as fit a place of the ring, and decoded not too many bytes; at least one.
    fn panel_rows(&self, matrix: &Tensor) -> usize {
        let fit = |bytes: usize, row: usize| bytes.checked_div(row).unwrap_or(usize::MAX);
        let rows = fit(self.ring.bytes(), matrix.row_bytes());
        let rows = match form(matrix.weight_type) {
            Form::Direct(_) => rows,
            Form::Decoded(_) => rows.min(fit(MOST_DECODED, matrix.columns().saturating_mul(4))),
        };
        rows.max(1)
    }

    fn multiply_panel(
        &mut self,
        gpu: &Gpu,
        product: &Product<'_>,
        first: usize,
        rows: usize,
    ) -> Result<(), Error> {
        let Self {
            ring,
            threads,
            partial,
            decoded,
        } = self;
        let matrix = product.matrix;
        let (source, offset) = place(matrix, product.sources, first)?;
        let length = rows.saturating_mul(matrix.row_bytes());
        ring.take(
            gpu,
            length,
            |bytes| read(source, offset, bytes, *threads),
            |raw| {
                let panel = Panel {
                    first,
                    rows,
                    columns: matrix.columns(),
                };
                let (weights, name) = match form(matrix.weight_type) {
                    Form::Direct(name) => (raw, name),
                    Form::Decoded(kernel) => {
                        let count = rows.saturating_mul(matrix.columns());
                        let values = gpu.room::<f32>(decoded, count)?;
                        let arguments = [
                            Argument::Buffer(raw),
                            Argument::Buffer(values),
                            Argument::Count(count),
                        ];
                        gpu.launch(kernel, [count.div_ceil(256), 1, 1], &arguments)?;
                        (values, Direct::F32)
                    }
                };
                panel.multiply(gpu, name, weights, product, partial)?;
                Ok(())
            },
        )
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
        weights: &Buffer,
        product: &Product<'_>,
        partial: &mut Option<Buffer>,
    ) -> Result<(), Reason> {
        let (tokens, all_rows) = (product.tokens, product.matrix.rows());
        let Self {
            first,
            rows,
            columns,
        } = *self;
        let [rows_, columns_, tokens_] = [rows, columns, tokens].map(Argument::Count);
        let [first_, all_rows_] = [first, all_rows].map(Argument::Count);
        let [weights, x, y] = [weights, product.x, product.y].map(Argument::Buffer);
        let blocks = columns.div_ceil(256);
        let count = blocks.saturating_mul(tokens).saturating_mul(rows);
        let gemv = weights_are.gemv(tokens);
        let (gemm, tile) = weights_are.gemm(tokens);
        let [width, height] = [rows.div_ceil(128), tokens.div_ceil(tile)];
        let is_full = width.saturating_mul(height) >= FULL_GRID;
        if gemv.is_none() && (is_full || blocks == 1 || count > MOST_PARTIAL) {
            let arguments = [weights, x, y, rows_, columns_, tokens_, first_, all_rows_];
            return gpu.launch(gemm, [width, height, 1], &arguments);
        }
        let partial = Argument::Buffer(gpu.room::<f32>(partial, count)?);
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

/// Reads a panel, in stripes of several threads: one thread alone may be slower than the disk.
fn read(source: &dyn Source, offset: u64, bytes: &mut [u8], threads: usize) -> Result<(), Error> {
    let stripes = bytes.chunks_mut(STRIPE).enumerate().collect();
    parallel::for_each(threads, stripes, |(index, stripe): (usize, &mut [u8])| {
        let skipped = u64::try_from(index.saturating_mul(STRIPE)).unwrap_or(u64::MAX);
        let offset = offset.saturating_add(skipped);
        source
            .read_exact_at(offset, stripe)
            .map_err(|error| Error::io(offset, stripe.len(), &error))
    })
}

const STRIPE: usize = 2 << 20;
/// The most bytes of a panel as f32, unless a row alone has more.
const MOST_DECODED: usize = 64 << 20;
/// The thread blocks that fill a large GPU, two for each multiprocessor: a product of fewer tiles takes a part of the grid
/// for each block of columns.
const FULL_GRID: usize = 256;
/// The most chains of a panel that are kept for many tokens: 64 MiB.
const MOST_PARTIAL: usize = 16 << 20;
