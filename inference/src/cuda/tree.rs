//! BLAKE3 on the GPU: chunks side by side, and the tree above them.

use super::{
    error::Error,
    gpu::{Argument, Gpu},
    memory::Buffer,
    records::{CHAINING_WORDS, JOINED},
};

/// Room for chaining values: those of chunks, and those above them, whose levels are written to each place in turn.
#[derive(Default)]
pub(crate) struct Tree {
    chunks: Option<Buffer>,
    above: [Option<Buffer>; 2],
}

/// What is digested: spans, in device memory, and the most chunks that one of them has.
#[derive(Clone, Copy)]
pub(crate) struct Spans<'a> {
    pub(crate) table: Argument<'a>,
    pub(crate) count: usize,
    pub(crate) most_chunks: usize,
}

impl Tree {
    /// Digests spans of values; `digests` gets eight words for each.
    pub(crate) fn digest(
        &mut self,
        gpu: &Gpu,
        values: Argument<'_>,
        spans: Spans<'_>,
        digests: Argument<'_>,
    ) -> Result<(), Error> {
        let Spans {
            table,
            count,
            most_chunks,
        } = spans;
        let all = most_chunks.saturating_mul(count);
        let room = gpu.room::<[u32; CHAINING_WORDS]>(&mut self.chunks, all)?;
        let stride = Argument::Count(most_chunks);
        let arguments = [values, table, Argument::Buffer(room), stride];
        let grid = [most_chunks.div_ceil(256), count, 1];
        gpu.launch("digest_spans", grid, &arguments)?;
        join(gpu, spans, room, &mut self.above, digests)
    }

    /// Digests a tensor, the only span, of which the chaining values of all chunks are there.
    pub(crate) fn join(
        &mut self,
        gpu: &Gpu,
        tensor: Spans<'_>,
        chunks: &Buffer,
        digest: Argument<'_>,
    ) -> Result<(), Error> {
        join(gpu, tensor, chunks, &mut self.above, digest)
    }
}

/// Joins the chaining values of each span's chunks, which are `most_chunks` apart, to its digest.
fn join(
    gpu: &Gpu,
    spans: Spans<'_>,
    chunks: &Buffer,
    [even, odd]: &mut [Option<Buffer>; 2],
    digests: Argument<'_>,
) -> Result<(), Error> {
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
