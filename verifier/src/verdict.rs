//! The verdict: a value with reasons, and the only way to an exit code.

use schemars::JsonSchema;
use serde::Serialize;

use crate::finding::{Effect, Finding};

/// What a comparison came to. There is no default.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every byte of both files was accounted for, and nothing differs beyond what is named.
    Verified,
    /// Compared, and something differs, or a file contradicts its own format.
    Different,
    /// Not everything could be read, decoded or compared.
    Undecided,
}

impl Verdict {
    /// Returns the exit code: 0 verified, 1 different, 2 undecided.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Verified => 0,
            Self::Different => 1,
            Self::Undecided => 2,
        }
    }

    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Different => "different",
            Self::Undecided => "undecided",
        }
    }

    /// Draws the verdict from the findings.
    ///
    /// What was read from a file that changed, or could not be read, decides nothing. Otherwise one difference is enough,
    /// whatever else could not be compared; and where nothing differs, one thing not compared is enough for undecided.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        let has = |effect| findings.iter().any(|finding| finding.effect == effect);
        let unread = findings
            .iter()
            .any(|finding| matches!(finding.code, "input_changed" | "io"));
        if unread {
            Self::Undecided
        } else if has(Effect::Different) {
            Self::Different
        } else if has(Effect::Undecided) {
            Self::Undecided
        } else {
            Self::Verified
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(code: &'static str, effect: Effect) -> Finding {
        Finding::new(code, effect, "")
    }

    #[test]
    fn the_exit_codes_are_fixed() {
        let codes =
            [Verdict::Verified, Verdict::Different, Verdict::Undecided].map(Verdict::exit_code);
        assert_eq!(codes, [0, 1, 2]);
    }

    #[test]
    fn a_changed_input_decides_nothing() {
        let findings = [
            finding("tensor.bytes", Effect::Different),
            finding("input_changed", Effect::Undecided),
        ];
        assert_eq!(Verdict::of(&findings), Verdict::Undecided);
        assert_eq!(Verdict::of(&findings[..1]), Verdict::Different);
        assert_eq!(
            Verdict::of(&[finding("x", Effect::Warning)]),
            Verdict::Verified
        );
    }
}
