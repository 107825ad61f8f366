//! `aprove forward`: runs a model and prints the next tokens, with a digest of every stage.

use std::fs::{File, OpenOptions, create_dir, create_dir_all, remove_dir_all, remove_file};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, anyhow, bail};
use clap::{Args, ValueEnum};
use inference::{Digests, NUMERICS, Stage, StageSink, Step};
use trace_compare::format::{
    AprtSink, SafetensorsSink, Sinks, digest_lines, write_npy, write_npy_f64,
};

use crate::device::Device;
use crate::exit::Outcome;
use crate::forward_output::Answer;
use crate::input::Files;
use crate::model::Loaded;
use crate::output::FormatFlag;
use crate::progress::{self, Phase};
use crate::prompt::{self, Prompt};
use crate::run::{CPU, Engine, Ran, RunError, Runner};
use crate::{device, engine_flags, output};

/// Runs a GGUF or APR model on token ids or a text, from the file's own names and metadata only.
///
/// Prints the most likely next tokens and a BLAKE3 digest of every stage and of the whole run. The arithmetic is fixed:
/// the same model and tokens give the same digests on any machine and with any number of threads.
///
/// Exit code: 0 done; 2 not covered, unreadable, malformed, no usable GPU although one was requested, a GPU failure, or the
/// output could not be written. Output files of a failed run are removed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  aprove forward model.gguf --prompt \"1 + 1 =\"\n  aprove forward model.apr --tokens 1,2,3 --stages run.safetensors",
    arg(device::no_forward())
)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
    model: PathBuf,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// The arithmetic
    #[arg(long, value_enum, default_value_t = Numerics::F32Fixed2)]
    numerics: Numerics,
    /// Write the logits of every position to a new NumPy file
    #[arg(long, value_name = "F.npy")]
    logits: Option<PathBuf>,
    /// Write every stage: to a new file if the name ends in .safetensors, with its digests beside it, otherwise to a new
    /// folder of APRT files, which `apr diff --values` reads. Repeatable
    #[arg(long, value_name = "PATH")]
    stages: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    #[command(flatten)]
    engine: engine_flags::Arguments,
    #[command(flatten)]
    device: device::Arguments,
    #[command(flatten)]
    progress: progress::Arguments,
    /// One line instead of the answer: the digest of the run; no progress
    #[arg(short, long)]
    quiet: bool,
}

/// The arithmetic of a run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Numerics {
    /// The numeric contract: the same bits everywhere
    #[value(name = "f32-fixed-2")]
    F32Fixed2,
    /// The same structure in f64: the reference to judge other engines by, never compared with f32-fixed-2 bit for bit
    F64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    for path in arguments.stages.iter().chain(&arguments.logits) {
        if path.symlink_metadata().is_ok() {
            bail!("{} exists already: name another output", path.display());
        }
    }
    let files = Files::open(&arguments.model)?;
    let loaded = Loaded::new(&files, arguments.engine.io)?;
    let asked = arguments.prompt.of(&loaded);
    let prompt = match asked.with_context(|| files.name().to_owned())? {
        Some(prompt) => prompt,
        None => default_prompt(&loaded)?,
    };
    let ran = match arguments.numerics {
        Numerics::F32Fixed2 => in_f32(arguments, &files, &loaded, &prompt),
        Numerics::F64 => in_f64(arguments, &files, &loaded, &prompt),
    };
    let ran = ran.with_context(|| files.name().to_owned())?;
    let (digests, logits) = ran.value;
    let answer = Answer {
        name: files.name().to_owned(),
        device: ran.device,
        device_reason: ran.reason,
        numerics: match arguments.numerics {
            Numerics::F32Fixed2 => NUMERICS,
            Numerics::F64 => "f64",
        },
        logits,
        model: loaded.model,
        prompt,
        digests,
    };
    output::print(&match arguments.format {
        FormatFlag::Text if arguments.quiet => answer.line(),
        FormatFlag::Text => answer.text(),
        FormatFlag::Json => answer.json(),
    })?;
    Ok(Outcome::Done)
}

/// Runs under the numeric contract and writes the requested files.
fn in_f32(
    arguments: &Arguments,
    files: &Files,
    loaded: &Loaded<'_>,
    prompt: &Prompt,
) -> anyhow::Result<Ran<(Digests, Vec<f64>)>> {
    let tokens = &prompt.tokens;
    let progress = arguments.progress.of(arguments.quiet, 1, &[Phase::Forward]);
    let engine = Engine {
        device: &arguments.device,
        io: arguments.engine.io,
        options: arguments.engine.options()?,
        progress: &progress.job(files.name()),
        is_run: &|| true,
        times: false,
    };
    let ran = engine.run(
        |runner| RunError::apart(with_stages(arguments, loaded, tokens, runner)),
        |_| None::<()>,
    );
    let ran = ran.map_err(Error::msg)?;
    let (digests, logits, dumps) = ran.value?;
    unchanged(files)?;
    for dump in dumps {
        dump.finish(&digests)?;
    }
    if let Some(path) = &arguments.logits {
        write(path, |file| write_npy(file, tokens.len(), &logits))?;
    }
    Ok(Ran {
        value: (digests, logits.into_iter().map(f64::from).collect()),
        device: ran.device,
        reason: ran.reason,
    })
}

/// Runs once on an open device. Its output files are kept only if they are finished.
fn with_stages(
    arguments: &Arguments,
    loaded: &Loaded<'_>,
    tokens: &[u32],
    runner: &Runner<'_>,
) -> Result<(Digests, Vec<f32>, Vec<Dump>), RunError> {
    let (mut digests, mut logits) = (Digests::default(), Logits(Vec::new()));
    let mut dumps = arguments
        .stages
        .iter()
        .map(|path| Dump::new(path, loaded, tokens))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut sinks = Sinks(vec![&mut digests, &mut logits]);
    sinks.0.extend(dumps.iter_mut().map(Dump::sink));
    let sources = loaded.sources();
    runner.batch(loaded.side(&sources), &mut [(tokens, sinks)])?;
    Ok((digests, logits.0, dumps))
}

fn in_f64(
    arguments: &Arguments,
    files: &Files,
    loaded: &Loaded<'_>,
    prompt: &Prompt,
) -> anyhow::Result<Ran<(Digests, Vec<f64>)>> {
    if !arguments.stages.is_empty() {
        bail!("--stages holds values of f32-fixed-2 and not of f64: leave out --numerics");
    }
    if let Device::Cuda(_) = arguments.device.device {
        bail!("--numerics f64 runs on the CPU only: leave out --device cuda");
    }
    let (model, sources, tokens) = (&loaded.model, loaded.sources(), &prompt.tokens);
    let options = arguments.engine.options()?;
    let mut digests = Digests::default();
    let logits = inference::forward_in_f64(model, &sources, tokens, &options, &mut digests)?;
    unchanged(files)?;
    if let Some(path) = &arguments.logits {
        write(path, |file| write_npy_f64(file, tokens.len(), &logits))?;
    }
    let is_auto = arguments.device.device == Device::Auto;
    Ok(Ran {
        value: (digests, logits),
        device: CPU,
        reason: is_auto.then(|| "f64 runs on the CPU only".to_owned()),
    })
}

/// Fails if a file changed during the run: the result would be of no file.
fn unchanged(files: &Files) -> anyhow::Result<()> {
    let changed = |why| anyhow!("a file changed while it was run: {why}");
    files.check_unchanged().map_err(changed)
}

/// Keeps the logits.
struct Logits(Vec<f32>);

impl StageSink for Logits {
    fn stage(&mut self, step: Step, _tokens: usize, values: &[f32]) {
        if step.stage == Stage::Logits {
            self.0 = values.to_vec();
        }
    }
}

/// The longest default prompt that the model accepts.
fn default_prompt(loaded: &Loaded<'_>) -> anyhow::Result<Prompt> {
    let prompts = Prompt::defaults(loaded.model.config.vocabulary, loaded.longest());
    let longest = prompts.into_iter().next_back();
    longest.context("an empty vocabulary has no prompts")
}

/// A file or folder that all stages are written to.
struct Dump {
    made: Made,
    sink: DumpSink,
}

enum DumpSink {
    Safetensors(SafetensorsSink<BufWriter<File>>),
    Aprt(AprtSink),
}

impl Dump {
    fn new(path: &Path, loaded: &Loaded<'_>, tokens: &[u32]) -> anyhow::Result<Self> {
        let failed = || not_written(path);
        if path.extension().is_some_and(|end| end == "safetensors") {
            let file = BufWriter::new(create(path)?);
            let made = Made::new(path);
            let sink = SafetensorsSink::new(file, &loaded.model, tokens, None);
            let sink = DumpSink::Safetensors(sink.with_context(failed)?);
            return Ok(Self { made, sink });
        }
        if let Some(parent) = path.parent() {
            create_dir_all(parent).with_context(failed)?;
        }
        create_dir(path).with_context(failed)?;
        Ok(Self {
            made: Made::new(path),
            sink: DumpSink::Aprt(AprtSink::new(path)),
        })
    }

    fn sink(&mut self) -> &mut dyn StageSink {
        match &mut self.sink {
            DumpSink::Safetensors(sink) => sink,
            DumpSink::Aprt(sink) => sink,
        }
    }

    fn finish(self, digests: &Digests) -> anyhow::Result<()> {
        let Self { mut made, sink } = self;
        match sink {
            DumpSink::Safetensors(sink) => {
                sink.finish().with_context(|| not_written(&made.path))?;
                let beside = made.path.with_extension("digests");
                write(&beside, |file| {
                    file.write_all(digest_lines(digests).as_bytes())
                })?;
            }
            DumpSink::Aprt(sink) => sink.finish().with_context(|| not_written(&made.path))?,
        }
        made.is_whole = true;
        Ok(())
    }
}

/// A file or folder that this run has created: removed on drop unless it is complete, so that nothing partial is taken for
/// a run, and a second device can create it again.
struct Made {
    path: PathBuf,
    is_whole: bool,
}

impl Made {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            is_whole: false,
        }
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.is_whole {
            let is_folder = self.path.is_dir();
            let remove = if is_folder {
                remove_dir_all
            } else {
                remove_file
            };
            drop(remove(&self.path));
        }
    }
}

/// Writes a new file.
fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(create(path)?);
    let mut made = Made::new(path);
    content(&mut file)
        .and_then(|()| file.flush())
        .with_context(|| not_written(path))?;
    made.is_whole = true;
    Ok(())
}

/// Creates a file; one that exists is never replaced.
fn create(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.with_context(|| not_written(path))
}

fn not_written(path: &Path) -> String {
    format!("{}: cannot be written", path.display())
}
