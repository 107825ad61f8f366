//! `aprove inspect`: shows what a model file holds.

use std::path::PathBuf;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;
use verifier::finding::escape;
use verifier::inspect::{Decoding, Inspection, Sections};
use verifier::report::to_json;

use crate::engine_flags::Io;
use crate::exit::Outcome;
use crate::input::Files;
use crate::model::Loaded;
use crate::numbers::Numbers;
use crate::output::FormatFlag;
use crate::{answers, output};

/// Shows the contents of a GGUF or APR file: header, metadata, tensors, regions, any defects, and what the forward makes of it.
///
/// The tensor data is not read. Names and values from the file are escaped. The numbers are those that the forward computes
/// with, layer by layer: what the description of the architecture makes of the keys. JSON always has everything; text has a
/// summary, and the metadata, the tensors and the numbers, or the requested sections.
///
/// Exit code: 0 the file was decoded completely; 1 it contradicts its own format; 2 undecided (unreadable, malformed, not a
/// model, or the output could not be written).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove inspect model.gguf\n  aprove inspect model.apr --metadata --tensors\n  aprove inspect model.gguf --numbers"
)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file: a path or an address (docs/remote.md)
    file: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Show the regions that partition the file
    #[arg(long)]
    regions: bool,
    /// Show the tensors
    #[arg(long)]
    tensors: bool,
    /// Show the metadata
    #[arg(long)]
    metadata: bool,
    /// Show the numbers that the forward computes with
    #[arg(long)]
    numbers: bool,
    /// One line instead of the contents: whether the file was decoded, and what it holds or what is wrong first
    #[arg(short, long, conflicts_with_all = ["regions", "tensors", "metadata", "numbers"])]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = Files::open(&arguments.file)?;
    let mut inspection = verifier::inspect::inspect(&files.input());
    inspection.tool = Some(output::tool());
    // What could not be decoded, or has no tensors, is not run either, and is said above.
    let is_asked = arguments.format == FormatFlag::Json || arguments.shows_numbers();
    let is_shown = is_asked && !inspection.tensors.is_empty();
    let decoded = (inspection.result == Decoding::Decoded && is_shown).then_some(&files);
    let loaded = decoded.map(|files| Loaded::new(files, Io::Reads));
    let numbers = loaded
        .as_ref()
        .map(|loaded| Numbers::of(loaded.as_ref().map(|loaded| &loaded.model).map_err(why)));
    let text = match arguments.format {
        FormatFlag::Json => to_json(&Inspected {
            inspection: &inspection,
            forward: numbers.as_ref(),
        }),
        FormatFlag::Text if arguments.quiet => line(&inspection, files.name()),
        FormatFlag::Text => {
            let mut text = verifier::inspect::to_text(&inspection, arguments.sections());
            if let Some(numbers) = numbers {
                text.push_str(&numbers.text());
            }
            text
        }
    };
    output::answer(arguments.format, &text)?;
    Ok(Outcome::Judged(inspection.result.verdict()))
}

/// Why a model is not run.
fn why(error: &anyhow::Error) -> String {
    match error.downcast_ref() {
        Some(inference::Error::NotCovered { what, .. }) => what.clone(),
        _ => error.root_cause().to_string(),
    }
}

/// What a file holds, and what the forward makes of it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Inspected<'a> {
    #[serde(flatten)]
    inspection: &'a Inspection,
    /// Absent where the file could not be decoded, or has no tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    forward: Option<&'a Numbers>,
}

fn line(inspection: &Inspection, name: &str) -> String {
    let first = inspection.findings.iter().find(|one| one.decides());
    let reason = first.map_or_else(
        || {
            let (keys, tensors) = (inspection.metadata.len(), inspection.tensors.len());
            format!(
                "{}, keys: {keys}, tensors: {tensors}",
                inspection.format.as_str()
            )
        },
        |first| format!("{}: {}", first.code, first.message),
    );
    let name = escape(name.as_bytes());
    answers::line(inspection.result.as_str(), &[&name], &reason)
}

impl Arguments {
    const fn asks_for_none(&self) -> bool {
        !self.regions && !self.tensors && !self.metadata && !self.numbers
    }

    const fn shows_numbers(&self) -> bool {
        !self.quiet && (self.numbers || self.asks_for_none())
    }

    const fn sections(&self) -> Sections {
        let none = self.asks_for_none();
        Sections {
            metadata: self.metadata || none,
            tensors: self.tensors || none,
            regions: self.regions,
        }
    }
}
