//! The choice of a kernel, and the layout of its operands.

#[cfg(target_arch = "aarch64")]
use super::neon;
use super::{BLOCK, scalar};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::arithmetic::instruction_set::{Instructions, Set};

/// A kernel for a number of tokens.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kernel {
    instructions: Instructions,
    tokens: usize,
    lanes: Lanes,
}

/// The content of the lanes of a vector.
#[derive(Debug, Clone, Copy)]
enum Lanes {
    /// So many tokens at a time, padded with zeros.
    Tokens(usize),
    /// Rows.
    Rows,
}

impl Kernel {
    /// Chooses by cost: lanes of rows need a transposition of the weights, lanes of tokens are idle when there are few.
    pub(super) fn new(instructions: Instructions, tokens: usize) -> Self {
        let set = instructions.set();
        let lanes = if set != Set::Scalar && tokens <= MOST_IN_ROWS {
            Lanes::Rows
        } else {
            Lanes::Tokens(match set {
                Set::Scalar => tokens,
                #[cfg(target_arch = "x86_64")]
                Set::Avx2 => 8,
                #[cfg(target_arch = "x86_64")]
                Set::Avx512 => {
                    if tokens <= 8 {
                        8
                    } else {
                        16
                    }
                }
                #[cfg(target_arch = "aarch64")]
                Set::Neon => 4,
            })
        };
        Self {
            instructions,
            tokens,
            lanes,
        }
    }

    /// The instructions.
    pub(super) const fn instructions(self) -> Instructions {
        self.instructions
    }

    /// The number of rows must be a multiple of this.
    pub(super) const fn row_step(self) -> usize {
        match self.lanes {
            Lanes::Tokens(_) => 12,
            Lanes::Rows => 16,
        }
    }

    /// The tokens, padded to whole tiles.
    pub(super) const fn padded_tokens(self) -> usize {
        match self.lanes {
            Lanes::Tokens(lanes) => self.tokens.next_multiple_of(lanes),
            Lanes::Rows => self.tokens,
        }
    }

    /// Lays out token-major activations: for each block of columns and each tile of tokens, column by column.
    pub(super) fn pack(self, x: &[f32], columns: usize) -> Vec<f32> {
        let padded = self.padded_tokens();
        let lanes = self.lanes_of_x();
        let mut packed = vec![0f32; columns * padded];
        for (block, packed) in packed.chunks_mut(BLOCK * padded).enumerate() {
            let first = block * BLOCK;
            let width = columns.saturating_sub(first).min(BLOCK);
            let tiles = packed.chunks_mut(width * lanes);
            for (tile, x) in tiles.zip(x.chunks(columns * lanes)) {
                for (lane, x) in x.chunks(columns).enumerate() {
                    let places = tile.iter_mut().skip(lane).step_by(lanes);
                    for (place, x) in places.zip(x.iter().skip(first)) {
                        *place = *x;
                    }
                }
            }
        }
        packed
    }

    /// Adds the chains of one block of columns to `y`.
    ///
    /// `weights` holds rows of [`BLOCK`] values, a multiple of [`Kernel::row_step`]; `x` is a block of
    /// [`Kernel::pack`]; `y` has a value for each row and padded token, in the order of [`Kernel::sums`].
    #[cfg_attr(
        any(target_arch = "x86_64", target_arch = "aarch64"),
        expect(unsafe_code, reason = "code for instructions that not every CPU has")
    )]
    pub(super) fn product(self, weights: &[f32], x: &[f32], y: &mut [f32]) {
        let columns = x.len() / self.padded_tokens();
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        macro_rules! vectors {
            ($module:ident) => {
                // SAFETY: an `Instructions` holds a set that the CPU has.
                unsafe {
                    match (self.lanes, self.tokens) {
                        (Lanes::Tokens(..=8), _) => {
                            $module::few_lanes_are_tokens(weights, columns, x, y);
                        }
                        (Lanes::Tokens(_), _) => $module::lanes_are_tokens(weights, columns, x, y),
                        (Lanes::Rows, 1) => $module::lanes_are_rows::<1>(weights, columns, x, y),
                        (Lanes::Rows, 2) => $module::lanes_are_rows::<2>(weights, columns, x, y),
                        (Lanes::Rows, 3) => $module::lanes_are_rows::<3>(weights, columns, x, y),
                        (Lanes::Rows, _) => {
                            $module::lanes_are_rows::<MOST_IN_ROWS>(weights, columns, x, y);
                        }
                    }
                }
            };
        }
        match self.instructions.set() {
            Set::Scalar => scalar::product(weights, columns, x, y),
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => vectors!(avx2),
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => vectors!(avx512),
            #[cfg(target_arch = "aarch64")]
            Set::Neon => vectors!(neon),
        }
    }

    /// The values of a token, row by row, out of `y`.
    pub(super) fn sums(self, y: &[f32], rows: usize, token: usize) -> impl Iterator<Item = &f32> {
        let (first, step) = match self.lanes {
            Lanes::Tokens(lanes) => {
                let (tile, lane) = (token / lanes, token % lanes);
                (tile * rows * lanes + lane, lanes)
            }
            Lanes::Rows => (token * rows, 1),
        };
        y.iter().skip(first).step_by(step).take(rows)
    }

    const fn lanes_of_x(self) -> usize {
        match self.lanes {
            Lanes::Tokens(lanes) => lanes,
            Lanes::Rows => self.tokens,
        }
    }
}

/// The most tokens that lanes of rows are for.
const MOST_IN_ROWS: usize = 4;
