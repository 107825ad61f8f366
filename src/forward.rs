//! `aprove forward`: runs a model on token ids and prints what it answers, with a digest of every stage.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use inference::{Assumption, Digests, Format, Model, NUMERICS};
use serde_json::json;

use crate::engine;
use crate::exit::Outcome;
use crate::input::Files;
use crate::model::Loaded;
use crate::output;
use crate::prompt::{self, Prompt};
use crate::verify::FormatFlag;

/// Runs a GGUF or APR model on token ids, from the file's own names and metadata only.
///
/// Prints the most likely next tokens and a BLAKE3 digest of every stage and of the whole run. The arithmetic is fixed:
/// the same model and tokens give the same digests on any machine and with any number of threads.
///
/// Exit code: 0 done, 2 not covered, unreadable, malformed, or the output could not be written.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
    model: PathBuf,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    #[command(flatten)]
    engine: engine::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let options = arguments.engine.options()?;
    let files = Files::open(&arguments.model)?;
    let loaded = Loaded::new(&files, arguments.engine.io)?;
    let asked = arguments.prompt.of(&loaded);
    let prompt = match asked.with_context(|| files.name().to_owned())? {
        Some(prompt) => prompt,
        None => default_prompt(&loaded)?,
    };
    let name = files.name().to_owned();
    let mut digests = Digests::default();
    let logits = inference::forward(
        &loaded.model,
        &loaded.sources(),
        &prompt.tokens,
        &options,
        &mut digests,
    )
    .with_context(|| name.clone())?;
    if let Err(why) = files.check_unchanged() {
        bail!("a file changed while it was run: {why}");
    }
    let answer = Answer {
        name,
        top: top(&logits, loaded.model.config.vocabulary),
        model: loaded.model,
        prompt,
        digests,
    };
    output::print(&match arguments.format {
        FormatFlag::Text => answer.text(),
        FormatFlag::Json => answer.json(),
    })?;
    Ok(Outcome::Done)
}

/// The longest default prompt that the model takes.
fn default_prompt(loaded: &Loaded<'_>) -> anyhow::Result<Prompt> {
    let prompts = Prompt::defaults(loaded.model.config.vocabulary, loaded.longest());
    let longest = prompts.into_iter().next_back();
    longest.context("an empty vocabulary has no prompts")
}

/// The tokens with the highest logits at the last position; the lower id first where they are equal.
fn top(logits: &[f32], vocabulary: usize) -> Vec<(usize, f32)> {
    let last = logits.len().saturating_sub(vocabulary);
    let mut ranked: Vec<_> = logits.iter().skip(last).copied().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked.truncate(TOP);
    ranked
}

/// Everything that is printed.
struct Answer {
    name: String,
    model: Model,
    prompt: Prompt,
    top: Vec<(usize, f32)>,
    digests: Digests,
}

impl Answer {
    fn text(&self) -> String {
        self.write_text().unwrap_or_default()
    }

    fn write_text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let ids: Vec<String> = self.prompt.tokens.iter().map(u32::to_string).collect();
        writeln!(
            out,
            "{}: {}, arch {}, {} layers, {NUMERICS}",
            self.name.escape_debug(),
            self.format(),
            self.model.config.architecture.name(),
            self.model.config.layers
        )?;
        writeln!(out, "  tokens  {}", ids.join(","))?;
        for assumption in self.assumptions() {
            writeln!(out, "  note    {assumption}")?;
        }
        if !self.model.unused.is_empty() {
            let count = self.model.unused.len();
            let names = self.model.unused.join(", ");
            writeln!(
                out,
                "  note    {count} tensors are not read: {}",
                names.escape_debug()
            )?;
        }
        writeln!(out, "\nnext token")?;
        for (token, logit) in &self.top {
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

    fn json(&self) -> String {
        let assumptions: Vec<_> = self
            .assumptions()
            .map(|assumption| {
                json!({"what": assumption.what, "value": assumption.value, "why": assumption.why})
            })
            .collect();
        let top: Vec<_> = self
            .top
            .iter()
            .map(|(token, logit)| json!({"token": token, "logit": logit}))
            .collect();
        let stages: Vec<_> = self
            .digests
            .stages
            .iter()
            .map(|stage| {
                json!({
                    "stage": stage.step.to_string(),
                    "elements": stage.elements,
                    "nans": stage.nans,
                    "blake3": stage.digest.to_string(),
                })
            })
            .collect();
        let answer = json!({
            "file": self.name,
            "format": self.format(),
            "architecture": self.model.config.architecture.name(),
            "layers": self.model.config.layers,
            "numerics": NUMERICS,
            "tokens": self.prompt.tokens,
            "assumptions": assumptions,
            "unused_tensors": self.model.unused,
            "next_token": top,
            "stages": stages,
            "run": self.digests.run().to_string(),
        });
        format!("{answer:#}\n")
    }

    /// What model and tokenizer took for granted.
    fn assumptions(&self) -> impl Iterator<Item = &Assumption> {
        self.model
            .assumptions
            .iter()
            .chain(&self.prompt.assumptions)
    }

    const fn format(&self) -> &'static str {
        match self.model.format {
            Format::Gguf => "gguf",
            Format::Apr => "apr",
        }
    }
}

/// How many of the most likely tokens are shown.
const TOP: usize = 5;
