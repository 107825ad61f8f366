//! BLAKE3 on the GPU: chunks in parallel, and the tree above them.

use crate::cuda::{
    driver::{
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    error::Error,
    record::layout::{CHAINING_WORDS, JOINED},
};

/// Buffers for the chaining values above those of chunks; the levels alternate between them.
#[derive(Default)]
pub(crate) struct Tree([Option<Buffer>; 2]);

/// What is digested: ranges, in device memory, and the most chunks that one of them has.
#[derive(Clone, Copy)]
pub(crate) struct Ranges<'a> {
    pub(crate) table: Argument<'a>,
    pub(crate) count: usize,
    pub(crate) most_chunks: usize,
}

impl Tree {
    /// Joins the chaining values of each range's chunks, which are `most_chunks` apart, to its digest of eight words.
    pub(crate) fn join(
        &mut self,
        gpu: &Gpu,
        ranges: Ranges<'_>,
        chunks: &Buffer,
        digests: Argument<'_>,
    ) -> Result<(), Error> {
        let [even, odd] = &mut self.0;
        let groups = |values: usize| values.div_ceil(JOINED as usize).max(1);
        // The first two levels are the largest ones.
        let first = groups(ranges.most_chunks);
        let level = |buffer, groups: usize| {
            gpu.ensure_capacity::<[u32; CHAINING_WORDS]>(buffer, groups * ranges.count)
        };
        let mut above = [level(even, first)?, level(odd, groups(first))?];
        let (mut from, mut values) = (Argument::Buffer(chunks), ranges.most_chunks);
        for level in 0.. {
            let groups = groups(values);
            let to = match (groups, &above) {
                (1, _) => digests,
                (_, [next, _]) => Argument::Buffer(next),
            };
            let [between, apart, level] = [values, groups, level].map(Argument::Count);
            let arguments = [ranges.table, from, to, between, apart, level];
            gpu.launch("digest_join", [groups, ranges.count, 1], &arguments)?;
            if groups == 1 {
                break;
            }
            (from, values) = (to, groups);
            above.reverse();
        }
        Ok(())
    }
}
