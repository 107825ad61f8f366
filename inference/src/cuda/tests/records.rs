//! The kernels of records as functions over buffers and spans.

use super::device::{Buffer, Device, count};
use crate::{
    cuda::record::layout::{
        CHAINING_WORDS, COMPARED_WORDS, DIFFERENCE_WORDS, JOINED, SQUARES_WORDS, STATISTICS_WORDS,
        SUM_WORDS, ValueRange, digest, outcome, statistics,
    },
    record::{Digest, Outcome, Statistics},
};

impl Device<'_> {
    /// What the values of each span look like.
    pub(super) fn statistics(
        &mut self,
        values: Buffer,
        spans: &[ValueRange],
    ) -> Result<Vec<Statistics>, String> {
        let table = self.spans(spans);
        let blocks = most(spans, ValueRange::blocks);
        let (over_blocks, over_spans) = ([blocks, spans.len(), 1], [1, spans.len(), 1]);
        let results = self.reserve(spans.len() * STATISTICS_WORDS);
        let sums = self.reserve(spans.len() * blocks * SUM_WORDS);
        let arguments = [values.into(), table.into(), sums.into()];
        self.launch("sum_spans", over_blocks, &arguments)?;
        let arguments = [table.into(), sums.into(), results.into(), count(blocks)];
        self.launch("sum_join", over_spans, &arguments)?;
        let squares = self.reserve(spans.len() * blocks * SQUARES_WORDS);
        let arguments = [values.into(), table.into(), results.into(), squares.into()];
        self.launch("square_spans", over_blocks, &arguments)?;
        let arguments = [table.into(), squares.into(), results.into(), count(blocks)];
        self.launch("square_join", over_spans, &arguments)?;
        let words = self.download_words(results)?;
        Ok(words.as_chunks().0.iter().map(statistics).collect())
    }

    /// What comparing each span of two sides comes to.
    pub(super) fn outcomes(
        &mut self,
        a: Buffer,
        b: Buffer,
        spans: &[ValueRange],
    ) -> Result<Vec<Outcome>, String> {
        let differences = self.differences(a, b, spans)?;
        Ok(differences.iter().map(outcome).collect())
    }

    /// The same as it lies in memory.
    pub(super) fn differences(
        &mut self,
        a: Buffer,
        b: Buffer,
        spans: &[ValueRange],
    ) -> Result<Vec<[u32; DIFFERENCE_WORDS]>, String> {
        let table = self.spans(spans);
        let blocks = most(spans, ValueRange::blocks);
        let partials = self.reserve(spans.len() * blocks * COMPARED_WORDS);
        let arguments = [a.into(), b.into(), table.into(), partials.into()];
        self.launch("compare_spans", [blocks, spans.len(), 1], &arguments)?;
        let results = self.reserve(spans.len() * DIFFERENCE_WORDS);
        let arguments = [
            a.into(),
            b.into(),
            table.into(),
            partials.into(),
            results.into(),
            count(blocks),
        ];
        self.launch("compare_join", [1, spans.len(), 1], &arguments)?;
        let words = self.download_words(results)?;
        Ok(words.as_chunks().0.to_vec())
    }

    /// The digest of the values of each span.
    pub(super) fn digests(
        &mut self,
        values: Buffer,
        spans: &[ValueRange],
    ) -> Result<Vec<Digest>, String> {
        let table = self.spans(spans);
        let chunks = most(spans, ValueRange::chunks);
        let chaining = self.reserve(spans.len() * chunks * CHAINING_WORDS);
        let grid = [chunks.div_ceil(256), spans.len(), 1];
        let arguments = [values.into(), table.into(), chaining.into(), count(chunks)];
        self.launch("digest_spans", grid, &arguments)?;
        self.joined(table, chaining, [chunks, spans.len()])
    }

    /// The digest of raw bytes that come in panels of as many chunks.
    pub(super) fn digest_of_bytes(&mut self, bytes: &[u8], panel: usize) -> Result<Digest, String> {
        let span = ValueRange {
            first: 0,
            count: u32::try_from(bytes.len().div_ceil(4)).unwrap(),
        };
        let table = self.spans(&[span]);
        let chunks = bytes.len().div_ceil(1024);
        let chaining = self.reserve(chunks * CHAINING_WORDS);
        for (index, own) in bytes.chunks(panel * 1024).enumerate() {
            // The bytes behind the end say nothing.
            let mut padded = own.to_vec();
            padded.resize(own.len().next_multiple_of(16), 0xA5);
            let arguments = [
                self.upload(&padded).into(),
                chaining.into(),
                count(own.len()),
                count(index * panel),
                count(usize::from(own.len() == bytes.len())),
            ];
            let grid = [own.len().div_ceil(1024).div_ceil(256), 1, 1];
            self.launch("digest_bytes", grid, &arguments)?;
        }
        Ok(self.joined(table, chaining, [chunks, 1])?[0])
    }

    /// One digest for each span, from the chaining values of its chunks.
    fn joined(
        &mut self,
        table: Buffer,
        mut chaining: Buffer,
        [mut most, spans]: [usize; 2],
    ) -> Result<Vec<Digest>, String> {
        let mut level = 0;
        // Once at least: a chaining value that is alone is copied.
        while level == 0 || most > 1 {
            let groups = most.div_ceil(JOINED as usize);
            // More room than there has to be, so that the strides are unlike.
            let stride = groups + 1;
            let out = self.reserve(spans * stride * CHAINING_WORDS);
            let arguments = [
                table.into(),
                chaining.into(),
                out.into(),
                count(most + usize::from(level > 0)),
                count(stride),
                count(level),
            ];
            self.launch("digest_join", [groups, spans, 1], &arguments)?;
            (chaining, most, level) = (out, groups, level + 1);
        }
        let digests = (0..spans).map(|span| {
            let place = Buffer {
                address: chaining.address + (span * 2 * CHAINING_WORDS * 4) as u64,
                words: CHAINING_WORDS,
            };
            let words = self.download_words(place)?;
            Ok(digest(words.as_array().unwrap()))
        });
        digests.collect()
    }

    fn spans(&mut self, spans: &[ValueRange]) -> Buffer {
        let words = spans.iter().flat_map(|span| span.words());
        self.put(&words.collect::<Vec<u32>>())
    }
}

/// The most blocks or chunks of a span.
fn most(spans: &[ValueRange], of: fn(ValueRange) -> u32) -> usize {
    spans.iter().map(|span| of(*span)).max().unwrap() as usize
}
