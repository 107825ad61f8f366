//! The verdict: a value with reasons, and the only way to an exit code.

use schemars::JsonSchema;
use serde::Serialize;

use super::FindingRow;
use crate::code::Code;
use crate::finding::Effect;
use crate::policy::FailOn;

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

/// How much of each section was compared. Nothing is verified of which a section is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compared {
    /// Two models.
    Pair {
        /// Bytes of tensor data.
        tensor_bytes: u64,
        /// Metadata keys of the GGUF with a counterpart.
        keys: usize,
        /// Stages of a run of both, when one was asked for.
        stages: Option<usize>,
    },
    /// One model against the rows of a manifest.
    Manifest {
        /// Rows that hold.
        rows: usize,
        /// Stages of a run, when one was asked for.
        stages: Option<usize>,
    },
    /// One file that was decoded and compared with nothing: it can only be held against its own format.
    Decoded,
    /// Nothing, because what was given is no pair.
    Nothing,
}

impl Compared {
    /// Notes how many stages of a run were compared.
    pub(crate) const fn set_stages(&mut self, count: usize) {
        match self {
            Self::Pair { stages, .. } | Self::Manifest { stages, .. } => *stages = Some(count),
            Self::Decoded | Self::Nothing => {}
        }
    }

    fn is_anything_empty(self) -> bool {
        match self {
            Self::Pair {
                tensor_bytes,
                keys,
                stages,
            } => tensor_bytes == 0 || keys == 0 || stages == Some(0),
            Self::Manifest { rows, stages } => rows == 0 || stages == Some(0),
            Self::Decoded => false,
            Self::Nothing => true,
        }
    }
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

    /// Draws the verdict from the findings and from how much was compared: the only rule there is.
    ///
    /// What was read from a file that changed, or that could not be read or decoded to its end, decides nothing. Otherwise
    /// one difference is enough, whatever else could not be compared; and where nothing differs, one thing not compared
    /// is enough for undecided, and so is a section of which nothing was compared.
    ///
    /// What a policy allows does not count, but for what could not be read. Where warnings fail, one that is not allowed
    /// leaves it undecided: nothing differs, and somebody has to look at it.
    pub(crate) fn of(findings: &[FindingRow], compared: Compared, fail_on: FailOn) -> Self {
        let is_open = |finding: &&FindingRow| finding.allowed_by.is_none();
        let open = findings.iter().filter(is_open).map(|row| row.effect);
        let has = |effect| open.clone().any(|found| found == effect);
        if findings.iter().any(is_unreadable) {
            Self::Undecided
        } else if has(Effect::Different) {
            Self::Different
        } else if has(Effect::Undecided)
            || compared.is_anything_empty()
            || (fail_on == FailOn::Warning && has(Effect::Warning))
        {
            Self::Undecided
        } else {
            Self::Verified
        }
    }
}

fn is_unreadable(finding: &FindingRow) -> bool {
    finding.effect == Effect::Unreadable || matches!(finding.code, Code::InputChanged | Code::Io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Finding;

    const ALL: Compared = Compared::Pair {
        tensor_bytes: 1,
        keys: 1,
        stages: None,
    };

    fn drawn(findings: &[FindingRow]) -> Verdict {
        Verdict::of(findings, ALL, FailOn::Different)
    }

    fn row(code: Code, effect: Effect) -> FindingRow {
        FindingRow::from(&Finding::new(code, effect, ""))
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
            row(Code::TensorBytes, Effect::Different),
            row(Code::InputChanged, Effect::Undecided),
        ];
        assert_eq!(drawn(&findings), Verdict::Undecided);
        assert_eq!(drawn(&findings[..1]), Verdict::Different);
        let warning = [row(Code::MetaLost, Effect::Warning)];
        assert_eq!(drawn(&warning), Verdict::Verified);
    }

    #[test]
    fn a_file_that_cannot_be_decoded_outweighs_a_difference() {
        let findings = [
            row(Code::MetaRopeType, Effect::Different),
            row(Code::AprTruncated, Effect::Unreadable),
        ];
        assert_eq!(drawn(&findings), Verdict::Undecided);
        assert_eq!(drawn(&findings[..1]), Verdict::Different);
    }

    #[test]
    fn a_difference_outweighs_what_could_not_be_compared() {
        let findings = [
            row(Code::BehaviourNotCovered, Effect::Undecided),
            row(Code::MetaRopeType, Effect::Different),
        ];
        assert_eq!(drawn(&findings), Verdict::Different);
        assert_eq!(drawn(&findings[..1]), Verdict::Undecided);
    }

    #[test]
    fn no_section_may_be_empty() {
        let pair = |tensor_bytes, keys, stages| Compared::Pair {
            tensor_bytes,
            keys,
            stages,
        };
        let manifest = |rows, stages| Compared::Manifest { rows, stages };
        for (compared, verdict) in [
            (pair(1, 1, None), Verdict::Verified),
            (pair(1, 1, Some(1)), Verdict::Verified),
            (pair(0, 1, None), Verdict::Undecided),
            (pair(1, 0, None), Verdict::Undecided),
            (pair(1, 1, Some(0)), Verdict::Undecided),
            (manifest(1, None), Verdict::Verified),
            (manifest(0, None), Verdict::Undecided),
            (manifest(1, Some(0)), Verdict::Undecided),
            (Compared::Decoded, Verdict::Verified),
            (Compared::Nothing, Verdict::Undecided),
        ] {
            assert_eq!(
                Verdict::of(&[], compared, FailOn::Different),
                verdict,
                "{compared:?}"
            );
        }
    }

    #[test]
    fn what_is_allowed_does_not_count_but_for_what_was_not_read() {
        let allowed = |code, effect| FindingRow {
            allowed_by: Some(0),
            ..row(code, effect)
        };
        let difference = allowed(Code::TensorBytes, Effect::Different);
        let other = row(Code::MetaLost, Effect::Different);
        assert_eq!(drawn(std::slice::from_ref(&difference)), Verdict::Verified);
        assert_eq!(drawn(&[difference.clone(), other]), Verdict::Different);
        for unread in [
            allowed(Code::InputChanged, Effect::Undecided),
            allowed(Code::Io, Effect::Undecided),
            allowed(Code::AprTruncated, Effect::Unreadable),
        ] {
            assert_eq!(drawn(&[unread]), Verdict::Undecided);
        }
        let nothing = Verdict::of(&[difference], Compared::Nothing, FailOn::Different);
        assert_eq!(nothing, Verdict::Undecided);
    }

    #[test]
    fn a_warning_leaves_it_undecided_only_where_warnings_fail() {
        let warning = [row(Code::MetaLost, Effect::Warning)];
        assert_eq!(drawn(&warning), Verdict::Verified);
        let strict = |rows: &[FindingRow]| Verdict::of(rows, ALL, FailOn::Warning);
        assert_eq!(strict(&warning), Verdict::Undecided);
        let [warning] = warning;
        let allowed = FindingRow {
            allowed_by: Some(0),
            ..warning
        };
        assert_eq!(strict(&[allowed]), Verdict::Verified);
        assert_eq!(
            strict(&[row(Code::MetaLost, Effect::Note)]),
            Verdict::Verified
        );
    }
}
