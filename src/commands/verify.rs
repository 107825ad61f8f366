//! `aprove verify`: compares an APR file with a GGUF model, or a file with a manifest.

use std::cell::LazyCell;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread::{self, Scope};

use anyhow::bail;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use verifier::report::Report;
use verifier::verdict::Verdict;
use verifier::verify::{FileSha256, Options};

use crate::device::Forward;
use crate::exit::Outcome;
use crate::input::Files;
use crate::progress::Progress;
use crate::run::Engine;
use crate::{behaviour, device, engine_flags, output, prompt};

/// Compares an APR v2 file with a GGUF model, byte for byte, and says where and why they differ.
///
/// The order of the two files is free; formats are told by content. A manifest in the place of a file (ours, or rows of
/// sha256sum, b3sum or gguf-hash) checks the other file against it, and runs the prompts that it records.
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
    #[arg(long, value_enum, default_value_t = ForwardFlag::On(Forward::Auto))]
    forward: ForwardFlag,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// How to print the report; its JSON follows the schema that `aprove schema` prints
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Also compute the SHA-256 of the whole files, the number that publishers give (their BLAKE3 is always computed)
    #[arg(long)]
    file_sha256: bool,
    /// Also compute the SHA-256 of every tensor (its BLAKE3 is always computed)
    #[arg(long)]
    tensor_sha256: bool,
    #[command(flatten)]
    engine: engine_flags::Arguments,
    #[command(flatten)]
    device: device::Arguments,
    /// One line instead of the report, and no progress
    #[arg(short, long)]
    quiet: bool,
    /// Say on stderr how long each part took; a GPU runs the files while their bytes are compared
    #[arg(long)]
    times: bool,
}

/// Where to run, if at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ForwardFlag {
    On(Forward),
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
    let manifest = match (a.manifest(), b.manifest()) {
        (Some(manifest), _) => Some((manifest, &b)),
        (None, Some(manifest)) => Some((manifest, &a)),
        (None, None) => None,
    };
    if manifest.is_some() && arguments.prompt.is_given() {
        bail!(
            "with a manifest, the prompts that it records are run: leave out --tokens and --prompt"
        );
    }
    let recorded = manifest
        .as_ref()
        .map(|(manifest, model)| (manifest.fingerprint(), *model));
    let report = thread::scope(|scope| {
        let bytes = Options {
            threads: options.threads,
            file_sha256: if arguments.file_sha256 {
                FileSha256::All
            } else {
                FileSha256::None
            },
            tensor_sha256: arguments.tensor_sha256,
        };
        let bytes = judging(scope, [&a, &b], bytes, arguments.quiet, arguments.times);
        let ForwardFlag::On(forward) = arguments.forward else {
            let mut report = bytes.clone();
            if let Some((Some(_), _)) = recorded {
                report.note_unchecked_behaviour();
            }
            return report;
        };
        let is_auto = forward == Forward::Auto;
        // Files that could not be read or decoded need not be run.
        let is_run = || {
            let are_decided = bytes.verdict != Verdict::Undecided;
            are_decided || manifest.is_some() || !is_auto
        };
        let engine = Engine {
            forward,
            device: &arguments.device,
            io: arguments.engine.io,
            options,
            quiet: arguments.quiet,
            is_run: &is_run,
            times: arguments.times,
        };
        let judged = match recorded {
            // A manifest cannot be run, but it may record how its model behaves.
            Some((Some(fingerprint), model)) => Some(behaviour::check(&engine, model, fingerprint)),
            Some((None, _)) => (!is_auto).then(|| behaviour::not_run("cpu", NOTHING_RECORDED)),
            None => Some(behaviour::compare(&engine, &a, &b, &arguments.prompt)),
        };
        let mut report = bytes.clone();
        if let Some((behaviour, row)) = judged.filter(|_| is_run()) {
            report.add_behaviour(&behaviour, row);
        }
        report
    });
    output::print(&match (arguments.format, arguments.quiet) {
        (FormatFlag::Json, _) => verifier::report::to_json(&report),
        (FormatFlag::Text, true) => verifier::report::text::line(&report),
        (FormatFlag::Text, false) => verifier::report::text::full(&report),
    })?;
    Ok(Outcome::Judged(report.verdict))
}

impl ValueEnum for ForwardFlag {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::On(Forward::Auto),
            Self::On(Forward::Cpu),
            Self::On(Forward::Cuda),
            Self::Off,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Self::On(forward) => forward.to_possible_value(),
            Self::Off => Some(PossibleValue::new("off").help("Nowhere: bytes and metadata only")),
        }
    }
}

/// Runs the verifier on two open inputs.
pub(crate) fn judge(a: &Files, b: &Files, options: &Options, quiet: bool) -> Report {
    let progress = Progress::new("verify", quiet);
    let report = verifier::verify::verify(&a.input(), &b.input(), options, &progress);
    progress.end();
    report
}

/// Starts to run the verifier; whoever asks for the report waits for it. A GPU can run the files meanwhile.
pub(crate) fn judging<'scope>(
    scope: &'scope Scope<'scope, '_>,
    [a, b]: [&'scope Files; 2],
    options: Options,
    quiet: bool,
    times: bool,
) -> LazyCell<Report, impl FnOnce() -> Report + use<'scope>> {
    let work = move || judge(a, b, &options, quiet);
    let at_work = scope.spawn(move || output::timed(times, "to compare the bytes", work));
    LazyCell::new(move || at_work.join().unwrap_or_else(|panic| resume_unwind(panic)))
}

const NOTHING_RECORDED: &str = "the manifest records no behaviour";
