//! `aprove verify`: compares an APR file with a GGUF model, or a file with a manifest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inference::cuda;
use verifier::report::Report;
use verifier::verdict::Verdict;
use verifier::verify::Options;

use crate::engine;
use crate::exit::Outcome;
use crate::input::Files;
use crate::progress::Progress;
use crate::{behaviour, output, prompt};

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
    /// Where to run both models as well, to compare every stage bit for bit
    #[arg(long, value_enum, default_value_t = ForwardFlag::Auto)]
    forward: ForwardFlag,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// How to print the report; its JSON follows the schema that `aprove schema` prints
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Also compute BLAKE3 and SHA-256 of the whole files, the numbers that other tools and publishers give
    #[arg(long)]
    file_digests: bool,
    #[command(flatten)]
    engine: engine::Arguments,
    /// One line instead of the report, and no progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForwardFlag {
    /// On the best device there is, once the bytes are compared; the report says which, and why
    Auto,
    /// On the processor
    Cpu,
    /// On an NVIDIA GPU; undecided where none can be used, and `aprove doctor` says why
    Cuda,
    /// Bytes and metadata only
    Off,
}

/// The forms a result can be printed in.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormatFlag {
    /// A few lines for a person
    Text,
    /// JSON for a program
    Json,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let options = arguments.engine.options()?;
    let a = Files::open(&arguments.a)?;
    let b = Files::open(&arguments.b)?;
    let mut report = judge(
        &a,
        &b,
        options.threads,
        arguments.file_digests,
        arguments.quiet,
    );
    arguments
        .forward
        .add_behaviour(&mut report, &a, &b, arguments, &options);
    output::print(&match (arguments.format, arguments.quiet) {
        (FormatFlag::Json, _) => verifier::report::to_json(&report),
        (FormatFlag::Text, true) => verifier::report::text::line(&report),
        (FormatFlag::Text, false) => verifier::report::text::full(&report),
    })?;
    Ok(Outcome::Judged(report.verdict))
}

impl ForwardFlag {
    /// Runs both files where they are asked to be run, and adds what that said.
    pub(crate) fn add_behaviour(
        self,
        report: &mut Report,
        a: &Files,
        b: &Files,
        arguments: &Arguments,
        options: &inference::Options,
    ) {
        let io = arguments.engine.io;
        let mut manifests = [(a, b), (b, a)]
            .into_iter()
            .filter_map(|(listed, model)| Some((listed.manifest()?, model)));
        if self == Self::Off {
            if manifests.any(|(manifest, _)| manifest.fingerprint().is_some()) {
                report.note_unchecked_behaviour();
            }
            return;
        }
        let (behaviour, mut row) = match manifests.next() {
            _ if self == Self::Cuda => behaviour::not_run("cuda", &no_gpu()),
            // A manifest cannot be run, but it may record how its model behaves.
            Some((manifest, model)) => match manifest.fingerprint() {
                Some(fingerprint) => behaviour::check(model, fingerprint, options, io),
                None if self == Self::Auto => return,
                None => behaviour::not_run("cpu", "the manifest records no behaviour"),
            },
            // Files that could not be read or decoded need not be run.
            None if self == Self::Auto && report.verdict == Verdict::Undecided => return,
            None => behaviour::compare(a, b, &arguments.prompt, options, io),
        };
        if self == Self::Auto {
            row.device_reason = Some(no_gpu());
        }
        report.add_behaviour(&behaviour, row);
    }
}

/// Why the forward does not run on a GPU.
fn no_gpu() -> String {
    let device = cuda::probe().and_then(|driver| driver.device(0).cloned());
    match device {
        Ok(device) => format!(
            "the forward does not run on a GPU yet ({} is there)",
            device.name.escape_debug()
        ),
        Err(why) => why.to_string(),
    }
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
