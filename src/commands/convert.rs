//! `aprove convert`: converts, lets the verifier judge the pending artifact, and only then gives it its name.

pub(crate) mod document;
mod jobs;
mod plan;

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{ArgAction, ArgGroup, Args, ValueEnum};
use converter::{
    ArtifactDigests, Fingerprint, Naming, PromptFingerprint, Request, Tie, Unsupported,
    UnsupportedTensor, Verification,
};
use verifier::FileSha256;
use verifier::check;
use verifier::finding::escape;
use verifier::report::{BehaviourRow, Report};
use verifier::verdict::Verdict;

use crate::engine_flags::{Io, threads};
use crate::exit::Outcome;
use crate::input::Files;
use crate::model::unread;
use crate::output::FormatFlag;
use crate::progress::{self, Phase, Progress};
use crate::reports::{self, Reports};
use crate::run::Engine;
use crate::signals::Cancel;
use crate::{behaviour, device, next_command, output, policy, prompt};

use self::document::{Converted, Model, document, failure};
use self::jobs::Job;

/// Converts GGUF models to APR v2, verifies each result, and gives it its name only then.
///
/// With two paths of which the last ends in .apr or does not exist, that one is the output. Several models are converted one
/// after the other, whatever becomes of one of them.
///
/// Exit code: 0 every model was converted and verified, 1 an artifact differs and was dropped, 2 anything else.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove convert model.gguf\n  aprove convert *.gguf --out-dir converted\n  aprove convert model.gguf --plan"
)]
#[command(override_usage = "aprove convert [OPTIONS] INPUT [OUTPUT]
       aprove convert [OPTIONS] INPUT... [--out-dir DIR]")]
// The device means nothing unless the model is run.
#[command(
    group(ArgGroup::new("run").args(["forward", "fingerprint"]).multiple(true)),
    mut_arg("device", |flag| flag.requires("run")),
    mut_arg("device_memory", |flag| flag.requires("run")),
    // A report is about a comparison.
    mut_arg("reports", |flag| flag.conflicts_with_all(["plan", "no_verify"]))
)]
pub(crate) struct Arguments {
    /// The GGUF models; of a split set, any of its files
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
    /// The APR file to write [default: the name of the input, ending in .apr]
    #[arg(short, long, value_name = "FILE", conflicts_with = "out_dir")]
    output: Option<PathBuf>,
    /// The folder to write to, which is made if need be [default: that of each input]
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
    /// Say what would be stored in which way and how large the artifact would be, and write nothing
    #[arg(long)]
    plan: bool,
    /// How tensors are named: as `apr` does for this architecture, as in the GGUF, or as on Hugging Face
    #[arg(long, value_enum, default_value_t = NamesFlag::Auto)]
    names: NamesFlag,
    /// What to do where the output matrix is the embedding
    #[arg(long, value_enum, default_value_t = TieFlag::Shared)]
    tie: TieFlag,
    /// What to do with tensors of a type that APR cannot hold (it holds F32, F16, BF16, Q4_K, Q6_K)
    #[arg(long, value_enum, default_value_t = UnsupportedFlag::Refuse)]
    unsupported: UnsupportedFlag,
    /// Give a key that an old file lacks, such as llama.rope.freq_base=10000; the artifact and the report say so
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Keep what APR has no words for (keys, factors, kinds of layers and norms) in the record alone: bytes and keys are proven
    /// and `restore` gives the GGUF back, but no loader of APR runs the model as the GGUF says
    #[arg(long, conflicts_with_all = ["forward", "fingerprint", "no_verify"])]
    record_only: bool,
    /// Replace an existing output
    #[arg(long)]
    overwrite: bool,
    /// Write the SHA-256 of each tensor into the manifest, beside its BLAKE3
    #[arg(long)]
    tensor_sha256: bool,
    /// Give the artifact its name without verifying it; the manifest says so
    #[arg(long)]
    no_verify: bool,
    /// Whether to run the source and the artifact as well, to compare every stage before the artifact gets its name
    #[arg(
        long,
        value_name = "on|off",
        default_value = "off",
        default_value_if("fingerprint", "true", "on"),
        action = ArgAction::Set,
        value_parser = device::is_run,
        conflicts_with = "no_verify"
    )]
    forward: bool,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// Record in the manifest how both behave, for `verify` to check again; they are run for it
    #[arg(long, conflicts_with = "no_verify")]
    fingerprint: bool,
    #[command(flatten)]
    device: device::Arguments,
    #[command(flatten)]
    report: reports::Arguments,
    /// Number of threads [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// How to print the summary, or the plan
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    #[command(flatten)]
    progress: progress::Arguments,
    /// No progress and no summary, but one line for several models; with --plan, one line for each
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments {
    /// Whether a person reads the summary.
    fn is_told(&self) -> bool {
        self.format == FormatFlag::Text && !self.quiet
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum NamesFlag {
    /// Hugging Face names for qwen2 and qwen3, GGUF names otherwise
    Auto,
    /// The names of the GGUF
    Gguf,
    /// `model.layers.N.self_attn.q_proj.weight` and so on
    Hf,
}

#[derive(Clone, Copy, ValueEnum)]
enum TieFlag {
    /// Write nothing: loaders use the embedding
    Shared,
    /// Write a copy of the embedding as the output matrix
    Duplicate,
}

#[derive(Clone, Copy, ValueEnum)]
enum UnsupportedFlag {
    /// Refuse the model and name the tensors
    Refuse,
    /// Store these tensors, and only these, as F32 with exactly the decoded values
    DecodeF32,
    /// Store the bytes under their ggml id where `apr run` can use them (Q4_0, Q4_1, Q5_0, Q5_1, Q5_K)
    Raw,
    /// Raw where `apr run` can use the bytes, decoded otherwise, and say what each costs
    Auto,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let jobs = jobs::jobs(
        &arguments.inputs,
        arguments.output.as_deref(),
        arguments.out_dir.as_deref(),
    )?;
    let written = jobs.iter().map(|job| job.output.as_path());
    let sources = jobs.iter().flat_map(|job| &job.sources);
    let files = written.chain(sources.map(PathBuf::as_path));
    let mut reports = arguments.report.begin(files)?;
    let ended = convert_all(arguments, &jobs, &mut reports);
    reports.end(ended)
}

fn convert_all(
    arguments: &Arguments,
    jobs: &[Job],
    reports: &mut Reports,
) -> anyhow::Result<Outcome> {
    if arguments.fingerprint && !arguments.forward {
        bail!("--fingerprint records a run: leave out --forward off");
    }
    if arguments.prompt.is_given() && !arguments.forward {
        bail!("--prompt and --tokens are for a run: add --forward on, or --fingerprint");
    }
    let cancel = Cancel::on_signals().context("signals cannot be handled")?;
    let phases: &[Phase] = if arguments.no_verify {
        &[Phase::Copy]
    } else if arguments.forward {
        &[Phase::Copy, Phase::Verify, Phase::Forward]
    } else {
        &[Phase::Copy, Phase::Verify]
    };
    if let (Some(folder), false) = (&arguments.out_dir, arguments.plan) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{}: cannot be made", folder.display()))?;
    }
    let progress = arguments.progress.of(arguments.quiet, jobs.len(), phases);
    let one = |job: &Job| {
        Files::paths_of_model(&job.input)?;
        anyhow::Ok(if arguments.plan {
            let plan = plan::plan(arguments, job)?;
            if arguments.format == FormatFlag::Text {
                let text = plan.text()?;
                output::print(&if arguments.quiet {
                    output::first_line(&text)
                } else {
                    text
                })?;
            }
            (plan.outcome(), Model::Planned(plan.into()), None)
        } else {
            let converted = convert(arguments, job, &cancel, &progress)?;
            let proof = converted.proof.clone();
            (converted.outcome, converted.model(job), proof)
        })
    };
    let is_one = jobs.len() == 1;
    let mut outcomes = Vec::new();
    let mut models = Vec::new();
    for job in jobs {
        let outcome = match one(job) {
            Ok((outcome, model, proof)) => {
                models.push(model);
                if let Some(report) = proof {
                    reports.add(&[&job.output, &job.input], report);
                }
                outcome
            }
            Err(error) => {
                models.push(failure(job, &error));
                let report = check::not_done(output::is_io(&error), &format!("{error:#}"));
                reports.add(&[&job.input, &job.output], report);
                output::error(&if is_one {
                    error
                } else {
                    error.context(job.input.display().to_string())
                });
                Outcome::NotDone
            }
        };
        if let Outcome::Stopped(_) = outcome {
            return Ok(outcome);
        }
        outcomes.push(outcome);
    }
    let done = outcomes.iter().filter(|one| **one == Outcome::Done).count();
    let what = if arguments.plan {
        "can be converted"
    } else {
        "were converted"
    };
    let document = document(models);
    reports.add_document(&document);
    match arguments.format {
        FormatFlag::Text if is_one => {}
        FormatFlag::Text => output::print(&format!("{done} of {} models {what}\n", jobs.len()))?,
        FormatFlag::Json => output::print(&document)?,
    }
    Ok(outcomes
        .into_iter()
        .max_by_key(Outcome::code)
        .unwrap_or(Outcome::NotDone))
}

fn request(arguments: &Arguments, job: &Job) -> anyhow::Result<Request> {
    Ok(Request {
        sources: job.sources.clone(),
        output: job.output.clone(),
        naming: match arguments.names {
            NamesFlag::Auto => Naming::Auto,
            NamesFlag::Gguf => Naming::Gguf,
            NamesFlag::Hf => Naming::Hf,
        },
        tie: match arguments.tie {
            TieFlag::Shared => Tie::Shared,
            TieFlag::Duplicate => Tie::Duplicate,
        },
        unsupported: match arguments.unsupported {
            UnsupportedFlag::Refuse => Unsupported::Refuse,
            UnsupportedFlag::DecodeF32 => Unsupported::DecodeF32,
            UnsupportedFlag::Raw => Unsupported::Raw,
            UnsupportedFlag::Auto => Unsupported::Auto,
        },
        set: arguments.set.clone(),
        record_only: arguments.record_only,
        overwrite: arguments.overwrite,
        tensor_sha256: arguments.tensor_sha256,
        threads: threads(arguments.threads)?,
        tool: concat!("aprove ", env!("CARGO_PKG_VERSION")).to_owned(),
    })
}

/// Converts one model.
fn convert(
    arguments: &Arguments,
    job: &Job,
    cancel: &Cancel,
    progress: &Progress,
) -> anyhow::Result<Converted> {
    let request = request(arguments, job)?;
    let (threads, destination) = (request.threads, &job.output);
    let progress = progress.job(&escape(job.input.as_os_str().as_bytes()));
    let converted = converter::convert(&request, &progress.pass(Phase::Copy), &cancel.flag);
    if let Some(stopped) = cancel.outcome() {
        output::note("stopped: nothing was written");
        return Ok(Converted::nothing(stopped));
    }
    let mut pending = converted.map_err(|error| with_hint(error, &job.input))?;
    for warning in pending.warnings() {
        output::note(&format!("warning: {warning}"));
    }
    let sources = Files::open_all(&job.sources)?;
    let mut unread = unread(&sources);
    // Of keys the conversion says more.
    let is_said = |name: &str| {
        let key = name.strip_prefix("key ");
        let mut warnings = pending.warnings().iter();
        key.is_some_and(|key| warnings.any(|said| said.starts_with(&format!("{key} = "))))
    };
    unread.retain(|name| !is_said(name));
    // Names of a GGUF are escaped where they are read.
    for name in unread.iter().take(MOST_UNREAD) {
        let text = "no step of the forward reads it; it is kept as it is";
        output::note(&format!("warning: {name}: {text}"));
    }
    if let Some(more @ 1..) = unread.len().checked_sub(MOST_UNREAD) {
        output::note(&format!("warning: {more} more tensors that no step reads"));
    }

    let mut proof = None;
    let verification = if arguments.no_verify {
        output::note("warning: not verified (--no-verify)");
        Verification::Skipped
    } else {
        let artifact = Files::of_pending(pending.file(), destination)?;
        let bytes = verifier::Options {
            threads,
            file_sha256: arguments.report.file_sha256(FileSha256::Apr),
            ..verifier::Options::default()
        };
        let pass = progress.pass(Phase::Verify);
        let mut report = verifier::verify(&artifact.input(), &sources.input(), &bytes, &pass);
        drop(pass);
        if arguments.record_only {
            report.set_policy(&policy::of_record_only()?);
        }
        if arguments.forward {
            let engine = Engine {
                device: &arguments.device,
                io: Io::Reads,
                options: inference::Options {
                    threads,
                    ..inference::Options::default()
                },
                progress: &progress,
                is_run: &|| true,
                times: false,
            };
            let (behaviour, row) =
                behaviour::compare(&engine, &artifact, &sources, &arguments.prompt);
            if arguments.fingerprint {
                pending.record_behaviour(fingerprint(&row)?);
            }
            report.add_behaviour(&behaviour, row);
        }
        drop(progress);
        if report.verdict != Verdict::Verified {
            output::note(&verifier::report::text::answer(&report));
            output::note("error: the artifact did not verify and was dropped; no file was written");
            return Ok(Converted {
                outcome: Outcome::Judged(report.verdict),
                written: None,
                proof: Some(report),
            });
        }
        if arguments.is_told() {
            output::answer(arguments.format, &verifier::report::text::answer(&report))?;
        }
        pending.record_digests(artifact_digests(&report)?);
        proof = Some(report);
        Verification::Verified
    };
    if let Some(stopped) = cancel.outcome() {
        output::note("stopped: nothing was written");
        return Ok(Converted::nothing(stopped));
    }
    let published = pending
        .publish(verification)
        .map_err(|error| with_hint(error, &job.input))?;
    if arguments.is_told() {
        output::print(&format!("wrote {}\n", published.display()))?;
    }
    Ok(Converted {
        outcome: Outcome::Done,
        written: Some(published),
        proof,
    })
}

/// How many tensors that no step reads are named.
const MOST_UNREAD: usize = 20;

/// The digests of the artifact, which were made while it was verified.
fn artifact_digests(report: &Report) -> anyhow::Result<ArtifactDigests> {
    let row = report.files.first();
    let digest = |text: Option<&String>| {
        text.and_then(|text| digest_of(text))
            .context("the pending artifact was not read to its end")
    };
    Ok(ArtifactDigests {
        sha256: digest(row.and_then(|row| row.sha256.as_ref()))?,
        blake3: digest(row.and_then(|row| row.blake3.as_ref()))?,
    })
}

/// Reads 64 hexadecimal digits.
fn digest_of(text: &str) -> Option<[u8; 32]> {
    let (pairs, odd) = text.as_bytes().as_chunks::<2>();
    let pair = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = pairs.iter().map(pair).collect();
    bytes.filter(|_| odd.is_empty())?.try_into().ok()
}

/// What the run of the artifact says of its behaviour.
fn fingerprint(row: &BehaviourRow) -> anyhow::Result<Fingerprint> {
    let prompts = row.prompts.iter().map(|prompt| {
        let run = prompt.sides.apr.clone();
        anyhow::Ok(PromptFingerprint {
            name: prompt.name.clone(),
            tokens: prompt.tokens.clone(),
            run: run.context("the artifact was not run to its end, so there is no fingerprint")?,
        })
    });
    Ok(Fingerprint {
        numerics: row.numerics.clone(),
        prompts: prompts.collect::<anyhow::Result<_>>()?,
    })
}

/// Adds the flag that helps, which the library does not know.
pub(super) fn with_hint(error: converter::Error, input: &Path) -> anyhow::Error {
    let hint = match &error {
        converter::Error::Exists { .. } => "--overwrite replaces it".to_owned(),
        converter::Error::Unsupported { tensors } => format!(
            "{}; what each costs: aprove convert {} --plan",
            choices(tensors),
            next_command::shown(input)
        ),
        converter::Error::MissingKey { .. } => {
            "if you know the value, give it with --set KEY=VALUE: the artifact and the report say so"
                .to_owned()
        }
        converter::Error::NotCarried { .. } => {
            "--record-only keeps such a model, for an archive and not for use: no loader runs it".to_owned()
        }
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}\nhint: {hint}")
}

/// The flags that store all of these tensors.
fn choices(tensors: &[UnsupportedTensor]) -> String {
    let flags = [
        (
            tensors.iter().all(|tensor| tensor.raw || tensor.decodable),
            "--unsupported auto",
        ),
        (
            tensors.iter().all(|tensor| tensor.decodable),
            "--unsupported decode-f32",
        ),
        (tensors.iter().all(|tensor| tensor.raw), "--unsupported raw"),
    ];
    let fitting: Vec<&str> = flags
        .into_iter()
        .filter_map(|(fits, flag)| fits.then_some(flag))
        .collect();
    match fitting.as_slice() {
        [] => "no flag stores all of them: quantise the model again".to_owned(),
        fitting => format!("choose {}, or quantise the model again", fitting.join(", ")),
    }
}

fn key_and_value(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text
        .split_once('=')
        .ok_or("expected KEY=VALUE, such as llama.rope.freq_base=10000")?;
    Ok((key.to_owned(), value.to_owned()))
}
