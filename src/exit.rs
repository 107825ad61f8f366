//! What the exit code says. One function turns an outcome into a code.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done; for `verify`: every byte of both files was accounted for and nothing differs; for `check`: nothing contradicts the format or what is recorded of the file; for `compare-trace`: everything was compared and is within the gates |
//! | 1 | compared, and something differs |
//! | 2 | undecided or not done: usage, I/O, malformed, unsupported, input changed, nothing compared, output not written; for `doctor`: no GPU can be used |
//! | 130, 143 | stopped by Ctrl-C or a termination request |
//!
//! Of several models or pairs the largest code is that of the whole: a difference says what is wrong with one of them, and
//! what is undecided leaves open what is.

use std::process::ExitCode;

use verifier::verdict::Verdict;

/// How a command ended.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The command did what it was asked for and there was nothing to judge.
    Done,
    /// The command could not do what it was asked for, and has printed why.
    NotDone,
    /// The command judged.
    Judged(Verdict),
    /// The command compared traces.
    Compared(trace_compare::judge::Verdict),
    /// The command was stopped by this signal and cleaned up.
    Stopped(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::NotDone => Self::from(NOT_DONE),
            Outcome::Judged(verdict) => Self::from(verdict.exit_code()),
            Outcome::Compared(verdict) => Self::from(verdict.exit_code()),
            Outcome::Stopped(signal) => Self::from(signal.saturating_add(128)),
        }
    }
}

/// Everything that keeps a command from an outcome, a panic included.
pub(crate) const NOT_DONE: u8 = 2;
