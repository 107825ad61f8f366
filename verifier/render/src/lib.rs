//! Writes an answer of the verifier for the places where people look: a test page, a pull request, a browser, a store of
//! attestations. What is written never decides anything: verdict and exit code are those of the reports.

pub mod html;

use std::fmt::Write as _;

use verifier::report::{Report, text};
use verifier::verdict::Verdict;

/// What a command answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The version of the program.
    pub version: &'a str,
    /// The command that gives this answer again, as typed in a shell.
    pub command: &'a str,
    /// What was judged, in the order given.
    pub subjects: &'a [Subject],
}

impl Answer<'_> {
    /// Returns the worst verdict; nothing judged is undecided.
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.subjects.iter().map(|subject| subject.report.verdict);
        verdicts
            .max_by_key(|verdict| verdict.exit_code())
            .unwrap_or(Verdict::Undecided)
    }
}

/// One pair, or one model, and its report.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The paths as they were given, in the order of the report's files: an APR file before a GGUF, shard by shard.
    pub paths: Vec<String>,
    /// What was found.
    pub report: Report,
}

/// The forms in which an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A few lines of Markdown, as for a pull request.
    Markdown,
}

impl Form {
    /// Writes the answer in this form.
    #[must_use]
    pub fn write(self, answer: &Answer<'_>) -> String {
        match self {
            Self::Markdown => markdown(answer),
        }
    }
}

fn markdown(answer: &Answer<'_>) -> String {
    let mut page = format!("### aprove: {}\n\n", answer.verdict().as_str());
    for subject in answer.subjects {
        let _ = writeln!(page, "    {}", text::line(&subject.report).trim_end());
    }
    page
}
