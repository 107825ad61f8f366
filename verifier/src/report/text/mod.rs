//! The report for a person: what was bound, how much was compared, and where the first difference is.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{
    BehaviourRow, FileFormat, FileRow, FindingRow, PlaceRow, Report, TensorRow, first_difference,
    stages,
};
use crate::code::{Code, Group};
use crate::finding::{Effect, Side, counted, escape};
use crate::policy::{FailOn, PolicyRow};
use crate::report::verdict::{Compared, Verdict};

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
    format!(
        "{word} {}: {}: {}\n",
        verdict(report),
        names.join(", "),
        summary(report)
    )
}

/// What was compared and the first reason, in a few words.
#[must_use]
pub fn summary(report: &Report) -> String {
    let counts = &report.counts;
    let equal = counts.bytes_equal + counts.values_equal;
    let total = counts.tensors_compared + counts.tensors_not_compared;
    let compared = if is_pair(report) || total > 0 {
        format!("{equal}/{total} tensors equal")
    } else if report.compared == Compared::Nothing {
        "nothing compared".to_owned()
    } else {
        "against a manifest of files".to_owned()
    };
    let mut open = report
        .findings
        .iter()
        .filter(|row| row.allowed_by.is_none());
    let reason = match (open.next(), &report.conclusion) {
        (Some(finding), conclusion) if report.verdict != Verdict::Verified => {
            let text = conclusion.as_ref().map(|conclusion| &conclusion.text);
            format!(", {}: {}", finding.code, text.unwrap_or(&finding.message))
        }
        _ if leaves_out_behaviour(report) => ", behaviour not compared".to_owned(),
        _ => String::new(),
    };
    format!("{compared}{reason}")
}

/// The verdict, with what a policy lets pass: `verified with 2 findings allowed by policy`.
#[must_use]
pub fn verdict(report: &Report) -> String {
    let word = report.verdict.as_str();
    let entries = report.policy.iter().flat_map(|policy| &policy.allow);
    match entries.map(|entry| entry.matched).sum::<usize>() {
        0 => word.to_owned(),
        count => format!(
            "{word} with {} allowed by policy",
            counted(count, "finding")
        ),
    }
}

/// The answer for a person: the verdict with its reason, what to do, how much was compared, and the first difference.
#[must_use]
pub fn answer(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_head(&mut text, report).and_then(|()| write_brief(&mut text, report));
    text
}

/// The answer with every finding and the stages around the first one that differs.
#[must_use]
pub fn full(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_head(&mut text, report).and_then(|()| write_all(&mut text, report));
    text
}

/// What it comes to, in one sentence: who is at fault, else what was found first, else what the verdict means.
#[must_use]
pub fn meaning(report: &Report) -> &str {
    let meaning = match report.verdict {
        Verdict::Verified if report.findings.iter().any(is_allowed) => {
            if leaves_out_behaviour(report) {
                "everything else of the bytes was compared, and agrees; the behaviour that the manifest records was not compared"
            } else {
                "everything else was compared, and agrees"
            }
        }
        Verdict::Undecided if fails_on_warnings(report) => {
            "nothing differs, and warnings do not pass (--fail-on warning)"
        }
        Verdict::Verified if leaves_out_behaviour(report) => {
            "what the manifest says of the bytes of this model was compared, and agrees; the behaviour that it records was not compared"
        }
        Verdict::Verified if !is_pair(report) => {
            "everything that the manifest says of this model was compared, and agrees"
        }
        Verdict::Verified if report.findings.iter().all(|one| one.effect == Effect::Note) => {
            "every byte of both files is accounted for, and nothing differs"
        }
        Verdict::Verified => {
            "every byte of both files is accounted for, and nothing differs but what is named below"
        }
        Verdict::Undecided if report.findings.iter().any(is_allowed) => {
            "beside what is allowed, nothing was compared that agrees"
        }
        Verdict::Different => "the files were compared and differ, or break their format",
        Verdict::Undecided => "not everything could be read, decoded or compared",
    };
    let first = report.findings.iter().find(|one| one.decides());
    match (&report.conclusion, first) {
        (Some(conclusion), _) => &conclusion.text,
        (None, Some(first)) => &first.message,
        (None, None) => meaning,
    }
}

/// Whether a manifest records a behaviour that was not checked.
fn leaves_out_behaviour(report: &Report) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.code == Code::BehaviourNotChecked)
}

fn write_head(text: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(text, "{}: {}", verdict(report), meaning(report))?;
    for (name, line) in [("cause", &report.cause), ("next", &report.next)] {
        if let Some(line) = line {
            writeln!(text, "  {name:<5} {line}")?;
        }
    }
    for file in &report.files {
        write_file(text, file)?;
    }
    write_counts(text, report)?;
    match &report.behaviour {
        Some(behaviour) => stages::write(text, behaviour)?,
        None if is_pair(report) && report.verdict == Verdict::Verified => {
            writeln!(text, "  behaviour not compared: bytes and metadata only")?;
        }
        None => {}
    }
    match &report.policy {
        Some(policy) => write_policy(text, policy),
        None => Ok(()),
    }
}

/// The first finding in full, the others in a line or two each.
fn write_brief(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut findings = report.findings.iter().peekable();
    let said = report.conclusion.as_ref().map(|said| &said.text);
    if let Some(first) = findings.next_if(|first| Some(&first.message) == said) {
        write_cause(text, first)?;
    } else if let Some(first) = findings.next_if(|first| first.decides()) {
        write_finding(text, report, first)?;
        write_values(text, report, first)?;
        write_bytes(text, report, first)?;
    }
    if findings.peek().is_some() {
        writeln!(text)?;
    }
    let mut hints = BTreeSet::new();
    for finding in findings.by_ref().take(MOST_LISTED) {
        write_line(text, report, finding)?;
        if finding.effect == Effect::Warning {
            write_cause(text, finding)?;
        }
        if let Some(hint) = &finding.hint
            && hints.insert(hint)
        {
            writeln!(text, "  hint: {hint}")?;
        }
    }
    match findings.count() {
        0 => Ok(()),
        more => writeln!(text, "... and {more} more; --details shows them"),
    }
}

/// A finding in one line, with the values that it is about.
fn write_line(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    write!(text, "{}: {}", effect(finding), finding.message)?;
    if let Some(values) = values(report, finding) {
        write!(text, " ({values})")?;
    }
    writeln!(text, " [{}]", finding.code)
}

fn write_all(text: &mut String, report: &Report) -> std::fmt::Result {
    let shown = report
        .findings
        .iter()
        .filter(|finding| finding.effect != Effect::Note);
    let total = shown.clone().count();
    let mut is_first = true;
    for finding in shown.take(MOST_SHOWN) {
        write_finding(text, report, finding)?;
        write_values(text, report, finding)?;
        if std::mem::take(&mut is_first) {
            write_bytes(text, report, finding)?;
        }
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

/// The bytes of the first difference, below the finding that is about them.
fn write_bytes(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    match &report.first_difference {
        Some(found) if finding.code == Code::TensorBytes => {
            let names = sides(report).map(|side| called(report, side));
            first_difference::write(text, found, names)
        }
        _ => Ok(()),
    }
}

pub(crate) fn write_file(text: &mut String, file: &FileRow) -> std::fmt::Result {
    let percent = match (file.covered * 100).checked_div(file.size) {
        Some(percent) => format!("{percent}%"),
        None => "nothing".to_owned(),
    };
    writeln!(
        text,
        "  {:<5} {}  {} bytes, {}, {percent} covered",
        file.format.as_str(),
        file.name,
        grouped(file.size),
        counted(file.regions, "region")
    )?;
    for (kind, digest) in [("blake3", &file.blake3), ("sha256", &file.sha256)] {
        if let Some(digest) = digest {
            writeln!(text, "        {kind:<6} {digest}")?;
        }
    }
    if let Some(origin) = &file.origin {
        writeln!(
            text,
            "        from   {}",
            escape(origin.location.as_bytes())
        )?;
        let facts = [
            ("etag", &origin.etag),
            ("last modified", &origin.last_modified),
            ("revision", &origin.revision),
            ("version", &origin.version),
        ];
        for (name, value) in facts {
            if let Some(value) = value {
                writeln!(text, "               {name} {}", escape(value.as_bytes()))?;
            }
        }
    }
    Ok(())
}

/// What each entry let pass; one that let nothing pass may be wrong, or not be needed any more.
pub(crate) fn write_policy(text: &mut String, policy: &PolicyRow) -> std::fmt::Result {
    for entry in &policy.allow {
        let (name, reason) = (entry.text(), entry.reason.as_deref());
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        match entry.matched {
            0 if entry.expired => {}
            0 => writeln!(text, "  warning   --allow {name} matched nothing{reason}")?,
            count => writeln!(
                text,
                "  allowed   {} by {name}{reason}",
                counted(count, "finding")
            )?,
        }
    }
    Ok(())
}

/// Whether a finding would decide, but for the policy.
const fn is_allowed(finding: &FindingRow) -> bool {
    finding.effect.decides() && finding.allowed_by.is_some()
}

/// Whether nothing but warnings keeps it from being verified.
fn fails_on_warnings(report: &Report) -> bool {
    Verdict::of(&report.findings, report.compared, FailOn::Different) == Verdict::Verified
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
        || counts.keys_invented > 0
        || counts.keys_of_one_file > 0;
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
    if !is_pair(report) && !any_key {
        return Ok(());
    }
    writeln!(
        text,
        "  metadata  {}",
        named(&[
            (counts.keys_equal, "keys equal"),
            (counts.keys_changed, "changed"),
            (counts.keys_lost, "lost"),
            (counts.keys_invented, "invented"),
            (counts.keys_of_one_file, "only in one file"),
        ])
    )
}

pub(crate) fn write_finding(
    text: &mut String,
    report: &Report,
    finding: &FindingRow,
) -> std::fmt::Result {
    writeln!(
        text,
        "\n{}: {} [{}]",
        effect(finding),
        finding.message,
        finding.code
    )?;
    for place in &finding.places {
        writeln!(text, "  at {}", self::place(report, place))?;
    }
    if let Some(values) = values(report, finding) {
        writeln!(text, "  {values}")?;
    }
    write_cause(text, finding)?;
    if let Some(hint) = &finding.hint {
        writeln!(text, "  hint: {hint}")?;
    }
    Ok(())
}

/// What should stand at the place of a finding, and what does; of two files of one format none is what the other should be.
#[must_use]
pub fn values(report: &Report, finding: &FindingRow) -> Option<String> {
    let (expected, found) = (finding.expected.as_ref()?, finding.found.as_ref()?);
    Some(match finding.places.as_slice() {
        [first, second] if report.called.is_some() && first.file != second.file => {
            let [first, second] = [first, second].map(|place| called(report, place.file));
            format!("{first}: {found}; {second}: {expected}")
        }
        _ => format!("expected {expected}, found {found}"),
    })
}

/// The effect of a finding, and whether it is without one here.
fn effect(finding: &FindingRow) -> String {
    let allowed = match finding.allowed_by {
        Some(_) => ", allowed by policy",
        None => "",
    };
    format!("{}{allowed}", finding.effect.as_str())
}

fn write_cause(text: &mut String, finding: &FindingRow) -> std::fmt::Result {
    match &finding.cause {
        Some(cause) => writeln!(text, "  likely cause: {} [{}]", cause.text, cause.code),
        None => Ok(()),
    }
}

/// The decoded values of the tensor that a finding is about.
fn write_values(text: &mut String, report: &Report, finding: &FindingRow) -> std::fmt::Result {
    let name = finding
        .places
        .iter()
        .find(|place| place.file.is_first())
        .and_then(|place| place.name.as_ref());
    let about = |row: &&TensorRow| row.sides.first().map(|side| &side.name) == name;
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
    let [first_mean, second_mean] = values.mean.map(show);
    let [first_deviation, second_deviation] = values.standard_deviation.map(show);
    let [first, second] = sides(report).map(|side| called(report, side));
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
        "  mean {first_mean} ({first}), {second_mean} ({second}); standard deviation {first_deviation} ({first}), {second_deviation} ({second})"
    )
}

/// The sides of the pair that a report is about.
#[must_use]
pub const fn sides(report: &Report) -> [Side; 2] {
    match report.called {
        Some(_) => Side::BY_POSITION,
        None => Side::BY_FORMAT,
    }
}

/// What a text calls a file: by its format, or by its name where both have one format.
#[must_use]
pub fn called(report: &Report, side: Side) -> &str {
    match (&report.called, side) {
        (Some([first, _]), Side::A) => first,
        (Some([_, second]), Side::B) => second,
        _ => side.as_str(),
    }
}

/// A place in one line: the file, the bytes, the region, the name.
#[must_use]
pub fn place(report: &Report, place: &PlaceRow) -> String {
    let mut text = match report.file_of_set(place) {
        Some(file) => file.name.clone(),
        None => called(report, place.file).to_owned(),
    };
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
#[must_use]
pub fn is_pair(report: &Report) -> bool {
    let are_of_two_formats = [FileFormat::Apr, FileFormat::Gguf]
        .into_iter()
        .all(|format| report.files.iter().any(|file| file.format == format));
    are_of_two_formats || report.called.is_some()
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

/// Findings shown in full.
const MOST_SHOWN: usize = 20;
/// Findings listed in a line.
const MOST_LISTED: usize = 12;

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
