//! What running both files said, joined to a report. The verifier itself runs nothing.

mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::rows::{
    BehaviourResult, BehaviourRow, ExpertsRow, PromptRow, StageDifference, StageResult, StageRow,
    StageSide, TokenSet, UsedWeight,
};
use super::Report;
use crate::code::Code;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::report::verdict::Verdict;

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
    /// The tokenizers cut the same text into other tokens, so nothing was run.
    Tokenised {
        /// The token ids of the APR file, or of the first of two files of one format.
        first: Vec<u32>,
        /// Those of the other one.
        second: Vec<u32>,
    },
    /// The digest of a run is not the one that a manifest records.
    Unrecorded {
        /// The prompt.
        prompt: String,
        /// The digest of the manifest.
        expected: String,
        /// The digest of the run.
        found: String,
    },
    /// One of the files could not be run.
    NotCovered {
        /// Why.
        why: String,
    },
    /// A file changed while it was run: what was read decides nothing.
    Changed {
        /// What changed.
        why: String,
    },
}

impl Behaviour {
    /// What the outcome is called, and the finding that it gives.
    fn judged(&self, called: Option<&[String; 2]>) -> (BehaviourResult, Option<Finding>) {
        let sides = if called.is_some() {
            Side::BY_POSITION
        } else {
            Side::BY_FORMAT
        };
        let different = |code, message: String| Finding::new(code, Effect::Different, message);
        match self {
            Self::Equal => (BehaviourResult::Equal, None),
            Self::Different { stage, prompt } => {
                let message = format!(
                    "the files behave differently: the first stage that differs is {stage} (prompt {prompt})"
                );
                let place = |side| Place::new(side, 0).detail(format!("stage {stage}"));
                let finding = different(Code::BehaviourStage, message)
                    .at(place(sides[0]))
                    .at(place(sides[1]));
                (BehaviourResult::Different, Some(finding))
            }
            Self::Tokenised { first, second } => {
                let at = first.iter().zip(second).take_while(|(a, g)| a == g).count();
                let message = format!(
                    "the tokenizers of the files differ: the text becomes other ids from token {at} on"
                );
                let [of_first, of_second] = match called {
                    Some([first, second]) => [first, second].map(String::as_str),
                    None => sides.map(Side::as_str),
                };
                let finding = different(Code::BehaviourTokens, message).expected_found(
                    format!("{second:?} ({of_second})"),
                    format!("{first:?} ({of_first})"),
                );
                (BehaviourResult::Different, Some(finding))
            }
            Self::Unrecorded {
                prompt,
                expected,
                found,
            } => {
                let message =
                    format!("the file does not behave as the manifest records (prompt {prompt})");
                let finding = different(Code::BehaviourFingerprint, message)
                    .expected_found(expected.clone(), found.clone());
                (BehaviourResult::Different, Some(finding))
            }
            Self::NotCovered { why } => {
                let finding = Finding::new(
                    Code::BehaviourNotCovered,
                    Effect::Undecided,
                    format!("the behaviour was not compared: {why}"),
                )
                .hint("`verify --forward off` compares bytes and metadata only");
                (BehaviourResult::NotCovered, Some(finding))
            }
            Self::Changed { why } => {
                let finding = Finding::new(
                    Code::InputChanged,
                    Effect::Unreadable,
                    format!("a file changed while it was run: {why}"),
                );
                (BehaviourResult::NotCovered, Some(finding))
            }
        }
    }
}

impl Report {
    /// Adds what running both files said. It can only make a verdict worse.
    ///
    /// Where the row says which bytes were run, they are held against those that were compared. An outcome that rests on no
    /// stage, or on values that are no numbers, is not covered.
    pub fn add_behaviour(&mut self, behaviour: &Behaviour, mut row: BehaviourRow) {
        let bound = self.bind(&row.used);
        row.weights = bound.as_ref().ok().copied().filter(|count| *count > 0);
        let other = match bound {
            Err(why) => Some(Behaviour::Changed { why }),
            Ok(_) if *behaviour == Behaviour::Equal => {
                row.says_nothing().map(|why| Behaviour::NotCovered { why })
            }
            Ok(_) => None,
        };
        let (result, decided) = other
            .as_ref()
            .unwrap_or(behaviour)
            .judged(self.called.as_ref());
        row.result = result;
        if result == BehaviourResult::Equal {
            self.compared.set_stages(row.stages);
        }
        let assumed = row.assumptions.iter();
        let assumed = assumed
            .map(|text| Finding::new(Code::BehaviourAssumed, Effect::Warning, text.as_str()));
        let findings: Vec<_> = assumed.chain(unused(&row.unused)).chain(decided).collect();
        self.add(&findings);
        self.behaviour = Some(row);
    }

    /// Leaves it undecided where no stage was run, for whoever asked for the stages: then nothing was compared, whatever a
    /// policy lets pass.
    pub fn need_stages(&mut self) {
        let is_run =
            |row: &BehaviourRow| row.stages > 0 && row.result != BehaviourResult::NotCovered;
        if self.verdict == Verdict::Verified && !self.behaviour.as_ref().is_some_and(is_run) {
            let message = "no stage was compared";
            self.add(&[Finding::new(
                Code::NothingCompared,
                Effect::Undecided,
                message,
            )]);
        }
    }

    /// Counts the tensors whose bytes were run as they were compared. One that was not is an error: nothing follows.
    fn bind(&self, used: &[UsedWeight]) -> Result<usize, String> {
        let sides = self.tensors.iter().flat_map(|tensor| {
            let sides = tensor.sides.all();
            sides.filter_map(|(side, tensor)| {
                Some(((side, tensor.name.as_str()), tensor.blake3.as_ref()?))
            })
        });
        let compared: BTreeMap<_, _> = sides.collect();
        let mut count = 0usize;
        for weight in used {
            let name = escape(weight.name.as_bytes());
            match compared.get(&(weight.side, name.as_str())) {
                Some(blake3) if **blake3 == weight.blake3 => count += 1,
                Some(blake3) => {
                    let file = weight.side.as_str();
                    return Err(format!(
                        "tensor {name} ({file}): the bytes that were run have BLAKE3 {}, those that were compared {blake3}; if the file is the same, the device damaged them",
                        weight.blake3
                    ));
                }
                None => {
                    let file = weight.side.as_str();
                    return Err(format!(
                        "tensor {name} ({file}) was run and not compared: the report has no digest of it"
                    ));
                }
            }
        }
        Ok(count)
    }

    /// Notes that a manifest records a behaviour and nobody asked to check it.
    pub fn note_unchecked_behaviour(&mut self) {
        let message = "the manifest records a behaviour, which was not checked";
        self.add(&[Finding::new(
            Code::BehaviourNotChecked,
            Effect::Note,
            message,
        )]);
    }
}

/// One note for all tensors and keys that were compared and have no part in the run.
fn unused(names: &[String]) -> Option<Finding> {
    let (shown, more) = names.split_at(names.len().min(UNUSED_SHOWN));
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!names.is_empty()).then(|| {
        let names = shown.join(", ");
        let message = format!("compared, and read by no step of the forward: {names}{more}");
        Finding::new(Code::BehaviourUnused, Effect::Note, message)
    })
}

/// Names of unused tensors and keys in a finding.
const UNUSED_SHOWN: usize = 6;
