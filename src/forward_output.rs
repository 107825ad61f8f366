//! The output of `aprove forward`, as text and JSON.

use std::fmt::Write as _;

use inference::{Assumption, Digests, Format, Model};
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Document;
use crate::prompt::Prompt;

/// Everything that is printed about a run.
pub(crate) struct Answer {
    /// The name of the file.
    pub(crate) name: String,
    /// The device that ran it.
    pub(crate) device: &'static str,
    /// Why this device was chosen, if it was not named by the user.
    pub(crate) device_reason: Option<String>,
    /// The id of the arithmetic.
    pub(crate) numerics: &'static str,
    /// The model.
    pub(crate) model: Model,
    /// What was run.
    pub(crate) prompt: Prompt,
    /// The logits of every position.
    pub(crate) logits: Vec<f64>,
    /// The digest of every stage.
    pub(crate) digests: Digests,
}

impl Answer {
    /// The digest of the run, in one line.
    pub(crate) fn line(&self) -> String {
        let name = self.name.escape_debug();
        format!("{name}: run {}\n", self.digests.run())
    }

    /// The output for people.
    #[expect(clippy::expect_used, reason = "the invariant is that of String")]
    pub(crate) fn text(&self) -> String {
        self.write_text()
            .expect("writing to a string does not fail")
    }

    fn write_text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let ids: Vec<String> = self.prompt.tokens.iter().map(u32::to_string).collect();
        writeln!(
            out,
            "{}: {}, arch {}, {} layers, {}",
            self.name.escape_debug(),
            self.format(),
            self.model.config.architecture.name,
            self.model.config.layers,
            self.numerics
        )?;
        writeln!(out, "  tokens  {}", ids.join(","))?;
        match &self.device_reason {
            Some(reason) => writeln!(out, "  device  {} ({reason})", self.device)?,
            None => writeln!(out, "  device  {}", self.device)?,
        }
        for assumption in self.assumptions() {
            writeln!(out, "  note    {assumption}")?;
        }
        if !self.model.unused.is_empty() {
            let count = self.model.unused.len();
            let names = self.model.unused.join(", ");
            let names = names.escape_debug();
            writeln!(out, "  note    not read by any step ({count}): {names}")?;
        }
        writeln!(out, "\nnext token")?;
        for (token, logit) in self.top() {
            writeln!(out, "  {token:>8}  {logit}")?;
        }
        writeln!(out, "\nstages: {}", self.digests.stages.len())?;
        for stage in &self.digests.stages {
            write!(
                out,
                "  {:<16}  {:>10}  {}",
                stage.step.to_string(),
                stage.elements,
                stage.digest
            )?;
            match stage.nans {
                0 => writeln!(out)?,
                nans => writeln!(out, "  {nans} NaN")?,
            }
        }
        writeln!(out, "\nrun  {}", self.digests.run())?;
        Ok(out)
    }

    /// The output for programs.
    pub(crate) fn json(&self) -> String {
        let assumptions = self.assumptions().map(|assumption| AssumptionRow {
            what: assumption.what.to_string(),
            value: assumption.value.to_string(),
            why: assumption.why.to_string(),
        });
        let top = self.top().into_iter();
        let stages = self.digests.stages.iter().map(|stage| StageRow {
            stage: stage.step.to_string(),
            elements: stage.elements,
            nans: stage.nans,
            blake3: stage.digest.to_string(),
        });
        Document::new(Forwarded {
            file: self.name.clone(),
            format: self.format(),
            architecture: self.model.config.architecture.name,
            layers: self.model.config.layers,
            device: self.device,
            device_reason: self.device_reason.as_deref(),
            numerics: self.numerics,
            tokens: &self.prompt.tokens,
            assumptions: assumptions.collect(),
            unused_tensors: &self.model.unused,
            next_token: top
                .map(|(token, logit)| NextToken { token, logit })
                .collect(),
            stages: stages.collect(),
            run: self.digests.run().to_string(),
        })
        .text()
    }

    /// The tokens with the highest logits at the last position; ties go to the lower id.
    fn top(&self) -> Vec<(usize, f64)> {
        let vocabulary = self.model.config.vocabulary;
        let last = self.logits.len() - vocabulary;
        let mut ranked: Vec<_> = self.logits.iter().skip(last).copied().enumerate().collect();
        ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        ranked.truncate(TOP);
        ranked
    }

    /// Assumptions of the model and the tokenizer.
    fn assumptions(&self) -> impl Iterator<Item = &Assumption> {
        let prompt = &self.prompt.assumptions;
        self.model.assumptions.iter().chain(prompt)
    }

    const fn format(&self) -> &'static str {
        match self.model.format {
            Format::Gguf => "gguf",
            Format::Apr => "apr",
        }
    }
}

/// A run of one model, for a program.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Forwarded<'a> {
    /// The base name.
    file: String,
    /// `apr` or `gguf`.
    format: &'static str,
    architecture: &'static str,
    layers: usize,
    /// What ran it, and why that, where it was not asked for by name.
    device: &'static str,
    device_reason: Option<&'a str>,
    /// The id of the arithmetic.
    numerics: &'static str,
    /// What was run.
    tokens: &'a [u32],
    /// What the file does not say and the run took for granted.
    assumptions: Vec<AssumptionRow>,
    /// Tensors and keys that no step reads.
    unused_tensors: &'a [String],
    /// The most likely next tokens, the likeliest first.
    next_token: Vec<NextToken>,
    /// Every stage, in the order of execution.
    stages: Vec<StageRow>,
    /// The digest of the whole run.
    run: String,
}

/// Something that a file does not say.
#[derive(Serialize, JsonSchema)]
struct AssumptionRow {
    what: String,
    value: String,
    why: String,
}

/// A token and its logit; `null` when that is not finite.
#[derive(Serialize, JsonSchema)]
struct NextToken {
    token: usize,
    #[schemars(with = "Option<f64>")]
    logit: f64,
}

/// A stage of a run.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ForwardStage")]
struct StageRow {
    /// Layer and name, such as `3.ffn_gate`.
    stage: String,
    /// The number of values.
    elements: usize,
    /// How many of them are NaN.
    nans: usize,
    /// BLAKE3 of their bits.
    blake3: String,
}

/// How many of the most likely tokens are shown.
const TOP: usize = 5;
