//! `aprove verify`: compares an APR file with a GGUF model, or a model with a manifest.

use std::cell::LazyCell;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf, absolute};
use std::thread::{self, Scope};

use anyhow::{Context as _, bail};
use clap::{ArgAction, Args};
use inference::Step;
use remote::Location;
use verifier::code::Code;
use verifier::manifest::{self, CheckOptions, Manifest, Unusable};
use verifier::policy::Policy;
use verifier::report::{Behaviour, Mode, Report, text, to_json};
use verifier::verdict::Verdict;
use verifier::{FileSha256, Options};

use crate::answers::{Answers, short};
use crate::behaviour::Pair;
use crate::device::Device;
use crate::diagnosis::{Diagnosis, diagnose};
use crate::engine_flags::Io;
use crate::exit::Outcome;
use crate::input::Files;
use crate::output::FormatFlag;
use crate::progress::{Job, Phase, Progress};
use crate::reports::{self, Reports};
use crate::run::Engine;
use crate::{
    behaviour, commands::batch, device, diagnosis, engine_flags, next_command, not_opened, output,
    policy, progress, prompt,
};

/// Compares an APR v2 file with a GGUF model, byte for byte, and says where and why they differ.
///
/// A model is named by a path or an address (https://, hf://, s3://, gs://, az://, ollama://: docs/remote.md).
/// Two files of one format are compared in the same way. The order of the two files is free; formats are told by content.
/// With --manifest one model is checked against a list of digests instead, and runs the prompts that our own manifests
/// record; with --digest against one digest. Two folders, or a list with --pairs, are many pairs: a line for each, then the
/// counts.
///
/// Exit code: 0 every byte was accounted for and nothing differs, 1 something differs, 2 undecided (unreadable, malformed,
/// not covered, changed during the run, nothing compared, or the report could not be written); of several pairs the largest.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove verify model.apr model.gguf\n  aprove verify a.gguf b.gguf --forward off\n  aprove verify model.apr hf://ORG/REPO/model.gguf@REVISION\n  aprove verify model.apr --manifest model.apr.manifest.json\n  aprove verify model.gguf --digest sha256:HEX\n  aprove verify converted/ sources/ --jobs 2\n  aprove verify a.apr b.gguf --report junit=aprove.xml --report sarif=aprove.sarif"
)]
pub(crate) struct Arguments {
    /// An APR file or a GGUF model (of a split set, any of its files), or a folder of them
    #[arg(value_name = "MODEL", required_unless_present = "pairs")]
    a: Option<PathBuf>,
    /// The other one
    #[arg(value_name = "OTHER", conflicts_with_all = ["manifest", "digest"])]
    b: Option<PathBuf>,
    /// Compare the pairs of this list: two paths in a line, with a tab between them, relative to the folder of the list
    #[arg(long, value_name = "FILE", conflicts_with_all = ["a", "b", "manifest", "digest"])]
    pairs: Option<PathBuf>,
    /// Number of pairs at a time, which share the threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Check MODEL against this manifest: ours, rows of sha256sum, b3sum, gguf-hash or Get-FileHash, a digest, a Git LFS
    /// pointer, a file tree of Hugging Face, or the manifest of a registry or of Ollama
    #[arg(long, value_name = "FILE", conflicts_with = "digest")]
    manifest: Option<PathBuf>,
    /// Check MODEL against this digest of the whole file: sha256:HEX, blake3:HEX, or HEX
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// With --manifest: accept a manifest that binds the weights and leaves header and metadata open, as gguf-hash does
    #[arg(long, requires = "manifest", conflicts_with = "b")]
    allow_unbound_metadata: bool,
    /// Whether to run both models as well, to compare every stage bit for bit; off: bytes and metadata only
    #[arg(long, value_name = "on|off", default_value = "on", action = ArgAction::Set, value_parser = device::is_run)]
    forward: bool,
    #[command(flatten)]
    prompt: prompt::Arguments,
    #[command(flatten)]
    policy: policy::Arguments,
    #[command(flatten)]
    report: reports::Arguments,
    /// How to print the report; its JSON follows the schema that `aprove schema` prints
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Show every finding in full and the stages around the first one that differs; in JSON, stages that are equal too
    #[arg(long)]
    details: bool,
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
    #[command(flatten)]
    progress: progress::Arguments,
    /// One line instead of the report, and no progress
    #[arg(short, long)]
    quiet: bool,
    /// Say on stderr how long each part took; a GPU runs the files while their bytes are compared
    #[arg(long)]
    times: bool,
}

impl Arguments {
    /// Begins to show how far so many pairs are that are compared or read in this way, and run if that was asked for.
    fn progress(&self, jobs: usize, bytes: Phase) -> Progress {
        let phases = [bytes, Phase::Forward];
        let phases = if self.forward {
            &phases[..]
        } else {
            &phases[..1]
        };
        self.progress.of(self.quiet, jobs, phases)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { a, b, pairs, .. } = arguments;
    let files = [a, b, pairs, &arguments.manifest].into_iter().flatten();
    let files = files.map(PathBuf::as_path).chain(arguments.policy.file());
    let mut reports = arguments.report.begin(files)?;
    let ended = judge_all(arguments, &mut reports);
    reports.end(ended)
}

fn judge_all(arguments: &Arguments, reports: &mut Reports) -> anyhow::Result<Outcome> {
    if arguments.prompt.is_given() && !arguments.forward {
        bail!("--prompt and --tokens are for a run: leave out --forward off");
    }
    if let Arguments {
        a: Some(a),
        b: None,
        manifest: None,
        digest: None,
        ..
    } = arguments
    {
        bail!(
            "there is no OTHER to compare with; one model alone: aprove check {}, or verify MODEL --digest sha256:HEX",
            next_command::shown(a)
        );
    }
    let options = arguments.engine.options()?;
    let policy = &arguments.policy.read(reports)?;
    let [a, b] = [&arguments.a, &arguments.b].map(Option::as_deref);
    if let Some(pairs) = batch::pairs(arguments.pairs.as_deref(), a, b)? {
        let jobs = usize::from(arguments.jobs);
        let options = inference::Options {
            threads: options.threads.div_ceil(jobs),
            ..options
        };
        let progress = arguments.progress(pairs.len(), Phase::Compare);
        let compare = |name: &str, a: &Files, b: &Files| {
            pair(arguments, options, policy, a, b, &progress.job(name))
        };
        let mut answers = Answers::begin(Some(arguments.format), "pair", reports)?;
        batch::run(&pairs, jobs, compare, |answer| {
            answers.add(answer, !arguments.details)
        })?;
        return answers.end();
    }
    let Some(a) = a else {
        unreachable!("the parser takes MODEL where there is no list");
    };
    let (mut report, is_said) = match b {
        Some(b) => match not_opened::open([a, b], Mode::Pair) {
            Ok([model, other]) => {
                let progress = arguments.progress(1, Phase::Compare);
                let job = progress.job(model.name());
                let mut report = pair(arguments, options, policy, &model, &other, &job);
                report.next = next_command::of_pair(&report, (a, &model), (b, &other));
                (report, false)
            }
            Err(why) => (why.said(policy), true),
        },
        None => alone(arguments, options, policy, a)?,
    };
    if report.next.is_none() {
        report.next = next_command::of(&report);
    }
    output::sign(&mut report);
    let json = || match arguments.details {
        true => to_json(&report),
        false => to_json(&short(report.clone())),
    };
    if reports.need_document() {
        reports.add_document(&json());
    }
    let text = match (arguments.format, arguments.quiet) {
        (FormatFlag::Json, _) => json(),
        (FormatFlag::Text, true) => text::line(&report),
        (FormatFlag::Text, false) if arguments.details => text::full(&report),
        (FormatFlag::Text, false) => text::answer(&report),
    };
    if !is_said || arguments.format == FormatFlag::Json {
        output::answer(arguments.format, &text)?;
    }
    let outcome = Outcome::Judged(report.verdict);
    let models: Vec<&Path> = [Some(a), b].into_iter().flatten().collect();
    reports.add(&models, report);
    Ok(outcome)
}

/// Holds one model against a manifest or a digest. Tells whether a person has heard the answer, because there is no model.
fn alone(
    arguments: &Arguments,
    options: inference::Options,
    policy: &Policy,
    model: &Path,
) -> anyhow::Result<(Report, bool)> {
    if arguments.prompt.is_given() {
        bail!(
            "with a manifest, the prompts that it records are run: leave out --tokens and --prompt"
        );
    }
    let digest = arguments.digest.as_ref().map(|text| {
        Manifest::of_digest(text, &Location::of(model).name())
            .context("--digest takes sha256:HEX, blake3:HEX or HEX, each with 64 digits")
    });
    let digest = digest.transpose()?;
    let folders = folders_of(model);
    let [model] = match not_opened::open([model], Mode::Manifest) {
        Ok(opened) => opened,
        Err(why) => return Ok((why.said(policy), true)),
    };
    let (name, read) = match (digest, &arguments.manifest) {
        (Some(digest), None) => (String::new(), Ok(digest)),
        (None, Some(path)) => {
            let location = Location::of(path);
            let name = location.name();
            let read = match location.open() {
                Ok(file) => manifest::read(&name, &file),
                Err(error) if arguments.format == FormatFlag::Text => {
                    let shown = location.to_string();
                    return Err(error).with_context(|| format!("{shown:?}: cannot be opened"));
                }
                Err(error) => Err(Unusable::Io(error)),
            };
            (name, read)
        }
        _ => unreachable!("the parser takes exactly one of OTHER, --manifest and --digest"),
    };
    let report = match read {
        Ok(manifest) => against(arguments, options, policy, (&model, &folders), &manifest),
        Err(why) => {
            let mut report = manifest::cannot_check(&name, &why, &model.input());
            report.set_policy(policy);
            report
        }
    };
    Ok((report, false))
}

/// The folder of a model as it is named, and without links: rows of a manifest are told apart by it.
fn folders_of(model: &Path) -> Vec<String> {
    let named = match Location::of(model) {
        Location::Path(path) => absolute(path).ok(),
        Location::Address(_) => None,
    };
    let named = named.as_deref().unwrap_or(model).parent();
    let real = named.and_then(|folder| folder.canonicalize().ok());
    let folders = named.into_iter().chain(real.as_deref());
    folders
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect()
}

/// Compares two models.
fn pair(
    arguments: &Arguments,
    options: inference::Options,
    policy: &Policy,
    a: &Files,
    b: &Files,
    job: &Job<'_>,
) -> Report {
    thread::scope(|scope| {
        let bytes = Options {
            threads: options.threads,
            file_sha256: arguments.report.file_sha256(if arguments.file_sha256 {
                FileSha256::All
            } else {
                FileSha256::None
            }),
            tensor_sha256: arguments.tensor_sha256,
        };
        let bytes = judging(scope, [a, b], bytes, policy, job, arguments.times);
        let without_run = || {
            let mut report = bytes.clone();
            report.cause = diagnosis::cause(&report, None);
            report
        };
        if !arguments.forward {
            return without_run();
        }
        // Files that could not be read or decoded need not be run, but where a device was named.
        let is_named = arguments.device.device != Device::Auto;
        let is_run =
            || !is_record_only(&bytes) && (bytes.verdict != Verdict::Undecided || is_named);
        let engine = engine(arguments, options, job, &is_run);
        let judged = behaviour::compare(&engine, a, b, &arguments.prompt);
        if !is_run() {
            return without_run();
        }
        let (behaviour, row) = judged;
        let mut report = bytes.clone();
        report.add_behaviour(&behaviour, row);
        let diagnosis = diagnosed(&report, &behaviour, [a, b], arguments.engine.io);
        report.cause = diagnosis::cause(&report, diagnosis.as_ref());
        report
    })
}

/// Whether an artifact keeps what no key of APR says: as an APR file it computes something else, which its finding says, so that
/// it is not run.
pub(crate) fn is_record_only(report: &Report) -> bool {
    let mut findings = report.findings.iter();
    findings.any(|finding| finding.code == Code::MetaRecordOnly)
}

/// Why the first stage that differs does; none where no stage does. It is a hint: files that cannot be loaded again have none.
fn diagnosed(
    report: &Report,
    behaviour: &Behaviour,
    [a, b]: [&Files; 2],
    io: Io,
) -> Option<Diagnosis> {
    let Behaviour::Different { stage, prompt } = behaviour else {
        return None;
    };
    let pair = Pair::load(a, b, io).ok()?;
    let step = Step::from_key(stage)?;
    Some(diagnose(report, &pair, step, prompt))
}

/// Checks one model against a manifest, and runs the prompts that the manifest records.
fn against(
    arguments: &Arguments,
    options: inference::Options,
    policy: &Policy,
    (model, folders): (&Files, &[String]),
    manifest: &Manifest,
) -> Report {
    let progress = arguments.progress(1, Phase::Read);
    let job = progress.job(model.name());
    let how = CheckOptions {
        folders,
        threads: options.threads,
        allow_unbound_metadata: arguments.allow_unbound_metadata,
        file_digests: arguments.report.file_sha256(FileSha256::None) == FileSha256::All,
    };
    let work = || manifest::check(manifest, &model.input(), &how, &job.pass(Phase::Read));
    let mut report = output::timed(arguments.times, "to compare the bytes", work);
    report.set_policy(policy);
    let is_named = arguments.device.device != Device::Auto;
    let judged = match (arguments.forward, manifest.fingerprint()) {
        (false, Some(_)) => {
            report.note_unchecked_behaviour();
            None
        }
        // What is not the model that the manifest is about need not be run.
        (true, Some(fingerprint)) => {
            let is_run = || report.verdict == Verdict::Verified || is_named;
            let engine = engine(arguments, options, &job, &is_run);
            is_run().then(|| behaviour::check(&engine, model, fingerprint))
        }
        (true, None) if is_named => Some(behaviour::not_run("cpu", NOTHING_RECORDED)),
        (_, None) => None,
    };
    if let Some((behaviour, row)) = judged {
        report.add_behaviour(&behaviour, row);
    }
    report
}

fn engine<'a>(
    arguments: &'a Arguments,
    options: inference::Options,
    job: &'a Job<'a>,
    is_run: &'a dyn Fn() -> bool,
) -> Engine<'a> {
    Engine {
        device: &arguments.device,
        io: arguments.engine.io,
        options,
        progress: job,
        is_run,
        times: arguments.times,
    }
}

/// Starts to run the verifier under a policy; whoever asks for the report waits for it. A GPU can run the files meanwhile.
pub(crate) fn judging<'scope>(
    scope: &'scope Scope<'scope, '_>,
    [a, b]: [&'scope Files; 2],
    options: Options,
    policy: &'scope Policy,
    job: &'scope Job<'_>,
    times: bool,
) -> LazyCell<Report, impl FnOnce() -> Report + use<'scope>> {
    let work = move || {
        let pass = job.pass(Phase::Compare);
        let mut report = verifier::verify(&a.input(), &b.input(), &options, &pass);
        report.set_policy(policy);
        report
    };
    let at_work = scope.spawn(move || output::timed(times, "to compare the bytes", work));
    LazyCell::new(move || at_work.join().unwrap_or_else(|panic| resume_unwind(panic)))
}

const NOTHING_RECORDED: &str = "the manifest records no behaviour";
