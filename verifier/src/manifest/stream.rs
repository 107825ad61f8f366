//! Hashes stretches of files: positioned reads, constant memory, one stretch per thread at a time.

use std::io;

use super::kind::{Digests, Hasher, Kinds};
use crate::observer::Observer;
use crate::parallel;
use crate::region::Span;
use crate::source::{Source, read_through};

/// Bytes that are hashed as one stream: one stretch of a file, or several one after another.
#[derive(Clone, Debug)]
pub(super) struct Job {
    /// Shard and span of every piece, in the order of the stream.
    pub(super) pieces: Vec<(usize, Span)>,
    /// What to compute.
    pub(super) kinds: Kinds,
}

/// A piece that could not be read.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) shard: usize,
    pub(super) span: Span,
    pub(super) error: io::Error,
}

impl Job {
    pub(super) fn length(&self) -> u64 {
        self.pieces
            .iter()
            .fold(0, |sum, (_, span)| span.length.saturating_add(sum))
    }
}

/// Runs all jobs on up to `threads` threads and returns their results in the order of the jobs.
pub(super) fn run(
    sources: &[&dyn Source],
    jobs: &[Job],
    threads: usize,
    observer: &dyn Observer,
) -> Vec<Result<Digests, Unread>> {
    observer.start(
        jobs.iter()
            .fold(0, |sum, job| job.length().saturating_add(sum)),
    );
    // Long ones first, so that no thread is left alone with one at the end.
    let mut order: Vec<(usize, &Job)> = jobs.iter().enumerate().collect();
    order.sort_by_key(|(_, job)| std::cmp::Reverse(job.length()));
    let mut results = parallel::map(threads, &order, |(index, job), buffer| {
        (*index, hash(sources, job, buffer, observer))
    });
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn hash(
    sources: &[&dyn Source],
    job: &Job,
    buffer: &mut Vec<u8>,
    observer: &dyn Observer,
) -> Result<Digests, Unread> {
    let mut hasher = Hasher::new(&job.kinds);
    for &(shard, span) in &job.pieces {
        let unread = |error| Unread { shard, span, error };
        let source = sources
            .get(shard)
            .ok_or_else(|| unread(io::ErrorKind::NotFound.into()))?;
        read_through(*source, span, buffer, |_, bytes| {
            hasher.update(bytes);
            observer.advance(bytes.len() as u64);
        })
        .map_err(unread)?;
    }
    Ok(hasher.finish())
}
