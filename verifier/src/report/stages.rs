//! The table of stages for a person.

use std::fmt::Write as _;

use super::{BehaviourRow, PromptRow, StageRow};

/// One line on what was run, and around the first difference the stages of its prompt.
pub(super) fn write(text: &mut String, behaviour: &BehaviourRow) -> std::fmt::Result {
    writeln!(
        text,
        "  behaviour {}: {} stages of {} tokens, {}, {}",
        behaviour.result.as_str(),
        behaviour.stages,
        behaviour.tokens,
        behaviour.numerics,
        behaviour.device
    )?;
    if let Some(reason) = &behaviour.device_reason {
        writeln!(text, "            {reason}")?;
    }
    if let Some(experts) = behaviour.experts {
        let all = experts.all;
        match experts.run {
            Some(run) => writeln!(
                text,
                "            {run} of {all} experts were run; the bytes of all were compared"
            )?,
            None => writeln!(
                text,
                "            which of the {all} experts were run is not recorded on a GPU"
            )?,
        }
    }
    if let Some(weights) = behaviour.weights {
        writeln!(
            text,
            "            the bytes of {weights} tensors, as they reached the device, are those that were compared"
        )?;
    }
    Ok(())
}

/// The rows of the first prompt that differs: those before the first difference, and how it spreads.
pub(super) fn write_table(text: &mut String, behaviour: &BehaviourRow) -> std::fmt::Result {
    let Some((prompt, first)) = behaviour.first_difference() else {
        return Ok(());
    };
    let at = position(prompt, first);
    let shown = prompt
        .table
        .iter()
        .skip(at.saturating_sub(BEFORE))
        .take(BEFORE + AFTER);
    writeln!(
        text,
        "\nstages of prompt {}, around the first difference",
        prompt.name
    )?;
    let is_of_one_format = first.sides.a.is_some() || first.sides.b.is_some();
    let [of_first, of_second] = if is_of_one_format {
        ["std first", "std second"]
    } else {
        ["std apr", "std gguf"]
    };
    writeln!(
        text,
        "  {:<18} {:<4} {:>9} {:>11} {:>11} {:>8} {:>8} {:>9} {:>10} {:>10}  result",
        "stage",
        "set",
        "elements",
        of_first,
        of_second,
        "ratio",
        "drift",
        "first",
        "max abs",
        "max ulp"
    )?;
    for row in shown {
        write_row(text, row)?;
    }
    let more = prompt.table.len().saturating_sub(at).saturating_sub(AFTER);
    if more > 0 {
        writeln!(
            text,
            "  ... and {more} rows after these; --format json has them all"
        )?;
    }
    Ok(())
}

fn position(prompt: &PromptRow, first: &StageRow) -> usize {
    let is_first = |row: &StageRow| std::ptr::eq(row, first);
    prompt.table.iter().position(is_first).unwrap_or_default()
}

fn write_row(text: &mut String, row: &StageRow) -> std::fmt::Result {
    let (first, second) = (row.sides.first(), row.sides.second());
    let elements = first.or(second).map(|side| side.elements);
    let deviation = |side: Option<&super::StageSide>| match side {
        Some(side) => number(side.standard_deviation),
        None => "none".to_owned(),
    };
    let difference = row.difference.as_ref();
    writeln!(
        text,
        "  {:<18} {:<4} {:>9} {:>11} {:>11} {:>8} {:>8} {:>9} {:>10} {:>10}  {}",
        row.stage,
        row.token_set.as_str(),
        elements.unwrap_or_default(),
        deviation(first),
        deviation(second),
        row.ratio
            .map_or("-".to_owned(), |ratio| format!("{ratio:.4}")),
        row.drift
            .map_or("-".to_owned(), |drift| format!("{:.1}%", drift * 100.0)),
        difference.map_or("-".to_owned(), |found| found.first.to_string()),
        difference.map_or("-".to_owned(), |found| number(found.largest_absolute)),
        difference.map_or("-".to_owned(), |found| found.largest_ulp.to_string()),
        row.result.text()
    )
}

fn number(value: Option<f64>) -> String {
    value.map_or("not finite".to_owned(), |value| format!("{value:.4e}"))
}

/// Rows shown before the first difference, and from it on.
const BEFORE: usize = 4;
const AFTER: usize = 12;
