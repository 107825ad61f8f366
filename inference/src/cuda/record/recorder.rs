//! Records of all stages, made on the GPU: no stage is copied to the host to be digested or compared.

#![expect(
    clippy::indexing_slicing,
    reason = "steps and tables are numbered as they are taken and made, and buffers hold a result for each"
)]

use crate::cuda::{
    backend::DeviceState,
    driver::{
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    error::Error,
    record::layout::{
        CHAINING_WORDS, COMPARED_WORDS, DIFFERENCE_WORDS, SQUARES_WORDS, STATISTICS_WORDS,
        SUM_WORDS, ValueRange, digest, outcome, statistics,
    },
    run_error::RunError,
    upload::tree::{Ranges, Tree},
};
use crate::{
    program::{NUMERICS, PerSlot, Slot, Step},
    record::{Comparison, Outcome, Record, Row, TokenSet},
    run::step_loop::StageObserver,
};

/// The records of a run, for each prompt over all of its tokens and over the last one.
pub(crate) struct Recorder<'a> {
    gpu: &'a Gpu,
    sides: usize,
    /// The number of tokens of each prompt.
    prompts: Vec<usize>,
    taken: Vec<Taken>,
    /// The step that wrote each value last, by its number.
    last: PerSlot<Option<usize>>,
    /// The tables of ranges that were needed so far.
    tables: Vec<Table>,
    /// For each step, side and range.
    statistics: Buffer,
    digests: Buffer,
    /// For each step and range.
    differences: Buffer,
    partials: Option<Buffer>,
    chaining: Option<Buffer>,
    tree: Tree,
}

/// A step that was taken.
struct Taken {
    step: Step,
    /// The number of the table of each side that has it.
    tables: [Option<usize>; 2],
    /// Whether all ranges of both sides are equal, once that was asked.
    equal: Option<bool>,
}

/// Ranges of a value: for each prompt all of it, then that of its last token.
struct Table {
    ranges: Vec<ValueRange>,
    buffer: Buffer,
}

impl<'a> Recorder<'a> {
    /// Prepares the records of as many steps of one side or two.
    ///
    /// # Errors
    /// Fails when a call of the driver fails, and when the limit of memory is too low.
    pub(crate) fn new(
        gpu: &'a Gpu,
        (steps, sides): (usize, usize),
        prompts: &[&[u32]],
    ) -> Result<Self, Error> {
        let ranges = steps * prompts.len() * 2;
        let results = |words: usize| gpu.zeros(ranges * words);
        Ok(Self {
            gpu,
            sides,
            prompts: prompts.iter().map(|tokens| tokens.len()).collect(),
            taken: Vec::new(),
            last: PerSlot::default(),
            tables: Vec::new(),
            statistics: results(sides * STATISTICS_WORDS)?,
            digests: results(sides * CHAINING_WORDS)?,
            differences: results((sides - 1) * DIFFERENCE_WORDS)?,
            partials: None,
            chaining: None,
            tree: Tree::default(),
        })
    }

    /// Waits for all records; returns the rows of each prompt.
    ///
    /// # Errors
    /// Fails when a call of the driver fails, and when two kernels contradict each other.
    pub(crate) fn finish(self) -> Result<Vec<Comparison>, Error> {
        let read = |buffer: &Buffer| {
            let mut words = vec![0u32; buffer.bytes() / 4];
            buffer.read(&self.gpu.compute, 0, &mut words)?;
            Ok::<_, Error>(words)
        };
        let found = Found {
            statistics: read(&self.statistics)?,
            digests: read(&self.digests)?,
            differences: read(&self.differences)?,
        };
        let mut comparisons = Vec::new();
        for (prompt, tokens) in self.prompts.iter().enumerate() {
            let mut comparison = Comparison::default();
            let all = TokenSet::All { count: *tokens };
            let position = tokens - 1;
            for index in 0..self.taken.len() {
                for (set, tokens) in [all, TokenSet::Last { position }].into_iter().enumerate() {
                    let range = prompt * 2 + set;
                    let row = self.row(&found, (index, range), tokens)?;
                    comparison.rows.push(row);
                }
            }
            comparisons.push(comparison);
        }
        Ok(comparisons)
    }

    /// The row of a range of a step.
    fn row(
        &self,
        found: &Found,
        (index, range): (usize, usize),
        tokens: TokenSet,
    ) -> Result<Row, Error> {
        let taken = &self.taken[index];
        let mut records = [None, None];
        for (side, (record, table)) in records.iter_mut().zip(taken.tables).enumerate() {
            let Some(table) = table else { continue };
            let of_range = self.tables[table].ranges[range];
            let number = self.first_record(index, side) + range;
            *record = Some(Record {
                step: taken.step,
                tokens,
                elements: of_range.count as usize,
                numerics: NUMERICS,
                digest: digest(piece(&found.digests, number)),
                statistics: statistics(piece(&found.statistics, number)),
                experts: Vec::new(),
            });
        }
        let [a, b] = records
            .each_ref()
            .map(|record| Some(record.as_ref()?.digest));
        let number = index * self.ranges() + range;
        let outcome = match (a, b) {
            (Some(_), Some(_)) => outcome(piece(&found.differences, number)),
            _ => Outcome::Missing,
        };
        let row = Row::new(taken.step, records, || outcome);
        // Values differ where their digests do: two kernels that have nothing in common must say the same.
        match row.outcome {
            Outcome::Equal if a != b => Err(CONTRADICTION),
            Outcome::Different(_) if a == b => Err(CONTRADICTION),
            _ => Ok(row),
        }
    }

    /// Makes the records of a value of a side.
    fn record(
        &mut self,
        state: &DeviceState<'_>,
        slot: Slot,
        table: usize,
        number: usize,
    ) -> Result<(), RunError> {
        let Self {
            gpu,
            tables,
            statistics,
            digests,
            partials,
            chaining,
            tree,
            ..
        } = self;
        let table = &tables[table];
        let values = state.argument(slot);
        let results = Argument::At(statistics, number * STATISTICS_WORDS);
        let parts = table.parts(gpu, partials, SUM_WORDS.max(SQUARES_WORDS))?;
        let Parts {
            ranges,
            partials,
            blocks,
            each,
            one,
        } = parts;
        gpu.launch("sum_spans", each, &[values, ranges, partials])?;
        gpu.launch("sum_join", one, &[ranges, partials, results, blocks])?;
        gpu.launch("square_spans", each, &[values, ranges, results, partials])?;
        gpu.launch("square_join", one, &[ranges, partials, results, blocks])?;
        let (count, most_chunks) = (table.ranges.len(), table.most(ValueRange::chunks));
        let all = most_chunks * count;
        let chaining = gpu.ensure_capacity::<[u32; CHAINING_WORDS]>(chaining, all)?;
        let stride = Argument::Count(most_chunks);
        let arguments = [values, ranges, Argument::Buffer(chaining), stride];
        let grid = [most_chunks.div_ceil(256), count, 1];
        gpu.launch("digest_spans", grid, &arguments)?;
        let ranges = Ranges {
            table: ranges,
            count,
            most_chunks,
        };
        let digests = Argument::At(digests, number * CHAINING_WORDS);
        Ok(tree.join(gpu, ranges, chaining, digests)?)
    }

    /// Compares a value of both sides, range by range.
    fn compare(
        &mut self,
        [a, b]: [(&DeviceState<'_>, Slot); 2],
        table: usize,
        number: usize,
    ) -> Result<(), RunError> {
        let Self {
            gpu,
            tables,
            differences,
            partials,
            ..
        } = self;
        let table = &tables[table];
        let [a, b] = [a, b].map(|(state, slot)| state.argument(slot));
        let results = Argument::At(differences, number * DIFFERENCE_WORDS);
        let Parts {
            ranges,
            partials,
            blocks,
            each,
            one,
        } = table.parts(gpu, partials, COMPARED_WORDS)?;
        gpu.launch("compare_spans", each, &[a, b, ranges, partials])?;
        let arguments = [a, b, ranges, partials, results, blocks];
        Ok(gpu.launch("compare_join", one, &arguments)?)
    }

    /// The number of the table with the ranges of a value.
    fn table(&mut self, state: &DeviceState<'_>, slot: Slot) -> Result<usize, RunError> {
        let mut ranges = Vec::new();
        let mut first = 0usize;
        for (length, tokens) in state.lengths(slot).zip(&self.prompts) {
            let last = length / tokens;
            let end = first + length;
            for (first, count) in [(first, length), (end - last, last)] {
                let word = |number| u32::try_from(number).map_err(|_| TOO_LONG);
                ranges.push(ValueRange {
                    first: word(first)?,
                    count: word(count)?,
                });
            }
            first = end;
        }
        let known = self.tables.iter().position(|table| table.ranges == ranges);
        if let Some(table) = known {
            return Ok(table);
        }
        let words: Vec<u32> = ranges.iter().flat_map(|range| range.words()).collect();
        let buffer = self.gpu.allocate::<u32>(words.len())?;
        buffer.write(&self.gpu.compute, &words)?;
        self.tables.push(Table { ranges, buffer });
        Ok(self.tables.len() - 1)
    }

    /// The number of ranges of each value.
    const fn ranges(&self) -> usize {
        self.prompts.len() * 2
    }

    /// The number of the first record of a step and a side.
    const fn first_record(&self, index: usize, side: usize) -> usize {
        let values = index * self.sides + side;
        values * self.ranges()
    }
}

impl<'s> StageObserver<DeviceState<'s>, RunError> for Recorder<'_> {
    fn stage(
        &mut self,
        step: Step,
        slots: [Option<Slot>; 2],
        states: &mut [Option<DeviceState<'s>>; 2],
    ) -> Result<(), RunError> {
        let index = self.taken.len();
        let mut tables = [None, None];
        let sides = states.iter().zip(slots).zip(&mut tables).enumerate();
        for (side, ((state, slot), table)) in sides {
            if let (Some(state), Some(slot)) = (state, slot) {
                let number = self.table(state, slot)?;
                self.record(state, slot, number, self.first_record(index, side))?;
                *table = Some(number);
            }
        }
        let mut equal = Some(false);
        if let ([Some(a), Some(b)], [Some(of_a), Some(of_b)], [Some(slot_a), Some(slot_b)]) =
            (&*states, tables, slots)
            && of_a == of_b
        {
            let pair = [(a, slot_a), (b, slot_b)];
            self.compare(pair, of_a, index * self.ranges())?;
            // Where they are kept in two places, neither holds both.
            equal = (slot_a != slot_b).then_some(false);
        }
        for slot in slots.into_iter().flatten() {
            self.last[slot] = Some(index);
        }
        self.taken.push(Taken {
            step,
            tables,
            equal,
        });
        Ok(())
    }

    fn equal(
        &mut self,
        slot: Slot,
        _states: &[Option<DeviceState<'s>>; 2],
    ) -> Result<bool, RunError> {
        let index = self.last[slot];
        let index = index.unwrap_or_else(|| unreachable!("{slot:?} is read before it is written"));
        let ranges = self.ranges();
        let taken = &mut self.taken[index];
        if let Some(equal) = taken.equal {
            return Ok(equal);
        }
        let mut words = vec![0u32; ranges * DIFFERENCE_WORDS];
        let first = index * words.len();
        let compute = &self.gpu.compute;
        self.differences.read(compute, first * 4, &mut words)?;
        let (differences, _) = words.as_chunks();
        let equal = differences
            .iter()
            .all(|words| outcome(words) == Outcome::Equal);
        taken.equal = Some(equal);
        Ok(equal)
    }
}

impl Table {
    /// The most blocks or chunks that a range has.
    fn most(&self, of: impl Fn(ValueRange) -> u32) -> usize {
        let most = self.ranges.iter().map(|range| of(*range)).max();
        most.unwrap_or_else(|| unreachable!("a run has at least one prompt")) as usize
    }

    /// Prepares kernels that sum up blocks of values, and join what they leave: `words` for each block.
    fn parts<'a>(
        &'a self,
        gpu: &Gpu,
        partials: &'a mut Option<Buffer>,
        words: usize,
    ) -> Result<Parts<'a>, Error> {
        let (count, blocks) = (self.ranges.len(), self.most(ValueRange::blocks));
        let all = blocks * count * words;
        Ok(Parts {
            ranges: Argument::Buffer(&self.buffer),
            partials: Argument::Buffer(gpu.ensure_capacity::<u32>(partials, all)?),
            blocks: Argument::Count(blocks),
            each: [blocks, count, 1],
            one: [1, count, 1],
        })
    }
}

/// What a kernel for the blocks of all ranges takes, and the one that joins its results.
struct Parts<'a> {
    ranges: Argument<'a>,
    partials: Argument<'a>,
    blocks: Argument<'a>,
    /// The grids: a thread block for each block of values, and one for each range.
    each: [usize; 3],
    one: [usize; 3],
}

/// Everything that was copied back.
struct Found {
    statistics: Vec<u32>,
    digests: Vec<u32>,
    differences: Vec<u32>,
}

/// The words of a result.
fn piece<const WORDS: usize>(words: &[u32], number: usize) -> &[u32; WORDS] {
    let (pieces, _) = words.as_chunks();
    &pieces[number]
}

const CONTRADICTION: Error = Error::Wrong {
    kernel: "compare_spans",
};
/// Ranges count values in 32 bits.
const TOO_LONG: Error = Error::Launch {
    kernel: "compare_spans",
};
