//! One job as a child process: its folder, its command line, and what follows from how it ended.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::process::{Child, Command};

use crate::config::Config;
use crate::job::{
    Bound, Conclusion, FORMS, Judged, Op, Outcome, Output, Reason, Spec, Unsupported, Verdict, hex,
};
use crate::roots::Roots;
use crate::sources::environment;

/// Where the program writes a model to.
pub(crate) const ARTIFACT: &str = "artifact";
/// What the program prints.
const ANSWER: &str = "answer.txt";
const PUBLISHED: &str = "published.txt";
const POLICY: &str = "policy.toml";
/// Characters of the sentence that is kept of a report.
const LONGEST: usize = 1000;
/// What the program says on stderr when a bug stops it; `aprove` is tested to say so.
pub const STOPPED: &str = "aprove stopped at";

/// The folder of one attempt.
pub(crate) struct Folder {
    path: PathBuf,
    /// The same, relative to the folder of all jobs.
    name: String,
}

/// What a worker read in a report.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Its files: digest, name and size.
    pub(crate) files: Vec<(String, String, i64)>,
    /// What was read of addresses, as the report has it: what the server called it, its size, its digests.
    pub(crate) origins: Vec<Value>,
}

impl Folder {
    /// Makes the folder with links to the inputs: the program sees what was bound, and nothing beside it.
    pub(crate) fn make(
        config: &Config,
        roots: &Roots,
        name: String,
        spec: &Spec,
    ) -> io::Result<Self> {
        let path = config.job_folders().join(&name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(path.join(ARTIFACT))?;
        fs::create_dir(path.join("tmp"))?;
        for (side, input) in sides(spec).iter().zip(&spec.inputs) {
            let side = path.join(side);
            fs::create_dir_all(&side)?;
            for file in &input.files {
                let target = roots.target(file).map_err(io::Error::other)?;
                symlink(target, side.join(&file.name))?;
            }
        }
        if let Some(policy) = &spec.policy {
            File::create_new(path.join(POLICY))?.write_all(policy.as_bytes())?;
        }
        Ok(Self { path, name })
    }

    /// Starts the program in it.
    pub(crate) fn start(&self, config: &Config, program: &Path, spec: &Spec) -> io::Result<Child> {
        let addresses = spec
            .inputs
            .iter()
            .filter_map(|input| input.address.as_ref());
        let urls: Vec<&str> = addresses.map(|address| address.url.as_str()).collect();
        let mut command = confined(config, program);
        command.args(arguments(spec, config.threads));
        self.spawn(command, environment(&config.sources, &urls), ANSWER)
    }

    /// Starts the program to put the artifact where the job says.
    pub(crate) fn publish(
        &self,
        config: &Config,
        program: &Path,
        spec: &Spec,
        output: &Output,
    ) -> io::Result<Child> {
        let mut command = confined(config, program);
        command
            .args(["publish", &artifact(spec), &output.url])
            .args(output.overwrite.then_some("--overwrite"));
        let environment = environment(&config.destinations, &[&output.url]);
        self.spawn(command, environment, PUBLISHED)
    }

    fn spawn(
        &self,
        mut command: Command,
        environment: Vec<(OsString, OsString)>,
        answer: &str,
    ) -> io::Result<Child> {
        command
            .current_dir(&self.path)
            .env_clear()
            .envs(environment)
            .env("TMPDIR", self.path.join("tmp"))
            .stdin(Stdio::null())
            .stdout(File::create_new(self.path.join(answer))?)
            .stderr(Stdio::piped())
            // A group of its own: all of it is killed together.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }

    /// What follows from how the program ended, and which files it read.
    pub(crate) fn outcome(&self, op: Op, status: ExitStatus, said: &str) -> (Outcome, Seen) {
        let message = (!said.is_empty()).then(|| said.to_owned());
        let undecided = |reason, message| Outcome {
            message,
            ..Outcome::undecided(reason)
        };
        if let Some(signal) = status.signal() {
            let message = Some(format!("killed by signal {signal}. {said}"));
            return (undecided(Reason::WorkerDied, message), Seen::default());
        }
        let verdict = match status.code() {
            Some(0) => Verdict::Verified,
            Some(1) => Verdict::Different,
            Some(2) => Verdict::Undecided,
            _ => return (undecided(Reason::WorkerDied, message), Seen::default()),
        };
        match self.report(op, verdict) {
            Ok((report, seen, conclusion)) => {
                let outcome = Outcome {
                    verdict,
                    reason: Reason::Judged,
                    result: Some(Judged {
                        report,
                        folder: self.name.clone(),
                        conclusion,
                    }),
                    message,
                    is_put: false,
                };
                (outcome, seen)
            }
            // The program says so before it ends in this way; it is no answer about the files.
            Err(_) if said.contains("memory allocation of") || said.contains(STOPPED) => {
                (undecided(Reason::WorkerDied, message), Seen::default())
            }
            // It says what it refuses, and why.
            Err(_) if verdict == Verdict::Undecided && message.is_some() => {
                (undecided(Reason::Refused, message), Seen::default())
            }
            Err(why) => {
                let message = Some(format!("{why}. {said}"));
                (undecided(Reason::NotDone, message), Seen::default())
            }
        }
    }

    /// The digest of the report, which must say what the exit code says, and what is kept of it.
    fn report(
        &self,
        op: Op,
        verdict: Verdict,
    ) -> Result<(String, Seen, Option<Conclusion>), String> {
        let name = match op {
            // It compares nothing and has no report: what it prints is its answer.
            Op::Restore if verdict == Verdict::Verified => ANSWER,
            Op::Restore => return Err("nothing was restored".to_owned()),
            Op::Verify | Op::Convert | Op::Check => "report.json",
        };
        let bytes = fs::read(self.path.join(name))
            .map_err(|error| format!("there is no report: {error}"))?;
        let digest = hex(&Sha256::digest(&bytes));
        if op == Op::Restore {
            return Ok((digest, Seen::default(), None));
        }
        let document: Value = serde_json::from_slice(&bytes)
            .map_err(|error| format!("the report is no JSON: {error}"))?;
        let report = one_report(&document).ok_or("the report is not about one model or pair")?;
        if report.get("verdict") != Some(&Value::String(verdict.to_string())) {
            return Err("the report does not say what the exit code says".to_owned());
        }
        Ok((digest, seen(report), conclusion(report)))
    }

    /// Takes away what nobody asks for.
    pub(crate) fn tidy(&self, spec: &Spec) -> io::Result<()> {
        for (side, input) in sides(spec).iter().zip(&spec.inputs) {
            for file in &input.files {
                // The program may have taken it away itself.
                let _gone = fs::remove_file(self.path.join(side).join(&file.name));
            }
        }
        fs::remove_dir_all(self.path.join("tmp"))
    }
}

/// The program under the limits of a job, in a process that dies with this one; what follows are its arguments.
pub(crate) fn confined(config: &Config, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["job", "--memory", &config.memory.to_string()])
        .args(["--cpu-seconds", &config.cpu_seconds.to_string()])
        .args(["--worker", &std::process::id().to_string(), "--"]);
    command
}

/// Below which folders the inputs are linked: none, so that a file has its name in messages and in the command to run next,
/// unless two would have one name, or that of a file of the service.
fn sides(spec: &Spec) -> [&'static str; 2] {
    let mut taken = HashSet::from([ARTIFACT, ANSWER, PUBLISHED, POLICY, "tmp", "a", "b"]);
    let mut files = spec.inputs.iter().flat_map(|input| &input.files);
    let is_free = files.all(|file| taken.insert(&file.name) && !file.name.starts_with("report."));
    if is_free { ["", ""] } else { ["a", "b"] }
}

/// The command line, without the program.
fn arguments(spec: &Spec, threads: u16) -> Vec<String> {
    let mut line: Vec<String> = vec![spec.op.to_string()];
    let sides = sides(spec);
    let sides = sides.iter().zip(&spec.inputs);
    line.extend(sides.map(|(side, input)| match (&input.address, *side) {
        (Some(address), _) => address.url.clone(),
        (None, "") => input.name.clone(),
        (None, side) => format!("{side}/{}", input.name),
    }));
    let mut add = |words: &[&str]| line.extend(words.iter().map(|&word| word.to_owned()));
    let options = &spec.options;
    match spec.op {
        Op::Verify => {
            match &options.digest {
                Some(digest) => add(&["--digest", digest]),
                // Runs are compared on the CPU: the limit of memory leaves no room for what a GPU's driver maps.
                None => add(&["--device", "cpu"]),
            }
            if let Some(forward) = options.forward {
                add(&["--forward", if forward { "on" } else { "off" }]);
            }
        }
        Op::Convert => {
            add(&["--output", &artifact(spec)]);
            if options.forward == Some(true) {
                add(&["--forward", "on", "--device", "cpu"]);
            }
            if let Some(unsupported) = options.unsupported {
                add(&["--unsupported", unsupported.word()]);
            }
        }
        Op::Check => {}
        Op::Restore => add(&[&artifact(spec)]),
    }
    if spec.policy.is_some() {
        add(&["--policy", POLICY]);
    }
    if spec.op != Op::Restore {
        add(&["--quiet", "--threads", &threads.to_string()]);
        for form in FORMS {
            add(&["--report", &format!("{form}=report.{form}")]);
        }
    }
    add(&["--progress", "json"]);
    line
}

/// Where the program writes a model to.
fn artifact(spec: &Spec) -> String {
    let name = spec.inputs.first().map_or("", |input| &input.name);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let ending = if spec.op == Op::Restore {
        "gguf"
    } else {
        "apr"
    };
    format!("{ARTIFACT}/{stem}.{ending}")
}

impl Unsupported {
    const fn word(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Auto => "auto",
            Self::DecodeF32 => "decode-f32",
        }
    }
}

/// The report of a document about one pair or one model.
fn one_report(document: &Value) -> Option<&Value> {
    // A document about a list of models has a verdict of its own beside them.
    match document.get("models") {
        None => Some(document),
        Some(models) => match models.as_array()?.as_slice() {
            [one] => one.get("report"),
            _ => None,
        },
    }
}

fn conclusion(report: &Value) -> Option<Conclusion> {
    let entries = report.pointer("/policy/allow").and_then(Value::as_array);
    let matched = |entry: &Value| entry.get("matched").and_then(Value::as_i64);
    Some(Conclusion {
        // A file chooses its names, and so how long this is.
        sentence: report
            .get("sentence")?
            .as_str()?
            .chars()
            .take(LONGEST)
            .collect(),
        allowed: entries.into_iter().flatten().filter_map(matched).sum(),
    })
}

fn seen(report: &Value) -> Seen {
    let rows = report.get("files").and_then(Value::as_array);
    let mut seen = Seen::default();
    for row in rows.into_iter().flatten() {
        if row.get("origin").is_some_and(Value::is_object) {
            seen.origins.push(row.clone());
        }
        let name = row.get("name").and_then(Value::as_str);
        let size = row.get("size").and_then(Value::as_i64);
        let (Some(name), Some(size)) = (name, size) else {
            continue;
        };
        for kind in ["sha256", "blake3"] {
            if let Some(digest) = row.get(kind).and_then(Value::as_str) {
                seen.files
                    .push((format!("{kind}:{digest}"), name.to_owned(), size));
            }
        }
    }
    seen
}

/// The files of a job that are no longer what was submitted.
pub(crate) fn changed<'a>(roots: &Roots, spec: &'a Spec) -> Option<&'a Bound> {
    let mut files = spec.inputs.iter().flat_map(|input| &input.files);
    files.find(|file| !matches!(roots.is_unchanged(file), Ok(true)))
}
