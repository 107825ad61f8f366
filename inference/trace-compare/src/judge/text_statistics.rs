//! Statistics as text: theirs, and below them each meaning of ours.

use std::fmt::{self, Write as _};

use super::{
    moments::Moments,
    statistics::{Candidate, Estimator, Fit, StatisticsReport, StatisticsRow},
    table,
    text::{header, more, shown},
};
use crate::format::Printed;

impl StatisticsReport {
    pub(crate) fn write(&self, out: &mut String) -> fmt::Result {
        let types: Vec<_> = self
            .rounded
            .iter()
            .map(|weight_type| weight_type.ggml_type().name())
            .collect();
        let run = if types.is_empty() {
            "our run".to_owned()
        } else {
            format!(
                "a run that rounds activations to 8 bits before it multiplies {}",
                types.join(" and ")
            )
        };
        writeln!(
            out,
            "\n  compared with {run}, deviations as those of {}; statistics that agree prove nothing",
            self.estimator.name()
        )?;
        let mut rows = vec![header([
            "record", "", "mean", "std", "min", "max", "norm", "over", "",
        ])];
        let mut sorted: Vec<_> = self.rows.iter().collect();
        sorted.sort_by_key(|row| {
            let fit = row.best().map(|best| best.fit);
            // What is off first, then what has several meanings.
            (std::cmp::Reverse(fit), meanings(row) < 2)
        });
        let rest = sorted.len().saturating_sub(STATISTICS);
        for row in sorted.into_iter().take(STATISTICS) {
            write_statistics(&mut rows, row, self.estimator);
        }
        table::write(out, 4, &rows);
        more(out, rest)
    }
}

fn write_statistics(rows: &mut Vec<Vec<String>>, row: &StatisticsRow, estimator: Estimator) {
    let theirs = &row.theirs;
    let numbers = [
        theirs.mean,
        theirs.deviation,
        theirs.least,
        theirs.greatest,
        theirs.norm,
    ];
    let mut cells = vec![shown(&row.name), "theirs".to_owned()];
    cells.extend(numbers.map(|number| number.map_or_else(String::new, printed)));
    rows.push(cells);
    let shown = if meanings(row) < 2 {
        1
    } else {
        row.candidates.len()
    };
    for (index, candidate) in row.candidates.iter().take(shown).enumerate() {
        let label = candidate.capture.point().map_or_else(
            || format!("ours, {}", candidate.capture),
            |point| format!("ours, {point}"),
        );
        let mut cells = vec![String::new(), label];
        cells.extend(ours(&candidate.ours, estimator, numbers));
        cells.push(candidate.set.name().to_owned());
        if index == 0 {
            cells.push(fit(candidate).to_owned());
        }
        rows.push(cells);
    }
}

/// How many capture points a record may have.
fn meanings(row: &StatisticsRow) -> usize {
    let mut captures: Vec<_> = row
        .candidates
        .iter()
        .map(|one| one.capture.to_string())
        .collect();
    captures.sort();
    captures.dedup();
    captures.len()
}

/// Our numbers, where theirs are given.
fn ours(moments: &Moments, estimator: Estimator, given: [Option<Printed>; 5]) -> [String; 5] {
    let numbers = [
        moments.mean(),
        estimator.of(moments),
        moments.least,
        moments.greatest,
        moments.norm(),
    ];
    let mut cells = numbers.map(|number| format!("{number:.6}"));
    for (cell, given) in cells.iter_mut().zip(given) {
        if given.is_none() {
            cell.clear();
        }
    }
    cells
}

/// With as many places as were printed; with six where all digits were written.
fn printed(number: Printed) -> String {
    let places = usize::from(number.places.unwrap_or(6));
    format!("{:.places$}", number.value)
}

const fn fit(candidate: &Candidate) -> &'static str {
    match candidate.fit {
        Fit::Reproduced => "reproduced",
        Fit::Near => "within the noise of 8 bits",
        Fit::Off => "NOT reproduced",
    }
}

/// Records of statistics that are shown.
const STATISTICS: usize = 40;
