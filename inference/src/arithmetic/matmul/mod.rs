//! Matrix products in the order of rule 2, over weights that are streamed in panels of rows.
//!
//! [`lock_step`] streams, [`group`] shares, [`kernel`] chooses how to multiply: [`scalar`] is the reference, [`vector`] the
//! same chains side by side in vectors, with one file for what each instruction set calls its operations.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod double;
mod group;
mod kernel;
mod lock_step;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(test)]
mod tests;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod vector;

pub(crate) use double::in_f64;
pub(crate) use group::same_bits;

use crate::{
    arithmetic::{
        dequantise::{Cut, dequantise},
        instruction_set::Instructions,
    },
    error::Error,
    model::{
        Tensor,
        source::{Source, read},
    },
    options::Options,
};

/// One side of a product: a matrix of a file and the activations it multiplies.
pub(crate) struct Factor<'a, F = f32> {
    /// The matrix: `rows` rows of `columns` weights.
    pub(crate) matrix: &'a Tensor,
    /// The files of its model.
    pub(crate) sources: &'a [&'a dyn Source],
    /// The activations, token-major: `columns` values for each token.
    pub(crate) x: &'a [F],
}

/// Multiplies each token's `columns` values by the matrix, for each factor; a result holds `rows` values per token.
///
/// A panel of rows is read, used for all tokens and forgotten. A result does not depend on how rows are cut into panels,
/// on the number of threads, on the other tokens or on the other factors.
///
/// Consecutive factors with the same rows, columns and number of tokens run in lock step: the same panel of each is read, and results that must be equal are computed once. `same` says that the activations of all factors
/// have the same bits: then the results of the first one are taken for the rows whose bytes and type are the same, and for
/// those whose decoded weights are the same. Equal bits in, equal bits out: the function is deterministic. So a result of
/// a pair says that the inputs were compared and found equal, or that both sides were computed.
///
/// # Errors
/// Fails when a read fails.
pub(crate) fn matmul(
    factors: &[Factor<'_>],
    same: bool,
    options: &Options,
) -> Result<Vec<Vec<f32>>, Error> {
    matmul_with(Instructions::best(), factors, same, options)
}

/// [`matmul`] with chosen instructions.
fn matmul_with(
    instructions: Instructions,
    factors: &[Factor<'_>],
    same: bool,
    options: &Options,
) -> Result<Vec<Vec<f32>>, Error> {
    let mut results = Vec::new();
    for factors in factors.chunk_by(|a, b| a.shape() == b.shape()) {
        results.extend(lock_step::products(instructions, factors, same, options)?);
    }
    Ok(results)
}

/// Reads and dequantises rows of a tensor.
///
/// # Errors
/// Fails when the read fails.
pub fn rows(
    tensor: &Tensor,
    sources: &[&dyn Source],
    first: usize,
    rows: usize,
) -> Result<Vec<f32>, Error> {
    let bytes = bytes(tensor, sources, first, rows)?;
    Ok(decoded(tensor, &bytes))
}

/// Reads the bytes of rows of a tensor.
///
/// # Errors
/// Fails when the read fails.
pub(crate) fn bytes(
    tensor: &Tensor,
    sources: &[&dyn Source],
    first: usize,
    rows: usize,
) -> Result<Vec<u8>, Error> {
    let (source, offset) = locate_row(tensor, sources, first)?;
    read(source, offset, rows * tensor.row_bytes())
}

/// Dequantises whole rows of a tensor.
pub(crate) fn decoded(tensor: &Tensor, bytes: &[u8]) -> Vec<f32> {
    let rows = bytes.len() / tensor.row_bytes();
    let mut values = vec![0f32; rows * tensor.columns()];
    dequantise(
        Instructions::best(),
        tensor.weight_type,
        &Cut::whole(bytes, tensor.row_bytes()),
        &mut values,
        tensor.columns(),
    );
    values
}

/// The file of a tensor, and where a row starts in it.
pub(crate) fn locate_row<'a>(
    tensor: &Tensor,
    sources: &[&'a dyn Source],
    row: usize,
) -> Result<(&'a dyn Source, u64), Error> {
    let skipped = row * tensor.row_bytes();
    let source = sources
        .get(tensor.shard)
        .ok_or_else(|| Error::model("sources", tensor.shard + 1, sources.len()))?;
    Ok((*source, tensor.offset + skipped as u64))
}

impl<F> Factor<'_, F> {
    /// Rows, columns and tokens.
    fn shape(&self) -> (usize, usize, usize) {
        let columns = self.matrix.columns();
        (self.matrix.rows(), columns, self.x.len() / columns)
    }
}

/// The columns of a chain.
const BLOCK: usize = 256;
