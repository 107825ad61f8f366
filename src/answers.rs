//! Answers about many models or pairs: a line for each, or one JSON document, and what all of them come to.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use verifier::finding::counted;
use verifier::report::text::verdict;
use verifier::report::{Report, Tool, to_json};
use verifier::verdict::Verdict;

use crate::exit::Outcome;
use crate::output::{self, FormatFlag};
use crate::reports::Reports;

/// Prints answers as they come, counts them, and passes them on to the reports.
pub(crate) struct Answers<'a> {
    format: Option<FormatFlag>,
    /// What is counted: `model` or `pair`.
    noun: &'static str,
    verdicts: Vec<Verdict>,
    reports: &'a mut Reports,
}

/// One answer.
pub(crate) struct Answer<'a> {
    /// The names in it, by the key of the document.
    pub(crate) names: Vec<(&'static str, String)>,
    /// The models.
    pub(crate) models: Vec<&'a Path>,
    /// The reason in a few words.
    pub(crate) reason: String,
    /// The report.
    pub(crate) report: Report,
}

impl<'a> Answers<'a> {
    /// Begins the output; without a format the answers are printed by somebody else.
    pub(crate) fn begin(
        format: Option<FormatFlag>,
        noun: &'static str,
        reports: &'a mut Reports,
    ) -> anyhow::Result<Self> {
        let mut answers = Self {
            format,
            noun,
            verdicts: Vec::new(),
            reports,
        };
        let tool = json!(output::tool());
        answers.put(String::new, || {
            format!("{{\"tool\": {tool}, \"{noun}s\": [")
        })?;
        Ok(answers)
    }

    /// Adds an answer.
    pub(crate) fn add(&mut self, answer: Answer<'_>, is_short: bool) -> anyhow::Result<()> {
        let Answer {
            names,
            models,
            reason,
            mut report,
        } = answer;
        output::sign(&mut report);
        let comma = if self.verdicts.is_empty() { "" } else { "," };
        self.verdicts.push(report.verdict);
        let text = || {
            let names: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
            line(&verdict(&report), &names, &reason)
        };
        let json = || {
            let name = |key| {
                let mut names = names.iter().filter(|(name, _)| *name == key);
                names.next().map(|(_, name)| name.clone())
            };
            let entry = Answered {
                path: name("path"),
                a: name("a"),
                b: name("b"),
                report: if is_short {
                    short(report.clone())
                } else {
                    report.clone()
                },
            };
            format!("{comma}\n{}", to_json(&entry).trim_end())
        };
        self.put(text, json)?;
        self.reports.add(&models, report);
        Ok(())
    }

    /// Ends the output with the counts. The worst answer decides: what is undecided leaves more open than what differs.
    pub(crate) fn end(mut self) -> anyhow::Result<Outcome> {
        let worst = self
            .verdicts
            .iter()
            .max_by_key(|verdict| verdict.exit_code());
        // Of nothing nothing was compared.
        let worst = worst.copied().unwrap_or(Verdict::Undecided);
        let all = [Verdict::Verified, Verdict::Different, Verdict::Undecided];
        let counts = all.map(|verdict| {
            let same = self.verdicts.iter().filter(|one| **one == verdict);
            (verdict.as_str(), same.count())
        });
        let (total, noun) = (self.verdicts.len(), self.noun);
        let text = || {
            let counts = counts.map(|(word, count)| format!("{count} {word}"));
            format!("{}: {}\n", counted(total, noun), counts.join(", "))
        };
        let json = || {
            let mut totals = serde_json::Map::new();
            totals.extend(counts.map(|(word, count)| (word.to_owned(), json!(count))));
            let totals = Value::from(totals);
            let verdict = worst.as_str();
            format!(
                "\n],\n\"schema_version\": 1,\n\"totals\": {totals:#},\n\"verdict\": \"{verdict}\"}}\n"
            )
        };
        self.put(text, json)?;
        Ok(Outcome::Judged(worst))
    }

    fn put(
        &mut self,
        text: impl FnOnce() -> String,
        json: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        let is_json = self.format == Some(FormatFlag::Json);
        if is_json || self.reports.need_document() {
            let json = json();
            self.reports.add_document(&json);
            if is_json {
                output::print(&json)?;
            }
        }
        match self.format {
            Some(FormatFlag::Text) => output::answer(FormatFlag::Text, &text()),
            Some(FormatFlag::Json) | None => Ok(()),
        }
    }
}

/// A report without the rows of stages that are equal, which are most of it.
pub(crate) fn short(mut report: Report) -> Report {
    if let Some(behaviour) = &mut report.behaviour {
        behaviour.leave_out_equal();
    }
    report
}

/// The document of many answers, which is written piece by piece.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "for its schema")]
pub(crate) struct Many {
    schema_version: u32,
    tool: Tool,
    /// Of `check`.
    #[schemars(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Answered>,
    /// Of `verify` with folders or a list.
    #[schemars(skip_serializing_if = "Vec::is_empty")]
    pairs: Vec<Answered>,
    /// How many came to each verdict.
    totals: BTreeMap<String, usize>,
    /// The worst.
    verdict: Verdict,
}

/// One answer, with the paths as they were given or found.
#[derive(Serialize, JsonSchema)]
struct Answered {
    /// The model, of `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The first model of a pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<String>,
    /// The second one; absent where none belongs to the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    b: Option<String>,
    report: Report,
}

/// One answer in one line: the verdict in words, the names, the reason.
pub(crate) fn line(verdict: &str, names: &[&str], reason: &str) -> String {
    format!("{verdict:<9}  {}: {reason}\n", names.join("  "))
}
