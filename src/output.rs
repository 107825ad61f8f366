//! The two streams: data and verdicts on stdout, everything else on stderr.

use std::io::{self, Write as _};

use anyhow::Context as _;

/// Writes to stdout and flushes, so that a closed pipe or a full disk is known before the exit code is chosen.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .context("the output could not be written")
}

/// Writes one line to stderr. A stderr that is gone is no reason to stop.
pub(crate) fn note(text: &str) {
    drop(writeln!(io::stderr().lock(), "{text}"));
}

/// Writes an error and its causes to stderr.
pub(crate) fn error(error: &anyhow::Error) {
    note(&format!("error: {error:#}"));
}
