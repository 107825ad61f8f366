//! The pass over both files: every byte is read once, by position, on all cores.
//!
//! The work is cut into jobs: a pair of tensors, a tensor alone, or a gap between tensors. Each reads its stretch of one or
//! both files in order, hashes, compares, and feeds the digests of the files. Which thread takes which job changes
//! nothing in the result. Only a SHA-256 of a whole file, where it is asked for, reads that file once more: it is one chain.

pub(crate) mod difference;
mod file_digest;
mod gap;
mod jobs;
mod stream;
pub(crate) mod tensor;
pub(crate) mod values;
mod zeros;

use std::collections::HashMap;
use std::io;

use sha2::Digest as _;

pub(crate) use self::file_digest::FileDigest;
use self::jobs::{Job, Jobs};
use self::tensor::{Buffers, Digests, PairOutcome, Reading, Stored};
use crate::compare::inputs::{Inputs, Metadata};
use crate::compare::pairing::Pairing;
use crate::decode::blocks::NotFinite;
use crate::decode::container::Tensor;
use crate::decode::padding::NotZero;
use crate::finding::{Finding, Side};
use crate::input::Options;
use crate::observer::Observer;
use crate::parallel;
use crate::region::Span;
use crate::source::{Source, read_through};

/// What the pass found. Lists of files have those of the first model first, shard by shard.
///
/// In a pair of two formats the first model is the APR file; where this module says `apr` and `gguf`, it means the first
/// and the second.
#[derive(Default)]
pub(crate) struct Scan {
    /// One entry per pair of the pairing.
    pub(crate) pairs: Vec<Option<PairOutcome>>,
    /// The tensors without a counterpart that they could be compared with.
    pub(crate) alone: Vec<Alone>,
    /// Every padding with a byte that is not zero.
    pub(crate) not_zero: Vec<NotZeroPadding>,
    /// BLAKE3 of the files; none where not all of one was read.
    pub(crate) blake3: Vec<Option<[u8; 32]>>,
    /// SHA-256 of the files that it was asked for.
    pub(crate) sha256: Vec<Option<[u8; 32]>>,
    /// CRC-32 of everything before the footer, of each model that is an APR file.
    pub(crate) crc: [Option<u32>; 2],
    /// What could not be read.
    pub(crate) errors: Vec<Unread>,
    /// Warnings about the files as such.
    pub(crate) warnings: Vec<Finding>,
    /// How many threads the pass had.
    pub(crate) threads: usize,
    /// The files that tensors of the first model lie in as well.
    pub(crate) also: Vec<FileDigest>,
}

impl Scan {
    /// How many tensors differ whose values are near those of the other file, or far from them.
    pub(crate) fn differing(&self, near: bool) -> usize {
        let differing = self.pairs.iter().flatten().filter(|outcome| {
            outcome.values.is_some_and(|values| {
                let [a, b] = values.standard_deviation;
                let is_near = values.root_mean_square < a.max(b) / 2.0;
                // A flipped bit, or a few other values, are damage: another version has most of them.
                let is_flip = || {
                    let difference = outcome.difference.as_ref();
                    difference.is_some_and(|difference| difference.same_bit.is_some())
                };
                let are_few = values.different < values.elements / 8;
                values.different > 0 && is_near == near && !(near && (are_few || is_flip()))
            })
        });
        differing.count()
    }
}

/// A tensor that was hashed for itself.
pub(crate) struct Alone {
    pub(crate) side: Side,
    /// Its place in the tensors of that side.
    pub(crate) index: usize,
    pub(crate) digests: Digests,
    pub(crate) not_finite: Option<NotFinite>,
}

/// A padding that is not zero.
pub(crate) struct NotZeroPadding {
    pub(crate) side: Side,
    pub(crate) shard: usize,
    pub(crate) found: NotZero,
}

/// A stretch that could not be read.
pub(crate) struct Unread {
    pub(crate) side: Side,
    pub(crate) shard: usize,
    pub(crate) span: Span,
    pub(crate) error: io::Error,
}

/// Reads everything.
pub(crate) fn scan(
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    options: &Options,
    observer: &dyn Observer,
) -> Scan {
    scan_also(inputs, pairing, Also::default(), options, observer)
}

/// Files that are not at hand, and where tensors of the first model lie in them: these are digested with what passes by.
#[derive(Default)]
pub(crate) struct Also {
    pub(crate) files: Vec<FileDigest>,
    /// By the number of the tensor: the file, and the offset there.
    pub(crate) tensors: HashMap<usize, (usize, u64)>,
}

/// The same, with files that the tensors of the first model lie in as well.
pub(crate) fn scan_also(
    inputs: &Inputs<'_>,
    pairing: &Pairing,
    also: Also,
    options: &Options,
    observer: &dyn Observer,
) -> Scan {
    let files = files(inputs);
    let jobs = Jobs::new(inputs, pairing, &files, options.file_sha256);
    observer.start(jobs.bytes());
    let work = Work {
        files: &files,
        also: &also,
        first: inputs.first.side,
        reading: Reading {
            sha256: options.tensor_sha256,
            observer,
        },
    };
    let total: u64 = files.iter().map(|file| file.source.length()).sum();
    let threads = if total < WORTH_THREADS || jobs.are_in_order {
        1
    } else {
        options.threads
    };
    let results = parallel::map(threads, &jobs.list, |job, buffers| work.run(job, buffers));

    let mut scan = Scan {
        pairs: vec![None; pairing.pairs.len()],
        sha256: vec![None; files.len()],
        threads,
        ..Scan::default()
    };
    let mut zeros = zeros::Zeros::default();
    for (job, result) in jobs.list.iter().zip(results) {
        match result {
            Ok(done) => scan.take(job, done, &files, &mut zeros),
            Err(error) => scan.note_unread(job, error),
        }
    }
    scan.close_files(&files, threads);
    scan.crc = inputs.models().map(|model| match model.metadata {
        Metadata::Apr(_) => {
            let file = file_of(&files, model.side, 0);
            let footer = model.footer().map(|(span, _)| span.offset);
            file.digest.crc32(footer.unwrap_or(file.source.length()))
        }
        Metadata::Gguf(_) => None,
    });
    scan.warnings = zeros.findings(inputs);
    scan.also = also.files;
    scan
}

/// The BLAKE3 of a file that is no file of the pass, of which the pass may have digested stretches.
pub(crate) fn blake3_of(
    source: &dyn Source,
    begun: Option<&FileDigest>,
    threads: usize,
) -> io::Result<[u8; 32]> {
    let new = FileDigest::new(source.length());
    let digest = begun.unwrap_or(&new);
    let groups = digest.open_groups();
    let closed = parallel::map(at_once(threads, source), &groups, |span, ()| {
        digest.close_group(source, *span)
    });
    closed.into_iter().collect::<io::Result<()>>()?;
    let Some(digest) = digest.blake3() else {
        unreachable!("all groups were closed");
    };
    Ok(digest)
}

/// A file of the pair.
struct File<'a> {
    side: Side,
    shard: usize,
    source: &'a dyn Source,
    digest: FileDigest,
}

fn files<'a>(inputs: &Inputs<'a>) -> Vec<File<'a>> {
    let file = |side, shard, source: &'a dyn Source| File {
        side,
        shard,
        source,
        digest: FileDigest::new(source.length()),
    };
    let models = inputs.models().into_iter();
    models
        .flat_map(|model| {
            let sources = model.sources.iter().enumerate();
            sources.map(|(shard, source)| file(model.side, shard, *source))
        })
        .collect()
}

/// What came of a job.
enum Done {
    Pair(Box<PairOutcome>),
    Alone(stream::Seen),
    Gap(Option<NotZero>),
    Sha256([u8; 32]),
}

struct Work<'a> {
    files: &'a [File<'a>],
    also: &'a Also,
    /// The side of the first model.
    first: Side,
    reading: Reading<'a>,
}

impl<'a> Work<'a> {
    fn run(&self, job: &Job<'a>, buffers: &mut Buffers) -> io::Result<Done> {
        Ok(match *job {
            Job::Pair {
                apr,
                gguf,
                how,
                gguf_was_read,
                ..
            } => {
                let apr = self.place(apr.side, apr.tensor, apr.is_region);
                let gguf = self.place(gguf.side, gguf.tensor, gguf.is_region && !gguf_was_read);
                let outcome = tensor::compare(apr, gguf, how, self.reading, buffers)?;
                Done::Pair(Box::new(outcome))
            }
            Job::Alone { index, tensor } => {
                let mut place = self.place(tensor.side, tensor.tensor, tensor.is_region);
                let also = self.also.tensors.get(&index);
                let also = also.filter(|_| tensor.side == self.first);
                place.also = also.and_then(|(file, at)| Some((self.also.files.get(*file)?, *at)));
                let tensor = tensor.tensor;
                let block_type = tensor.block_type.filter(|_| tensor.sound);
                Done::Alone(tensor::hash(place, block_type, self.reading, buffers)?)
            }
            Job::Gap {
                side,
                shard,
                span,
                kind,
            } => {
                let file = self.file(side, shard);
                let observer = self.reading.observer;
                Done::Gap(gap::read(file.source, span, kind, &file.digest, observer)?)
            }
            Job::Sha256 { side, shard, span } => {
                let file = self.file(side, shard);
                let (mut sha256, done) = file.digest.take_chain();
                self.reading.observer.advance(done);
                let rest = Span::new(done, span.length - done);
                read_through(file.source, rest, &mut Vec::new(), |_, bytes| {
                    sha256.update(bytes);
                    self.reading.observer.advance(bytes.len() as u64);
                })?;
                Done::Sha256(sha256.finalize().into())
            }
        })
    }

    /// Where a tensor is read from. It counts for its file when its bytes are a region of their own, which overlapping
    /// tensors are not.
    fn place(&self, side: Side, tensor: &Tensor, counts: bool) -> Stored<'a> {
        let file = self.file(side, tensor.shard);
        Stored {
            source: file.source,
            span: tensor.span,
            file: Some(&file.digest).filter(|_| counts),
            also: None,
        }
    }

    fn file(&self, side: Side, shard: usize) -> &'a File<'a> {
        file_of(self.files, side, shard)
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "tensors and regions name the shards of their own side"
)]
fn file_of<'a>(files: &'a [File<'a>], side: Side, shard: usize) -> &'a File<'a> {
    &files[index_of(files, side, shard)]
}

#[expect(
    clippy::expect_used,
    reason = "tensors and regions name the shards of their own side"
)]
fn index_of(files: &[File<'_>], side: Side, shard: usize) -> usize {
    let mut files = files.iter();
    files
        .position(|file| (file.side, file.shard) == (side, shard))
        .expect("a job is about one of the files of the pair")
}

impl Scan {
    #[expect(
        clippy::indexing_slicing,
        reason = "jobs hold the numbers of these pairs and files"
    )]
    fn take<'a>(
        &mut self,
        job: &Job<'a>,
        done: Done,
        files: &[File<'_>],
        zeros: &mut zeros::Zeros<'a>,
    ) {
        match (*job, done) {
            (
                Job::Pair {
                    index, apr, gguf, ..
                },
                Done::Pair(outcome),
            ) => {
                zeros.note(apr.side, apr.tensor, outcome.before_zeros[0]);
                zeros.note(gguf.side, gguf.tensor, outcome.before_zeros[1]);
                self.pairs[index] = Some(*outcome);
            }
            (Job::Alone { index, tensor }, Done::Alone(seen)) => {
                zeros.note(tensor.side, tensor.tensor, seen.before_zeros);
                self.alone.push(Alone {
                    side: tensor.side,
                    index,
                    digests: seen.digests,
                    not_finite: seen.not_finite,
                });
            }
            (Job::Gap { side, shard, .. }, Done::Gap(not_zero)) => {
                self.not_zero
                    .extend(not_zero.map(|found| NotZeroPadding { side, shard, found }));
            }
            (Job::Sha256 { side, shard, .. }, Done::Sha256(digest)) => {
                self.sha256[index_of(files, side, shard)] = Some(digest);
            }
            _ => unreachable!("a job gives what jobs of its kind give"),
        }
    }

    fn note_unread(&mut self, job: &Job<'_>, error: io::Error) {
        let place = job.place();
        self.errors.push(Unread {
            side: place.side,
            shard: place.shard,
            span: place.span,
            error,
        });
    }

    /// Reads what lies across two pieces, and joins the digests of the files.
    fn close_files(&mut self, files: &[File<'_>], threads: usize) {
        let open: Vec<(&File<'_>, Span)> = files
            .iter()
            .flat_map(|file| {
                let open = file.digest.open_groups();
                open.into_iter().map(move |span| (file, span))
            })
            .collect();
        let threads = files.iter().map(|file| at_once(threads, file.source));
        let closed = parallel::map(threads.max().unwrap_or(1), &open, |(file, span), ()| {
            file.digest.close_group(file.source, *span)
        });
        for ((file, span), result) in open.into_iter().zip(closed) {
            let is_known = |unread: &Unread| (unread.side, unread.shard) == (file.side, file.shard);
            if let Err(error) = result
                && !self.errors.iter().any(is_known)
            {
                self.errors.push(Unread {
                    side: file.side,
                    shard: file.shard,
                    span,
                    error,
                });
            }
        }
        for file in files {
            self.blake3.push(file.digest.blake3());
        }
    }
}

/// How many short reads are done at a time: over a network they wait for answers and not for a core.
fn at_once(threads: usize, source: &dyn Source) -> usize {
    match source.origin() {
        Some(_) => threads.max(ANSWERS),
        None => threads,
    }
}

const ANSWERS: usize = 8;

/// Below this a thread costs more than it does.
const WORTH_THREADS: u64 = 4 << 20;
