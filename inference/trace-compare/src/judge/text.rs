//! A comparison as text: the answer first, then what is worst.

use std::fmt::{self, Write as _};

use super::{
    difference::{Difference, Element},
    forced::{ELEMENT_GATE, GATE, OperationRow, Outcome},
    prompt,
    report::{Comparison, Findings, TraceReport},
    rounding::Rounding,
    table,
    values::{RecordRow, Status, ValuesReport},
};

impl Comparison {
    /// Returns the report for a person: one sentence, then the traces with what is worst first.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "{}: {}", self.verdict.name(), shown(&self.summary))?;
        for mismatch in &self.mismatches {
            writeln!(out, "  {}", shown(&mismatch.sentence))?;
            writeln!(out, "    {}", some(&mismatch.records))?;
        }
        for trace in &self.traces {
            trace.write(out, self.traces.len() > 1)?;
        }
        Ok(())
    }
}

impl TraceReport {
    /// The only trace has its sentence at the top already.
    fn write(&self, out: &mut String, several: bool) -> fmt::Result {
        let engine = self.engine.as_deref().unwrap_or(self.format.name());
        if several {
            writeln!(out, "\n{}: {}", shown(&self.name), shown(&self.sentence()))?;
        } else {
            writeln!(out, "\n{}", shown(&self.name))?;
        }
        let tokens = format!(
            "{} ({}): {}",
            self.tokens.len(),
            self.tokens_from.name(),
            prompt::list(&self.tokens)
        );
        let mut rows = vec![
            vec!["engine".to_owned(), shown(engine)],
            vec!["tokens".to_owned(), tokens],
        ];
        for (label, names) in [
            ("theirs only", self.theirs_only.clone()),
            ("judged inside", keys(&self.inside)),
            ("ours only", keys(&self.ours_only)),
        ] {
            if !names.is_empty() {
                rows.push(vec![label.to_owned(), some(&names)]);
            }
        }
        table::write(out, 2, &rows);
        match &self.findings {
            Findings::Values(values) => values.write(out),
            Findings::Statistics(statistics) => statistics.write(out),
        }
    }
}

impl ValuesReport {
    fn write(&self, out: &mut String) -> fmt::Result {
        self.write_operations(out)?;
        self.write_roundings(out)?;
        if let Some(effect) = &self.effect {
            writeln!(
                out,
                "\n  whole run: their {} are {:.1e} from ours, and our own run under their rounding is {:.1e} from ours: the rounding alone makes differences of this size",
                effect.step, effect.theirs, effect.emulated
            )?;
        }
        self.write_records(out)
    }

    fn write_operations(&self, out: &mut String) -> fmt::Result {
        let judged: Vec<_> = self
            .operations
            .iter()
            .filter(|row| !matches!(row.outcome, Outcome::NoInput(_)))
            .collect();
        if judged.is_empty() {
            return Ok(());
        }
        let failing: Vec<_> = judged.iter().filter(|row| row.fails()).copied().collect();
        let beyond = match failing.len() {
            0 => "none".to_owned(),
            count => count.to_string(),
        };
        writeln!(
            out,
            "\n  each operation on the engine's own inputs: {} judged, {beyond} beyond the gates ({GATE:.0e} of the whole, {ELEMENT_GATE:.0e} of one value, wider where records have 16 bits)",
            judged.len()
        )?;
        let mut listed = failing;
        if listed.is_empty() {
            listed = judged;
            listed.sort_by(|a, b| off_by(b).total_cmp(&off_by(a)));
            listed.truncate(NEAREST);
        }
        let rest = listed.len().saturating_sub(ROWS);
        let mut rows = vec![header([
            "operation",
            "record",
            "off by",
            "without rounding",
            "first value beyond",
        ])];
        rows.extend(listed.into_iter().take(ROWS).map(operation));
        table::write(out, 4, &rows);
        more(out, rest)
    }

    fn write_roundings(&self, out: &mut String) -> fmt::Result {
        if self.roundings.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n  rounding of activations, as found")?;
        let mut rows = vec![header([
            "weights",
            "rounded to",
            "products",
            "of their distance from exact products",
        ])];
        for (weight_type, rounding, count) in &self.roundings {
            let explained = self.explained(*weight_type, *rounding);
            rows.push(vec![
                weight_type.ggml_type().name().to_owned(),
                rounding.name().to_owned(),
                count.to_string(),
                explained.map_or_else(String::new, |part| {
                    format!("at least {:.3}% is this rounding", part * 100.0)
                }),
            ]);
        }
        table::write(out, 4, &rows);
        Ok(())
    }

    /// The least part of the distance from exact products that a rounding explains.
    pub(crate) fn explained(
        &self,
        weight_type: inference::WeightType,
        rounding: Rounding,
    ) -> Option<f64> {
        let parts = self
            .explained_operations()
            .iter()
            .filter_map(|row| match &row.outcome {
                Outcome::Judged {
                    within: true,
                    difference,
                    product: Some(product),
                    ..
                } if (product.weight_type, product.rounding) == (weight_type, rounding)
                    && rounding != Rounding::None =>
                {
                    Some(1.0 - difference.relative / product.unrounded)
                }
                _ => None,
            });
        parts.reduce(f64::min)
    }

    fn write_records(&self, out: &mut String) -> fmt::Result {
        if self.records.is_empty() {
            return Ok(());
        }
        let gated = self
            .records
            .iter()
            .all(|record| record.status != Status::NotJudged);
        writeln!(
            out,
            "\n  compared with our run, largest difference first{}",
            if gated && !self.operations.is_empty() {
                " (no gate: earlier differences propagate)"
            } else {
                ""
            }
        )?;
        let mut rows = vec![header([
            "record", "is our", "tokens", "off by", "largest", "cosine", "",
        ])];
        let mut records: Vec<_> = self.records.iter().collect();
        records.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
        let rest = records.len().saturating_sub(ROWS);
        rows.extend(records.into_iter().take(ROWS).map(record));
        table::write(out, 4, &rows);
        more(out, rest)
    }
}

fn keys(steps: &[inference::Step]) -> Vec<String> {
    steps.iter().map(ToString::to_string).collect()
}

fn operation(row: &OperationRow) -> Vec<String> {
    let mut cells = vec![row.step.to_string(), shown(&row.record)];
    match &row.outcome {
        Outcome::Judged {
            difference,
            product,
            without_table,
            ..
        } => {
            cells.push(format!("{:.1e}", difference.relative));
            cells.push(match product {
                Some(product) if product.rounding != Rounding::None => {
                    format!("{:.1e}", product.unrounded)
                }
                _ => without_table.map_or_else(String::new, |off| format!("{off:.1e}")),
            });
            cells.push(difference.first.map_or_else(String::new, element));
        }
        Outcome::Unfit { theirs, ours } => {
            cells.push(format!("{theirs} values, ours has {ours}"));
        }
        Outcome::NoInput(step) => cells.push(format!("{step} was not recorded")),
    }
    cells
}

fn record(row: &RecordRow) -> Vec<String> {
    let mut cells = vec![shown(&row.name), row.capture.to_string()];
    match &row.plain {
        Some(plain) => {
            let Difference {
                relative,
                largest,
                cosine,
                ..
            } = &plain.difference;
            cells.push(if plain.last { "last" } else { "all" }.to_owned());
            cells.push(format!("{relative:.1e}"));
            cells.push(format!("{largest:.1e}"));
            cells.push(format!("{cosine:.7}"));
        }
        None => cells.extend(["", "different number of values", "", ""].map(str::to_owned)),
    }
    let mut notes = Vec::new();
    match row.status {
        Status::Agrees => {}
        Status::Differs => notes.push("DIFFERS".to_owned()),
        Status::NotJudged => notes.push("not judged: inputs not recorded".to_owned()),
    }
    for (capture, plain) in &row.others {
        if let Some(plain) = plain {
            notes.push(format!("as {capture}: {:.1e}", plain.difference.relative));
        }
    }
    cells.push(notes.join("; "));
    cells
}

fn element(element: Element) -> String {
    format!(
        "token {}, value {}: theirs {:.7}, ours {:.7}",
        element.token, element.index, element.theirs, element.ours
    )
}

fn off_by(row: &OperationRow) -> f64 {
    match &row.outcome {
        Outcome::Judged { difference, .. } => difference.relative,
        _ => f64::INFINITY,
    }
}

fn distance(row: &RecordRow) -> f64 {
    let plain = row.plain.as_ref();
    plain.map_or(f64::INFINITY, |plain| plain.difference.relative)
}

/// Names of files and records as they are, but for what a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let parts = text.chars().map(|char| {
        if char.is_control() {
            char.escape_debug().to_string()
        } else {
            char.to_string()
        }
    });
    parts.collect()
}

pub(crate) fn header<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// A few names, and how many there are.
fn some(names: &[String]) -> String {
    let few: Vec<_> = names.iter().take(NAMES).map(|name| shown(name)).collect();
    let few = few.join(", ");
    match names.len().checked_sub(NAMES) {
        Some(rest) if rest > 0 => format!("{} ({few}, and {rest} more)", names.len()),
        _ => format!("{} ({few})", names.len()),
    }
}

pub(crate) fn more(out: &mut String, rest: usize) -> fmt::Result {
    match rest {
        0 => Ok(()),
        rest => writeln!(out, "    and {rest} more; --format json has all"),
    }
}

/// Rows of a table.
const ROWS: usize = 12;

/// Operations within the gates that are shown.
const NEAREST: usize = 3;

/// Names in a list.
const NAMES: usize = 6;
