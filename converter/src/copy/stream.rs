//! The one pass: every byte of source is read once, hashed, decoded where asked for, and written to its place.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "segments hold the numbers and offsets of these sources and tensors; a wrong one must end the pass"
)]

use std::{
    fs::File,
    mem,
    os::unix::fs::FileExt as _,
    panic::resume_unwind,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, SyncSender},
    },
    thread,
};

use sha2::{Digest as _, Sha256};

use crate::{
    copy::{
        pipeline::{self, Chain, Reader},
        segment::{Piece, Segment},
    },
    error::Error,
    observer::Observer,
    plan::{
        PlannedTensor,
        record::{SourceDigests, TensorDigests},
    },
    source::SourceFile,
};

/// What the pass works on.
pub(crate) struct Pass<'a> {
    pub(crate) sources: &'a [SourceFile],
    /// Everything before the tensor data of each source, as it was parsed.
    pub(crate) headers: &'a [Vec<u8>],
    pub(crate) segments: &'a [Segment],
    pub(crate) tensors: &'a [PlannedTensor<'a>],
    /// Where each planned tensor starts in the artifact.
    pub(crate) destinations: &'a [u64],
    pub(crate) output: &'a File,
    /// The path of the artifact, for errors.
    pub(crate) path: &'a Path,
    /// Whether each tensor gets a SHA-256 too.
    pub(crate) tensor_sha256: bool,
}

/// What the pass found out.
pub(crate) struct Passed {
    /// For each source file.
    pub(crate) sources: Vec<SourceDigests>,
    /// For each planned tensor.
    pub(crate) tensors: Vec<TensorDigests>,
    /// The CRC-32 of each planned tensor's stored bytes, to be combined.
    pub(crate) checksums: Vec<crc32fast::Hasher>,
}

impl Pass<'_> {
    /// Runs the pass on at most `threads` threads.
    ///
    /// # Errors
    /// Fails when a source cannot be read or changed, the output cannot be written, or the caller cancelled.
    pub(crate) fn run(
        &self,
        threads: usize,
        observer: &dyn Observer,
        cancel: &AtomicBool,
    ) -> Result<Passed, Error> {
        let count = self.tensors.len();
        let (mut source_sha256, mut source_blake3) = (Vec::new(), Vec::new());
        let mut tensor_sha256 = self.tensor_sha256.then(|| vec![[0; 32]; count]);
        let mut tensor_blake3 = vec![[0; 32]; count];
        let mut checksums = vec![crc32fast::Hasher::new(); count];
        // The slow ones first: they are what the others wait for.
        let (written, syncs) = mpsc::sync_channel(1);
        let mut chains: Vec<Chain<'_, Block<'_>, Error>> = vec![
            hash_sources::<Sha256>(self.headers, &mut source_sha256),
            hash_sources::<blake3::Hasher>(self.headers, &mut source_blake3),
            hash_tensors::<blake3::Hasher>(&mut tensor_blake3),
            self.write(&mut checksums, written),
        ];
        if let Some(digests) = &mut tensor_sha256 {
            chains.insert(1, hash_tensors::<Sha256>(digests));
        }
        thread::scope(|scope| {
            // The disk writes while the cores hash: waiting for it once at the end would take as long again.
            let syncing =
                scope.spawn(move || syncs.iter().try_for_each(|()| self.output.sync_data()));
            pipeline::run(threads, SLOTS, self.read(observer, cancel), chains)?;
            let synced = syncing.join().unwrap_or_else(|panic| resume_unwind(panic));
            // The system tells of a failed write only once, so it must not be lost here.
            synced.map_err(Error::io("be written to disk", self.path))
        })?;

        let sources = source_sha256.into_iter().zip(source_blake3);
        Ok(Passed {
            sources: sources
                .map(|(sha256, blake3)| SourceDigests { sha256, blake3 })
                .collect(),
            tensors: tensor_blake3
                .into_iter()
                .enumerate()
                .map(|(index, blake3)| TensorDigests {
                    blake3,
                    sha256: tensor_sha256.as_ref().map(|digests| digests[index]),
                })
                .collect(),
            checksums,
        })
    }

    /// Reads the pieces in order, checks the padding, and decodes.
    fn read<'a>(
        &'a self,
        observer: &'a dyn Observer,
        cancel: &'a AtomicBool,
    ) -> Reader<'a, Block<'a>, Error> {
        let mut pieces = self
            .segments
            .iter()
            .flat_map(|segment| segment.pieces(BLOCK));
        Box::new(move |spare| {
            if cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            let Some(piece) = pieces.next() else {
                return Ok(None);
            };
            let file = &self.sources[piece.segment.shard];
            let (mut source, mut decoded) =
                spare.map_or_else(Default::default, |block| (block.source, block.decoded));
            source.resize(to_usize(piece.source.length), 0);
            file.read(piece.source.offset, &mut source)?;
            let (data, padding) = source.split_at(to_usize(piece.data_length));
            // The padding was zero before the pass.
            if padding.iter().any(|byte| *byte != 0) {
                return Err(file.changed());
            }
            decoded.clear();
            if let Some(decoding) = piece.segment.decoding {
                (decoding.decoder)(data, &mut decoded);
            }
            if piece.starts_shard() {
                observer.advance(to_u64(self.headers[piece.segment.shard].len()));
            }
            observer.advance(piece.source.length);
            Ok(Some(Block {
                piece,
                source,
                decoded,
            }))
        })
    }

    /// Writes the stored bytes, and computes the CRC-32 of each tensor.
    fn write<'a>(
        &'a self,
        checksums: &'a mut [crc32fast::Hasher],
        written: SyncSender<()>,
    ) -> Chain<'a, Block<'a>, Error> {
        let mut unsynced: u64 = 0;
        Box::new(move |block| {
            let segment = block.piece.segment;
            let stored = block.stored();
            let mut checksum = crc32fast::Hasher::new();
            checksum.update(stored);
            for target in &segment.targets {
                checksums[*target].combine(&checksum);
                let offset = self.destinations[*target] + block.piece.stored_offset;
                self.output
                    .write_all_at(stored, offset)
                    .map_err(Error::io("be written", self.path))?;
                unsynced += to_u64(stored.len());
            }
            // While a sync is asked for already, or its thread is gone, there is nothing to ask.
            if unsynced >= SYNC_EVERY && written.try_send(()).is_ok() {
                unsynced = 0;
            }
            Ok(())
        })
    }
}

/// A piece with its bytes.
struct Block<'a> {
    piece: Piece<'a>,
    /// Data and padding.
    source: Vec<u8>,
    /// The stored bytes where they are not those of the source.
    decoded: Vec<u8>,
}

impl Block<'_> {
    fn stored(&self) -> &[u8] {
        match self.piece.segment.decoding {
            Some(_) => &self.decoded,
            None => self.data(),
        }
    }

    fn data(&self) -> &[u8] {
        &self.source[..to_usize(self.piece.data_length)]
    }
}

/// A digest of 32 bytes.
trait Hash: Default + Send {
    fn add(&mut self, bytes: &[u8]);
    fn finish(self) -> [u8; 32];
}

impl Hash for Sha256 {
    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.finalize().into()
    }
}

impl Hash for blake3::Hasher {
    fn add(&mut self, bytes: &[u8]) {
        self.update(bytes);
    }

    fn finish(self) -> [u8; 32] {
        self.finalize().into()
    }
}

/// Hashes every byte of every source file.
fn hash_sources<'a, H: Hash + 'a>(
    headers: &'a [Vec<u8>],
    digests: &'a mut Vec<[u8; 32]>,
) -> Chain<'a, Block<'a>, Error> {
    let mut hasher = H::default();
    Box::new(move |block| {
        if block.piece.starts_shard() {
            hasher.add(&headers[block.piece.segment.shard]);
        }
        hasher.add(&block.source);
        if block.piece.ends_shard() {
            digests.push(mem::take(&mut hasher).finish());
        }
        Ok(())
    })
}

/// Hashes the stored bytes of every tensor.
fn hash_tensors<'a, H: Hash + 'a>(digests: &'a mut [[u8; 32]]) -> Chain<'a, Block<'a>, Error> {
    let mut hasher = H::default();
    Box::new(move |block| {
        hasher.add(block.stored());
        if block.piece.is_last {
            let digest = mem::take(&mut hasher).finish();
            for target in &block.piece.segment.targets {
                digests[*target] = digest;
            }
        }
        Ok(())
    })
}

fn to_usize(length: u64) -> usize {
    usize::try_from(length).expect("a piece fits into memory")
}

fn to_u64(length: usize) -> u64 {
    u64::try_from(length).expect("a usize has at most 64 bits")
}

/// The most stored bytes of a block: small enough to stay in the cache of a core.
const BLOCK: u64 = 512 << 10;
/// The most blocks at a time: 12 MiB with both buffers, 24 MiB with the longest padding.
const SLOTS: usize = 12;
/// How many bytes are written before the disk is told.
const SYNC_EVERY: u64 = 64 << 20;
