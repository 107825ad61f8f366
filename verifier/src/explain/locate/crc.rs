//! Where one byte would have to change, come or go for a CRC-32 to be right.
//!
//! The state of a CRC can be run forward from the start and, because a byte step is invertible, backward from the end. A
//! damage sits where the two meet: `F(i)` is the state before byte i, `B(i)` the state that bytes i.. turn into the
//! stored sum. A byte v takes state s to `(s >> 8) ^ T[(s ^ v) & 255]`, and the top byte of an entry of T tells which
//! entry it is, so the byte that joins two states is found without trying all 256.

#![expect(
    clippy::indexing_slicing,
    reason = "tables of 256 entries indexed by bytes; offsets inside a slice in memory"
)]

/// One byte that would make the sum right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edit {
    /// The byte at the offset was `original`.
    Substituted { offset: usize, original: u8 },
    /// The byte at the offset does not belong there.
    Inserted { offset: usize },
    /// A byte `original` is missing before the offset.
    Deleted { offset: usize, original: u8 },
}

/// Finds all single-byte edits of `bytes` that lead to the final sum.
///
/// `rest` is the CRC-32 of what follows `bytes`, with its length; `sum` the stored CRC-32 of both.
pub(super) fn edits(bytes: &[u8], rest: (u32, u64), sum: u32) -> Vec<Edit> {
    let tables = Tables::new();
    let mut backward = vec![0; bytes.len() + 1];
    let mut state = tables.before(!sum, rest);
    for (index, &byte) in bytes.iter().enumerate().rev() {
        backward[index + 1] = state;
        state = tables.back(state, byte);
    }
    backward[0] = state;

    let mut found = Vec::new();
    let mut forward = u32::MAX;
    for (offset, &byte) in bytes.iter().enumerate() {
        if let Some(original) = tables.joining(forward, backward[offset + 1])
            && original != byte
        {
            found.push(Edit::Substituted { offset, original });
        }
        if forward == backward[offset + 1] {
            found.push(Edit::Inserted { offset });
        }
        if let Some(original) = tables.joining(forward, backward[offset]) {
            found.push(Edit::Deleted { offset, original });
        }
        forward = tables.forward(forward, byte);
    }
    if let Some(original) = tables.joining(forward, backward[bytes.len()]) {
        found.push(Edit::Deleted {
            offset: bytes.len(),
            original,
        });
    }
    found
}

struct Tables {
    step: [u32; 256],
    /// The index of the entry with this top byte.
    by_top: [u8; 256],
}

impl Tables {
    fn new() -> Self {
        let mut step = [0_u32; 256];
        let mut by_top = [0; 256];
        for index in 0..=255_u8 {
            let mut value = u32::from(index);
            for _ in 0..8 {
                value = (value >> 1) ^ (POLYNOMIAL & (value & 1).wrapping_neg());
            }
            step[usize::from(index)] = value;
            by_top[(value >> 24) as usize] = index;
        }
        Self { step, by_top }
    }

    const fn forward(&self, state: u32, byte: u8) -> u32 {
        (state >> 8) ^ self.step[((state ^ byte as u32) & 255) as usize]
    }

    const fn back(&self, state: u32, byte: u8) -> u32 {
        let index = self.by_top[(state >> 24) as usize];
        ((state ^ self.step[index as usize]) << 8) | (index ^ byte) as u32
    }

    /// The byte that takes one state to the other.
    fn joining(&self, from: u32, to: u32) -> Option<u8> {
        let index = self.by_top[(to >> 24) as usize];
        (self.step[usize::from(index)] ^ (from >> 8) == to).then_some(index ^ (from & 255) as u8)
    }

    /// The state before a stretch, given the state after it, the stretch's own CRC-32 and its length.
    ///
    /// A stretch of n bytes takes state s to `Z(s) ^ c`, where Z runs n zero bytes from s and c depends on the stretch
    /// alone. The stretch's own sum gives c, and Z is undone by running zeros backward, doubling the step.
    fn before(&self, after: u32, (sum, length): (u32, u64)) -> u32 {
        let constant = !sum ^ self.zeros(u32::MAX, length);
        self.unzeros(after ^ constant, length)
    }

    fn zeros(&self, state: u32, length: u64) -> u32 {
        run(|state| self.forward(state, 0), state, length)
    }

    fn unzeros(&self, state: u32, length: u64) -> u32 {
        run(|state| self.back(state, 0), state, length)
    }
}

/// Applies a linear step `count` times, by squaring its matrix over GF(2).
fn run(step: impl Fn(u32) -> u32, mut state: u32, mut count: u64) -> u32 {
    let mut matrix: [u32; 32] = std::array::from_fn(|bit| step(1 << bit));
    while count > 0 {
        if count & 1 == 1 {
            state = times(&matrix, state);
        }
        matrix = std::array::from_fn(|bit| times(&matrix, matrix[bit]));
        count >>= 1;
    }
    state
}

fn times(matrix: &[u32; 32], vector: u32) -> u32 {
    matrix
        .iter()
        .enumerate()
        .filter(|(bit, _)| vector >> bit & 1 == 1)
        .fold(0, |sum, (_, column)| sum ^ column)
}

/// CRC-32 of ISO-HDLC, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Vec<u8> {
        (0..600_u32)
            .map(|index| (index * index % 253) as u8)
            .collect()
    }

    #[test]
    fn every_substitution_insertion_and_deletion_is_among_the_edits() {
        let whole = bytes();
        let sum = crc32fast::hash(&whole);
        for offset in 0..500 {
            for rest_length in [0, 7, 99] {
                let cut = whole.len() - rest_length;
                let rest = (crc32fast::hash(&whole[cut..]), rest_length as u64);
                let mut damaged = whole[..cut].to_vec();
                damaged[offset] ^= 0x40;
                let original = whole[offset];
                assert!(
                    edits(&damaged, rest, sum).contains(&Edit::Substituted { offset, original })
                );
                let mut damaged = whole[..cut].to_vec();
                damaged.insert(offset, 0xee);
                assert!(edits(&damaged, rest, sum).contains(&Edit::Inserted { offset }));
                let mut damaged = whole[..cut].to_vec();
                damaged.remove(offset);
                assert!(edits(&damaged, rest, sum).contains(&Edit::Deleted { offset, original }));
            }
        }
    }
}
