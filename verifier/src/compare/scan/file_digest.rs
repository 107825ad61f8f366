//! BLAKE3 and CRC-32 of a whole file from pieces that are read in any order.
//!
//! The file is cut into groups of a power of two, from its start. Whoever reads a piece hashes the groups that lie wholly
//! inside it, as BLAKE3 subtrees; the groups that lie across two pieces are read again at the end. The result is the
//! plain BLAKE3 of the file, the number that `b3sum` prints (source: the tree mode of the BLAKE3 paper, section 2.1, and
//! the `hazmat` module of the crate).

use std::io;
use std::sync::{Mutex, PoisonError};

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::region::Span;
use crate::source::{Source, read_through};

/// Collects the digests of one file.
pub(crate) struct FileDigest {
    length: u64,
    wanted: Wanted,
    group: u64,
    state: Mutex<State>,
}

/// What is computed over a whole file. Each costs time on every byte.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) blake3: bool,
    pub(crate) crc32: bool,
}

struct State {
    groups: Vec<Option<ChainingValue>>,
    /// CRC-32 of the pieces: offset, length, value.
    pieces: Vec<(u64, u64, u32)>,
}

impl FileDigest {
    /// Prepares for a file of this length. The table of groups stays under 4 MiB however large the file.
    pub(crate) fn new(length: u64, wanted: Wanted) -> Self {
        let group = length
            .div_ceil(MOST_GROUPS)
            .next_power_of_two()
            .max(SMALLEST_GROUP);
        let count = usize::try_from(length.div_ceil(group)).unwrap_or(0);
        Self {
            length,
            wanted,
            group,
            state: Mutex::new(State {
                groups: vec![None; count],
                pieces: Vec::new(),
            }),
        }
    }

    /// Starts a piece at `offset`, to be fed in order.
    pub(crate) fn piece(&self, offset: u64) -> Piece<'_> {
        Piece {
            digest: self,
            start: offset,
            position: offset,
            group: None,
            done: Vec::new(),
            crc: crc32fast::Hasher::new(),
        }
    }

    /// Returns the BLAKE3 of the whole file, reading again the groups that no piece held whole.
    pub(crate) fn blake3(&self, source: &dyn Source) -> io::Result<blake3::Hash> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.length <= self.group {
            let mut bytes = vec![0; usize::try_from(self.length).unwrap_or(0)];
            source.read_exact_at(0, &mut bytes)?;
            return Ok(blake3::hash(&bytes));
        }
        for (index, value) in state.groups.iter_mut().enumerate() {
            if value.is_none() {
                let offset = (index as u64).saturating_mul(self.group);
                *value = Some(self.read_group(source, offset)?);
            }
        }
        let values: Vec<ChainingValue> = state.groups.iter().flatten().copied().collect();
        let (left, right) = self.halves(&values, self.length);
        Ok(merge_subtrees_root(&left, &right, Mode::Hash))
    }

    /// Returns the CRC-32 of the bytes from the start up to `end`, when the pieces hold them without a gap.
    pub(crate) fn crc32(&self, end: u64) -> Option<u32> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.pieces.sort_unstable();
        let mut whole = crc32fast::Hasher::new();
        let mut position = 0;
        for &(offset, length, crc) in &state.pieces {
            if offset == end {
                break;
            }
            if offset != position {
                return None;
            }
            whole.combine(&crc32fast::Hasher::new_with_initial_len(crc, length));
            position = offset.saturating_add(length);
        }
        (position == end).then(|| whole.finalize())
    }

    fn read_group(&self, source: &dyn Source, offset: u64) -> io::Result<ChainingValue> {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(offset);
        let length = self.group.min(self.length.saturating_sub(offset));
        read_through(
            source,
            Span::new(offset, length),
            &mut Vec::new(),
            |_, bytes| {
                hasher.update(bytes);
            },
        )?;
        Ok(hasher.finalize_non_root())
    }

    /// The chaining values of the two subtrees below a node over `length` bytes. The depth is that of the tree.
    fn halves(&self, values: &[ChainingValue], length: u64) -> (ChainingValue, ChainingValue) {
        let left = blake3::hazmat::left_subtree_len(length);
        let count = usize::try_from(left.checked_div(self.group).unwrap_or(0)).unwrap_or(0);
        let (first, second) = values.split_at_checked(count).unwrap_or_default();
        (
            self.subtree(first, left),
            self.subtree(second, length.saturating_sub(left)),
        )
    }

    fn subtree(&self, values: &[ChainingValue], length: u64) -> ChainingValue {
        if let [value] = values {
            return *value;
        }
        let (left, right) = self.halves(values, length);
        merge_subtrees_non_root(&left, &right, Mode::Hash)
    }
}

/// One stretch of the file, read in order.
pub(crate) struct Piece<'d> {
    digest: &'d FileDigest,
    start: u64,
    position: u64,
    /// The group being hashed; none while in a group that began before the piece.
    group: Option<blake3::Hasher>,
    done: Vec<(usize, ChainingValue)>,
    crc: crc32fast::Hasher,
}

impl Piece<'_> {
    /// Takes the next bytes of the piece.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        if self.digest.wanted.crc32 {
            self.crc.update(bytes);
        }
        if !self.digest.wanted.blake3 {
            self.position = self.position.saturating_add(bytes.len() as u64);
            return;
        }
        while !bytes.is_empty() {
            let group = self.digest.group;
            let within = self.position.checked_rem(group).unwrap_or(0);
            if within == 0 {
                let mut hasher = blake3::Hasher::new();
                hasher.set_input_offset(self.position);
                self.group = Some(hasher);
            }
            let left_of_file = self.digest.length.saturating_sub(self.position);
            let left = group.saturating_sub(within).min(left_of_file);
            let size = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let Some((now, rest)) = bytes.split_at_checked(size).filter(|_| size > 0) else {
                return;
            };
            if let Some(hasher) = &mut self.group {
                hasher.update(now);
            }
            self.position = self.position.saturating_add(size as u64);
            if size as u64 == left
                && let Some(hasher) = self.group.take()
            {
                let index = self
                    .position
                    .saturating_sub(1)
                    .checked_div(group)
                    .unwrap_or(0);
                if let Ok(index) = usize::try_from(index) {
                    self.done.push((index, hasher.finalize_non_root()));
                }
            }
            bytes = rest;
        }
    }

    /// Hands the piece in.
    pub(crate) fn end(self) {
        let mut state = self
            .digest
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (index, value) in self.done {
            if let Some(slot) = state.groups.get_mut(index) {
                *slot = Some(value);
            }
        }
        let length = self.position.saturating_sub(self.start);
        if length > 0 && self.digest.wanted.crc32 {
            state.pieces.push((self.start, length, self.crc.finalize()));
        }
    }
}

const SMALLEST_GROUP: u64 = 64 << 10;
const MOST_GROUPS: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Wanted = Wanted {
        blake3: true,
        crc32: true,
    };

    #[test]
    fn pieces_in_any_order_give_the_plain_digests() {
        for length in [
            0_usize, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 400_000,
        ] {
            let file: Vec<u8> = (0..length)
                .map(|index| u8::try_from(index * 31 % 251).unwrap())
                .collect();
            for cut in [1, 1000, 65_536, 70_000] {
                let digest = FileDigest::new(length as u64, BOTH);
                let mut pieces: Vec<_> = file.chunks(cut.max(length / 40 + 1)).collect();
                let size = pieces.first().map_or(0, |piece| piece.len());
                let mut order: Vec<_> = pieces.drain(..).enumerate().collect();
                order.reverse();
                for (index, bytes) in order {
                    let mut piece = digest.piece((index * size) as u64);
                    for part in bytes.chunks(10_007) {
                        piece.feed(part);
                    }
                    piece.end();
                }
                assert_eq!(
                    digest.blake3(&file).unwrap(),
                    blake3::hash(&file),
                    "{length} {cut}"
                );
                assert_eq!(digest.crc32(length as u64), Some(crc32fast::hash(&file)));
            }
        }
    }

    #[test]
    fn a_gap_between_pieces_gives_no_crc() {
        let digest = FileDigest::new(10, BOTH);
        let mut piece = digest.piece(4);
        piece.feed(&[0; 6]);
        piece.end();
        assert_eq!(digest.crc32(10), None);
    }
}
