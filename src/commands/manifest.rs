//! `aprove manifest`: writes the digests of a model.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};
use verifier::manifest::{Form, WriteOptions, write};

use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::input::Files;
use crate::output;
use crate::progress::{self, Phase};

/// Writes the digests of a model, for `verify MODEL --manifest FILE` or for other tools to check.
///
/// Whole-file digests bind every byte. Rows of gguf-hash bind the bytes of the weights and neither metadata nor types nor
/// shapes: `verify` says so and calls the model undecided, unless --allow-unbound-metadata is given.
///
/// Exit code: 0 the manifest was written, 2 it was not. A file that does not decode completely has whole-file rows only
/// (sha256sum, b3sum).
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove manifest model.gguf > model.gguf.manifest.json\n  aprove manifest model.apr --format sha256sum"
)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
    file: PathBuf,
    /// The form of the manifest
    #[arg(long, value_enum, default_value_t = FormFlag::Json)]
    format: FormFlag,
    /// With gguf-hash: write xxh64, xxh3 and sha1 rows as well as sha256
    #[arg(long)]
    all: bool,
    /// With json: also the SHA-256 of every tensor (BLAKE3 is always given)
    #[arg(long)]
    tensor_sha256: bool,
    /// Write this name in the place of the name of the file
    #[arg(long, value_name = "NAME")]
    as_path: Option<String>,
    /// Number of threads [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(flatten)]
    progress: progress::Arguments,
    /// No progress and no warnings
    #[arg(short, long)]
    quiet: bool,
}

/// The forms of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormFlag {
    /// SHA-256 and BLAKE3 of the files, BLAKE3 of the tensors, with types and shapes
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
    if arguments.tensor_sha256 && arguments.format != FormFlag::Json {
        bail!("--tensor-sha256 is for --format json");
    }
    let form = match arguments.format {
        FormFlag::Json => Form::Json {
            tensor_sha256: arguments.tensor_sha256,
        },
        FormFlag::Sha256sum => Form::Sha256sum,
        FormFlag::B3sum => Form::B3sum,
        FormFlag::GgufHash => Form::GgufHash { all: arguments.all },
    };
    let threads = threads(arguments.threads)?;
    let files = Files::open(&arguments.file)?;
    let options = WriteOptions {
        form,
        tool: concat!("aprove ", env!("CARGO_PKG_VERSION")),
        as_path: arguments.as_path.as_deref(),
        threads,
    };
    let written = {
        let progress = arguments.progress.of(arguments.quiet, 1, &[Phase::Read]);
        let job = progress.job(files.name());
        write(&files.input(), &options, &job.pass(Phase::Read))?
    };
    if !arguments.quiet {
        for warning in &written.warnings {
            output::note(&format!("warning: {warning}"));
        }
    }
    output::print(&written.text)?;
    Ok(Outcome::Done)
}
