//! One model on its own: held against its format, and against whatever is recorded of it.
//!
//! Every byte is read once. An artifact of ours records its source and the digests of its tensors; a sidecar beside any
//! model records all of it. Where nothing is recorded, only the format can be checked, and the report says so.

mod conclude;
mod layers;
mod pass;
mod recorded;
pub mod text;

use crate::code::Code;
use crate::decode::decoded::Decoded;
use crate::explain::culprit;
use crate::explain::evidence::Evidence;
use crate::finding::{Effect, Finding, escape};
use crate::input::{Input, Options};
use crate::manifest::{Manifest, Unusable};
use crate::observer::Observer;
use crate::report::{AtFault, Conclusion, ConclusionKind, Mode, Report};
use crate::roles::{nothing_compared, rows_of_unknown};

/// The manifest beside a model.
#[derive(Debug)]
pub enum Sidecar {
    /// There is none.
    Absent,
    /// The user wants none to be used.
    LeftOut,
    /// It was read.
    Read(Manifest),
    /// It is there, under this name, and cannot be used.
    Unusable(String, Unusable),
}

/// Checks one model.
#[must_use]
pub fn check(
    input: &Input<'_>,
    sidecar: &Sidecar,
    options: &Options,
    observer: &dyn Observer,
) -> Report {
    let decoded = Decoded::of(input);
    if let Decoded::Unknown(container) = &decoded {
        let findings = &container.findings;
        let mut report = crate::report::build(
            rows_of_unknown(&[input]),
            &crate::report::Scope::Nothing,
            findings,
        );
        report.mode = Mode::File;
        report.conclusion = culprit::conclude(&Evidence::default(), findings);
        return report;
    }
    pass::check(input, &decoded, sidecar, options, observer)
}

/// Why a file could not be opened.
#[derive(Clone, Debug)]
pub struct NotOpened {
    /// One sentence, which names the file.
    pub why: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// The report where not all models could be opened; `opened` are those that could.
#[must_use]
pub fn not_opened(mode: Mode, opened: &[Input<'_>], others: &[NotOpened]) -> Report {
    let finding = |other: &NotOpened| {
        let why = escape(other.why.as_bytes());
        Finding::new(Code::Io, Effect::Unreadable, why).hint(other.hint)
    };
    let findings: Vec<Finding> = others.iter().map(finding).collect();
    let mut report = nothing_compared(&opened.iter().collect::<Vec<_>>(), &findings);
    report.mode = mode;
    report.next = findings.first().and_then(|first| first.hint.clone());
    report.conclusion = findings.first().map(|first| Conclusion {
        kind: ConclusionKind::Unreadable,
        at_fault: AtFault::Unknown,
        text: first.message.clone(),
    });
    report
}

/// The report of a model to which no other belongs that it could be compared with.
#[must_use]
pub fn unmatched(why: &str) -> Report {
    let why = escape(why.as_bytes());
    nothing_compared(
        &[],
        &[Finding::new(Code::PairUnmatched, Effect::Undecided, why)],
    )
}

/// The report of what a command could not do: what the operating system refused, or another reason.
#[must_use]
pub fn not_done(is_io: bool, why: &str) -> Report {
    if is_io {
        let why = why.to_owned();
        let hint = "see to it that it can be read";
        return not_opened(Mode::Pair, &[], &[NotOpened { why, hint }]);
    }
    let (why, hint) = why.split_once("\nhint: ").unwrap_or((why, ""));
    let why = escape(why.as_bytes());
    let finding = Finding::new(Code::NothingCompared, Effect::Undecided, why);
    let finding = match hint {
        "" => finding,
        hint => finding.hint(hint),
    };
    nothing_compared(&[], &[finding])
}
