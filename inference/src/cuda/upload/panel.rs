//! Panels: the rows of a matrix that are read, copied and multiplied at a time.

use crate::{
    arithmetic::matmul::locate_row,
    error::Error,
    model::{Tensor, source::Source},
};

/// A matrix with the files of its model.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) tensor: &'a Tensor,
    pub(crate) sources: &'a [&'a dyn Source],
}

/// Rows of a matrix, or the same rows of two.
pub(crate) struct Panel<'a> {
    /// The first row and the number of rows.
    pub(crate) first: usize,
    pub(crate) rows: usize,
    /// The bytes of each side that takes them.
    pub(crate) ranges: [Option<FileRange<'a>>; 2],
}

/// Bytes of a file.
#[derive(Clone, Copy)]
pub(crate) struct FileRange<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) offset: u64,
    pub(crate) length: usize,
}

/// Cuts the matrices of a product into panels of at most `most` bytes, and more only where [`largest`] says so.
///
/// Both sides share their panels where their matrices have one type and shape.
///
/// # Errors
/// Fails when a matrix is in a file that there is not.
pub(crate) fn panels<'a>(
    matrices: [Option<Matrix<'a>>; 2],
    most: usize,
) -> Result<Vec<Panel<'a>>, Error> {
    let mut panels = Vec::new();
    match matrices {
        [Some(a), Some(b)] if a.is_like(b) => a.cut(most, |first, rows| {
            let ranges = [Some(a.range(first, rows)?), Some(b.range(first, rows)?)];
            panels.push(Panel {
                first,
                rows,
                ranges,
            });
            Ok(())
        })?,
        [a, b] => {
            for (side, matrix) in [a, b].into_iter().enumerate() {
                let Some(matrix) = matrix else { continue };
                matrix.cut(most, |first, rows| {
                    let range = Some(matrix.range(first, rows)?);
                    let ranges = if side == 0 {
                        [range, None]
                    } else {
                        [None, range]
                    };
                    panels.push(Panel {
                        first,
                        rows,
                        ranges,
                    });
                    Ok(())
                })?;
            }
        }
    }
    Ok(panels)
}

/// The bytes of the largest panel of a matrix, if `most` are asked for.
pub(crate) fn largest(tensor: &Tensor, most: usize) -> usize {
    let least = granule(tensor).min(tensor.rows());
    most.max(least * tensor.row_bytes())
}

impl<'a> Matrix<'a> {
    /// Whether the same bytes of both mean the same weights.
    fn is_like(self, other: Self) -> bool {
        let (a, b) = (self.tensor, other.tensor);
        a.weight_type == b.weight_type && a.columns() == b.columns() && a.rows() == b.rows()
    }

    fn cut(
        self,
        most: usize,
        mut panel: impl FnMut(usize, usize) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let granule = granule(self.tensor);
        let step = (most / self.tensor.row_bytes() / granule).max(1) * granule;
        for first in (0..self.tensor.rows()).step_by(step) {
            panel(first, step.min(self.tensor.rows() - first))?;
        }
        Ok(())
    }

    fn range(self, first: usize, rows: usize) -> Result<FileRange<'a>, Error> {
        let (source, offset) = locate_row(self.tensor, self.sources, first)?;
        Ok(FileRange {
            source,
            offset,
            length: rows * self.tensor.row_bytes(),
        })
    }
}

/// The least rows whose bytes are whole chunks of BLAKE3, so that the digest of a matrix can go on from panel to panel.
fn granule(tensor: &Tensor) -> usize {
    let shared = tensor
        .row_bytes()
        .trailing_zeros()
        .min(CHUNK.trailing_zeros());
    CHUNK >> shared
}

/// The bytes of a chunk of BLAKE3.
pub(crate) const CHUNK: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WeightType;

    #[test]
    fn panels_are_whole_chunks_and_cover_every_row_once() {
        for (weight_type, columns, rows) in [
            (WeightType::Q4K, 256, 1000),
            (WeightType::Q6K, 512, 1025),
            (WeightType::Q6K, 256, 7),
            (WeightType::F32, 3, 5000),
            (WeightType::F32, 4096, 3),
        ] {
            let tensor = Tensor::alone(weight_type, columns, rows, 0);
            let bytes = Vec::<u8>::new();
            let sources: [&dyn Source; 1] = [&bytes];
            let matrix = Matrix {
                tensor: &tensor,
                sources: &sources,
            };
            for most in [1, 5000, 1 << 20] {
                let largest = largest(&tensor, most);
                let mut next = 0;
                for panel in panels([None, Some(matrix)], largest).unwrap() {
                    let [None, Some(range)] = panel.ranges else {
                        panic!("the panel of another side");
                    };
                    assert_eq!(panel.first, next);
                    assert_eq!(range.offset, (next * tensor.row_bytes()) as u64);
                    assert_eq!(range.offset % 1024, 0);
                    assert_eq!(range.length, panel.rows * tensor.row_bytes());
                    assert!(range.length <= largest);
                    next += panel.rows;
                }
                assert_eq!(next, rows);
            }
        }
    }

    #[test]
    fn only_matrices_of_one_type_and_shape_share_panels() {
        let tensors = [
            Tensor::alone(WeightType::Q4K, 256, 8, 0),
            Tensor::alone(WeightType::Q4K, 256, 8, 0),
            Tensor::alone(WeightType::Q4K, 256, 9, 0),
            Tensor::alone(WeightType::Q5K, 256, 8, 0),
        ];
        let bytes = Vec::<u8>::new();
        let sources: [&dyn Source; 1] = [&bytes];
        let [a, rest @ ..] = tensors.each_ref().map(|tensor| Matrix {
            tensor,
            sources: &sources,
        });
        for (other, shared) in rest.into_iter().zip([true, false, false]) {
            let panels = panels([Some(a), Some(other)], 1 << 20).unwrap();
            let both = |panel: &Panel<'_>| panel.ranges.iter().all(Option::is_some);
            assert_eq!(panels.iter().any(both), shared);
            assert_eq!(panels.len(), if shared { 1 } else { 2 });
        }
    }
}
