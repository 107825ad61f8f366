//! The pass over both files: every byte is read once, by position, on all cores.
//!
//! The work is cut into jobs: a pair of tensors, a tensor alone, or a gap between tensors. Each reads its stretch of one or
//! both files in order, hashes, compares, and feeds the digests of the files. Which thread takes which job changes
//! nothing in the result.

pub(crate) mod difference;
mod file_digest;
mod gap;
pub(crate) mod tensor;
pub(crate) mod values;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use self::file_digest::{FileDigest, Wanted};
use self::tensor::{Buffers, Digests, PairOutcome, Place};
use crate::compare::pairing::{Pairing, comparison};
use crate::decode::blocks::NotFinite;
use crate::decode::container::{Container, Shard, Tensor};
use crate::decode::padding::NotZero;
use crate::decode::{apr, gguf};
use crate::finding::Side;
use crate::observer::Observer;
use crate::region::{RegionKind, Span};
use crate::source::Source;

/// The two models, decoded, and where their bytes come from.
pub(crate) struct Inputs<'a> {
    pub(crate) apr: &'a Container<apr::Metadata>,
    pub(crate) gguf: &'a Container<gguf::Metadata>,
    pub(crate) apr_source: &'a dyn Source,
    pub(crate) gguf_sources: &'a [&'a dyn Source],
}

/// What the pass found.
#[derive(Default)]
pub(crate) struct Scan {
    /// One entry per pair of the pairing.
    pub(crate) pairs: Vec<Option<PairOutcome>>,
    /// Digests of tensors without a counterpart that they could be compared with, and their first bad number.
    pub(crate) alone: Vec<(Side, usize, Digests, Option<NotFinite>)>,
    /// The first byte that is not zero of every padding that has one.
    pub(crate) not_zero: Vec<(Side, usize, NotZero)>,
    /// The digest over all regions of the files: the APR file, then the shards; none where not all of it was read.
    pub(crate) roots: Vec<Option<[u8; 32]>>,
    /// BLAKE3 of the files in the same order, when it was asked for.
    pub(crate) blake3: Vec<Option<[u8; 32]>>,
    /// CRC-32 of everything before the footer.
    pub(crate) apr_crc: Option<u32>,
    /// What could not be read.
    pub(crate) errors: Vec<(Side, usize, Span, io::Error)>,
}

#[derive(Clone, Copy)]
enum Job {
    Pair(usize),
    Alone(Side, usize),
    Gap(Side, usize, Span, RegionKind),
}

enum Done {
    Pair(usize, Box<PairOutcome>),
    Alone(Side, usize, Digests, Option<NotFinite>),
    Gap(Side, usize, Option<NotZero>, [u8; 32]),
}

/// Reads everything. `whole_files` asks for the BLAKE3 of each file as well.
pub(crate) fn scan(
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    threads: usize,
    whole_files: bool,
    observer: &dyn Observer,
) -> Scan {
    let files: Vec<FileDigest> = std::iter::once(inputs.apr_source)
        .chain(inputs.gguf_sources.iter().copied())
        .enumerate()
        .map(|(index, source)| {
            let wanted = Wanted {
                blake3: whole_files,
                crc32: side_of(index).0 == Side::Apr,
            };
            FileDigest::new(source.length(), wanted)
        })
        .collect();
    let work = Work {
        inputs,
        pairing,
        files: &files,
        observer,
    };
    let jobs = work.jobs();
    let total = files_length(inputs);
    observer.start(total);

    let mut scan = Scan {
        pairs: vec![None; pairing.pairs.len()],
        ..Scan::default()
    };
    let mut regions = vec![Vec::new(); files.len()];
    let threads = if total < WORTH_THREADS { 1 } else { threads };
    for (job, result) in run(&work, &jobs, threads) {
        scan.take(&work, &jobs, job, result, &mut regions);
    }
    scan.roots = work.roots(&regions);
    let sources = std::iter::once(inputs.apr_source).chain(inputs.gguf_sources.iter().copied());
    for (index, (file, source)) in files.iter().zip(sources).enumerate() {
        let digest = match whole_files.then(|| file.blake3(source)).transpose() {
            Ok(digest) => digest.map(|digest| *digest.as_bytes()),
            Err(error) => {
                let (side, shard) = side_of(index);
                scan.errors
                    .push((side, shard, Span::new(0, source.length()), error));
                None
            }
        };
        scan.blake3.push(digest);
    }
    let end = inputs
        .apr
        .metadata
        .footer
        .map_or(inputs.apr_source.length(), |(span, _)| span.offset);
    scan.apr_crc = files.first().and_then(|file| file.crc32(end));
    scan
}

/// The digest of a stretch of a file.
type RegionDigest = (Span, [u8; 32]);

impl Scan {
    fn take(
        &mut self,
        work: &Work<'_>,
        jobs: &[Job],
        job: usize,
        result: io::Result<Done>,
        regions: &mut [Vec<RegionDigest>],
    ) {
        let Some(&job) = jobs.get(job) else {
            return;
        };
        let mut note = |side, shard, span, digest| {
            if let Some(file) = regions.get_mut(file_of(side, shard)) {
                file.push((span, digest));
            }
        };
        match result {
            Ok(Done::Pair(index, outcome)) => {
                if let Some((a, g)) = work.pair(index) {
                    note(Side::Apr, 0, a.span, outcome.apr.blake3);
                    note(Side::Gguf, g.shard, g.span, outcome.gguf.blake3);
                }
                if let Some(slot) = self.pairs.get_mut(index) {
                    *slot = Some(*outcome);
                }
            }
            Ok(Done::Alone(side, index, digests, not_finite)) => {
                if let Some(tensor) = work.tensor(side, index) {
                    note(side, tensor.shard, tensor.span, digests.blake3);
                }
                self.alone.push((side, index, digests, not_finite));
            }
            Ok(Done::Gap(side, shard, not_zero, digest)) => {
                if let Some((_, _, span)) = work.where_is(job) {
                    note(side, shard, span, digest);
                }
                self.not_zero
                    .extend(not_zero.map(|found| (side, shard, found)));
            }
            Err(error) => {
                if let Some((side, shard, span)) = work.where_is(job) {
                    self.errors.push((side, shard, span, error));
                }
            }
        }
    }
}

/// Runs all jobs and returns their results in the order of the jobs.
fn run(work: &Work<'_>, jobs: &[Job], threads: usize) -> Vec<(usize, io::Result<Done>)> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(jobs.len()));
    let run_some = || {
        let mut buffers = Buffers::default();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else {
                break;
            };
            let result = work.run(*job, &mut buffers);
            results
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((index, result));
        }
    };
    if threads <= 1 {
        run_some();
    } else {
        thread::scope(|scope| {
            for _ in 0..threads.min(jobs.len()) {
                scope.spawn(run_some);
            }
        });
    }
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    results
}

struct Work<'a> {
    inputs: &'a Inputs<'a>,
    pairing: &'a Pairing,
    files: &'a [FileDigest],
    observer: &'a dyn Observer,
}

impl<'a> Work<'a> {
    /// Large tensors first, so that no thread is left alone with one at the end; then in the order of the files.
    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        let mut paired = vec![false; self.inputs.gguf.tensors.len()];
        for (index, pair) in self.pairing.pairs.iter().enumerate() {
            let tensors = self
                .inputs
                .apr
                .tensors
                .get(pair.apr)
                .zip(self.inputs.gguf.tensors.get(pair.gguf));
            let Some((a, g)) = tensors else {
                continue;
            };
            if comparison(a, g).is_some() {
                jobs.push(Job::Pair(index));
            } else {
                jobs.push(Job::Alone(Side::Apr, pair.apr));
                if !paired.get(pair.gguf).copied().unwrap_or(true) {
                    jobs.push(Job::Alone(Side::Gguf, pair.gguf));
                }
            }
            if let Some(paired) = paired.get_mut(pair.gguf) {
                *paired = true;
            }
        }
        jobs.extend(
            self.pairing
                .only_apr
                .iter()
                .map(|&index| Job::Alone(Side::Apr, index)),
        );
        jobs.extend(
            self.pairing
                .only_gguf
                .iter()
                .map(|&index| Job::Alone(Side::Gguf, index)),
        );
        jobs.retain(|job| self.where_is(*job).is_some());
        for (shard, parts) in self.inputs.apr.shards.iter().enumerate() {
            gap::jobs(parts, |span, kind| {
                jobs.push(Job::Gap(Side::Apr, shard, span, kind));
            });
        }
        for (shard, parts) in self.inputs.gguf.shards.iter().enumerate() {
            gap::jobs(parts, |span, kind| {
                jobs.push(Job::Gap(Side::Gguf, shard, span, kind));
            });
        }
        jobs.sort_by_key(|job| {
            let (side, shard, span) =
                self.where_is(*job)
                    .unwrap_or((Side::Apr, 0, Span::default()));
            let size = if span.length >= LARGE {
                u64::MAX.saturating_sub(span.length)
            } else {
                u64::MAX
            };
            (size, shard, side != Side::Gguf, span.offset)
        });
        jobs
    }

    /// The stretch that a job reads; of a pair, that of the GGUF. None when it does not lie inside its file.
    fn where_is(&self, job: Job) -> Option<(Side, usize, Span)> {
        match job {
            Job::Pair(index) => {
                let tensor = self
                    .inputs
                    .gguf
                    .tensors
                    .get(self.pairing.pairs.get(index)?.gguf)?;
                Some((Side::Gguf, tensor.shard, tensor.span))
            }
            Job::Alone(side, index) => {
                let tensor = self.tensor(side, index)?;
                let length = self.source(side, tensor.shard)?.length();
                (tensor.span.end() <= length).then_some((side, tensor.shard, tensor.span))
            }
            Job::Gap(side, shard, span, _) => Some((side, shard, span)),
        }
    }

    fn run(&self, job: Job, buffers: &mut Buffers) -> io::Result<Done> {
        match job {
            Job::Pair(index) => {
                let pair = self
                    .pairing
                    .pairs
                    .get(index)
                    .ok_or(io::ErrorKind::NotFound)?;
                let a = self
                    .tensor(Side::Apr, pair.apr)
                    .ok_or(io::ErrorKind::NotFound)?;
                let g = self
                    .tensor(Side::Gguf, pair.gguf)
                    .ok_or(io::ErrorKind::NotFound)?;
                let how = comparison(a, g).ok_or(io::ErrorKind::NotFound)?;
                let apr = self
                    .place(Side::Apr, a, true)
                    .ok_or(io::ErrorKind::NotFound)?;
                let gguf = self
                    .place(Side::Gguf, g, !pair.tied)
                    .ok_or(io::ErrorKind::NotFound)?;
                let outcome = tensor::compare(apr, gguf, how, buffers, self.observer)?;
                Ok(Done::Pair(index, Box::new(outcome)))
            }
            Job::Alone(side, index) => {
                let tensor = self.tensor(side, index).ok_or(io::ErrorKind::NotFound)?;
                let place = self
                    .place(side, tensor, true)
                    .ok_or(io::ErrorKind::NotFound)?;
                let block_type = tensor.block_type.filter(|_| tensor.sound);
                let (digests, not_finite) =
                    tensor::hash(place, block_type, buffers, self.observer)?;
                Ok(Done::Alone(side, index, digests, not_finite))
            }
            Job::Gap(side, shard, span, kind) => {
                let source = self.source(side, shard).ok_or(io::ErrorKind::NotFound)?;
                let file = self.file(side, shard).ok_or(io::ErrorKind::NotFound)?;
                let (found, digest) = gap::read(source, span, kind, file, self.observer)?;
                Ok(Done::Gap(side, shard, found, digest))
            }
        }
    }

    fn pair(&self, index: usize) -> Option<(&'a Tensor, &'a Tensor)> {
        let pair = self.pairing.pairs.get(index)?;
        self.tensor(Side::Apr, pair.apr)
            .zip(self.tensor(Side::Gguf, pair.gguf))
    }

    /// One digest for each file over offset, length and BLAKE3 of all its stretches, in order: it binds every byte to its
    /// place, at no cost beside the digests of the tensors.
    fn roots(&self, regions: &[Vec<RegionDigest>]) -> Vec<Option<[u8; 32]>> {
        let sources =
            std::iter::once(self.inputs.apr_source).chain(self.inputs.gguf_sources.iter().copied());
        let root = |(regions, source): (&Vec<RegionDigest>, &dyn Source)| {
            let mut regions = regions.clone();
            // Tensors that are read twice, as the embedding for its tied copy, stand twice.
            regions.sort_unstable();
            regions.dedup();
            let mut hasher = blake3::Hasher::new_derive_key(ROOT_CONTEXT);
            let mut position = 0;
            for (span, digest) in regions.iter().filter(|(span, _)| span.length > 0) {
                if span.offset != position {
                    return None;
                }
                hasher.update(&span.offset.to_le_bytes());
                hasher.update(&span.length.to_le_bytes());
                hasher.update(digest);
                position = span.end();
            }
            (position == source.length()).then(|| *hasher.finalize().as_bytes())
        };
        regions.iter().zip(sources).map(root).collect()
    }

    fn tensor(&self, side: Side, index: usize) -> Option<&'a Tensor> {
        match side {
            Side::Apr => self.inputs.apr.tensors.get(index),
            Side::Gguf => self.inputs.gguf.tensors.get(index),
        }
    }

    /// A tensor counts for its file when its bytes are a region of their own, which overlapping tensors are not.
    fn place(&self, side: Side, tensor: &Tensor, counts: bool) -> Option<Place<'a>> {
        let counts = counts
            && self
                .shard(side, tensor.shard)
                .is_some_and(|shard| is_region(shard, tensor));
        Some(Place {
            source: self.source(side, tensor.shard)?,
            span: tensor.span,
            file: self.file(side, tensor.shard).filter(|_| counts),
        })
    }

    fn source(&self, side: Side, shard: usize) -> Option<&'a dyn Source> {
        match side {
            Side::Apr => Some(self.inputs.apr_source),
            Side::Gguf => self.inputs.gguf_sources.get(shard).copied(),
        }
    }

    fn shard(&self, side: Side, shard: usize) -> Option<&'a Shard> {
        match side {
            Side::Apr => self.inputs.apr.shards.get(shard),
            Side::Gguf => self.inputs.gguf.shards.get(shard),
        }
    }

    fn file(&self, side: Side, shard: usize) -> Option<&'a FileDigest> {
        match side {
            Side::Apr => self.files.first(),
            Side::Gguf => self.files.get(shard.checked_add(1)?),
        }
    }
}

fn is_region(shard: &Shard, tensor: &Tensor) -> bool {
    let index = shard
        .regions
        .binary_search_by_key(&tensor.span.offset, |region| region.span.offset);
    index
        .ok()
        .and_then(|index| shard.regions.get(index))
        .is_some_and(|region| {
            region.kind == RegionKind::Tensor
                && region.span == tensor.span
                && region.label == tensor.name
        })
}

const fn file_of(side: Side, shard: usize) -> usize {
    match side {
        Side::Apr => 0,
        Side::Gguf => shard.saturating_add(1),
    }
}

const fn side_of(file: usize) -> (Side, usize) {
    match file.checked_sub(1) {
        None => (Side::Apr, 0),
        Some(shard) => (Side::Gguf, shard),
    }
}

fn files_length(inputs: &Inputs<'_>) -> u64 {
    inputs
        .gguf_sources
        .iter()
        .fold(inputs.apr_source.length(), |sum, source| {
            sum.saturating_add(source.length())
        })
}

/// Keeps this use of BLAKE3 apart from all others.
const ROOT_CONTEXT: &str = "aprove 2026 digest over all regions of a model file";
/// Tensors from here on are taken first.
const LARGE: u64 = 64 << 20;
/// Below this a thread costs more than it does.
const WORTH_THREADS: u64 = 4 << 20;
