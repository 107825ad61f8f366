//! `aprove manifest`: writes the digests of a model.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use verifier::manifest::{Form, write};

use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::input::Files;
use crate::output;
use crate::progress::Progress;

/// Writes the digests of a model, for `aprove verify` or for other tools to check.
///
/// Whole-file digests bind every byte. Digests of tensors bind the bytes of the weights; gguf-hash rows know neither
/// metadata nor types nor shapes, so a model that verifies against them may differ in those.
///
/// Exit code: 0 the manifest was written, 2 it was not. A file that does not decode completely has whole-file rows only
/// (sha256sum, b3sum).
#[derive(Args)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
    file: PathBuf,
    /// The form of the manifest
    #[arg(long, value_enum, default_value_t = FormFlag::Json)]
    format: FormFlag,
    /// With gguf-hash: write xxh64, xxh3 and sha1 rows as well as sha256
    #[arg(long)]
    all: bool,
    /// Write this name in the place of the name of the file
    #[arg(long, value_name = "NAME")]
    as_path: Option<String>,
    /// Number of threads [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// No progress and no warnings
    #[arg(short, long)]
    quiet: bool,
}

/// The forms of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormFlag {
    /// SHA-256 and BLAKE3 of files and tensors, with types and shapes
    Json,
    /// Rows for `sha256sum -c`
    Sha256sum,
    /// Rows for `b3sum -c`
    B3sum,
    /// Rows as `llama-gguf-hash` writes them, for its `--check`
    GgufHash,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    if arguments.all && arguments.format != FormFlag::GgufHash {
        bail!("--all is for --format gguf-hash");
    }
    let form = match arguments.format {
        FormFlag::Json => Form::Json,
        FormFlag::Sha256sum => Form::Sha256sum,
        FormFlag::B3sum => Form::B3sum,
        FormFlag::GgufHash => Form::GgufHash { all: arguments.all },
    };
    let threads = threads(arguments.threads)?;
    let files = Files::open(&arguments.file)?;
    let progress = Progress::new("manifest", arguments.quiet);
    let written = write(
        &files.input(),
        form,
        arguments.as_path.as_deref(),
        threads,
        &progress,
    );
    progress.end();
    let written = written?;
    if !arguments.quiet {
        for warning in &written.warnings {
            output::note(&format!("warning: {warning}"));
        }
    }
    output::print(&written.text)?;
    Ok(Outcome::Done)
}
