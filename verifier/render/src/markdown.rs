//! Markdown for a comment of a pull request, or the summary of a step: short enough for both.

use std::fmt::Write as _;

use verifier::code::Code;
use verifier::finding::{Effect, counted};
use verifier::report::text::{grouped, values};
use verifier::report::{FindingRow, Report};
use verifier::verdict::Verdict;

use crate::words::{clipped, counts, digest, headline, is_command};
use crate::{Answer, Subject};

/// Characters of a page. A comment on GitHub has at most 65,536.
const MOST: usize = 60_000;
/// Characters of a text that a file can have made long.
const LONG: usize = 300;
/// Subjects that are listed in one table.
const MOST_SUBJECTS: usize = 100;
/// Files in one table: a split set can have many.
const MOST_FILES: usize = 32;
/// Kinds of findings of one report, and findings of one kind.
const MOST_KINDS: usize = 20;
const MOST_OF_A_KIND: usize = 5;

/// Writes the page.
pub(crate) fn page(answer: &Answer<'_>) -> String {
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write_page(&mut page, answer);
    page
}

fn write_page(page: &mut String, answer: &Answer<'_>) -> std::fmt::Result {
    let end = footer(answer);
    let mut parts = Vec::new();
    if let [only] = answer.subjects {
        let headline = inline(&headline(&only.report));
        parts.push(format!("### aprove: {headline}\n\n"));
        parts.extend(sections(only));
    } else {
        let (verdict, count) = (answer.verdict().as_str(), answer.subjects.len());
        parts.push(format!("### aprove: {verdict} ({count} answers)\n\n"));
        parts.push(table(answer.subjects));
        for subject in answer.subjects {
            // What is verified needs no section of its own among many.
            if subject.report.verdict != Verdict::Verified {
                let (name, headline) = (code(&subject.name()), inline(&headline(&subject.report)));
                let head = format!("\n#### {name}\n\n{headline}\n\n");
                parts.push(head + &sections(subject).concat());
            }
        }
    }
    let mut room = MOST
        .saturating_sub(end.chars().count())
        .saturating_sub(LONG);
    let mut left_out = 0_usize;
    for part in parts {
        match room.checked_sub(part.chars().count()) {
            Some(rest) => {
                room = rest;
                page.push_str(&part);
            }
            None => left_out += 1,
        }
    }
    if left_out > 0 {
        writeln!(page, "\n{} left out for length.", counted(left_out, "part"))?;
    }
    page.push_str(&end);
    Ok(())
}

/// A line for each subject.
fn table(subjects: &[Subject]) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_table(&mut text, subjects);
    text
}

fn write_table(page: &mut String, subjects: &[Subject]) -> std::fmt::Result {
    writeln!(page, "| verdict | what | why |\n| --- | --- | --- |")?;
    for subject in subjects.iter().take(MOST_SUBJECTS) {
        let headline = headline(&subject.report);
        let (verdict, why) = headline.split_once(": ").unwrap_or((&headline, ""));
        let what = code(&subject.name());
        writeln!(page, "| {} | {what} | {} |", inline(verdict), inline(why))?;
    }
    if let Some(more) = subjects
        .get(MOST_SUBJECTS..)
        .filter(|more| !more.is_empty())
    {
        let verified = more
            .iter()
            .filter(|one| one.report.verdict.exit_code() == 0);
        let (count, verified) = (more.len(), verified.count());
        writeln!(page, "\n... and {count} more, {verified} of them verified.")?;
    }
    Ok(())
}

/// Everything about one subject but its first line.
fn sections(subject: &Subject) -> Vec<String> {
    let report = &subject.report;
    let mut sections = Vec::new();
    if let Some(cause) = &report.cause {
        sections.push(format!("**Cause:** {}\n\n", inline(cause)));
    }
    if let Some(next) = &report.next {
        sections.push(what_next(next));
    }
    let (mut files, mut findings) = (String::new(), String::new());
    // Writing to a String cannot fail.
    let _ = write_files(&mut files, subject);
    let _ = write_findings(&mut findings, report);
    let counts = counts(report).into_iter();
    let counts: String = counts
        .map(|line| format!("- {}\n", inline(&line)))
        .collect();
    sections.extend([files, counts, findings]);
    sections
}

/// A line for a shell is copied from its block; a sentence is read.
fn what_next(next: &str) -> String {
    if is_command(next) {
        format!("**Next:**\n\n{}\n", block("sh", next))
    } else {
        format!("**Next:** {}\n\n", inline(next))
    }
}

fn write_files(text: &mut String, subject: &Subject) -> std::fmt::Result {
    let files = &subject.report.files;
    if files.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "| file | format | bytes | digest |\n| --- | --- | ---: | --- |"
    )?;
    for (path, file) in subject.files().take(MOST_FILES) {
        let digest = digest(file).map_or_else(
            || "not read to its end".to_owned(),
            |(kind, digest)| format!("{kind} {}", code(digest)),
        );
        let (format, size) = (file.format.as_str(), grouped(file.size));
        writeln!(text, "| {} | {format} | {size} | {digest} |", code(path))?;
    }
    if let Some(more) = files.len().checked_sub(MOST_FILES).filter(|more| *more > 0) {
        writeln!(text, "\n... and {more} more files.")?;
    }
    writeln!(text)
}

/// The findings by code, in the order of causes.
fn write_findings(text: &mut String, report: &Report) -> std::fmt::Result {
    let mut kinds: Vec<(Code, Vec<&FindingRow>)> = Vec::new();
    for finding in &report.findings {
        match kinds.iter_mut().find(|(code, _)| *code == finding.code) {
            Some((_, rows)) => rows.push(finding),
            None => kinds.push((finding.code, vec![finding])),
        }
    }
    if kinds.is_empty() {
        return Ok(());
    }
    let count = |rows: &mut dyn Iterator<Item = &FindingRow>| rows.map(|row| row.count).sum();
    let total: usize = count(&mut report.findings.iter());
    writeln!(
        text,
        "\n<details><summary>{}</summary>\n",
        counted(total, "finding")
    )?;
    for (number, (kind, rows)) in kinds.iter().enumerate() {
        if number == MOST_KINDS || text.chars().count() > MOST / 2 {
            let more = kinds.len().saturating_sub(number);
            writeln!(text, "... and {more} more kinds of findings.\n")?;
            break;
        }
        writeln!(
            text,
            "**{}**: {}\n",
            code(kind.as_str()),
            inline(kind.explanation().title)
        )?;
        for row in rows.iter().take(MOST_OF_A_KIND) {
            write_finding(text, report, row)?;
        }
        let more: usize = count(&mut rows.iter().skip(MOST_OF_A_KIND).copied());
        if more > 0 {
            writeln!(text, "- ... and {more} more")?;
        }
        writeln!(text)?;
    }
    writeln!(text, "</details>")
}

fn write_finding(text: &mut String, report: &Report, row: &FindingRow) -> std::fmt::Result {
    let allowed = if row.allowed_by.is_some() {
        ", allowed by policy"
    } else {
        ""
    };
    write!(
        text,
        "- {}{allowed}: {}",
        row.effect.as_str(),
        inline(&row.message)
    )?;
    if let Some(values) = values(report, row) {
        write!(text, " ({})", code(&values))?;
    }
    if let Some(cause) = &row.cause {
        write!(text, "; likely cause: {}", inline(&cause.text))?;
    }
    match &row.hint {
        Some(hint) if row.effect != Effect::Note => writeln!(text, "; hint: {}", inline(hint)),
        _ => writeln!(text),
    }
}

/// How to get the answer again.
fn footer(answer: &Answer<'_>) -> String {
    format!(
        "\n<details><summary>aprove {}, command</summary>\n\n{}\n</details>\n",
        answer.version,
        block("sh", answer.command)
    )
}

/// Text within a line: nothing in it is markup, mentions anybody, or is a link.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let text = clipped(text, LONG);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention, an issue or a link is found in the text that is shown, so that no escape stops it: a character
            // without width does.
            '@' | '#' => {
                out.push(character);
                out.push_str("&#8203;");
            }
            ':' if characters.peek() == Some(&'/') => out.push_str("&#58;"),
            '.' if out.ends_with(['w', 'W']) => out.push_str("&#46;"),
            '\\' | '`' | '*' | '_' | '~' | '[' | ']' | '|' | '!' | '$' | '{' | '}' | '^' => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out
}

/// The same where it stands for itself: a name, a digest.
fn code(text: &str) -> String {
    format!("<code>{}</code>", inline(text))
}

/// A block of code, with a fence that is longer than any in it.
fn block(language: &str, text: &str) -> String {
    let text = clipped(text, 10 * LONG);
    let longest = text.split(|character| character != '`').map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    format!("{fence}{language}\n{text}\n{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        for (text, expected) in [
            ("blk.0.attn_q.weight", r"blk.0.attn\_q.weight"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("a|b`c`", r"a\|b\`c\`"),
            ("@org/team #12", "@&#8203;org/team #&#8203;12"),
            ("https://x.example", "https&#58;//x.example"),
            ("www.x.example", "www&#46;x.example"),
            ("a\nb\u{202e}", r"a\\u\{a\}b\\u\{202e\}"),
        ] {
            assert_eq!(inline(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_command_is_in_no_block_for_a_shell() {
        for (next, expected) in [
            (
                "verify m.apr m.gguf --forward off",
                "**Next:**\n\n```sh\nverify m.apr m.gguf --forward off\n```\n\n",
            ),
            (
                "download *it* again",
                "**Next:** download \\*it\\* again\n\n",
            ),
        ] {
            assert_eq!(what_next(next), expected);
        }
    }

    #[test]
    fn no_text_ends_its_block() {
        let text = block("sh", "a\n```\nb````c");
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("`````sh\n"), "{text}");
    }
}
