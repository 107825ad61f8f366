//! `aprove restore`: gives back the GGUF that an artifact was made from.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use converter::{PendingModel, RestoreRequest};
use verifier::report::text::{self, grouped};
use verifier::verdict::Verdict;
use verifier::{Options, verify};

use crate::commands::convert::with_hint;
use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::input::{Files, must_be_path};
use crate::output::{self, first_line};
use crate::progress::{self, Job, Phase};
use crate::signals::Cancel;

/// Restores the GGUF that an artifact was made from, bit for bit: every key, its order and type, and all padding.
///
/// Works for artifacts of `aprove convert`, which carry a record of their source, whose tensors were all kept as bytes. The
/// restored file is read back and must have the BLAKE3 of the record; only then it gets its name. Its SHA-256 is printed,
/// to be compared with that of the publisher or of the manifest beside the artifact.
///
/// An APR file of another tool has no such record: what is lost is named, and nothing is written unless `--lossy` is said.
/// Then a GGUF of what the file holds is written, and verified against it before it gets its name.
///
/// Exit code: 0 restored, 2 not, for the reason that is printed; then no file was written.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove restore model.apr\n  aprove restore model.apr original.gguf\n  aprove restore imported.apr --lossy"
)]
pub(crate) struct Arguments {
    /// The artifact
    artifact: PathBuf,
    /// The GGUF file to write; the files of a split set get numbers [default: the name of the artifact, ending in .gguf]
    output: Option<PathBuf>,
    /// Replace an existing output, if it is a GGUF file
    #[arg(long)]
    overwrite: bool,
    /// Of an APR file of another tool, write a GGUF of what it holds, and say what is lost
    #[arg(long)]
    lossy: bool,
    #[command(flatten)]
    progress: progress::Arguments,
    /// No progress and no summary
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    must_be_path(&arguments.artifact)?;
    let request = RestoreRequest {
        artifact: arguments.artifact.clone(),
        output: match &arguments.output {
            Some(output) => output.clone(),
            None => arguments.artifact.with_extension("gguf"),
        },
        overwrite: arguments.overwrite,
        lossy: arguments.lossy,
    };
    let cancel = Cancel::on_signals().context("signals cannot be handled")?;
    let phases = [Phase::Copy, Phase::Verify];
    let phases = if arguments.lossy {
        &phases[..]
    } else {
        &phases[..1]
    };
    let progress = arguments.progress.of(arguments.quiet, 1, phases);
    let job = progress.job(&arguments.artifact.display().to_string());
    let restored = converter::restore(&request, &job.pass(Phase::Copy), &cancel.flag);
    if let Some(stopped) = cancel.outcome() {
        return Ok(stopped);
    }
    let pending = restored.map_err(|error| with_hint(error, &arguments.artifact))?;
    let losses = pending.losses().to_vec();
    if !losses.is_empty() {
        prove(&request, &pending, &job)?;
    }
    drop(job);
    drop(progress);
    if let Some(stopped) = cancel.outcome() {
        return Ok(stopped);
    }
    for lost in &losses {
        output::note(&format!("warning: lost: {lost}"));
    }
    let [verb, how] = if losses.is_empty() {
        ["restored", "as the artifact records it"]
    } else {
        ["wrote", "verified against the artifact"]
    };
    // What cannot be told is not written: this comes first.
    for (_, file) in pending.files().filter(|_| !arguments.quiet) {
        output::print(&format!(
            "{}, {} bytes, {how}\n  blake3  {}\n  sha256  {}\n",
            file.path.display(),
            grouped(file.size),
            file.blake3,
            file.sha256
        ))?;
    }
    for file in pending.publish()? {
        if !arguments.quiet {
            output::print(&format!("{verb} {}\n", file.path.display()))?;
        }
    }
    Ok(Outcome::Done)
}

/// Verifies a GGUF that no record describes against the artifact that it is a copy of.
fn prove(request: &RestoreRequest, pending: &PendingModel, job: &Job<'_>) -> anyhow::Result<()> {
    let [(file, restored)] = *pending.files().collect::<Vec<_>>() else {
        unreachable!("without a record, one file is written");
    };
    let written = Files::of_pending(file, &restored.path)?;
    let artifact = Files::open(&request.artifact)?;
    let options = Options {
        threads: threads(None)?,
        ..Options::default()
    };
    let pass = job.pass(Phase::Verify);
    let report = verify(&artifact.input(), &written.input(), &options, &pass);
    if report.verdict != Verdict::Verified {
        bail!(
            "the GGUF that was written does not say what the artifact says, and was dropped: {}",
            first_line(&text::answer(&report))
        );
    }
    Ok(())
}
