//! How two tensors of the same type differ, byte by byte and block by block.

use std::collections::BTreeMap;

use crate::decode::blocks::element_of;
use crate::decode::types::BlockType;

/// What a walk over the differing bytes of two tensors found. Offsets are from the start of the tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Bytes that differ.
    pub(crate) bytes: u64,
    /// Runs of differing bytes.
    pub(crate) runs: u64,
    /// Blocks with a differing byte; elements for plain types.
    pub(crate) blocks: u64,
    /// The first differing byte.
    pub(crate) first: u64,
    /// The last differing byte.
    pub(crate) last: u64,
    /// First and last block with a differing byte.
    pub(crate) first_block: u64,
    /// The last of them.
    pub(crate) last_block: u64,
    /// The field of the block that holds the first differing byte.
    pub(crate) part: Option<&'static str>,
    /// The element that the first differing bit belongs to, within its block.
    pub(crate) element: Option<usize>,
    /// How many blocks differ in each field.
    pub(crate) parts: BTreeMap<&'static str, u64>,
    /// The only differing bit of all, when there is just one: 0 is the lowest of its byte.
    pub(crate) single_bit: Option<u32>,
    /// Whether all single-byte differences so far are flips of one and the same bit, and how many.
    pub(crate) same_bit: Option<u64>,
    /// Differing bytes that are zero in the APR file, and in the GGUF.
    pub(crate) zero: [u64; 2],
}

/// Walks over pairs of stretches, in order.
pub(crate) struct Walk {
    block_type: &'static BlockType,
    difference: Option<Difference>,
    xor: u8,
    last_part: Option<(u64, &'static str)>,
}

impl Walk {
    pub(crate) const fn new(block_type: &'static BlockType) -> Self {
        Self {
            block_type,
            difference: None,
            xor: 0,
            last_part: None,
        }
    }

    /// Takes two stretches of the same length at `offset` of the tensors.
    pub(crate) fn compare(&mut self, offset: u64, apr: &[u8], gguf: &[u8]) {
        // Equal stretches are most of them, also in a damaged tensor; slices compare much faster than bytes.
        for (index, (a, g)) in apr.chunks(SKIP).zip(gguf.chunks(SKIP)).enumerate() {
            if a != g {
                let start = offset + (index * SKIP) as u64;
                for (index, (&a, &g)) in a.iter().zip(g).enumerate() {
                    if a != g {
                        self.note(start + index as u64, a, g);
                    }
                }
            }
        }
    }

    pub(crate) fn end(self) -> Option<Difference> {
        self.difference
    }

    fn note(&mut self, offset: u64, a: u8, g: u8) {
        let size = self.block_type.bytes;
        let block = offset / size;
        #[expect(clippy::cast_possible_truncation, reason = "below the size of a block")]
        let byte = (offset % size) as usize;
        let part = self.block_type.part_of(byte).map(|part| part.name);
        let xor = a ^ g;
        let single = (xor.count_ones() == 1).then(|| xor.trailing_zeros());
        let difference = self.difference.get_or_insert_with(|| Difference {
            bytes: 0,
            runs: 0,
            blocks: 0,
            first: offset,
            last: offset,
            first_block: block,
            last_block: block,
            part,
            element: element_of(self.block_type, byte, xor.trailing_zeros()),
            parts: BTreeMap::new(),
            single_bit: single,
            same_bit: single.map(|_| 0),
            zero: [0, 0],
        });
        if difference.bytes == 0 {
            self.xor = xor;
        } else {
            difference.single_bit = None;
        }
        let same = xor == self.xor;
        difference.same_bit = difference.same_bit.filter(|_| same).map(|count| count + 1);
        if difference.bytes == 0 || offset != difference.last + 1 {
            difference.runs += 1;
        }
        if difference.bytes == 0 || block != difference.last_block {
            difference.blocks += 1;
        }
        if let Some(name) = part
            && self.last_part != Some((block, name))
        {
            *difference.parts.entry(name).or_default() += 1;
            self.last_part = Some((block, name));
        }
        difference.bytes += 1;
        difference.last = offset;
        difference.last_block = block;
        difference.zero[0] += u64::from(a == 0);
        difference.zero[1] += u64::from(g == 0);
    }
}

const SKIP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::{TypeId, ggml_type};

    #[test]
    fn a_flipped_nibble_bit_names_block_field_and_element() {
        let TypeId::Known(q4_k) = ggml_type(12) else {
            panic!()
        };
        let gguf = vec![0x55_u8; 144 * 300];
        let mut apr = gguf.clone();
        apr[100 * 144 + 40] ^= 1;
        let mut walk = Walk::new(q4_k);
        walk.compare(0, &apr, &gguf);
        let found = walk.end().unwrap();
        assert_eq!(
            (found.first_block, found.part, found.element),
            (100, Some("qs"), Some(24))
        );
        assert_eq!(
            (found.bytes, found.blocks, found.single_bit),
            (1, 1, Some(0))
        );
        assert_eq!(found.parts, BTreeMap::from([("qs", 1)]));
    }
}
