//! `aprove restore`: gives back the GGUF that an artifact was made from.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use converter::RestoreRequest;
use verifier::report::text::grouped;

use crate::exit::Outcome;
use crate::output;
use crate::progress::{self, Phase};
use crate::signals::Cancel;

/// Restores the GGUF that an artifact was made from, bit for bit: every key, its order and type, and all padding.
///
/// Works for artifacts of `aprove convert`, which carry a record of their source, whose tensors were all kept as bytes. The
/// restored file is read back and must have the BLAKE3 of the record; only then it gets its name. Its SHA-256 is printed,
/// to be compared with that of the publisher or of the manifest beside the artifact.
///
/// Exit code: 0 restored, 2 not, for the reason that is printed; then no file was written.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove restore model.apr\n  aprove restore model.apr original.gguf"
)]
pub(crate) struct Arguments {
    /// The artifact
    artifact: PathBuf,
    /// The GGUF file to write; the files of a split set get numbers [default: the name of the artifact, ending in .gguf]
    output: Option<PathBuf>,
    /// Replace an existing output, if it is a GGUF file
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    progress: progress::Arguments,
    /// No progress and no summary
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let request = RestoreRequest {
        artifact: arguments.artifact.clone(),
        output: match &arguments.output {
            Some(output) => output.clone(),
            None => arguments.artifact.with_extension("gguf"),
        },
        overwrite: arguments.overwrite,
    };
    let cancel = Cancel::on_signals().context("signals cannot be handled")?;
    let restored = {
        let progress = arguments.progress.of(arguments.quiet, 1, &[Phase::Copy]);
        let job = progress.job(&arguments.artifact.display().to_string());
        converter::restore(&request, &job.pass(Phase::Copy), &cancel.flag)
    };
    if let Some(stopped) = cancel.outcome() {
        return Ok(stopped);
    }
    for file in restored?.publish()? {
        if !arguments.quiet {
            output::print(&format!(
                "restored {}, {} bytes, as the artifact records it\n  blake3  {}\n  sha256  {}\n",
                file.path.display(),
                grouped(file.size),
                file.blake3,
                file.sha256
            ))?;
        }
    }
    Ok(Outcome::Done)
}
