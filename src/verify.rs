//! `aprove verify`: compares an APR file with a GGUF model, or a file with a manifest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use verifier::report::Report;
use verifier::verify::Options;

use crate::convert::threads;
use crate::exit::Outcome;
use crate::input::Files;
use crate::progress::Progress;
use crate::{behaviour, output};

/// Compares an APR v2 file with a GGUF model, byte for byte, and says where and why they differ.
///
/// The order of the two files is free; formats are told by content. A manifest in the place of a file (ours, or rows of
/// sha256sum, b3sum or gguf-hash) checks the other file against it.
///
/// Exit code: 0 every byte of both files was accounted for and nothing differs, 1 something differs, 2 undecided
/// (unreadable, malformed, not covered, changed during the run, nothing compared, or the report could not be written).
#[derive(Args)]
pub(crate) struct Arguments {
    /// An APR file, a GGUF model (of a split set, any of its files), or a manifest
    a: PathBuf,
    /// The other one
    b: PathBuf,
    /// Whether to run both models as well and compare every stage bit for bit
    #[arg(long, value_enum, default_value_t = ForwardFlag::Off)]
    forward: ForwardFlag,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Also compute BLAKE3 and SHA-256 of the whole files, the numbers that other tools and publishers give
    #[arg(long)]
    file_digests: bool,
    /// Number of threads [default: the number of processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// One line instead of the report, and no progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum ForwardFlag {
    /// Bytes and metadata only
    Off,
    /// Also run the default prompts through each file, from its own names and metadata (qwen2, qwen3, llama, mistral)
    Cpu,
}

/// The forms a result can be printed in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatFlag {
    /// A few lines for a person
    Text,
    /// JSON by the schema that `aprove schema` prints
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let threads = threads(arguments.threads)?;
    let a = Files::open(&arguments.a)?;
    let b = Files::open(&arguments.b)?;
    // Before the verification, whose check that nothing changed then covers these reads as well.
    let behaviour = match arguments.forward {
        ForwardFlag::Off => None,
        ForwardFlag::Cpu => Some(behaviour::compare(&arguments.a, &arguments.b, threads)),
    };
    let mut report = judge(&a, &b, threads, arguments.file_digests, arguments.quiet);
    if let Some((behaviour, row)) = behaviour {
        report.add_behaviour(&behaviour, row);
    }
    output::print(&match (arguments.format, arguments.quiet) {
        (FormatFlag::Json, _) => verifier::report::to_json(&report),
        (FormatFlag::Text, true) => verifier::report::text::line(&report),
        (FormatFlag::Text, false) => verifier::report::text::full(&report),
    })?;
    Ok(Outcome::Judged(report.verdict))
}

/// Runs the verifier on two open inputs.
pub(crate) fn judge(
    a: &Files,
    b: &Files,
    threads: usize,
    file_digests: bool,
    quiet: bool,
) -> Report {
    let options = Options {
        threads,
        file_digests,
    };
    let progress = Progress::new("verify", quiet);
    let report = verifier::verify::verify(&a.input(), &b.input(), &options, &progress);
    progress.end();
    report
}
