//! `aprove schema`: prints the JSON Schema of the report.

use clap::Args;

use crate::exit::Outcome;
use crate::output;

/// Prints the JSON Schema of the report that `verify --format json` writes.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove schema > report.schema.json")]
pub(crate) struct Arguments {}

pub(crate) fn run(_arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut text = serde_json::to_string_pretty(&verifier::report::schema())?;
    text.push('\n');
    output::print(&text)?;
    Ok(Outcome::Done)
}
