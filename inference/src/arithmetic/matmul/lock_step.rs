//! Products of factors of one shape, panel by panel through all of them.

use std::cell::RefCell;

use super::{
    Factor,
    group::{self, GROUP, GroupSide, Work, same_bits},
    kernel::Kernel,
    locate_row,
};
use crate::{
    arithmetic::{instruction_set::Instructions, thread_pool},
    error::Error,
    options::Options,
};

/// The result of each factor, token-major.
pub(super) fn products(
    instructions: Instructions,
    factors: &[Factor<'_>],
    same: bool,
    options: &Options,
) -> Result<Vec<Vec<f32>>, Error> {
    let [first, ..] = factors else {
        return Ok(Vec::new());
    };
    let (rows, columns, tokens) = first.shape();
    let mut results: Vec<_> = factors.iter().map(|_| vec![0f32; rows * tokens]).collect();
    if results.iter().any(Vec::is_empty) {
        return Ok(results);
    }
    debug_assert!(
        !same || factors.iter().all(|factor| same_bits(factor.x, first.x)),
        "activations were taken for equal"
    );
    let kernel = Kernel::new(instructions, tokens);
    let sides: Vec<_> = factors
        .iter()
        .enumerate()
        .map(|(index, factor)| GroupSide {
            kernel,
            weight_type: factor.matrix.weight_type,
            row_bytes: factor.matrix.row_bytes(),
            columns,
            x: (index == 0 || !same).then(|| kernel.pack(factor.x, columns)),
        })
        .collect();
    let row_bytes = sides.iter().fold(0, |most, side| most.max(side.row_bytes));
    let panel_rows = panel_rows(rows, row_bytes, options);
    let panels = cut(&mut results, rows, panel_rows);
    thread_pool::for_each(options.threads, panels, |panel| {
        WORK.with_borrow_mut(|work| panel.compute(factors, &sides, work))
    })?;
    Ok(results)
}

/// As many rows as may be read at once, but not so many that there is nothing to share between the threads.
fn panel_rows(rows: usize, row_bytes: usize, options: &Options) -> usize {
    let most = options.panel_bytes.min(PANEL_BYTES);
    let most = (most / row_bytes).max(1);
    // Any number of threads may be asked for.
    let panels = (options.threads * PANELS_PER_THREAD).max(1);
    let share = rows.div_ceil(panels).next_multiple_of(GROUP).min(most);
    // Whole groups where there is a choice.
    match share / GROUP {
        0 => share,
        groups => groups * GROUP,
    }
}

/// Cuts the results into panels of rows.
fn cut(results: &mut [Vec<f32>], rows: usize, panel_rows: usize) -> Vec<Panel<'_>> {
    let mut panels: Vec<_> = (0..rows)
        .step_by(panel_rows)
        .map(|first| Panel {
            first,
            results: Vec::new(),
        })
        .collect();
    for result in results {
        let mut side: Vec<_> = panels.iter().map(|_| Vec::new()).collect();
        for token in result.chunks_mut(rows) {
            for (side, piece) in side.iter_mut().zip(token.chunks_mut(panel_rows)) {
                side.push(piece);
            }
        }
        for (panel, side) in panels.iter_mut().zip(side) {
            panel.results.push(side);
        }
    }
    panels
}

/// Some rows of the results.
struct Panel<'a> {
    first: usize,
    /// For each side and token the values of the rows.
    results: Vec<Vec<&'a mut [f32]>>,
}

impl Panel<'_> {
    fn compute(
        mut self,
        factors: &[Factor<'_>],
        sides: &[GroupSide],
        work: &mut Vec<Work>,
    ) -> Result<(), Error> {
        work.resize_with(sides.len(), Work::default);
        let rows = self.results.iter().flatten().next();
        let rows = rows.map_or(0, |token| token.len());
        for (factor, work) in factors.iter().zip(&mut *work) {
            let (source, offset) = locate_row(factor.matrix, factor.sources, self.first)?;
            let length = rows * factor.matrix.row_bytes();
            work.bytes.resize(length, 0);
            source
                .read_exact_at(offset, &mut work.bytes)
                .map_err(|error| Error::io(offset, length, &error))?;
        }
        for first in (0..rows).step_by(GROUP) {
            let group = first..rows.min(first + GROUP);
            group::compute(sides, &group, work);
            let mut leading = None;
            for ((side, work), results) in sides.iter().zip(&*work).zip(&mut self.results) {
                let leading = *leading.get_or_insert(work);
                let work = if work.is_as_the_first() {
                    leading
                } else {
                    work
                };
                for (token, result) in results.iter_mut().enumerate() {
                    let result = result.iter_mut().skip(first);
                    for (result, sum) in result.zip(work.sums(side.kernel, group.len(), token)) {
                        *result = *sum;
                    }
                }
            }
        }
        Ok(())
    }
}

thread_local! {
    /// Kept from one job to the next, so that the memory is mapped once.
    static WORK: RefCell<Vec<Work>> = const { RefCell::new(Vec::new()) };
}

/// The most bytes read at once, even if more are allowed: larger panels leave the cache before they are used.
const PANEL_BYTES: usize = 512 << 10;

/// More panels than threads, so that fast threads do not idle.
const PANELS_PER_THREAD: usize = 8;
