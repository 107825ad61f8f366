//! Answers about many models or pairs: a line for each, or one JSON document, and what all of them come to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use verifier::report::{Report, Tool, to_json};
use verifier::verdict::Verdict;

use crate::commands::verify::FormatFlag;
use crate::exit::Outcome;
use crate::output;

/// Prints answers as they come and counts them.
pub(crate) struct Answers {
    format: FormatFlag,
    /// What is counted: `model` or `pair`.
    noun: &'static str,
    verdicts: Vec<Verdict>,
}

impl Answers {
    /// Begins the output.
    pub(crate) fn begin(format: FormatFlag, noun: &'static str) -> anyhow::Result<Self> {
        if format == FormatFlag::Json {
            output::print(&format!(
                "{{\"tool\": {}, \"{noun}s\": [",
                json!(output::tool())
            ))?;
        }
        Ok(Self {
            format,
            noun,
            verdicts: Vec::new(),
        })
    }

    /// Adds an answer: the names in it, by the key of the document, the reason in a few words, and the report.
    pub(crate) fn add(
        &mut self,
        names: &[(&str, String)],
        reason: &str,
        mut report: Report,
    ) -> anyhow::Result<()> {
        let verdict = report.verdict;
        output::print(&match self.format {
            FormatFlag::Text => {
                let names: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
                line(verdict, &names, reason)
            }
            FormatFlag::Json => {
                report.tool = Some(output::tool());
                let name = |key| {
                    let mut names = names.iter().filter(|(name, _)| *name == key);
                    names.next().map(|(_, name)| name.clone())
                };
                let answer = Answered {
                    path: name("path"),
                    a: name("a"),
                    b: name("b"),
                    report,
                };
                let comma = if self.verdicts.is_empty() { "" } else { "," };
                format!("{comma}\n{}", to_json(&answer).trim_end())
            }
        })?;
        self.verdicts.push(verdict);
        Ok(())
    }

    /// Ends the output with the counts. The worst answer decides: what is undecided leaves more open than what differs.
    pub(crate) fn end(self) -> anyhow::Result<Outcome> {
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
        let total = self.verdicts.len();
        output::print(&match self.format {
            FormatFlag::Text => {
                let counts = counts.map(|(word, count)| format!("{count} {word}"));
                let plural = if total == 1 { "" } else { "s" };
                format!("{total} {}{plural}: {}\n", self.noun, counts.join(", "))
            }
            FormatFlag::Json => {
                let mut totals = serde_json::Map::new();
                totals.extend(counts.map(|(word, count)| (word.to_owned(), json!(count))));
                let totals = Value::from(totals);
                let verdict = worst.as_str();
                format!(
                    "\n],\n\"schema_version\": 1,\n\"totals\": {totals:#},\n\"verdict\": \"{verdict}\"}}\n"
                )
            }
        })?;
        Ok(Outcome::Judged(worst))
    }
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

/// One answer in one line: the verdict, the names, the reason.
pub(crate) fn line(verdict: Verdict, names: &[&str], reason: &str) -> String {
    format!("{:<9}  {}: {reason}\n", verdict.as_str(), names.join("  "))
}
