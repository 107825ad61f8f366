//! What is learnt of the bytes of one tensor while they pass by: digests, numbers that are not finite, where zeros begin.

use sha2::{Digest as _, Sha256};

use crate::decode::blocks::{NotFinite, first_not_finite};
use crate::decode::types::BlockType;

/// The digests of a tensor's unpadded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    /// BLAKE3.
    pub(crate) blake3: [u8; 32],
    /// SHA-256, where it was asked for.
    pub(crate) sha256: Option<[u8; 32]>,
}

/// What was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) digests: Digests,
    /// The first number that is not finite, with its offset from the tensor's start.
    pub(crate) not_finite: Option<NotFinite>,
    /// The bytes up to the last one that is not zero; all after it are.
    pub(crate) before_zeros: u64,
}

/// The state of a stream. While the bytes of two tensors are equal, one stream stands for both; a clone of it goes on where
/// they part.
#[derive(Clone)]
pub(super) struct Stream {
    blake3: blake3::Hasher,
    sha256: Option<Sha256>,
    numbers: Option<Numbers>,
    before_zeros: u64,
    position: u64,
}

impl Stream {
    /// Starts a tensor. Without a type nothing is said about its numbers.
    pub(super) fn new(block_type: Option<&'static BlockType>, sha256: bool) -> Self {
        Self {
            blake3: blake3::Hasher::new(),
            sha256: sha256.then(Sha256::new),
            numbers: block_type.map(Numbers::new),
            before_zeros: 0,
            position: 0,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(numbers) = &mut self.numbers {
            numbers.feed(bytes);
        }
        if let Some(last) = bytes.iter().rposition(|&byte| byte != 0) {
            self.before_zeros = self.position + last as u64 + 1;
        }
        self.position += bytes.len() as u64;
    }

    pub(super) fn end(self) -> Seen {
        Seen {
            digests: Digests {
                blake3: *self.blake3.finalize().as_bytes(),
                sha256: self.sha256.map(|sha256| sha256.finalize().into()),
            },
            not_finite: self.numbers.and_then(|numbers| numbers.found),
            before_zeros: self.before_zeros,
        }
    }
}

/// Looks for numbers that are not finite, block by block; the pieces that come need not be whole blocks.
#[derive(Clone)]
struct Numbers {
    block_type: &'static BlockType,
    size: usize,
    /// The part of a block that has come so far.
    partial: Vec<u8>,
    /// Blocks that were looked at.
    blocks: u64,
    found: Option<NotFinite>,
}

impl Numbers {
    fn new(block_type: &'static BlockType) -> Self {
        #[expect(clippy::expect_used, reason = "the table of types holds small blocks")]
        let size = usize::try_from(block_type.bytes).expect("a block is a few hundred bytes");
        Self {
            block_type,
            size,
            partial: Vec::new(),
            blocks: 0,
            found: None,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        if !self.partial.is_empty() {
            let missing = self.size - self.partial.len();
            let (now, later) = bytes.split_at(missing.min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = later;
            if self.partial.len() < self.size {
                return;
            }
            let block = std::mem::take(&mut self.partial);
            self.look_at(&block);
        }
        let (whole, rest) = bytes.split_at(bytes.len() / self.size * self.size);
        self.look_at(whole);
        self.partial.extend_from_slice(rest);
    }

    /// Looks at whole blocks. The first number found is kept, all are counted.
    fn look_at(&mut self, blocks: &[u8]) {
        if let Some(new) = first_not_finite(self.block_type, blocks) {
            match &mut self.found {
                Some(first) => first.count += new.count,
                None => {
                    #[expect(clippy::expect_used, reason = "the offset is inside a file")]
                    let base = usize::try_from(self.blocks * self.block_type.bytes)
                        .expect("offsets of a file fit in 64 bits");
                    self.found = Some(NotFinite {
                        block: new.block + self.blocks,
                        offset: new.offset + base,
                        ..new
                    });
                }
            }
        }
        self.blocks += (blocks.len() / self.size) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::types::{TypeId, ggml_type};

    fn seen(type_id: u32, bytes: &[u8], step: usize) -> Seen {
        let TypeId::Known(block_type) = ggml_type(type_id) else {
            panic!()
        };
        let mut stream = Stream::new(Some(block_type), true);
        for piece in bytes.chunks(step) {
            stream.feed(piece);
        }
        stream.end()
    }

    #[test]
    fn how_the_bytes_are_cut_changes_nothing() {
        let mut bytes = vec![0_u8; 210 * 40];
        for block in [7, 30] {
            // The scale of a Q6_K block is its last field: infinity.
            bytes[210 * block + 208..][..2].copy_from_slice(&[0x00, 0x7c]);
        }
        let whole = seen(14, &bytes, bytes.len());
        let found = whole.not_finite.unwrap();
        assert_eq!(
            (found.block, found.offset, found.count),
            (7, 210 * 7 + 208, 2)
        );
        assert_eq!(whole.before_zeros, 210 * 30 + 210);
        assert_eq!(whole.digests.blake3, *blake3::hash(&bytes).as_bytes());
        for step in [1, 7, 209, 210, 211, 1000, 4096] {
            assert_eq!(seen(14, &bytes, step), whole, "{step}");
        }
    }
}
