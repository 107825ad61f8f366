//! Digests of the weights as they reached the GPU, so that a run says which bytes it used.

#![expect(
    clippy::indexing_slicing,
    reason = "products are numbered as they were prepared, and there are two sides"
)]

use crate::cuda::{
    Weight,
    driver::{
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    error::Error,
    record::layout::{CHAINING_WORDS, digest},
    upload::{
        panel::{CHUNK, Matrix},
        tree::{Ranges, Tree},
    },
};
use crate::model::Tensor;

/// The digests of the matrices of a run while they are computed.
pub(crate) struct Weights<'a> {
    gpu: &'a Gpu,
    /// The matrices of each product.
    products: Vec<[Option<Matrix<'a>>; 2]>,
    /// For each product and side a range: all words of the matrix.
    ranges: Buffer,
    /// For each product and side a digest.
    digests: Buffer,
    /// The chaining values of the matrices that are being uploaded.
    chaining: [Option<Buffer>; 2],
    tree: Tree,
}

impl<'a> Weights<'a> {
    /// Prepares the digests of the matrices of all products.
    pub(crate) fn new(gpu: &'a Gpu, products: Vec<[Option<Matrix<'a>>; 2]>) -> Result<Self, Error> {
        let mut ranges = Vec::new();
        for matrix in products.iter().flatten() {
            let words = matrix.map_or(0, |matrix| length(matrix.tensor).div_ceil(4));
            let words = u32::try_from(words).map_err(|_| TOO_LARGE)?;
            ranges.extend([0, words]);
        }
        let table = gpu.allocate::<u32>(ranges.len())?;
        table.write(&gpu.compute, &ranges)?;
        Ok(Self {
            gpu,
            digests: gpu.zeros(ranges.len() / 2 * CHAINING_WORDS)?,
            products,
            ranges: table,
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
        let matrix = self.products[product][side];
        let matrix = matrix.unwrap_or_else(|| unreachable!("a panel of a matrix without a digest"));
        let slot = &mut self.chaining[side];
        let all = length(matrix.tensor);
        let chaining = self
            .gpu
            .ensure_capacity::<[u32; CHAINING_WORDS]>(slot, all.div_ceil(CHUNK))?;
        let row_bytes = matrix.tensor.row_bytes();
        let [before, added] = [first, rows].map(|rows| rows * row_bytes);
        let [bytes, chaining] = [bytes, chaining].map(Argument::Buffer);
        let grid = [added.div_ceil(CHUNK).div_ceil(256), 1, 1];
        let [added, first, whole] =
            [added, before / CHUNK, usize::from(added == all)].map(Argument::Count);
        let arguments = [bytes, chaining, added, first, whole];
        self.gpu.launch("digest_bytes", grid, &arguments)
    }

    /// Joins what was added of the matrices of a product.
    pub(crate) fn end(&mut self, product: usize) -> Result<(), Error> {
        let matrices = self.products[product].iter().zip(&self.chaining);
        for (side, (matrix, chaining)) in matrices.enumerate() {
            let Some(matrix) = matrix else { continue };
            let chaining = chaining.as_ref();
            let chaining =
                chaining.unwrap_or_else(|| unreachable!("a matrix ends after its panels"));
            let index = product * 2 + side;
            let ranges = Ranges {
                table: Argument::At(&self.ranges, index * 2),
                count: 1,
                most_chunks: length(matrix.tensor).div_ceil(CHUNK),
            };
            let digest = Argument::At(&self.digests, index * CHAINING_WORDS);
            self.tree.join(self.gpu, ranges, chaining, digest)?;
        }
        Ok(())
    }

    /// Waits for all digests; returns those of each side, in the order of execution. Some rows of a tensor are left out:
    /// their digest is that of no tensor in the file.
    pub(crate) fn finish(self) -> Result<[Vec<Weight>; 2], Error> {
        let mut words = vec![0u32; self.digests.bytes() / 4];
        self.digests.read(&self.gpu.compute, 0, &mut words)?;
        let (words, _) = words.as_chunks::<CHAINING_WORDS>();
        let mut found = [Vec::new(), Vec::new()];
        for (matrices, digests) in self.products.iter().zip(words.chunks(2)) {
            for ((matrix, words), found) in matrices.iter().zip(digests).zip(&mut found) {
                let whole = matrix.filter(|matrix| matrix.tensor.is_whole);
                found.extend(whole.map(|matrix| Weight {
                    name: matrix.tensor.name.clone(),
                    digest: digest(words),
                }));
            }
        }
        Ok(found)
    }
}

fn length(tensor: &Tensor) -> usize {
    tensor.rows() * tensor.row_bytes()
}

/// Digests count words of 32 bits.
const TOO_LARGE: Error = Error::Launch {
    kernel: "digest_bytes",
};
