//! The head of a report: what it comes to, the files, and how much was compared.

use std::fmt::Write as _;

use super::{grouped, is_pair, meaning, verdict};
use crate::finding::{counted, escape};
use crate::policy::PolicyRow;
use crate::report::verdict::Verdict;
use crate::report::{FileRow, Report, stages};

pub(super) fn write_head(text: &mut String, report: &Report) -> std::fmt::Result {
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
