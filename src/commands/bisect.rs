//! `aprove bisect`: the first stage in which two files diverge, and why.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;

use anyhow::anyhow;
use clap::Args;
use inference::{Mode, Outcome, Step};
use schemars::JsonSchema;
use serde::Serialize;
use verifier::code::Code;
use verifier::policy::PolicyRow;
use verifier::report::{
    self, Behaviour, BehaviourResult, BehaviourRow, Conclusion, FileRow, FindingRow, Report, Sides,
};
use verifier::verdict::Verdict;
use verifier::{FileSha256, Options};

use crate::answers::short;
use crate::behaviour::{self, Pair, Prompts};
use crate::commands::verify::{is_record_only, judging};
use crate::diagnosis::{Diagnosis, Fed, diagnose, of_finding};
use crate::exit::Outcome as Exit;
use crate::input::Files;
use crate::output::{Document, FormatFlag};
use crate::progress::{self, Phase};
use crate::reports::{self, Reports};
use crate::run::Engine;
use crate::run::{Ran, RunError, Runner};
use crate::{device, diagnosis, engine_flags, next_command, not_opened, output, policy, prompt};

/// Names the first stage in which two models behave differently, and the cause.
///
/// Both files are verified and run. For the first stage that differs in execution order, the tensors and the metadata that
/// feed it are compared byte for byte and key for key, and one sentence says what is wrong.
///
/// Exit code: 0 verified and no stage differs, 1 something differs, 2 undecided.
#[derive(Args)]
#[command(
    after_help = "Example:\n  aprove bisect model.apr model.gguf",
    arg(device::no_forward())
)]
pub(crate) struct Arguments {
    /// An APR file or a GGUF model (of a split set, any of its files)
    a: PathBuf,
    /// The other one
    b: PathBuf,
    #[command(flatten)]
    prompt: prompt::Arguments,
    #[command(flatten)]
    policy: policy::Arguments,
    #[command(flatten)]
    report: reports::Arguments,
    /// Feed the values of the first file (in a pair of two formats: the APR file) to both sides at every stage, so that every
    /// bad tensor is listed
    #[arg(long)]
    isolate: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    /// With --format json: also every stage that is equal, which are most of a report
    #[arg(long)]
    details: bool,
    #[command(flatten)]
    engine: engine_flags::Arguments,
    #[command(flatten)]
    device: device::Arguments,
    #[command(flatten)]
    progress: progress::Arguments,
    /// One line instead of the answer: the verdict and the cause; no progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let files = [&arguments.a, &arguments.b].map(PathBuf::as_path);
    let files = files.into_iter().chain(arguments.policy.file());
    let mut reports = arguments.report.begin(files)?;
    let ended = judge_both(arguments, &mut reports);
    reports.end(ended)
}

fn judge_both(arguments: &Arguments, reports: &mut Reports) -> anyhow::Result<Exit> {
    let options = arguments.engine.options()?;
    let policy = &arguments.policy.read(reports)?;
    let [a, b] = match not_opened::open([&arguments.a, &arguments.b], report::Mode::Pair) {
        Ok(opened) => opened,
        Err(why) => {
            let report = why.said(policy);
            let answer = Answer {
                report,
                diagnoses: Vec::new(),
            };
            return answer.give(arguments, reports, true);
        }
    };
    let phases = [Phase::Compare, Phase::Forward];
    let progress = arguments.progress.of(arguments.quiet, 1, &phases);
    let job = progress.job(a.name());
    let (mut report, ran) = thread::scope(|scope| {
        let bytes = Options {
            threads: options.threads,
            file_sha256: arguments.report.file_sha256(FileSha256::None),
            ..Options::default()
        };
        let bytes = judging(scope, [&a, &b], bytes, policy, &job, false);
        let is_run = || !is_record_only(&bytes);
        let engine = Engine {
            device: &arguments.device,
            io: arguments.engine.io,
            options,
            progress: &job,
            is_run: &is_run,
            times: false,
        };
        let ran = engine.run(
            |runner| {
                let judged = behaviour::compare_on(runner, &a, &b, &arguments.prompt)?;
                let steps = RunError::apart(steps(arguments, &a, &b, &judged.0, runner))?;
                Ok((judged, steps))
            },
            |(judged, steps)| Some((behaviour::difference(judged)?, steps.as_ref().ok().cloned())),
        );
        (bytes.clone(), ran)
    });
    drop(job);
    let (ran, steps) = match ran.map(Ran::split) {
        Ok((ran, steps)) => (Ok(ran), steps?),
        Err(why) => (Err(why), Vec::new()),
    };
    let is_kept = is_record_only(&report);
    if !is_kept {
        let (behaviour, row) = behaviour::placed(ran);
        report.add_behaviour(&behaviour, row);
    }
    report.need_stages();
    let diagnoses = if is_kept || steps.is_empty() {
        Vec::new()
    } else {
        let pair = Pair::load(&a, &b, arguments.engine.io)?;
        let diagnose = |(step, prompt): &(Step, String)| diagnose(&report, &pair, *step, prompt);
        steps.iter().map(diagnose).collect()
    };
    report.cause = diagnosis::cause(&report, diagnoses.first());
    report.next = next_command::of_pair(&report, (&arguments.a, &a), (&arguments.b, &b));
    Answer { report, diagnoses }.give(arguments, reports, false)
}

/// The stages to explain, each with the prompt in which it differs: the first one, or with `--isolate` all of them.
fn steps(
    arguments: &Arguments,
    a: &Files,
    b: &Files,
    behaviour: &Behaviour,
    runner: &Runner<'_>,
) -> Result<Vec<(Step, String)>, RunError> {
    match behaviour {
        Behaviour::Different { .. } if arguments.isolate => {
            let steps = bad_steps(arguments, &Pair::load(a, b, runner.io())?, runner)?;
            for files in [a, b] {
                if let Err(why) = files.check_unchanged() {
                    return Err(anyhow!("a file changed while it was run: {why}").into());
                }
            }
            Ok(steps)
        }
        Behaviour::Different { stage, prompt } => {
            let Some(step) = Step::from_key(stage) else {
                unreachable!("a stage that was run has the key of a step, not {stage}");
            };
            Ok(vec![(step, prompt.clone())])
        }
        Behaviour::Equal
        | Behaviour::Tokenised { .. }
        | Behaviour::Unrecorded { .. }
        | Behaviour::NotCovered { .. }
        | Behaviour::Changed { .. } => Ok(Vec::new()),
    }
}

/// The stages that differ when both sides are fed with the same values, in the order of execution.
fn bad_steps(
    arguments: &Arguments,
    pair: &Pair<'_>,
    runner: &Runner<'_>,
) -> Result<Vec<(Step, String)>, RunError> {
    let Prompts::Agreed(prompts, _) = pair.prompts(&arguments.prompt)? else {
        unreachable!("files of which a stage differs were run with the same tokens");
    };
    let (comparisons, _) = pair.compare(&prompts, Mode::Isolated, runner)?;
    let mut steps = Vec::new();
    for (prompt, comparison) in prompts.iter().zip(&comparisons) {
        let bad = comparison
            .rows
            .iter()
            .filter(|row| row.outcome != Outcome::Equal);
        steps.extend(bad.map(|row| (row.step, prompt.name.clone())));
    }
    steps.sort_by_key(|(step, _)| step.order());
    steps.dedup_by_key(|(step, _)| *step);
    Ok(steps)
}

/// Everything that is printed.
struct Answer {
    report: Report,
    diagnoses: Vec<Diagnosis>,
}

impl Answer {
    /// Prints it, unless a person has heard the answer, because there is no pair.
    fn give(
        mut self,
        arguments: &Arguments,
        reports: &mut Reports,
        is_said: bool,
    ) -> anyhow::Result<Exit> {
        output::sign(&mut self.report);
        let json = || self.json(arguments.details);
        if reports.need_document() {
            reports.add_document(&json());
        }
        let text = match arguments.format {
            FormatFlag::Text if arguments.quiet => output::first_line(&self.text()),
            FormatFlag::Text => self.text(),
            FormatFlag::Json => json(),
        };
        if !is_said || arguments.format == FormatFlag::Json {
            output::answer(arguments.format, &text)?;
        }
        let outcome = Exit::Judged(self.report.verdict);
        reports.add(&[&arguments.a, &arguments.b], self.report);
        Ok(outcome)
    }

    /// One sentence.
    fn cause(&self) -> String {
        match (self.diagnoses.first(), self.report.findings.first()) {
            (Some(diagnosis), _) => diagnosis.cause.clone(),
            (None, Some(finding)) if !self.report.reasons.is_empty() => {
                of_finding(&self.report, finding)
            }
            _ => "no stage differs".to_owned(),
        }
    }

    #[expect(clippy::expect_used, reason = "the invariant is that of String")]
    fn text(&self) -> String {
        self.write_text()
            .expect("writing to a string does not fail")
    }

    fn write_text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let report = &self.report;
        let verdict = report::text::verdict(report);
        // A stage says more than who is at fault, but of a file that is another model, or half of one.
        let has_stage = report.cause.is_some() && !self.diagnoses.is_empty();
        let who = report.conclusion.as_ref().map(|said| said.text.clone());
        let (first, more) = match who {
            Some(who) if !has_stage => (who, ("cause", report.cause.clone())),
            who => (self.cause(), ("files", who)),
        };
        writeln!(out, "{verdict}: {first}")?;
        for (name, line) in [more, ("next", report.next.clone())] {
            if let Some(line) = line {
                writeln!(out, "  {name:<5} {line}")?;
            }
        }
        for diagnosis in &self.diagnoses {
            writeln!(
                out,
                "\nstage {} (prompt {}), {}",
                diagnosis.step,
                diagnosis.prompt,
                diagnosis.step.stage.capture_point()
            )?;
            writeln!(out, "  cause    {}", diagnosis.cause)?;
            for (kind, fed) in kinds(diagnosis) {
                let [first, second] = report::text::sides(&self.report).map(|side| {
                    let of_side = fed.sides.get(side).map_or("none", String::as_str);
                    format!("{of_side} ({})", report::text::called(&self.report, side))
                });
                let how = fed.result.text();
                writeln!(out, "  {kind:<8} {}: {first}, {second}: {how}", fed.what)?;
            }
        }
        if let Some(behaviour) = &self.report.behaviour {
            report::text::stages(&mut out, behaviour)?;
        }
        let was_run = |row: &&BehaviourRow| row.result != BehaviourResult::NotCovered;
        if let Some(behaviour) = self.report.behaviour.as_ref().filter(was_run) {
            write!(out, "\ndevice  {}", behaviour.device)?;
            if let Some(reason) = &behaviour.device_reason {
                write!(out, " ({reason})")?;
            }
            writeln!(out)?;
        }
        let also: Vec<&str> = self
            .report
            .reasons
            .iter()
            .map(|code| code.as_str())
            .collect();
        if !also.is_empty() {
            writeln!(out, "\nverify says: {}", also.join(", "))?;
        }
        Ok(out)
    }

    fn json(&self, details: bool) -> String {
        let report = &self.report;
        let short = (!details).then(|| short(report.clone()));
        let shown = short.as_ref().unwrap_or(report);
        Document::new(Bisected {
            verdict: report.verdict,
            cause: self.cause(),
            reasons: &report.reasons,
            conclusion: report.conclusion.as_ref(),
            next: report.next.as_deref(),
            files: &report.files,
            findings: &report.findings,
            policy: report.policy.as_ref(),
            behaviour: shown.behaviour.as_ref(),
            stages: self.diagnoses.iter().map(StageRow::from).collect(),
        })
        .text()
    }
}

/// The first stage in which two files diverge, for a program. What has no description here is as in the report of `verify`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Bisected<'a> {
    verdict: Verdict,
    /// One sentence.
    cause: String,
    reasons: &'a [Code],
    conclusion: Option<&'a Conclusion>,
    next: Option<&'a str>,
    files: &'a [FileRow],
    findings: &'a [FindingRow],
    policy: Option<&'a PolicyRow>,
    behaviour: Option<&'a BehaviourRow>,
    /// The first stage that differs; with `--isolate` every stage that differs on its own.
    stages: Vec<StageRow>,
}

/// A stage that differs.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BisectedStage")]
struct StageRow {
    /// Layer and name, such as `3.ffn_gate`.
    stage: String,
    /// The layer; `null` for a stage of the whole model.
    layer: Option<usize>,
    capture_point: &'static str,
    /// The prompt in which it differs.
    prompt: String,
    /// One sentence.
    cause: String,
    /// The tensors that feed it.
    tensors: Vec<FedRow>,
    /// The numbers that feed it.
    settings: Vec<FedRow>,
}

/// What feeds a stage.
#[derive(Serialize, JsonSchema)]
struct FedRow {
    /// A tensor as a person calls it, or the key of a number.
    what: String,
    /// Its name or value in each file that has it.
    #[serde(flatten)]
    sides: Sides<String>,
    /// `equal`, or how it differs.
    result: String,
}

impl From<&Diagnosis> for StageRow {
    fn from(found: &Diagnosis) -> Self {
        let rows = |feds: &[Fed]| feds.iter().map(FedRow::from).collect();
        Self {
            stage: found.step.to_string(),
            layer: found.step.layer,
            capture_point: found.step.stage.capture_point(),
            prompt: found.prompt.clone(),
            cause: found.cause.clone(),
            tensors: rows(&found.tensors),
            settings: rows(&found.settings),
        }
    }
}

impl From<&Fed> for FedRow {
    fn from(fed: &Fed) -> Self {
        Self {
            what: fed.what.clone(),
            sides: fed.sides.clone(),
            result: fed.result.text().to_owned(),
        }
    }
}

fn kinds(diagnosis: &Diagnosis) -> impl Iterator<Item = (&'static str, &Fed)> {
    let tensors = diagnosis.tensors.iter().map(|fed| ("tensor", fed));
    tensors.chain(diagnosis.settings.iter().map(|fed| ("setting", fed)))
}
