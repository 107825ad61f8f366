//! The report for a person: what was bound, how much was compared, and where the first difference is.

use std::fmt::Write as _;

use super::{BehaviourRow, FileFormat, FileRow, FindingRow, PlaceRow, Report, TensorRow, stages};
use crate::code::Group;
use crate::finding::{Effect, Side};
use crate::verdict::{Compared, Verdict};

/// One line: the verdict, the files, the tensors that agree, the first reason.
#[must_use]
pub fn line(report: &Report) -> String {
    let word = match report.verdict {
        Verdict::Verified => "PASS",
        Verdict::Different | Verdict::Undecided => "FAIL",
    };
    // The first file of a split set stands for all of it.
    let files = report.files.iter().filter(|file| file.shard == 0);
    let names: Vec<&str> = files.map(|file| file.name.as_str()).collect();
    let verdict = report.verdict.as_str();
    format!(
        "{word} {verdict}: {}: {}\n",
        names.join(", "),
        summary(report)
    )
}

/// What was compared and the first reason, in a few words.
#[must_use]
pub fn summary(report: &Report) -> String {
    let counts = &report.counts;
    let equal = counts.bytes_equal.saturating_add(counts.values_equal);
    let total = counts
        .tensors_compared
        .saturating_add(counts.tensors_not_compared);
    let compared = if is_pair(report) || total > 0 {
        format!("{equal}/{total} tensors equal")
    } else if report.compared == Compared::Nothing {
        "nothing compared".to_owned()
    } else {
        "against a manifest of files".to_owned()
    };
    let reason = match (report.findings.first(), &report.conclusion) {
        (Some(finding), conclusion) if report.verdict != Verdict::Verified => {
            let text = conclusion.as_ref().map(|conclusion| &conclusion.text);
            format!(", {}: {}", finding.code, text.unwrap_or(&finding.message))
        }
        _ => String::new(),
    };
    format!("{compared}{reason}")
}

/// The whole report, in a few lines where nothing is wrong.
#[must_use]
pub fn full(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_all(&mut text, report);
    text
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    let meaning = match report.verdict {
        Verdict::Verified if !is_pair(report) => {
            "everything that the manifest lists was compared, and agrees"
        }
        Verdict::Verified if report.findings.iter().all(|one| one.effect == Effect::Note) => {
            "every byte of both files is accounted for, and nothing differs"
        }
        Verdict::Verified => {
            "every byte of both files is accounted for, and nothing differs but what is named below"
        }
        Verdict::Different => "the files were compared and differ, or break their format",
        Verdict::Undecided => "not everything could be read, decoded or compared",
    };
    let conclusion = report.conclusion.as_ref();
    let meaning = conclusion.map_or(meaning, |conclusion| &conclusion.text);
    writeln!(text, "{}: {meaning}", report.verdict.as_str())?;
    for file in &report.files {
        write_file(text, file)?;
    }
    write_counts(text, report)?;
    if let Some(behaviour) = &report.behaviour {
        stages::write(text, behaviour)?;
    }
    let decisive = report
        .findings
        .iter()
        .filter(|finding| finding.effect.decides());
    let shown = report
        .findings
        .iter()
        .filter(|finding| finding.effect != Effect::Note);
    if let (Some(first), None) = (decisive.clone().next(), conclusion) {
        writeln!(text, "\nfirst: {}", first.message)?;
    }
    let total = shown.clone().count();
    for finding in shown.take(MOST_SHOWN) {
        write_finding(text, finding)?;
        write_values(text, report, finding)?;
    }
    if total > MOST_SHOWN {
        writeln!(
            text,
            "... and {} more; --format json has them all",
            total.saturating_sub(MOST_SHOWN)
        )?;
    }
    if let Some(behaviour) = &report.behaviour {
        stages::write_table(text, behaviour)?;
    }
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.effect == Effect::Note)
    {
        writeln!(text, "note: {} [{}]", finding.message, finding.code)?;
    }
    Ok(())
}

pub(crate) fn write_file(text: &mut String, file: &FileRow) -> std::fmt::Result {
    let percent = match file.covered.saturating_mul(100).checked_div(file.size) {
        Some(percent) => format!("{percent}%"),
        None => "nothing".to_owned(),
    };
    writeln!(
        text,
        "  {:<5} {}  {} bytes, {} regions, {percent} covered",
        file.format.as_str(),
        file.name,
        grouped(file.size),
        file.regions
    )?;
    for (kind, digest) in [("blake3", &file.blake3), ("sha256", &file.sha256)] {
        if let Some(digest) = digest {
            writeln!(text, "        {kind:<6} {digest}")?;
        }
    }
    Ok(())
}

fn write_counts(text: &mut String, report: &Report) -> std::fmt::Result {
    let counts = &report.counts;
    let named = |parts: &[(usize, &str)]| {
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, name)| format!("{count} {name}"))
            .collect();
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        }
    };
    let any_key = counts.keys_equal > 0
        || counts.keys_lost > 0
        || counts.keys_changed > 0
        || counts.keys_invented > 0;
    if !is_pair(report) && report.tensors.is_empty() && !any_key {
        return Ok(());
    }
    let others = [
        (counts.values_equal, "equal in their values"),
        (counts.tensors_different, "different"),
        (counts.tensors_not_compared, "not compared"),
    ];
    let counted = others.iter().map(|(count, _)| *count);
    let total: usize = counted.chain([counts.bytes_equal]).sum();
    write!(
        text,
        "  tensors   {} of {total} equal, byte for byte",
        counts.bytes_equal
    )?;
    for (count, name) in others.iter().filter(|(count, _)| *count > 0) {
        write!(text, ", {count} {name}")?;
    }
    writeln!(
        text,
        "; {} bytes compared",
        grouped(counts.tensor_bytes_compared)
    )?;
    writeln!(
        text,
        "  metadata  {}",
        named(&[
            (counts.keys_equal, "keys equal"),
            (counts.keys_changed, "changed"),
            (counts.keys_lost, "lost"),
            (counts.keys_invented, "invented"),
        ])
    )
}

pub(crate) fn write_finding(text: &mut String, finding: &FindingRow) -> std::fmt::Result {
    writeln!(
        text,
        "\n{}: {} [{}]",
        finding.effect.as_str(),
        finding.message,
        finding.code
    )?;
    for place in &finding.places {
        writeln!(text, "  at {}", show_place(place))?;
    }
    if let (Some(expected), Some(found)) = (&finding.expected, &finding.found) {
        writeln!(text, "  expected {expected}, found {found}")?;
    }
    if let Some(cause) = &finding.cause {
        writeln!(text, "  likely cause: {} [{}]", cause.text, cause.code)?;
    }
    if let Some(hint) = &finding.hint {
        writeln!(text, "  hint: {hint}")?;
    }
    Ok(())
}

/// The decoded values of the tensor that a finding is about.
fn write_values(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    let name = finding
        .places
        .iter()
        .find(|place| place.file == Side::Apr)
        .and_then(|place| place.name.as_ref());
    let about = |row: &&TensorRow| row.apr.as_ref().map(|side| &side.name) == name;
    let row = report
        .tensors
        .iter()
        .find(about)
        .filter(|_| finding.code.group() == Group::Tensor);
    let Some(values) = row.and_then(|row| row.values.as_ref()) else {
        return Ok(());
    };
    let show =
        |value: Option<f64>| value.map_or("not finite".to_owned(), |value| format!("{value:.6e}"));
    let [apr_mean, gguf_mean] = values.mean.map(show);
    let [apr_deviation, gguf_deviation] = values.standard_deviation.map(show);
    writeln!(
        text,
        "  values: {} of {} differ, by at most {} (RMS {})",
        values.different,
        values.elements,
        show(values.maximum_difference),
        show(values.rms_difference)
    )?;
    writeln!(
        text,
        "  mean {apr_mean} (apr), {gguf_mean} (gguf); standard deviation {apr_deviation} (apr), {gguf_deviation} (gguf)"
    )
}

fn show_place(place: &PlaceRow) -> String {
    let mut text = place.file.as_str().to_owned();
    if place.shard > 0 {
        let _ = write!(text, " shard {}", place.shard);
    }
    if let Some(offset) = place.offset {
        let _ = write!(text, ", byte {}", grouped(offset));
        if let Some(length) = place.length.filter(|&length| length > 1) {
            let _ = write!(
                text,
                " to {}",
                grouped(offset.saturating_add(length).saturating_sub(1))
            );
        }
    }
    if let Some(region) = place.region {
        let _ = write!(text, ", {}", region.as_str());
        if let Some(name) = &place.name {
            let _ = write!(text, " {name}");
        }
    } else if let Some(name) = &place.name {
        let _ = write!(text, ", {name}");
    }
    if let Some(detail) = &place.detail {
        let _ = write!(text, ", {detail}");
    }
    text
}

/// Whether two models were compared, and not one with a manifest.
fn is_pair(report: &Report) -> bool {
    [FileFormat::Apr, FileFormat::Gguf]
        .into_iter()
        .all(|format| report.files.iter().any(|file| file.format == format))
}

/// Writes the stages around the first difference, or nothing when there is none.
///
/// # Errors
/// Fails when the target does.
pub fn stages(text: &mut String, behaviour: &BehaviourRow) -> std::fmt::Result {
    stages::write_table(text, behaviour)
}

/// Writes a number with commas.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

const MOST_SHOWN: usize = 20;

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn numbers_are_grouped_by_three() {
        assert_eq!(
            [0, 12, 123, 1234, 1_234_567].map(grouped),
            ["0", "12", "123", "1,234", "1,234,567"]
        );
    }
}
