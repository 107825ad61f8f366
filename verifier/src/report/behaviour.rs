//! What running both files said, joined to a report. The verifier itself runs nothing.

use schemars::JsonSchema;
use serde::Serialize;

use super::{FindingRow, PlaceRow, Report};
use crate::verdict::Verdict;

/// The outcome of one engine run on both files.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BehaviourRow {
    /// The device that ran it.
    pub device: String,
    /// The id of the arithmetic.
    pub numerics: String,
    /// `equal`, `different`, or `not covered`.
    pub result: String,
    /// Tokens that were run through each file.
    pub tokens: usize,
    /// Stages whose digests were compared.
    pub stages: usize,
    /// What each file did not say and the run assumed.
    pub assumptions: Vec<String>,
}

/// How the behaviour of two files compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Every stage has the same bits.
    Equal,
    /// The first stage that differs, in execution order.
    Different {
        /// The stage, such as `0.q_rope`.
        stage: String,
        /// The prompt.
        prompt: String,
    },
    /// One of the files could not be run.
    NotCovered {
        /// Why.
        why: String,
    },
}

impl Report {
    /// Adds what running both files said. It can only make a verdict worse.
    pub fn add_behaviour(&mut self, behaviour: &Behaviour, mut row: BehaviourRow) {
        let (result, decided) = match behaviour {
            Behaviour::Equal => ("equal", None),
            Behaviour::Different { stage, prompt } => (
                "different",
                Some(finding(
                    "behaviour.stage",
                    Verdict::Different,
                    format!(
                        "the files behave differently: the first stage that differs is {stage} (prompt {prompt})"
                    ),
                    stage,
                )),
            ),
            Behaviour::NotCovered { why } => (
                "not covered",
                Some(finding(
                    "behaviour.not-covered",
                    Verdict::Undecided,
                    format!("the files were not both run: {why}"),
                    "",
                )),
            ),
        };
        row.result = result.to_owned();
        for text in &row.assumptions {
            self.findings.push(FindingRow {
                effect: "warning".to_owned(),
                ..finding("behaviour.assumed", Verdict::Verified, text.clone(), "")
            });
        }
        if let Some(finding) = decided {
            self.verdict = match (self.verdict, behaviour) {
                (Verdict::Verified, Behaviour::Different { .. }) => Verdict::Different,
                (Verdict::Verified, _) => Verdict::Undecided,
                (verdict, _) => verdict,
            };
            let decisive =
                |row: &FindingRow| matches!(row.effect.as_str(), "different" | "undecided");
            let place = self.findings.iter().take_while(|row| decisive(row)).count();
            self.reasons.push(finding.code.clone());
            self.findings.insert(place, finding);
        }
        self.behaviour = Some(row);
    }
}

fn finding(code: &str, effect: Verdict, message: String, stage: &str) -> FindingRow {
    let places = ["apr", "gguf"].into_iter().filter(|_| !stage.is_empty());
    FindingRow {
        code: code.to_owned(),
        effect: effect.as_str().to_owned(),
        message,
        places: places
            .map(|file| PlaceRow {
                file: file.to_owned(),
                shard: 0,
                region: None,
                offset: None,
                length: None,
                name: None,
                detail: Some(format!("stage {stage}")),
            })
            .collect(),
        expected: None,
        found: None,
        cause: None,
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::build;

    fn row() -> BehaviourRow {
        BehaviourRow {
            device: "cpu".to_owned(),
            numerics: "f32-fixed-1".to_owned(),
            result: String::new(),
            tokens: 3,
            stages: 9,
            assumptions: Vec::new(),
        }
    }

    #[test]
    fn behaviour_only_makes_a_verdict_worse() {
        let different = Behaviour::Different {
            stage: "0.q_rope".to_owned(),
            prompt: "eight".to_owned(),
        };
        let not_covered = Behaviour::NotCovered {
            why: "arch x".to_owned(),
        };
        for (behaviour, before, after) in [
            (&Behaviour::Equal, Verdict::Verified, Verdict::Verified),
            (&Behaviour::Equal, Verdict::Undecided, Verdict::Undecided),
            (&different, Verdict::Verified, Verdict::Different),
            (&different, Verdict::Undecided, Verdict::Undecided),
            (&not_covered, Verdict::Verified, Verdict::Undecided),
            (&not_covered, Verdict::Different, Verdict::Different),
        ] {
            let mut report = build(Vec::new(), None, Vec::new());
            report.verdict = before;
            report.add_behaviour(behaviour, row());
            assert_eq!(report.verdict, after, "{behaviour:?}");
        }
    }
}
