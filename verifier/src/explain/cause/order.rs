//! The right values in the wrong order.

use std::io;

use super::tensor::{Found, READ, Sides, read};
use crate::code::CauseCode;
use crate::finding::Cause;
use crate::region::Span;
use crate::source::Source;

impl Sides<'_> {
    /// A matrix of plain numbers whose rows became columns, by a sample of its elements.
    pub(super) fn transposed(&self) -> Found {
        let (columns, rows, block) = self.matrix()?;
        if block.elements != 1 {
            return Err(None);
        }
        let element =
            |source, start: u64, index: u64| read(source, start + index * block.bytes, block.bytes);
        let (apr, gguf) = (self.a.span.offset, self.g.span.offset);
        let mut telling = 0;
        for sample in 0..SAMPLES {
            // A stride that meets all residues of rows and columns.
            let at = (sample * 7919 + 1) % (columns * rows);
            let (row, column) = (at / columns, at % columns);
            let moved = column * rows + row;
            let expected = element(self.gguf, gguf, at)?;
            if element(self.apr, apr, moved)? != expected {
                return Err(None);
            }
            telling += u64::from(element(self.apr, apr, at)? != expected);
        }
        if telling == 0 {
            return Err(None);
        }
        let text =
            format!("transposed: the {rows} rows of {columns} elements are stored as columns");
        Ok(Cause {
            code: CauseCode::Transposed,
            text,
        })
    }

    /// Every row is that of a neighbour at one distance, by a sample of the rows.
    pub(super) fn moved_rows(&self) -> Found {
        let (columns, rows, block) = self.matrix()?;
        let length = columns / block.elements * block.bytes;
        let row = |source, start: u64, row: u64| read(source, start + row * length, length);
        let (apr, gguf) = (self.a.span.offset, self.g.span.offset);
        for distance in (1..=FARTHEST_ROW).flat_map(|distance| [distance, -distance]) {
            let mut telling = false;
            let mut fits = true;
            for sample in [rows / 7, rows / 3, rows / 2, rows * 4 / 5] {
                let from = (sample + rows).checked_add_signed(distance).ok_or(None)? % rows;
                let found = row(self.apr, apr, sample)?;
                fits &= found == row(self.gguf, gguf, from)?;
                telling |= found != row(self.gguf, gguf, sample)?;
            }
            if fits && telling {
                let text = format!("rows shifted: each holds the one at distance {distance}");
                return Ok(Cause {
                    code: CauseCode::ShiftedRows,
                    text,
                });
            }
        }
        Err(None)
    }

    /// The same blocks in another order: the sums of the block digests agree.
    pub(super) fn permuted(&self) -> Found {
        let size = self.a.block_type.map_or(1, |block_type| block_type.bytes);
        if self.a.span.length != self.g.span.length || self.a.span.length > LARGEST_PERMUTED {
            return Err(None);
        }
        let sum = |source: &dyn Source, span: Span| -> io::Result<u128> {
            let mut sum = 0_u128;
            let step = READ / size * size;
            let mut offset = 0;
            while offset < span.length {
                let bytes = read(source, span.offset + offset, step.min(span.length - offset))?;
                for block in bytes.chunks(usize::try_from(size).unwrap_or(1)) {
                    let digest = blake3::hash(block);
                    let half = digest
                        .as_bytes()
                        .first_chunk::<16>()
                        .copied()
                        .unwrap_or_default();
                    sum = sum.wrapping_add(u128::from_le_bytes(half));
                }
                offset += step;
            }
            Ok(sum)
        };
        if sum(self.apr, self.a.span)? == sum(self.gguf, self.g.span)? {
            let text = "blocks permuted: the same blocks stand in another order".to_owned();
            return Ok(Cause {
                code: CauseCode::Permuted,
                text,
            });
        }
        Err(None)
    }

    /// Columns and rows of a matrix that is the same on both sides, and its blocks.
    fn matrix(
        &self,
    ) -> Result<(u64, u64, &'static crate::decode::types::BlockType), Option<io::Error>> {
        let block = self.a.block_type.ok_or(None)?;
        match self.dims.as_slice() {
            [columns, rows]
                if *columns > 1 && *rows > 1 && self.a.span.length == self.g.span.length =>
            {
                Ok((*columns, *rows, block))
            }
            _ => Err(None),
        }
    }
}

const SAMPLES: u64 = 64;
const FARTHEST_ROW: i64 = 8;
const LARGEST_PERMUTED: u64 = 1 << 30;
