//! Records of all stages, made on the GPU: no stage is copied to the host to be digested, summed up or compared.

use crate::cuda::{
    backend::DeviceState,
    driver::{
        error::Error as Reason,
        gpu::{Argument, Gpu},
        memory::Buffer,
    },
    record::layout::{
        CHAINING_WORDS, COMPARED_WORDS, DIFFERENCE_WORDS, SQUARES_WORDS, STATISTICS_WORDS,
        SUM_WORDS, ValueRange, digest, outcome, statistics,
    },
    upload::tree::{Spans, Tree},
};
use crate::{
    error::Error,
    program::{NUMERICS, PerSlot, Slot, Step},
    record::{Comparison, Outcome, Record, Row, TokenSet},
    run::step_loop::StageObserver,
};

/// What the stages of a run hold, for each prompt over all of its tokens and over the last one.
pub(crate) struct Recorder<'a> {
    gpu: &'a Gpu,
    sides: usize,
    /// The number of tokens of each prompt.
    prompts: Vec<usize>,
    taken: Vec<Taken>,
    /// The step that wrote each value last, by its number.
    last: PerSlot<Option<usize>>,
    /// The tables of spans that were needed so far.
    tables: Vec<Table>,
    /// For each step, side and span.
    statistics: Buffer,
    digests: Buffer,
    /// For each step and span.
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
    /// Whether all spans of both sides are equal, once somebody has asked.
    equal: Option<bool>,
}

/// Spans of a value: for each prompt all of it, then that of its last token.
struct Table {
    spans: Vec<ValueRange>,
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
    ) -> Result<Self, Reason> {
        let spans = steps.saturating_mul(prompts.len()).saturating_mul(2);
        let room = |words: usize| gpu.zeros(spans.saturating_mul(words));
        Ok(Self {
            gpu,
            sides,
            prompts: prompts.iter().map(|tokens| tokens.len()).collect(),
            taken: Vec::new(),
            last: PerSlot::default(),
            tables: Vec::new(),
            statistics: room(sides.saturating_mul(STATISTICS_WORDS))?,
            digests: room(sides.saturating_mul(CHAINING_WORDS))?,
            differences: room(sides.saturating_sub(1).saturating_mul(DIFFERENCE_WORDS))?,
            partials: None,
            chaining: None,
            tree: Tree::default(),
        })
    }

    /// Waits for all records; returns the rows of each prompt.
    ///
    /// # Errors
    /// Fails when a call of the driver fails, and when two kernels contradict each other.
    pub(crate) fn finish(self) -> Result<Vec<Comparison>, Reason> {
        let read = |buffer: &Buffer| {
            let mut words = vec![0u32; buffer.bytes() / 4];
            buffer.read(&self.gpu.compute, 0, &mut words)?;
            Ok::<_, Reason>(words)
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
            let position = tokens.saturating_sub(1);
            for index in 0..self.taken.len() {
                for (set, tokens) in [all, TokenSet::Last { position }].into_iter().enumerate() {
                    let span = prompt.saturating_mul(2).saturating_add(set);
                    comparison
                        .rows
                        .extend(self.row(&found, (index, span), tokens)?);
                }
            }
            comparisons.push(comparison);
        }
        Ok(comparisons)
    }

    /// The row of a span of a step.
    fn row(
        &self,
        found: &Found,
        (index, span): (usize, usize),
        tokens: TokenSet,
    ) -> Result<Option<Row>, Reason> {
        let Some(taken) = self.taken.get(index) else {
            return Ok(None);
        };
        let mut records = [None, None];
        for (side, (record, table)) in records.iter_mut().zip(taken.tables).enumerate() {
            let table = table.and_then(|table| self.tables.get(table));
            let Some(of_span) = table.and_then(|table| table.spans.get(span)) else {
                continue;
            };
            let place = self.first_record(index, side).saturating_add(span);
            *record = Some(Record {
                step: taken.step,
                tokens,
                elements: of_span.count as usize,
                numerics: NUMERICS,
                digest: digest(piece(&found.digests, place)?),
                statistics: statistics(piece(&found.statistics, place)?),
            });
        }
        let [a, b] = records
            .each_ref()
            .map(|record| Some(record.as_ref()?.digest));
        let place = index.saturating_mul(self.ranges()).saturating_add(span);
        let outcome = match (a, b) {
            (Some(_), Some(_)) => outcome(piece(&found.differences, place)?),
            _ => Outcome::Missing,
        };
        let row = Row::new(taken.step, records, || outcome);
        // Values differ where their digests do: two kernels that have nothing in common must say the same.
        match row.outcome {
            Outcome::Equal if a != b => Err(CONTRADICTION),
            Outcome::Different(_) if a == b => Err(CONTRADICTION),
            _ => Ok(Some(row)),
        }
    }

    /// Makes the records of a value of a side.
    fn record(
        &mut self,
        state: &DeviceState<'_>,
        slot: Slot,
        table: usize,
        place: usize,
    ) -> Result<(), Error> {
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
        let table = tables.get(table).ok_or(NO_TABLE)?;
        let values = state.argument(slot);
        let results = Argument::At(statistics, place.saturating_mul(STATISTICS_WORDS));
        let parts = table.parts(gpu, partials, SUM_WORDS.max(SQUARES_WORDS))?;
        let Parts {
            spans,
            partials,
            blocks,
            each,
            one,
        } = parts;
        gpu.launch("sum_spans", each, &[values, spans, partials])?;
        gpu.launch("sum_join", one, &[spans, partials, results, blocks])?;
        gpu.launch("square_spans", each, &[values, spans, results, partials])?;
        gpu.launch("square_join", one, &[spans, partials, results, blocks])?;
        let (count, most_chunks) = (table.spans.len(), table.most(ValueRange::chunks));
        let all = most_chunks.saturating_mul(count);
        let chaining = gpu.room::<[u32; CHAINING_WORDS]>(chaining, all)?;
        let stride = Argument::Count(most_chunks);
        let arguments = [values, spans, Argument::Buffer(chaining), stride];
        let grid = [most_chunks.div_ceil(256), count, 1];
        gpu.launch("digest_spans", grid, &arguments)?;
        let spans = Spans {
            table: spans,
            count,
            most_chunks,
        };
        let digests = Argument::At(digests, place.saturating_mul(CHAINING_WORDS));
        Ok(tree.join(gpu, spans, chaining, digests)?)
    }

    /// Compares a value of both sides, span by span.
    fn compare(
        &mut self,
        [a, b]: [&DeviceState<'_>; 2],
        slot: Slot,
        table: usize,
        place: usize,
    ) -> Result<(), Error> {
        let Self {
            gpu,
            tables,
            differences,
            partials,
            ..
        } = self;
        let table = tables.get(table).ok_or(NO_TABLE)?;
        let [a, b] = [a.argument(slot), b.argument(slot)];
        let results = Argument::At(differences, place.saturating_mul(DIFFERENCE_WORDS));
        let Parts {
            spans,
            partials,
            blocks,
            each,
            one,
        } = table.parts(gpu, partials, COMPARED_WORDS)?;
        gpu.launch("compare_spans", each, &[a, b, spans, partials])?;
        let arguments = [a, b, spans, partials, results, blocks];
        Ok(gpu.launch("compare_join", one, &arguments)?)
    }

    /// The number of the table with the spans of a value.
    fn table(&mut self, state: &DeviceState<'_>, slot: Slot) -> Result<usize, Error> {
        let mut spans = Vec::new();
        let mut first = 0usize;
        for (length, tokens) in state.lengths(slot).zip(&self.prompts) {
            let last = length.checked_div(*tokens).unwrap_or_default();
            let end = first.saturating_add(length);
            for (first, count) in [(first, length), (end.saturating_sub(last), last)] {
                let word = |number| u32::try_from(number).map_err(|_| TOO_LONG);
                spans.push(ValueRange {
                    first: word(first)?,
                    count: word(count)?,
                });
            }
            first = end;
        }
        let known = self.tables.iter().position(|table| table.spans == spans);
        if let Some(table) = known {
            return Ok(table);
        }
        let words: Vec<u32> = spans.iter().flat_map(|span| span.words()).collect();
        let buffer = self.gpu.allocate::<u32>(words.len())?;
        buffer.write(&self.gpu.compute, &words)?;
        self.tables.push(Table { spans, buffer });
        Ok(self.tables.len().saturating_sub(1))
    }

    /// The number of spans of each value.
    const fn ranges(&self) -> usize {
        self.prompts.len().saturating_mul(2)
    }

    /// The number of the first record of a step and a side.
    const fn first_record(&self, index: usize, side: usize) -> usize {
        let values = index.saturating_mul(self.sides).saturating_add(side);
        values.saturating_mul(self.ranges())
    }
}

impl<'s> StageObserver<DeviceState<'s>> for Recorder<'_> {
    fn stage(
        &mut self,
        step: Step,
        takes: [bool; 2],
        states: &mut [Option<DeviceState<'s>>; 2],
    ) -> Result<(), Error> {
        let (slot, index) = (step.stage.slot(), self.taken.len());
        let mut tables = [None, None];
        let sides = states.iter().zip(takes).zip(&mut tables).enumerate();
        for (side, ((state, takes), table)) in sides {
            if let Some(state) = state.as_ref().filter(|_| takes) {
                let number = self.table(state, slot)?;
                self.record(state, slot, number, self.first_record(index, side))?;
                *table = Some(number);
            }
        }
        let mut equal = Some(false);
        if let ([Some(a), Some(b)], [Some(of_a), Some(of_b)]) = (&*states, tables)
            && of_a == of_b
        {
            self.compare([a, b], slot, of_a, index * self.ranges())?;
            equal = None;
        }
        self.last[slot] = Some(index);
        self.taken.push(Taken {
            step,
            tables,
            equal,
        });
        Ok(())
    }

    fn equal(&mut self, slot: Slot, _states: &[Option<DeviceState<'s>>; 2]) -> Result<bool, Error> {
        let index = self.last[slot];
        let index = index.unwrap_or_else(|| unreachable!("{slot:?} is read before it is written"));
        let ranges = self.ranges();
        let taken = self.taken.get_mut(index);
        let taken = taken.unwrap_or_else(|| unreachable!("steps are numbered as they are taken"));
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
    /// The most blocks or chunks that a span has.
    fn most(&self, of: impl Fn(ValueRange) -> u32) -> usize {
        let most = self.spans.iter().map(|span| of(*span)).max();
        most.unwrap_or_default() as usize
    }

    /// Prepares kernels that sum up blocks of values, and join what they leave: `words` for each block.
    fn parts<'a>(
        &'a self,
        gpu: &Gpu,
        room: &'a mut Option<Buffer>,
        words: usize,
    ) -> Result<Parts<'a>, Reason> {
        let (count, blocks) = (self.spans.len(), self.most(ValueRange::blocks));
        let all = blocks.saturating_mul(count).saturating_mul(words);
        Ok(Parts {
            spans: Argument::Buffer(&self.buffer),
            partials: Argument::Buffer(gpu.room::<u32>(room, all)?),
            blocks: Argument::Count(blocks),
            each: [blocks, count, 1],
            one: [1, count, 1],
        })
    }
}

/// What a kernel for the blocks of all spans takes, and the one that joins its results.
struct Parts<'a> {
    spans: Argument<'a>,
    partials: Argument<'a>,
    blocks: Argument<'a>,
    /// The grids: a thread block for each block of values, and one for each span.
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
fn piece<const WORDS: usize>(words: &[u32], number: usize) -> Result<&[u32; WORDS], Reason> {
    let (pieces, _) = words.as_chunks();
    pieces.get(number).ok_or(Reason::Outside {
        needed: number.saturating_add(1),
        there: pieces.len(),
    })
}

const CONTRADICTION: Reason = Reason::Wrong {
    kernel: "compare_spans",
};
/// Spans count values in 32 bits.
const TOO_LONG: Reason = Reason::Launch {
    kernel: "compare_spans",
};
/// A mistake of this program.
const NO_TABLE: Reason = Reason::Outside {
    needed: 1,
    there: 0,
};
