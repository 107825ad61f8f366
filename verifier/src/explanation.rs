//! What each code means, why it usually occurs, and what to do: the text is in `explanations.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;

use crate::code::{CauseCode, Code};
use crate::finding::Effect;

/// What is to be said of a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
    pub effects: Vec<Effect>,
}

impl Code {
    /// Returns what is to be said of the code.
    #[must_use]
    pub fn explanation(self) -> &'static Explanation {
        of(self.as_str())
    }
}

impl CauseCode {
    /// Returns what is to be said of the code.
    #[must_use]
    pub fn explanation(self) -> &'static Explanation {
        of(self.as_str())
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

#[expect(clippy::expect_used, reason = "a test asks for every code")]
fn of(code: &str) -> &'static Explanation {
    static ALL: LazyLock<BTreeMap<&str, Explanation>> = LazyLock::new(|| sections().collect());
    ALL.get(code).expect("every code is explained")
}

/// The sections of the file, each begun by `[code]`.
fn sections() -> impl Iterator<Item = (&'static str, Explanation)> {
    let sections = include_str!("explanations.txt").split("\n[").skip(1);
    sections
        .map(|section| read(section).unwrap_or_else(|| unreachable!("read by a test: {section}")))
}

/// Reads a section: its code, and a line for each field in their order.
fn read(section: &'static str) -> Option<(&'static str, Explanation)> {
    let (code, fields) = section.split_once(']')?;
    let mut lines = fields.lines().skip(1);
    let mut field = |name| lines.next()?.strip_prefix(name)?.strip_prefix(" = ");
    let explanation = Explanation {
        title: field("title")?,
        meaning: field("meaning")?,
        usual_cause: field("cause")?,
        action: field("action")?,
        effects: match field("effects")? {
            "none" => Vec::new(),
            words => words.split(", ").map(effect).collect::<Option<_>>()?,
        },
    };
    lines.all(str::is_empty).then_some((code, explanation))
}

fn effect(word: &str) -> Option<Effect> {
    Some(match word {
        "unreadable" => Effect::Unreadable,
        "different" => Effect::Different,
        "undecided" => Effect::Undecided,
        "warning" => Effect::Warning,
        "note" => Effect::Note,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_once_and_nothing_else_is() {
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let causes = CauseCode::ALL.iter().map(|code| code.as_str());
        let mut listed: Vec<&str> = codes.chain(causes).collect();
        let mut explained: Vec<&str> = sections().map(|(code, _)| code).collect();
        listed.sort_unstable();
        explained.sort_unstable();
        assert_eq!(explained, listed);
    }

    #[test]
    fn explanations_are_of_whole_sentences() {
        for (code, explanation) in sections() {
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
