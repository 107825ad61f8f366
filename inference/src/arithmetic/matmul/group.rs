//! The rows that are decoded together: enough that the activations are worth fetching, and few enough for the cache.

use std::ops::Range;

use super::{BLOCK, kernel::Kernel};
use crate::{
    arithmetic::dequantise::{Cut, dequantise},
    model::WeightType,
};

/// One side of a product in lock step.
pub(super) struct GroupSide {
    pub(super) kernel: Kernel,
    pub(super) weight_type: WeightType,
    pub(super) row_bytes: usize,
    pub(super) columns: usize,
    /// The activations as the kernel wants them; `None` where they have the bits of the first side's.
    pub(super) x: Option<Vec<f32>>,
}

/// The buffers of a thread for one side.
#[derive(Default)]
pub(super) struct Work {
    /// The file bytes of a panel.
    pub(super) bytes: Vec<u8>,
    /// The weights of one block of columns of a group of rows.
    weights: Vec<f32>,
    /// The sums of the group.
    y: Vec<f32>,
    relation: Relation,
}

/// How the sums of a group are found.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// They are computed.
    #[default]
    Own,
    /// They are those of the first side, since activations, type and bytes are.
    SameBytes,
    /// They are those of the first side, since activations and decoded weights are, up to this block.
    SameWeights,
}

/// Computes the sums of a group of rows of the panel, each side's or none where they are those of the first side.
pub(super) fn compute(sides: &[GroupSide], group: &Range<usize>, work: &mut [Work]) {
    let (Some((first, sides)), Some((leader, followers))) =
        (sides.split_first(), work.split_first_mut())
    else {
        return;
    };
    let Some(x) = &first.x else { return };
    leader.start(first, group.len(), Relation::Own);
    for (side, follower) in sides.iter().zip(&mut *followers) {
        let relation = if side.x.is_some() {
            Relation::Own
        } else if side.weight_type == first.weight_type
            && side.rows(&follower.bytes, group) == first.rows(&leader.bytes, group)
        {
            Relation::SameBytes
        } else {
            Relation::SameWeights
        };
        follower.start(side, group.len(), relation);
    }
    for start in (0..first.columns).step_by(BLOCK) {
        let columns = start..first.columns.min(start + BLOCK);
        leader.decode(first, group, &columns);
        for (side, follower) in sides.iter().zip(&mut *followers) {
            if follower.relation == Relation::SameBytes {
                continue;
            }
            follower.decode(side, group, &columns);
            if follower.relation == Relation::SameWeights
                && !same_weights(leader, follower, group.len(), columns.len())
            {
                follower.relation = Relation::Own;
                follower.y.copy_from_slice(&leader.y);
            }
            if follower.relation == Relation::Own {
                follower.multiply(side, side.x.as_ref().unwrap_or(x), &columns);
            }
        }
        leader.multiply(first, x, &columns);
    }
}

impl Work {
    /// Whether the sums are those of the first side, and not here.
    pub(super) fn is_as_the_first(&self) -> bool {
        self.relation != Relation::Own
    }

    /// The sums of a token, row by row.
    pub(super) fn sums(
        &self,
        kernel: Kernel,
        rows: usize,
        token: usize,
    ) -> impl Iterator<Item = &f32> {
        let padded = rows.next_multiple_of(kernel.row_step());
        kernel.sums(&self.y, padded, token).take(rows)
    }

    fn start(&mut self, side: &GroupSide, rows: usize, relation: Relation) {
        // Rows up to a whole tile are multiplied as well, whatever they hold, and their sums are not used.
        let padded = rows.next_multiple_of(side.kernel.row_step());
        self.weights.resize(padded * BLOCK, 0.0);
        self.y.clear();
        let sums = padded * side.kernel.padded_tokens();
        self.y.resize(sums, 0.0);
        self.relation = relation;
    }

    fn decode(&mut self, side: &GroupSide, group: &Range<usize>, columns: &Range<usize>) {
        let cut = Cut::columns(
            side.weight_type,
            side.rows(&self.bytes, group),
            side.row_bytes,
            columns,
        );
        dequantise(
            side.kernel.instructions(),
            side.weight_type,
            &cut,
            &mut self.weights,
            BLOCK,
        );
    }

    #[expect(clippy::indexing_slicing, reason = "x is packed for all columns")]
    fn multiply(&mut self, side: &GroupSide, x: &[f32], columns: &Range<usize>) {
        let padded = side.kernel.padded_tokens();
        let x = &x[columns.start * padded..columns.end * padded];
        side.kernel.product(&self.weights, x, &mut self.y);
    }
}

impl GroupSide {
    /// The bytes of some rows of a panel.
    #[expect(clippy::indexing_slicing, reason = "rows are those of the panel")]
    fn rows<'a>(&self, panel: &'a [u8], rows: &Range<usize>) -> &'a [u8] {
        &panel[rows.start * self.row_bytes..rows.end * self.row_bytes]
    }
}

fn same_weights(a: &Work, b: &Work, rows: usize, columns: usize) -> bool {
    let pairs = a.weights.chunks(BLOCK).zip(b.weights.chunks(BLOCK));
    pairs.take(rows).all(|(a, b)| {
        let columns = a.get(..columns).zip(b.get(..columns));
        columns.is_some_and(|(a, b)| same_bits(a, b))
    })
}

/// Whether all bits are equal; as numbers +0 and -0 would be equal, and a NaN would not.
pub(crate) fn same_bits(a: &[f32], b: &[f32]) -> bool {
    // Without an early exit, so that it vectorises.
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| {
        difference | (a.to_bits() ^ b.to_bits())
    });
    a.len() == b.len() && difference == 0
}

/// Rows decoded together: a multiple of every [`Kernel::row_step`].
pub(super) const GROUP: usize = 48;
