//! `aprove bisect`: the first stage in which two files diverge, and why.

use std::cell::LazyCell;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;

use anyhow::{anyhow, bail};
use clap::Args;
use inference::{Mode, Outcome, Step};
use serde_json::{Value, json};
use verifier::report::{Behaviour, Report};
use verifier::verify::{FileSha256, Options};

use crate::answers::short;
use crate::behaviour::{self, Pair, Prompts};
use crate::commands::verify::{FormatFlag, judging};
use crate::diagnosis::{Diagnosis, Fed, diagnose, of_finding};
use crate::exit::Outcome as Exit;
use crate::input::Files;
use crate::next_command::Named;
use crate::reports::{self, Reports};
use crate::run::Engine;
use crate::run::{Ran, RunError, Runner};
use crate::{device, diagnosis, engine_flags, next_command, output, policy, prompt};

/// Names the first stage in which an APR file and a GGUF model behave differently, and the cause.
///
/// Both files are verified and run. For the first stage that differs in execution order, the tensors and the metadata that
/// feed it are compared byte for byte and key for key, and one sentence says what is wrong.
///
/// Exit code: 0 verified and no stage differs, 1 something differs, 2 undecided.
#[derive(Args)]
#[command(after_help = "Example:\n  aprove bisect model.apr model.gguf")]
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
    /// Feed the values of the APR file to both sides at every stage, so that every bad tensor is listed
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
    place: device::Choice,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

impl Arguments {
    /// The form that was asked for.
    pub(crate) const fn format(&self) -> FormatFlag {
        self.format
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let files = [&arguments.a, &arguments.b].map(PathBuf::as_path);
    let mut reports = arguments.report.begin(files, arguments.policy.file())?;
    let ended = judge_both(arguments, &mut reports);
    reports.end(ended)
}

fn judge_both(arguments: &Arguments, reports: &mut Reports) -> anyhow::Result<Exit> {
    let options = arguments.engine.options()?;
    let policy = &arguments.policy.read(reports)?;
    let (a, b) = (Files::open(&arguments.a)?, Files::open(&arguments.b)?);
    if let (Some(of_a), Some(of_b)) = (a.format(), b.format())
        && of_a == of_b
    {
        bail!(
            "both files are {} files: bisect takes an APR file and the GGUF that it was made from; `verify {} {}` compares these",
            of_a.name(),
            a.name(),
            b.name()
        );
    }
    let (mut report, ran) = thread::scope(|scope| {
        let bytes = Options {
            threads: options.threads,
            file_sha256: arguments.report.file_sha256(FileSha256::None),
            ..Options::default()
        };
        let bytes = judging(scope, [&a, &b], bytes, policy, arguments.quiet, false);
        let is_run = || {
            LazyCell::force(&bytes);
            true
        };
        let engine = Engine {
            forward: arguments.place.forward,
            device: &arguments.place.device,
            io: arguments.engine.io,
            options,
            quiet: arguments.quiet,
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
    let (ran, steps) = match ran.map(Ran::split) {
        Ok((ran, steps)) => (Ok(ran), steps?),
        Err(why) => (Err(why), Vec::new()),
    };
    let (behaviour, row) = behaviour::placed(ran);
    report.add_behaviour(&behaviour, row);
    let diagnoses = if steps.is_empty() {
        Vec::new()
    } else {
        let pair = Pair::load(&a, &b, arguments.engine.io)?;
        let Some([apr, gguf]) = pair.by_format() else {
            unreachable!("two files of one format are refused before they are run");
        };
        let diagnose =
            |(step, prompt): &(Step, String)| diagnose(&report, apr, gguf, *step, prompt);
        steps.iter().map(diagnose).collect()
    };
    report.cause = diagnosis::cause(&report, diagnoses.first());
    let named = Named::of((&arguments.a, &a), (&arguments.b, &b));
    report.next = next_command::of(&report, named.as_ref());
    let answer = Answer { report, diagnoses };
    let json = answer.json(arguments.details);
    reports.add_document(&json);
    output::print(&match arguments.format {
        FormatFlag::Text => answer.text(),
        FormatFlag::Json => json,
    })?;
    let outcome = Exit::Judged(answer.report.verdict);
    reports.add(&[&arguments.a, &arguments.b], answer.report);
    Ok(outcome)
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
            let first = Step::from_key(stage).map(|step| (step, prompt.clone()));
            Ok(first.into_iter().collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// The stages that differ when both sides are fed with the same values, in the order of execution.
fn bad_steps(
    arguments: &Arguments,
    pair: &Pair<'_>,
    runner: &Runner<'_>,
) -> Result<Vec<(Step, String)>, RunError> {
    let Prompts::Agreed(prompts, _) = pair.prompts(&arguments.prompt)? else {
        return Ok(Vec::new());
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

    fn text(&self) -> String {
        self.write_text().unwrap_or_default()
    }

    fn write_text(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        let verdict = verifier::report::text::verdict(&self.report);
        writeln!(out, "{verdict}: {}", self.cause())?;
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
                let names = [&fed.apr, &fed.gguf].map(|name| name.as_deref().unwrap_or("none"));
                let [apr, gguf] = names;
                writeln!(
                    out,
                    "  {kind:<8} {}: {apr} (apr), {gguf} (gguf): {}",
                    fed.what,
                    fed.result.text()
                )?;
            }
        }
        if let Some(behaviour) = &self.report.behaviour {
            verifier::report::text::stages(&mut out, behaviour)?;
        }
        if let Some(behaviour) = &self.report.behaviour {
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
        let short = (!details).then(|| short(&self.report));
        let report = short.as_ref().unwrap_or(&self.report);
        let answer = json!({
            "verdict": self.report.verdict.as_str(),
            "cause": self.cause(),
            "stages": self.diagnoses.iter().map(json_of).collect::<Vec<_>>(),
            "reasons": self.report.reasons,
            "policy": self.report.policy,
            "behaviour": report.behaviour,
        });
        format!("{answer:#}\n")
    }
}

fn kinds(diagnosis: &Diagnosis) -> impl Iterator<Item = (&'static str, &Fed)> {
    let tensors = diagnosis.tensors.iter().map(|fed| ("tensor", fed));
    tensors.chain(diagnosis.settings.iter().map(|fed| ("setting", fed)))
}

fn json_of(diagnosis: &Diagnosis) -> Value {
    let feds = |feds: &[Fed]| -> Vec<Value> {
        feds.iter()
            .map(|fed| {
                json!({"what": fed.what, "apr": fed.apr, "gguf": fed.gguf, "result": fed.result.text()})
            })
            .collect()
    };
    json!({
        "stage": diagnosis.step.to_string(),
        "layer": diagnosis.step.layer,
        "capture_point": diagnosis.step.stage.capture_point(),
        "prompt": diagnosis.prompt,
        "cause": diagnosis.cause,
        "tensors": feds(&diagnosis.tensors),
        "settings": feds(&diagnosis.settings),
    })
}
