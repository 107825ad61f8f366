//! `aprove verify`: compares an APR file with a GGUF model, or a file with a manifest.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inference::cuda::{self, Gpu};
use verifier::report::{Behaviour, BehaviourRow, Report};
use verifier::verdict::Verdict;
use verifier::verify::Options;

use crate::engine;
use crate::exit::Outcome;
use crate::input::Files;
use crate::progress::Progress;
use crate::{behaviour, device, output, prompt};

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
    #[command(flatten)]
    device: device::Arguments,
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
        let manifest = manifests.next();
        // A manifest cannot be run, but it may record how its model behaves.
        let recorded = manifest
            .as_ref()
            .map(|(manifest, model)| (manifest.fingerprint(), *model));
        match recorded {
            Some((None, _)) if self == Self::Auto => return,
            // Files that could not be read or decoded need not be run.
            None if self == Self::Auto && report.verdict == Verdict::Undecided => return,
            _ => {}
        }
        let run = |gpu: Option<&Gpu>| {
            let options = &inference::Options {
                panel_bytes: gpu.map_or(options.panel_bytes, |_| PANEL),
                ..*options
            };
            match recorded {
                Some((Some(fingerprint), model)) => {
                    behaviour::check_on(gpu, model, fingerprint, options, io)
                }
                Some((None, _)) => Ok(behaviour::not_run("cpu", NOTHING_RECORDED)),
                None => behaviour::compare_on(gpu, a, b, &arguments.prompt, options, io),
            }
        };
        let (behaviour, row) = self.run_somewhere(&arguments.device, run);
        report.add_behaviour(&behaviour, row);
    }

    /// Runs where it is asked for: a GPU that cannot do it leaves it to the processor, or to nobody when it was asked for by
    /// name.
    fn run_somewhere(
        self,
        device: &device::Arguments,
        run: impl Fn(Option<&Gpu>) -> Result<(Behaviour, BehaviourRow), cuda::Error>,
    ) -> (Behaviour, BehaviourRow) {
        let on_processor = || {
            let ran = run(None);
            ran.unwrap_or_else(|why| behaviour::not_run("cpu", &why.to_string()))
        };
        if self == Self::Cpu {
            return on_processor();
        }
        let on_gpu = device.open().and_then(|gpu| {
            let (behaviour, mut row) = run(Some(&gpu))?;
            if self == Self::Auto {
                let device = gpu.device();
                let name = device.name.escape_debug();
                row.device_reason = Some(format!("GPU {}, {name}", device.ordinal));
            }
            gpu.close()?;
            Ok((behaviour, row))
        });
        match on_gpu {
            // A failing GPU must never look like a difference of the files: the processor has to find it, too.
            Ok((found @ (Behaviour::Different { .. } | Behaviour::Unrecorded { .. }), row)) => {
                let (confirmed, mut on_processor) = on_processor();
                if confirmed == found {
                    return (found, row);
                }
                if self == Self::Cuda {
                    return behaviour::not_run("cuda", UNCONFIRMED);
                }
                on_processor.device_reason = Some(UNCONFIRMED.to_owned());
                (confirmed, on_processor)
            }
            Ok(ran) => ran,
            Err(why) if self == Self::Auto => {
                let (behaviour, mut row) = on_processor();
                row.device_reason = Some(why.to_string());
                (behaviour, row)
            }
            Err(why) => behaviour::not_run("cuda", &why.to_string()),
        }
    }
}

const NOTHING_RECORDED: &str = "the manifest records no behaviour";
const UNCONFIRMED: &str =
    "the GPU finds a difference that the processor does not: it cannot be trusted";
/// The bytes of a panel on its way to a GPU.
const PANEL: usize = 16 << 20;

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
