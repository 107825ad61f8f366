//! The work of the pass, cut into jobs.

use super::File;
use super::gap;
use crate::compare::inputs::{Inputs, Model};
use crate::compare::pairing::{Method, Pairing};
use crate::decode::container::{Format, Tensor};
use crate::finding::Side;
use crate::input::FileSha256;
use crate::origin::Origin;
use crate::region::{RegionKind, Span};

/// One stretch of one or both files, to be read in order.
#[derive(Clone, Copy)]
pub(super) enum Job<'a> {
    /// Two tensors, side by side.
    Pair {
        /// The number of the pair.
        index: usize,
        apr: Part<'a>,
        gguf: Part<'a>,
        how: Method,
        /// Whether another job reads this tensor of the GGUF, as for the copy of a tied embedding.
        gguf_was_read: bool,
    },
    /// A tensor without a counterpart that it can be compared with.
    Alone {
        /// The number of the tensor.
        index: usize,
        tensor: Part<'a>,
    },
    /// What lies between tensors.
    Gap {
        side: Side,
        shard: usize,
        span: Span,
        kind: RegionKind,
    },
    /// A whole file, for its SHA-256.
    Sha256 {
        side: Side,
        shard: usize,
        span: Span,
    },
}

/// A tensor of a side, and whether its bytes are a region of their own.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) side: Side,
    pub(super) tensor: &'a Tensor,
    pub(super) is_region: bool,
}

/// Where a job reads; of a pair, in the GGUF.
pub(super) struct JobPlace {
    pub(super) side: Side,
    pub(super) shard: usize,
    pub(super) span: Span,
}

impl Job<'_> {
    pub(super) const fn place(&self) -> JobPlace {
        let (side, shard, span) = match *self {
            Job::Pair { gguf: part, .. } | Job::Alone { tensor: part, .. } => {
                (part.side, part.tensor.shard, part.tensor.span)
            }
            Job::Gap {
                side, shard, span, ..
            }
            | Job::Sha256 { side, shard, span } => (side, shard, span),
        };
        JobPlace { side, shard, span }
    }

    /// How many bytes it reads.
    const fn bytes(&self) -> u64 {
        match *self {
            Job::Pair { apr, gguf, .. } => apr
                .tensor
                .span
                .length
                .saturating_add(gguf.tensor.span.length),
            Job::Alone { .. } | Job::Gap { .. } | Job::Sha256 { .. } => self.place().span.length,
        }
    }
}

/// All jobs, in the order in which they are begun.
pub(super) struct Jobs<'a> {
    pub(super) list: Vec<Job<'a>>,
    /// How many bytes of tensors that share their bytes with others may still be read. A hostile file has any number of
    /// them, each as long as the file.
    shared_left: u64,
    /// Whether they are to be done one after another.
    pub(super) are_in_order: bool,
}

impl<'a> Jobs<'a> {
    pub(super) fn new(
        inputs: &Inputs<'a>,
        pairing: &Pairing,
        files: &[File<'_>],
        sha256: FileSha256,
    ) -> Self {
        let mut jobs = Self {
            list: Vec::new(),
            shared_left: files.iter().map(|file| file.source.length()).sum(),
            are_in_order: false,
        };
        jobs.add_tensors(inputs, pairing);
        for model in inputs.models() {
            for (shard, parts) in model.shards.iter().enumerate() {
                gap::jobs(parts, |span, kind| {
                    jobs.list.push(Job::Gap {
                        side: model.side,
                        shard,
                        span,
                        kind,
                    });
                });
            }
        }
        jobs.list.sort_by_key(order);
        let is_published = |file: &File<'_>| file.source.origin().is_some_and(Origin::is_published);
        let chains = files.iter().filter(|file| match sha256 {
            FileSha256::None => is_published(file),
            FileSha256::Apr => inputs.of(file.side).format() == Format::Apr || is_published(file),
            FileSha256::All => true,
        });
        let chains: Vec<&File<'_>> = chains.collect();
        let jobs_of = |file: &&File<'_>| Job::Sha256 {
            side: file.side,
            shard: file.shard,
            span: Span::new(0, file.source.length()),
        };
        let of_chains = chains.iter().map(jobs_of);
        // Of a model of a network on its own no byte is fetched twice: one reader goes through it, and the chain with it.
        let is_alone = pairing.pairs.is_empty() && !chains.is_empty();
        let mut held = files.iter().filter(|file| file.source.length() > 0);
        if is_alone && held.all(|file| file.source.origin().is_some()) {
            chains.iter().for_each(|file| file.digest.begin_chain());
            jobs.list.extend(of_chains);
            jobs.list.sort_by_key(|job| {
                let place = job.place();
                let is_chain = matches!(job, Job::Sha256 { .. });
                (place.side, place.shard, is_chain, place.span.offset)
            });
            jobs.are_in_order = true;
        } else {
            // A chain cannot be shared between threads: it is begun first.
            jobs.list.splice(0..0, of_chains);
        }
        jobs
    }

    /// How many bytes all of them read.
    pub(super) fn bytes(&self) -> u64 {
        self.list.iter().map(Job::bytes).sum()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a pairing holds the numbers of these tensors"
    )]
    fn add_tensors(&mut self, inputs: &Inputs<'a>, pairing: &Pairing) {
        let apr = |index: usize| part(&inputs.first, &inputs.first.tensors[index]);
        let gguf = |index: usize| part(&inputs.second, &inputs.second.tensors[index]);
        let length = |part: Part<'_>| inputs.of(part.side).length(part.tensor.shard);
        let mut is_read = vec![false; inputs.second.tensors.len()];
        for (index, pair) in pairing.pairs.iter().enumerate() {
            let (a, g) = (apr(pair.apr), gguf(pair.gguf));
            match pair.how {
                Some(how) => self.add(
                    Job::Pair {
                        index,
                        apr: a,
                        gguf: g,
                        how,
                        gguf_was_read: is_read[pair.gguf],
                    },
                    &[a, g],
                ),
                None => {
                    self.add_alone(pair.apr, a, length(a));
                    if !is_read[pair.gguf] {
                        self.add_alone(pair.gguf, g, length(g));
                    }
                }
            }
            is_read[pair.gguf] = true;
        }
        for &index in &pairing.only_apr {
            self.add_alone(index, apr(index), length(apr(index)));
        }
        for &index in &pairing.only_gguf {
            self.add_alone(index, gguf(index), length(gguf(index)));
        }
    }

    fn add_alone(&mut self, index: usize, tensor: Part<'a>, length: u64) {
        // What does not lie inside its file cannot be read; a finding of the container says so.
        if tensor.tensor.span.end() <= length {
            let job = Job::Alone { index, tensor };
            self.add(job, &[tensor]);
        }
    }

    /// Adds a job, unless too many tensors want the same bytes: what is left out was not compared, and counts as that.
    fn add(&mut self, job: Job<'a>, parts: &[Part<'a>]) {
        let shared = parts.iter().filter(|part| !part.is_region);
        let shared: u64 = shared.map(|part| part.tensor.span.length).sum();
        if let Some(left) = self.shared_left.checked_sub(shared) {
            self.shared_left = left;
            self.list.push(job);
        }
    }
}

/// Large tensors first, so that no thread is left alone with one at the end; then in the order of the files.
fn order(job: &Job<'_>) -> impl Ord + use<> {
    let place = job.place();
    let size = (place.span.length >= LARGE).then_some(place.span.length);
    (
        std::cmp::Reverse(size),
        place.shard,
        place.side.is_first(),
        place.span.offset,
    )
}

fn part<'a>(model: &Model<'_>, tensor: &'a Tensor) -> Part<'a> {
    let is_region = model.shards.get(tensor.shard).is_some_and(|shard| {
        let regions = &shard.regions;
        let index = regions.binary_search_by_key(&tensor.span.offset, |region| region.span.offset);
        index
            .ok()
            .and_then(|index| regions.get(index))
            .is_some_and(|region| {
                region.kind == RegionKind::Tensor
                    && region.span == tensor.span
                    && region.label == tensor.name
            })
    });
    Part {
        side: model.side,
        tensor,
        is_region,
    }
}

/// Tensors from here on are taken first.
const LARGE: u64 = 64 << 20;
