//! What the exit code says. One function turns an outcome into a code.
//!
//! | code | meaning |
//! | --- | --- |
//! | 0 | done; for `verify`: every byte of both files was accounted for and nothing differs; for `check`: nothing contradicts the format or what is recorded of the file; for `compare-trace`: everything was compared and is within the gates |
//! | 1 | compared, and something differs |
//! | 2 | undecided or not done: usage, I/O, malformed, unsupported, input changed, nothing compared, output not written; for `doctor`: the GPU cannot be used |
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

impl Outcome {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotDone => NOT_DONE,
            Self::Judged(verdict) => verdict.exit_code(),
            Self::Compared(verdict) => verdict.exit_code(),
            Self::Stopped(signal) => signal + 128,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Everything that keeps a command from an outcome, a panic included.
pub(crate) const NOT_DONE: u8 = 2;
