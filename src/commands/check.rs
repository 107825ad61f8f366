//! `aprove check`: holds models against their format and against what is recorded of them.

use std::path::PathBuf;

use clap::Args;
use verifier::check::{self, NotOpened, Sidecar, text};
use verifier::report::text::verdict;
use verifier::report::{Mode, Report};
use verifier::{FileSha256, Options};

use crate::answers::{Answer, Answers, line};
use crate::engine_flags::threads;
use crate::exit::Outcome;
use crate::in_order::in_order;
use crate::models::{Found, find};
use crate::output::FormatFlag;
use crate::progress::{Phase, Progress};
use crate::reports::{self, Reports};
use crate::sidecar::sidecar_of;
use crate::{not_opened, output, policy, progress};

/// Checks models on their own: format, checksums, recorded digests, values, and the sidecar beside each.
///
/// Every byte is read. An artifact of `aprove convert` is held against its footer CRC-32, the digests that it records of its
/// tensors and its source, and the record of its source; any model against the sidecar NAME.manifest.json beside it. Where
/// nothing is recorded only the format is checked, and that all values are finite; the answer says so.
///
/// Exit code: 0 nothing is wrong, 1 a file is not what was written or breaks its format, 2 undecided (unreadable, cut,
/// malformed, no model, changed during the run, or the answer could not be written); of several models the largest.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove check model.apr\n  aprove check ~/models --jobs 4\n  aprove check --format json a.gguf b.apr"
)]
pub(crate) struct Arguments {
    /// Models (of a split set, any of its files), as paths or addresses (docs/remote.md), and folders to search for them
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Leave out the sidecars
    #[arg(long)]
    no_sidecar: bool,
    #[command(flatten)]
    policy: policy::Arguments,
    #[command(flatten)]
    report: reports::Arguments,
    /// How to print it: a report of one file, a line for each of several, or one JSON document
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// Number of models at a time, which share the threads
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: u16,
    /// Number of threads [default: the number of CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    #[command(flatten)]
    progress: progress::Arguments,
    /// One line instead of the report, and no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = arguments.files.iter().map(PathBuf::as_path);
    let mut reports = arguments
        .report
        .begin(files.chain(arguments.policy.file()))?;
    let ended = judge_all(arguments, &mut reports);
    reports.end(ended)
}

fn judge_all(arguments: &Arguments, reports: &mut Reports) -> anyhow::Result<Outcome> {
    let policy = arguments.policy.read(reports)?;
    let jobs = usize::from(arguments.jobs);
    let threads = threads(arguments.threads)?.div_ceil(jobs);
    let found = find(&arguments.files);
    let phases = [Phase::Read];
    let progress = arguments.progress.of(arguments.quiet, found.len(), &phases);
    let judge = |found: &Found| {
        let mut report = judge(arguments, found, threads, &progress);
        report.set_policy(&policy);
        report
    };
    let is_one =
        matches!((arguments.files.as_slice(), found.as_slice()), ([file], [_]) if !file.is_dir());
    let is_told_in_full = is_one && arguments.format == FormatFlag::Text;
    let format = (!is_told_in_full).then_some(arguments.format);
    let mut answers = Answers::begin(format, "model", reports)?;
    in_order(jobs, &found, judge, |found, report| {
        let (name, reason) = (found.name(), text::reason(&report));
        if is_told_in_full {
            let text = if arguments.quiet {
                line(&verdict(&report), &[&name], &reason)
            } else {
                text::full(&report)
            };
            output::answer(FormatFlag::Text, &text)?;
        }
        let answer = Answer {
            names: vec![("path", name)],
            models: vec![&found.path],
            reason,
            report,
        };
        answers.add(answer, false)
    })?;
    answers.end()
}

fn judge(arguments: &Arguments, found: &Found, threads: usize, progress: &Progress) -> Report {
    if let Some(problem) = &found.problem {
        let problem = NotOpened {
            why: problem.clone(),
            hint: "give a folder that can be read and has models in it",
        };
        return check::not_opened(Mode::File, &[], &[problem]);
    }
    let [files] = match not_opened::open([&found.path], Mode::File) {
        Ok(files) => files,
        Err(why) => return why.report,
    };
    let sidecar = if arguments.no_sidecar {
        Sidecar::LeftOut
    } else {
        sidecar_of(&found.path)
    };
    let options = Options {
        threads,
        file_sha256: arguments.report.file_sha256(FileSha256::None),
        ..Options::default()
    };
    let job = progress.job(&found.name());
    check::check(&files.input(), &sidecar, &options, &job.pass(Phase::Read))
}
