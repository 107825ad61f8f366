//! BLAKE3 on the GPU: chunks side by side, and the tree above them.

use crate::cuda::{
    driver::{
        error::Error,
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    record::layout::{CHAINING_WORDS, JOINED},
};

/// Room for the chaining values above those of chunks, whose levels are written to each place in turn.
#[derive(Default)]
pub(crate) struct Tree([Option<Buffer>; 2]);

/// What is digested: spans, in device memory, and the most chunks that one of them has.
#[derive(Clone, Copy)]
pub(crate) struct Spans<'a> {
    pub(crate) table: Argument<'a>,
    pub(crate) count: usize,
    pub(crate) most_chunks: usize,
}

impl Tree {
    /// Joins the chaining values of each span's chunks, which are `most_chunks` apart, to its digest of eight words.
    pub(crate) fn join(
        &mut self,
        gpu: &Gpu,
        spans: Spans<'_>,
        chunks: &Buffer,
        digests: Argument<'_>,
    ) -> Result<(), Error> {
        let [even, odd] = &mut self.0;
        let groups = |values: usize| values.div_ceil(JOINED as usize).max(1);
        // The first two levels are the largest ones.
        let first = groups(spans.most_chunks);
        let room = |place, groups: usize| {
            gpu.room::<[u32; CHAINING_WORDS]>(place, groups.saturating_mul(spans.count))
        };
        let mut above = [room(even, first)?, room(odd, groups(first))?];
        let (mut from, mut values) = (Argument::Buffer(chunks), spans.most_chunks);
        for level in 0.. {
            let groups = groups(values);
            let to = match (groups, &above) {
                (1, _) => digests,
                (_, [next, _]) => Argument::Buffer(next),
            };
            let [between, apart, level] = [values, groups, level].map(Argument::Count);
            let arguments = [spans.table, from, to, between, apart, level];
            gpu.launch("digest_join", [groups, spans.count, 1], &arguments)?;
            if groups == 1 {
                break;
            }
            (from, values) = (to, groups);
            above.reverse();
        }
        Ok(())
    }
}
