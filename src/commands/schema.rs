//! `aprove schema`: prints the JSON Schema of a document.

use clap::{Args, ValueEnum};
use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};

use trace_compare::judge::ComparedTraces;

use crate::answers::Many;
use crate::commands::bisect::Bisected;
use crate::commands::convert::document::Models;
use crate::commands::doctor::Doctor;
use crate::commands::explain::Explained;
use crate::commands::inspect::Inspected;
use crate::commands::self_test::SelfTested;
use crate::exit::Outcome;
use crate::forward_output::Forwarded;
use crate::output::{self, Document, NoAnswer};

/// Prints the JSON Schema of what a command writes with --format json.
#[derive(Args)]
#[command(after_help = "Examples:\n  aprove schema > report.schema.json\n  aprove schema convert")]
pub(crate) struct Arguments {
    /// The document
    #[arg(value_enum, default_value_t = Name::Report)]
    name: Name,
}

/// The documents.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The report of `verify`, which `check` and `convert` have inside their documents
    Report,
    /// Many reports: `check`, and `verify` with folders or a list
    Reports,
    /// `convert`, with --plan as well
    Convert,
    /// `bisect`
    Bisect,
    /// `inspect`
    Inspect,
    /// `forward`
    Forward,
    /// `compare-trace`
    CompareTrace,
    /// `doctor`
    Doctor,
    /// `explain`
    Explain,
    /// `self-test`
    SelfTest,
    /// What there is in the place of an answer
    Error,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let schema = match arguments.name {
        Name::Report => verifier::report::schema(),
        Name::Inspect => written::<Inspected<'_>>(),
        Name::Reports => written::<Many>(),
        Name::Convert => written::<Document<Models>>(),
        Name::Bisect => written::<Document<Bisected<'_>>>(),
        Name::Forward => written::<Document<Forwarded<'_>>>(),
        Name::CompareTrace => written::<Document<ComparedTraces<'_>>>(),
        Name::Doctor => written::<Document<Doctor<'_>>>(),
        Name::Explain => written::<Document<Explained>>(),
        Name::SelfTest => written::<Document<SelfTested<'_>>>(),
        Name::Error => written::<Document<NoAnswer>>(),
    };
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    output::print(&text)?;
    Ok(Outcome::Done)
}

/// The schema of a document as it is written.
fn written<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::default().for_serialize();
    SchemaGenerator::new(settings).into_root_schema_for::<T>()
}
