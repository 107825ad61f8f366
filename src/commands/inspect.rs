//! `aprove inspect`: shows what a model file holds.

use std::path::PathBuf;

use clap::Args;
use verifier::finding::escape;
use verifier::inspect::{Inspection, Sections};

use crate::commands::verify::FormatFlag;
use crate::exit::Outcome;
use crate::input::Files;
use crate::{answers, output};

/// Shows the contents of a GGUF or APR file: header, metadata, tensors, regions, and any defects.
///
/// The tensor data is not read. Names and values from the file are escaped. JSON always has everything; text has the
/// metadata and the tensors, or the requested sections.
///
/// Exit code: 0 the file was decoded completely; 1 it contradicts its own format; 2 undecided (unreadable, malformed, not a
/// model, or the output could not be written).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove inspect model.gguf\n  aprove inspect model.apr --metadata --tensors"
)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
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
    /// One line instead of the contents: whether the file was decoded, and what it holds or what is wrong first
    #[arg(short, long, conflicts_with_all = ["regions", "tensors", "metadata"])]
    quiet: bool,
}

impl Arguments {
    /// The form that was asked for.
    pub(crate) const fn format(&self) -> FormatFlag {
        self.format
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = Files::open(&arguments.file)?;
    let mut inspection = verifier::inspect::inspect(&files.input());
    inspection.tool = Some(output::tool());
    let text = match arguments.format {
        FormatFlag::Json => verifier::inspect::to_json(&inspection),
        FormatFlag::Text if arguments.quiet => line(&inspection, files.name()),
        FormatFlag::Text => verifier::inspect::to_text(&inspection, arguments.sections()),
    };
    output::answer(arguments.format, &text)?;
    Ok(Outcome::Judged(inspection.verdict))
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
    answers::line(inspection.verdict, &[&name], &reason)
}

impl Arguments {
    const fn sections(&self) -> Sections {
        let none = !self.regions && !self.tensors && !self.metadata;
        Sections {
            metadata: self.metadata || none,
            tensors: self.tensors || none,
            regions: self.regions,
        }
    }
}
