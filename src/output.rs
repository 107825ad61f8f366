//! The two streams: data and verdicts on stdout, everything else on stderr.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use schemars::JsonSchema;
use serde::Serialize;
use verifier::report::{Tool, to_json};
use verifier::verdict::Verdict;

/// Whether the program was started with standard output closed. The runtime opens `/dev/null` in its place before `main`,
/// where every write succeeds and no answer reaches anybody.
pub(crate) fn is_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

ctor::declarative::ctor! {
    #[ctor(unsafe)]
    fn look_at_stdout() {
        let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
        WAS_CLOSED.store(is_closed, Ordering::Relaxed);
    }
}

/// Writes to stdout and flushes, so that a closed pipe or a full disk is known before the exit code is chosen.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    IS_PRINTED.store(true, Ordering::Relaxed);
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(plain(text).as_bytes())
        .and_then(|()| stdout.flush())
        .context("the output could not be written")
}

/// Writes one line to stderr. A stderr that is gone is no reason to stop.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{}", plain(text)));
}

/// Text without control characters but line ends and tabs: what a path or an argument holds must not reach a terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let is_plain = |character: char| !character.is_control() || matches!(character, '\n' | '\t');
    if text.chars().all(is_plain) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if is_plain(character) {
            plain.push(character);
        } else {
            plain.extend(character.escape_default());
        }
    }
    plain.into()
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
    note(&format!("error: {error:#}"));
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
        let is_io = error.chain().any(|cause| cause.is::<io::Error>());
        Self {
            code: if is_io { "io" } else { "not-done" },
            message: plain(&format!("{error:#}")).into_owned(),
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

/// Gives a program that asked for JSON its one document, in the place of an answer that there is not.
pub(crate) fn json_of_error(why: ErrorRow) {
    if IS_PRINTED.load(Ordering::Relaxed) {
        return;
    }
    let answer = NoAnswer {
        verdict: Verdict::Undecided,
        error: why,
    };
    if let Err(why) = print(&Document::new(answer).text()) {
        error(&why);
    }
}

/// Whether stdout has something: a second document would make both unreadable.
static IS_PRINTED: AtomicBool = AtomicBool::new(false);

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(plain("a\x1b[31m\u{9b}b\n\tc"), "a\\u{1b}[31m\\u{9b}b\n\tc");
        assert_eq!(plain("größe"), "größe");
    }
}
