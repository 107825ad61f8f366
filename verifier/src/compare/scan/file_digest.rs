//! BLAKE3 and CRC-32 of a whole file from pieces that are read in any order.
//!
//! The file is cut into groups of a power of two, from its start. Whoever reads a piece hashes the groups that lie wholly
//! inside it, as BLAKE3 subtrees; the groups that lie across two pieces are read again at the end. The result is the
//! plain BLAKE3 of the file, the number that `b3sum` prints (source: the tree mode of the BLAKE3 paper, section 2.1, and
//! the `hazmat` module of the crate).

#![expect(
    clippy::indexing_slicing,
    reason = "offsets and groups inside one file; a wrong one must end the run"
)]

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root,
    merge_subtrees_root,
};

use sha2::{Digest as _, Sha256};

use crate::region::Span;
use crate::source::{Source, read_through};

/// Collects the digests of one file.
pub(crate) struct FileDigest {
    length: u64,
    group: u64,
    state: Mutex<State>,
}

struct State {
    /// The values of the subtrees, by group.
    groups: Vec<Option<ChainingValue>>,
    pieces: Vec<PieceSum>,
    /// SHA-256 of the bytes up to a place, as far as pieces came in the order of the file; where it is wanted of them.
    chain: Option<(Sha256, u64)>,
}

/// The CRC-32 of a piece. The order is that of the file.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct PieceSum {
    span: Span,
    crc32: u32,
}

impl FileDigest {
    /// Prepares for a file of this length. The table of groups stays under 4 MiB however large the file.
    pub(crate) fn new(length: u64) -> Self {
        let group = length
            .div_ceil(MOST_GROUPS)
            .next_power_of_two()
            .max(UNIT as u64);
        Self {
            length,
            group,
            state: Mutex::new(State {
                groups: vec![None; in_memory(length.div_ceil(group))],
                pieces: Vec::new(),
                chain: None,
            }),
        }
    }

    /// Begins a SHA-256 of what pieces bring in the order of the file.
    pub(super) fn begin_chain(&self) {
        self.lock().chain = Some((Sha256::new(), 0));
    }

    /// The SHA-256 so far and the place up to which it goes: none of the file where it was not begun.
    pub(super) fn take_chain(&self) -> (Sha256, u64) {
        self.lock().chain.take().unwrap_or_default()
    }

    /// Starts a piece at `offset`, to be fed in order.
    pub(crate) fn piece(&self, offset: u64) -> Piece<'_> {
        Piece {
            digest: self,
            start: offset,
            position: offset,
            rest: Vec::new(),
            group: None,
            done: Vec::new(),
            crc32: crc32fast::Hasher::new(),
            is_chained: self.lock().chain.is_some(),
        }
    }

    /// The groups that no piece held whole, to be read again.
    pub(crate) fn open_groups(&self) -> Vec<Span> {
        let state = self.lock();
        let groups = state.groups.iter().enumerate();
        groups
            .filter(|(_, value)| value.is_none())
            .map(|(index, _)| {
                let offset = index as u64 * self.group;
                Span::new(offset, self.group.min(self.length - offset))
            })
            .collect()
    }

    /// Reads one of [`Self::open_groups`] again.
    pub(crate) fn close_group(&self, source: &dyn Source, span: Span) -> io::Result<()> {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(span.offset);
        read_through(source, span, &mut Vec::new(), |_, bytes| {
            hasher.update(bytes);
        })?;
        let index = in_memory(span.offset / self.group);
        // The only group is the root, which has no value as a subtree.
        let value = if span.length == self.length {
            *hasher.finalize().as_bytes()
        } else {
            hasher.finalize_non_root()
        };
        self.lock().groups[index] = Some(value);
        Ok(())
    }

    /// The BLAKE3 of the whole file; none while groups are open.
    pub(crate) fn blake3(&self) -> Option<[u8; 32]> {
        let state = self.lock();
        let values: Option<Vec<ChainingValue>> = state.groups.iter().copied().collect();
        Some(match values?.as_slice() {
            [] => *blake3::hash(b"").as_bytes(),
            [only] => *only,
            values => {
                let (left, right) = self.halves(values, self.length);
                *merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
            }
        })
    }

    /// The CRC-32 of the bytes from the start up to `end`; none where the pieces leave a gap.
    pub(crate) fn crc32(&self, end: u64) -> Option<u32> {
        let mut state = self.lock();
        state.pieces.sort_unstable();
        let mut whole = crc32fast::Hasher::new();
        let mut position = 0;
        for piece in &state.pieces {
            if position == end {
                break;
            }
            if piece.span.offset != position {
                return None;
            }
            whole.combine(&crc32fast::Hasher::new_with_initial_len(
                piece.crc32,
                piece.span.length,
            ));
            position = piece.span.end();
        }
        (position == end).then(|| whole.finalize())
    }

    /// The values of the two subtrees below a node over `length` bytes. The depth is that of the tree.
    fn halves(&self, values: &[ChainingValue], length: u64) -> (ChainingValue, ChainingValue) {
        let left = left_subtree_len(length);
        let (first, second) = values.split_at(in_memory(left / self.group));
        (
            self.subtree(first, left),
            self.subtree(second, length - left),
        )
    }

    fn subtree(&self, values: &[ChainingValue], length: u64) -> ChainingValue {
        if let [value] = values {
            return *value;
        }
        let (left, right) = self.halves(values, length);
        merge_subtrees_non_root(&left, &right, Mode::Hash)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One stretch of the file, read in order.
pub(crate) struct Piece<'d> {
    digest: &'d FileDigest,
    start: u64,
    position: u64,
    /// The bytes since the last border of a unit. Whole units hash much faster than parts of them.
    rest: Vec<u8>,
    /// The group being hashed; none in one that began before the piece.
    group: Option<blake3::Hasher>,
    done: Vec<(usize, ChainingValue)>,
    crc32: crc32fast::Hasher,
    is_chained: bool,
}

impl Piece<'_> {
    /// Goes on with the SHA-256 of the file, where these bytes come next.
    fn chain(&self, bytes: &[u8]) {
        if let Some((sha256, end)) = &mut self.digest.lock().chain
            && *end == self.position
        {
            sha256.update(bytes);
            *end += bytes.len() as u64;
        }
    }

    /// Takes the next bytes of the piece, and their CRC-32, which two files can share.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], crc32: &crc32fast::Hasher) {
        self.crc32.combine(crc32);
        if self.is_chained {
            self.chain(bytes);
        }
        while !bytes.is_empty() {
            let unit = self.position / UNIT as u64 * UNIT as u64;
            let unit_end = (unit + UNIT as u64).min(self.digest.length);
            let (now, later) = bytes.split_at(bytes.len().min(in_memory(unit_end - self.position)));
            self.position += now.len() as u64;
            bytes = later;
            if unit < self.start {
                continue;
            }
            if self.position < unit_end {
                self.rest.extend_from_slice(now);
            } else if self.rest.is_empty() {
                self.end_unit(unit, now);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(now);
                self.end_unit(unit, &whole);
                whole.clear();
                self.rest = whole;
            }
        }
    }

    fn end_unit(&mut self, start: u64, bytes: &[u8]) {
        let end = start + bytes.len() as u64;
        if start.is_multiple_of(self.digest.group) {
            let mut hasher = blake3::Hasher::new();
            hasher.set_input_offset(start);
            self.group = Some(hasher);
        }
        let Some(hasher) = &mut self.group else {
            return;
        };
        hasher.update(bytes);
        let is_end = end.is_multiple_of(self.digest.group) || end == self.digest.length;
        // A file of one group is hashed at the end: its root is no subtree.
        if is_end && self.digest.length > self.digest.group {
            let index = in_memory(start / self.digest.group);
            self.done.push((index, hasher.finalize_non_root()));
            self.group = None;
        }
    }

    /// Hands the piece in.
    pub(crate) fn end(self) {
        let mut state = self.digest.lock();
        for (index, value) in self.done {
            state.groups[index] = Some(value);
        }
        let length = self.position - self.start;
        if length > 0 {
            state.pieces.push(PieceSum {
                span: Span::new(self.start, length),
                crc32: self.crc32.finalize(),
            });
        }
    }
}

fn in_memory(length: u64) -> usize {
    #[expect(
        clippy::expect_used,
        reason = "not more than the groups of a file, or the bytes of a group, of which there are few"
    )]
    usize::try_from(length).expect("groups and units are small")
}

/// What is hashed at a time. Also the smallest group.
const UNIT: usize = 64 << 10;
const MOST_GROUPS: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(piece: &mut Piece<'_>, bytes: &[u8]) {
        let mut crc32 = crc32fast::Hasher::new();
        crc32.update(bytes);
        piece.feed(bytes, &crc32);
    }

    fn close(digest: &FileDigest, file: &dyn Source) -> usize {
        let open = digest.open_groups();
        for span in &open {
            digest.close_group(file, *span).unwrap();
        }
        open.len()
    }

    #[test]
    fn pieces_in_any_order_give_the_plain_digests() {
        for length in [
            0_usize, 1, 65_535, 65_536, 65_537, 131_072, 131_073, 400_000,
        ] {
            let file: Vec<u8> = (0..length)
                .map(|index| u8::try_from(index * 31 % 251).unwrap())
                .collect();
            for cut in [1, 1000, 65_536, 70_000, 400_000] {
                let digest = FileDigest::new(length as u64);
                let mut pieces: Vec<_> = file.chunks(cut.max(length / 40 + 1)).collect();
                let size = pieces.first().map_or(0, |piece| piece.len());
                let mut order: Vec<_> = pieces.drain(..).enumerate().collect();
                order.reverse();
                for (index, bytes) in order {
                    let mut piece = digest.piece((index * size) as u64);
                    for part in bytes.chunks(if cut == 1000 { 100_007 } else { 10_007 }) {
                        feed(&mut piece, part);
                    }
                    piece.end();
                }
                let again = close(&digest, &file);
                // What one piece holds whole is not read a second time.
                assert!(cut < 400_000 || again <= 1, "{length} {again}");
                assert_eq!(
                    digest.blake3(),
                    Some(*blake3::hash(&file).as_bytes()),
                    "{length} {cut}"
                );
                assert_eq!(digest.crc32(length as u64), Some(crc32fast::hash(&file)));
            }
        }
    }

    #[test]
    fn large_groups_give_the_plain_digest() {
        let file = vec![7_u8; 5 * UNIT + 100];
        let digest = FileDigest {
            group: 2 * UNIT as u64,
            ..FileDigest::new(file.len() as u64)
        };
        digest.lock().groups.truncate(3);
        let mut piece = digest.piece(0);
        feed(&mut piece, &file);
        piece.end();
        assert_eq!(digest.open_groups(), []);
        assert_eq!(digest.blake3(), Some(*blake3::hash(&file).as_bytes()));
    }

    #[test]
    fn a_gap_between_pieces_gives_no_crc() {
        let digest = FileDigest::new(10);
        let mut piece = digest.piece(4);
        feed(&mut piece, &[0; 6]);
        piece.end();
        assert_eq!(digest.crc32(10), None);
    }

    #[test]
    fn an_open_group_gives_no_digest() {
        let digest = FileDigest::new(10);
        assert_eq!(digest.open_groups(), [Span::new(0, 10)]);
        assert_eq!(digest.blake3(), None);
    }
}
