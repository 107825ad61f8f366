//! `aprove compare-trace`: compares traces of other engines with our run of a model.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use trace_compare::format::Trace;
use trace_compare::judge::compare;

use crate::engine_flags;
use crate::exit::Outcome;
use crate::input::Files;
use crate::model::Loaded;
use crate::output::{self, Document, FormatFlag};

/// Compares traces of other engines with our run of a model and explains what differs.
///
/// Every record is matched against each capture point and token set that its name allows. Each operation is computed from the
/// inputs that the other engine recorded, with the rounding of activations that it turns out to use; a run as a whole is
/// compared as well. Where they diverge, the report says what the other engine does differently.
///
/// The format of a trace is detected from its content: nodes of llama.cpp from scripts/llama-trace (.safetensors, .npz), a folder of APRT files
/// of `apr trace --save-tensor`, `.safetensors` with the module names of transformers or with our own keys, or what
/// `apr trace --payload` prints, as text or with `--json`. The last two hold statistics only.
///
/// Exit code: 0 everything was compared and is within the gates, or the statistics are reproduced, even if two traces turn
/// out to have different capture points; 1 something differs; 2 nothing was compared, something could not be judged, not
/// covered, unreadable, or the output could not be written.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove compare-trace model.gguf trace.npz")]
pub(crate) struct Arguments {
    /// The model that the traces were made with: a GGUF (of a split set, any of its files) or an APR file
    model: PathBuf,
    /// Traces: files, or folders of APRT files
    #[arg(required = true)]
    traces: Vec<PathBuf>,
    /// Token ids for traces that do not record theirs, separated by commas
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    tokens: Option<Vec<u32>>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    #[command(flatten)]
    engine: engine_flags::Arguments,
    /// One line instead of the answer: the verdict and the reason
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let traces = arguments
        .traces
        .iter()
        .map(|path| Trace::open(path))
        .collect::<Result<Vec<_>, _>>()?;
    let files = Files::open(&arguments.model)?;
    let loaded = Loaded::new(&files, arguments.engine.io)?;
    let comparison = compare(
        &loaded.model,
        &loaded.sources(),
        &traces,
        arguments.tokens.as_deref(),
        &arguments.engine.options()?,
    )
    .with_context(|| files.name().to_owned())?;
    if let Err(why) = files.check_unchanged() {
        bail!("a file changed while it was run: {why}");
    }
    let text = match arguments.format {
        FormatFlag::Text if arguments.quiet => output::first_line(&comparison.text()),
        FormatFlag::Text => comparison.text(),
        FormatFlag::Json => Document::new(comparison.document()).text(),
    };
    output::answer(arguments.format, &text)?;
    Ok(Outcome::Compared(comparison.verdict))
}
