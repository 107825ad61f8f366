//! Digests of the weights as they reached the GPU, so that a run says which bytes it used.

use crate::cuda::{
    driver::{
        error::Error,
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    record::layout::{CHAINING_WORDS, digest},
    upload::{
        panel::{CHUNK, Matrix},
        tree::{Spans, Tree},
    },
};
use crate::{model::Tensor, record::Digest};

/// A tensor that a run has used, by its name in the file, and what its bytes were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// The name.
    pub name: String,
    /// BLAKE3 of all bytes.
    pub digest: Digest,
}

/// The digests of the matrices of a run, in the making.
pub(crate) struct Weights<'a> {
    gpu: &'a Gpu,
    /// The matrices of each product.
    products: Vec<[Option<Matrix<'a>>; 2]>,
    /// For each product and side a span: all words of the matrix.
    spans: Buffer,
    /// For each product and side a digest.
    digests: Buffer,
    /// The chaining values of the matrices that are on their way.
    chaining: [Option<Buffer>; 2],
    tree: Tree,
}

impl<'a> Weights<'a> {
    /// Prepares the digests of the matrices of all products.
    pub(crate) fn new(gpu: &'a Gpu, products: Vec<[Option<Matrix<'a>>; 2]>) -> Result<Self, Error> {
        let mut spans = Vec::new();
        for matrix in products.iter().flatten() {
            let words = matrix.map_or(0, |matrix| length(matrix.tensor).div_ceil(4));
            let words = u32::try_from(words).map_err(|_| TOO_LARGE)?;
            spans.extend([0, words]);
        }
        let table = gpu.allocate::<u32>(spans.len())?;
        table.write(&gpu.compute, &spans)?;
        Ok(Self {
            gpu,
            digests: gpu.zeros((spans.len() / 2).saturating_mul(CHAINING_WORDS))?,
            products,
            spans: table,
            chaining: [None, None],
            tree: Tree::default(),
        })
    }

    /// Adds rows of the matrix of a product and a side; they start at a whole chunk.
    pub(crate) fn add(
        &mut self,
        (product, side): (usize, usize),
        (first, rows): (usize, usize),
        bytes: &Buffer,
    ) -> Result<(), Error> {
        let matrix = matrix(&self.products, product, side);
        let (Some(matrix), Some(place)) = (matrix, self.chaining.get_mut(side)) else {
            return Ok(());
        };
        let all = length(matrix.tensor);
        let chaining = self
            .gpu
            .room::<[u32; CHAINING_WORDS]>(place, all.div_ceil(CHUNK))?;
        let row_bytes = matrix.tensor.row_bytes();
        let [before, added] = [first, rows].map(|rows| rows.saturating_mul(row_bytes));
        let [bytes, chaining] = [bytes, chaining].map(Argument::Buffer);
        let [added_, first_, whole] =
            [added, before / CHUNK, usize::from(added == all)].map(Argument::Count);
        let grid = [added.div_ceil(CHUNK).div_ceil(256), 1, 1];
        let arguments = [bytes, chaining, added_, first_, whole];
        self.gpu.launch("digest_bytes", grid, &arguments)
    }

    /// Joins what was added of the matrices of a product.
    pub(crate) fn end(&mut self, product: usize) -> Result<(), Error> {
        for (side, chaining) in self.chaining.iter().enumerate() {
            let matrix = matrix(&self.products, product, side);
            let (Some(matrix), Some(chaining)) = (matrix, chaining) else {
                continue;
            };
            let index = product.saturating_mul(2).saturating_add(side);
            let spans = Spans {
                table: Argument::At(&self.spans, index.saturating_mul(2)),
                count: 1,
                most_chunks: length(matrix.tensor).div_ceil(CHUNK),
            };
            let digest = Argument::At(&self.digests, index.saturating_mul(CHAINING_WORDS));
            self.tree.join(self.gpu, spans, chaining, digest)?;
        }
        Ok(())
    }

    /// Waits for all digests; returns those of each side, in the order of execution.
    pub(crate) fn finish(self) -> Result<[Vec<Weight>; 2], Error> {
        let mut words = vec![0u32; self.digests.bytes() / 4];
        self.digests.read(&self.gpu.compute, 0, &mut words)?;
        let (words, _) = words.as_chunks::<CHAINING_WORDS>();
        let mut found = [Vec::new(), Vec::new()];
        for (matrices, digests) in self.products.iter().zip(words.chunks(2)) {
            for ((matrix, words), found) in matrices.iter().zip(digests).zip(&mut found) {
                found.extend(matrix.map(|matrix| Weight {
                    name: matrix.tensor.name.clone(),
                    digest: digest(words),
                }));
            }
        }
        Ok(found)
    }
}

fn matrix<'a>(
    products: &[[Option<Matrix<'a>>; 2]],
    product: usize,
    side: usize,
) -> Option<Matrix<'a>> {
    *products.get(product)?.get(side)?
}

fn length(tensor: &Tensor) -> usize {
    tensor.rows().saturating_mul(tensor.row_bytes())
}

/// Digests count words of 32 bits.
const TOO_LARGE: Error = Error::Launch {
    kernel: "digest_bytes",
};
