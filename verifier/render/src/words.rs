//! What several forms say of a report.

use verifier::check;
use verifier::finding::is_hidden;
use verifier::report::{BehaviourRow, FileRow, Mode, Report, text};

/// The first line of an answer: the verdict, and why.
#[must_use]
pub fn headline(report: &Report) -> String {
    format!("{}: {}", text::verdict(report), reason(report))
}

/// Why the verdict is what it is, in one sentence.
pub(crate) fn reason(report: &Report) -> String {
    match report.mode {
        Mode::File => check::text::reason(report),
        Mode::Pair | Mode::Manifest => text::meaning(report).to_owned(),
    }
}

/// Whether what to do next is a line for a shell; else it is a sentence.
pub(crate) fn is_command(next: &str) -> bool {
    next.starts_with("aprove ") || next.starts_with("verify ")
}

/// A digest of all of a file, and its kind; none where it was not read to its end.
pub(crate) fn digest(file: &FileRow) -> Option<(&'static str, &str)> {
    let digests = [("blake3", &file.blake3), ("sha256", &file.sha256)];
    digests
        .into_iter()
        .find_map(|(kind, digest)| Some((kind, digest.as_deref()?)))
}

/// How much was compared, in a line for each kind of thing.
pub(crate) fn counts(report: &Report) -> Vec<String> {
    let counts = &report.counts;
    let mut lines = Vec::new();
    if !report.tensors.is_empty() {
        let bytes = text::grouped(counts.tensor_bytes_compared);
        lines.push(named(
            "tensors",
            &[
                (counts.bytes_equal, "equal, byte for byte"),
                (counts.values_equal, "equal in their values"),
                (counts.tensors_different, "different"),
                (counts.tensors_not_compared, "not compared"),
            ],
            &format!("; {bytes} bytes compared"),
        ));
    }
    if !report.metadata.is_empty() {
        lines.push(named(
            "metadata",
            &[
                (counts.keys_equal, "keys equal"),
                (counts.keys_changed, "changed"),
                (counts.keys_lost, "lost"),
                (counts.keys_invented, "invented"),
                (counts.keys_of_one_file, "only in one file"),
            ],
            "",
        ));
    }
    match &report.behaviour {
        Some(row) => lines.push(format!("behaviour: {}", behaviour(row))),
        None if report.mode == Mode::Pair => lines.push("behaviour: not compared".to_owned()),
        None => {}
    }
    lines
}

/// What running both files came to.
pub(crate) fn behaviour(row: &BehaviourRow) -> String {
    format!(
        "{} on {} tokens of {} prompts, {} stages, {}",
        row.result.as_str(),
        row.tokens,
        row.prompts.len(),
        row.stages,
        row.device
    )
}

fn named(what: &str, parts: &[(usize, &str)], end: &str) -> String {
    let parts = parts.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    format!("{what}: {}{end}", parts.join(", "))
}

/// At most so many characters, and a mark where some are left out. What shows nothing, or changes how others look, is
/// written as its number, line breaks included.
pub(crate) fn clipped(text: &str, most: usize) -> String {
    let mut short = String::new();
    let mut length = 0_usize;
    for character in text.chars() {
        if length >= most {
            short.push('…');
            break;
        }
        if is_hidden(character) {
            short.extend(character.escape_unicode());
            length += LONGEST_NUMBER;
        } else {
            short.push(character);
            length += 1;
        }
    }
    short
}

/// Characters of `\u{e0001}`.
const LONGEST_NUMBER: usize = 9;
