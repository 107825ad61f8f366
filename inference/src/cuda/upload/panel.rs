//! Panels: the rows of a matrix that are read, copied and multiplied at a time.

use crate::{
    arithmetic::matmul::place,
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
    /// Where they are, for each side that takes them.
    pub(crate) places: [Option<Span<'a>>; 2],
}

/// Bytes of a file.
#[derive(Clone, Copy)]
pub(crate) struct Span<'a> {
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
            let places = [Some(a.span(first, rows)?), Some(b.span(first, rows)?)];
            panels.push(Panel {
                first,
                rows,
                places,
            });
            Ok(())
        })?,
        [a, b] => {
            for (side, matrix) in [a, b].into_iter().enumerate() {
                let Some(matrix) = matrix else { continue };
                matrix.cut(most, |first, rows| {
                    let span = Some(matrix.span(first, rows)?);
                    let places = if side == 0 {
                        [span, None]
                    } else {
                        [None, span]
                    };
                    panels.push(Panel {
                        first,
                        rows,
                        places,
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
    most.max(least.saturating_mul(tensor.row_bytes()))
}

impl<'a> Matrix<'a> {
    /// Whether bytes at the same place of both mean the same weights.
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
        let fit = most.checked_div(self.tensor.row_bytes());
        let fit = fit.and_then(|rows| rows.checked_div(granule));
        let step = fit.unwrap_or_default().max(1).saturating_mul(granule);
        for first in (0..self.tensor.rows()).step_by(step) {
            panel(first, step.min(self.tensor.rows().saturating_sub(first)))?;
        }
        Ok(())
    }

    fn span(self, first: usize, rows: usize) -> Result<Span<'a>, Error> {
        let (source, offset) = place(self.tensor, self.sources, first)?;
        Ok(Span {
            source,
            offset,
            length: rows.saturating_mul(self.tensor.row_bytes()),
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
                let room = largest(&tensor, most);
                let mut next = 0;
                for panel in panels([None, Some(matrix)], room).unwrap() {
                    let [None, Some(span)] = panel.places else {
                        panic!("the panel of another side");
                    };
                    assert_eq!(panel.first, next);
                    assert_eq!(span.offset, (next * tensor.row_bytes()) as u64);
                    assert_eq!(span.offset % 1024, 0);
                    assert_eq!(span.length, panel.rows * tensor.row_bytes());
                    assert!(span.length <= room);
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
            let both = |panel: &Panel<'_>| panel.places.iter().all(Option::is_some);
            assert_eq!(panels.iter().any(both), shared);
            assert_eq!(panels.len(), if shared { 1 } else { 2 });
        }
    }
}
