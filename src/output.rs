//! The two streams: data and verdicts on stdout, everything else on stderr.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use clap::ValueEnum;
use render::headline;
use schemars::JsonSchema;
use serde::Serialize;
use verifier::report::{Report, Tool, to_json};
use verifier::verdict::Verdict;

use crate::{color, progress};

/// The forms a result can be printed in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatFlag {
    /// A few lines for a person
    Text,
    /// JSON for a program
    Json,
}

/// Whether the program was started with standard output closed. The runtime opens `/dev/null` in its place before `main`,
/// where every write succeeds and no answer reaches anybody.
pub(crate) fn is_closed() -> bool {
    STDOUT_WAS_CLOSED.load(Ordering::Relaxed)
}

/// The same of standard error, where commands for the runner of GitHub go.
pub(crate) fn is_stderr_closed() -> bool {
    STDERR_WAS_CLOSED.load(Ordering::Relaxed)
}

static STDOUT_WAS_CLOSED: AtomicBool = AtomicBool::new(false);
static STDERR_WAS_CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn look_at_streams() {
        let is_closed = |stream| rustix::io::fcntl_getfd(stream).is_err();
        STDOUT_WAS_CLOSED.store(is_closed(rustix::stdio::stdout()), Ordering::Relaxed);
        STDERR_WAS_CLOSED.store(is_closed(rustix::stdio::stderr()), Ordering::Relaxed);
    }
}

/// Writes to stdout and flushes, so that a closed pipe or a full disk is known before the exit code is chosen.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    write(&plain(text))
}

/// Writes an answer to stdout; a person gets it in colour, where there are any.
pub(crate) fn answer(format: FormatFlag, text: &str) -> anyhow::Result<()> {
    let plain = plain(text);
    match format {
        FormatFlag::Text => write(&color::painted(&plain, &io::stdout())),
        FormatFlag::Json => write(&plain),
    }
}

fn write(text: &str) -> anyhow::Result<()> {
    IS_PRINTED.store(true, Ordering::Relaxed);
    progress::aside(|| {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
    })
    .context("the output could not be written")
}

/// The first line of an answer, which says what it comes to.
pub(crate) fn first_line(text: &str) -> String {
    text.split_inclusive('\n').take(1).collect()
}

/// Writes one line to stderr. A stderr that is gone is no reason to stop.
pub(crate) fn note(text: &str) {
    let plain = plain(text);
    let line = format!("{}\n", color::painted(&plain, &io::stderr()));
    let write = || io::stderr().lock().write_all(line.as_bytes());
    drop(progress::aside(write));
}

/// Writes a command for the runner of GitHub to stderr: it reads both streams, and stdout is for answers.
pub(crate) fn command(line: &str) -> anyhow::Result<()> {
    writeln!(io::stderr().lock(), "{line}").context("standard error cannot be written")
}

/// Text without control characters but line ends and tabs: what a path or an argument holds must not reach a terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    if text.chars().all(is_plain) {
        return disarmed(text.into());
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            plain.push(character);
        } else {
            // What JSON takes as well; control characters end at U+009F.
            let _ = write!(plain, "\\u{:04x}", u32::from(character));
        }
    }
    disarmed(plain.into())
}

/// Text in which the runner of GitHub finds no command: one begins a line with `::`, or stands anywhere behind `##[`. The
/// number of the character means the same in JSON, where a line never begins so.
fn disarmed(text: Cow<'_, str>) -> Cow<'_, str> {
    let is_command = |line: &str| line.trim_start().starts_with("::");
    if !text.contains("##[") && !text.lines().any(is_command) {
        return text;
    }
    let text = text.replace("##[", "#\\u0023[");
    let lines = text
        .split_inclusive('\n')
        .map(|line| match is_command(line) {
            true => line.replacen("::", "\\u003a:", 1),
            false => line.to_owned(),
        });
    lines.collect::<String>().into()
}

/// Does work and says on stderr how long it took, if somebody asked for it.
pub(crate) fn timed<T>(is_asked: bool, what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    if is_asked {
        note(&format!("{:>8.3} s  {what}", start.elapsed().as_secs_f64()));
    }
    done
}

/// Writes an error and its causes to stderr.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {}", in_full(error)));
}

/// An error and its causes, but for those that stand at the end of what was said already.
fn in_full(error: &anyhow::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let mut text = String::new();
    for (at, cause) in causes.iter().enumerate() {
        let rest = causes.get(at..).unwrap_or_default().join(": ");
        if at > 0 && text.ends_with(&rest) {
            break;
        }
        let between = if at > 0 { ": " } else { "" };
        text += &format!("{between}{cause}");
    }
    text
}

/// A document for a program, with what made it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Document<T> {
    /// The version of this form; 1.
    schema_version: u32,
    /// The program that wrote it.
    tool: Tool,
    #[serde(flatten)]
    content: T,
}

impl<T: Serialize> Document<T> {
    pub(crate) fn new(content: T) -> Self {
        Self {
            schema_version: 1,
            tool: tool(),
            content,
        }
    }

    pub(crate) fn text(&self) -> String {
        to_json(self)
    }
}

/// What made a document for a program.
pub(crate) fn tool() -> Tool {
    Tool {
        name: "aprove".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// Says in a report what wrote it, and in one sentence what it comes to: nothing is added afterwards.
pub(crate) fn sign(report: &mut Report) {
    report.tool = Some(tool());
    report.sentence = Some(headline(report));
}

/// Whether an error is what the operating system refused.
pub(crate) fn is_io(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.is::<io::Error>())
}

/// What a program gets in the place of an answer that there is not.
#[derive(Serialize, JsonSchema)]
pub(crate) struct NoAnswer {
    /// Always `undecided`.
    verdict: Verdict,
    error: ErrorRow,
}

/// Why something could not be done.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ErrorRow {
    /// `io` for what the operating system refused, `stopped` for a bug of aprove, else `not-done`.
    code: &'static str,
    /// The sentence that stderr has.
    message: String,
}

impl ErrorRow {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        Self {
            code: if is_io(error) { "io" } else { "not-done" },
            message: plain(&in_full(error)).into_owned(),
        }
    }

    /// Of a run that ended in the middle.
    pub(crate) fn stopped() -> Self {
        Self {
            code: "stopped",
            message: "aprove stopped, as stderr says; this is a bug".to_owned(),
        }
    }
}

/// The document for a program in the place of an answer that there is not.
pub(crate) fn document_of(why: ErrorRow) -> String {
    Document::new(NoAnswer {
        verdict: Verdict::Undecided,
        error: why,
    })
    .text()
}

/// Prints a document in the place of an answer, unless the answer has begun.
pub(crate) fn print_instead(document: &str) {
    if IS_PRINTED.load(Ordering::Relaxed) {
        return;
    }
    if let Err(why) = print(document) {
        error(&why);
    }
}

/// Whether stdout has something: a second document would make both unreadable.
static IS_PRINTED: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use std::io;

    use super::{in_full, plain};

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let error = anyhow::Error::new(io::Error::other("it is in use")).context("the address");
        assert_eq!(in_full(&error), "the address: it is in use");
        let error = error.context("no start: the address: it is in use");
        assert_eq!(in_full(&error), "no start: the address: it is in use");
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(plain("a\x1b[31m\u{9b}b\n\tc"), "a\\u001b[31m\\u009bb\n\tc");
        assert_eq!(plain("größe"), "größe");
    }

    #[test]
    fn nothing_printed_is_a_command_of_a_runner() {
        for (text, expected) in [
            ("a::error::b", "a::error::b"),
            ("a\n \u{a0}::error::b\n", "a\n \u{a0}\\u003a:error::b\n"),
            ("::error::b", "\\u003a:error::b"),
            ("\"a##[error]\"", "\"a#\\u0023[error]\""),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
