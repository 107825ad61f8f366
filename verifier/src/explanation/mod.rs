//! What each code means, why it usually occurs, and what to do.

mod apr;
mod cause;
mod gguf;
mod metadata;
mod other;
mod tensor;

use serde::Serialize;

use crate::code::{CauseCode, Code};
use crate::finding::Effect;

/// What is to be said of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// One line.
    pub title: &'static str,
    /// What it means, in a few sentences.
    pub meaning: &'static str,
    /// What usually causes it.
    pub usual_cause: &'static str,
    /// What to do.
    pub action: &'static str,
    /// The effects that a finding with this code can have; none for a cause, which is a hint.
    pub effects: &'static [Effect],
}

impl Code {
    /// Returns what is to be said of the code.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a test asks for the explanation of every code"
    )]
    pub fn explanation(self) -> Explanation {
        apr::of(self)
            .or_else(|| gguf::of(self))
            .or_else(|| metadata::of(self))
            .or_else(|| tensor::of(self))
            .or_else(|| other::of(self))
            .expect("every code is explained")
    }
}

impl CauseCode {
    /// Returns what is to be said of the code.
    #[must_use]
    pub const fn explanation(self) -> Explanation {
        cause::of(self)
    }
}

impl Explanation {
    /// Returns which verdict a finding with this code leads to, in words.
    #[must_use]
    pub fn verdict(&self) -> String {
        if self.effects.is_empty() {
            return "none: a cause is a hint beside a finding".to_owned();
        }
        let words: Vec<&str> = self.effects.iter().copied().map(verdict_of).collect();
        words.join("; or ")
    }
}

const fn verdict_of(effect: Effect) -> &'static str {
    match effect {
        Effect::Unreadable => "undecided (exit code 2), whatever else was found",
        Effect::Different => "different (exit code 1)",
        Effect::Undecided => "undecided (exit code 2), unless something differs",
        Effect::Warning => "none, as a warning",
        Effect::Note => "none, as a note",
    }
}

const fn explain(
    title: &'static str,
    meaning: &'static str,
    usual_cause: &'static str,
    action: &'static str,
    effects: &'static [Effect],
) -> Explanation {
    Explanation {
        title,
        meaning,
        usual_cause,
        action,
        effects,
    }
}

const FETCH: &str = "Fetch the file again and hold it against its publisher's digest: aprove verify FILE --digest sha256:HEX";
const CONVERT: &str = "Convert again: aprove convert MODEL.gguf";
const MAKE_AGAIN: &str =
    "Make the GGUF again with the tools of llama.cpp, or get it from its publisher.";

const DIFFERENT: &[Effect] = &[Effect::Different];
const UNDECIDED: &[Effect] = &[Effect::Undecided];
const UNREADABLE: &[Effect] = &[Effect::Unreadable];
const WARNING: &[Effect] = &[Effect::Warning];
const NOTE: &[Effect] = &[Effect::Note];
const BOTH: &[Effect] = &[Effect::Different, Effect::Undecided];
const DIFFERENT_OR_UNREADABLE: &[Effect] = &[Effect::Different, Effect::Unreadable];
const DIFFERENT_OR_WARNING: &[Effect] = &[Effect::Different, Effect::Warning];
const UNDECIDED_OR_WARNING: &[Effect] = &[Effect::Undecided, Effect::Warning];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_an_explanation_of_whole_sentences() {
        let codes = Code::ALL
            .iter()
            .map(|code| (code.as_str(), code.explanation()));
        let causes = CauseCode::ALL
            .iter()
            .map(|code| (code.as_str(), code.explanation()));
        for (code, explanation) in codes.chain(causes) {
            for text in [explanation.meaning, explanation.usual_cause] {
                assert!(text.ends_with('.'), "{code}: {text}");
            }
            assert!(
                explanation.title.len() <= 79,
                "{code}: {}",
                explanation.title
            );
            assert!(!explanation.title.ends_with('.'), "{code}");
            assert!(!explanation.action.is_empty(), "{code}");
            let is_cause = code.starts_with("cause.");
            assert_eq!(explanation.effects.is_empty(), is_cause, "{code}");
        }
    }
}
