//! `aprove forward`: runs a model and prints what it answers, with a digest of every stage.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use inference::trace::{AprtSink, SafetensorsSink, Sinks, digest_lines, write_npy, write_npy_f64};
use inference::{Digests, NUMERICS, Options};

use crate::answer::Answer;
use crate::engine;
use crate::exit::Outcome;
use crate::input::Files;
use crate::model::Loaded;
use crate::output;
use crate::prompt::{self, Prompt};
use crate::verify::FormatFlag;

/// Runs a GGUF or APR model on token ids or a text, from the file's own names and metadata only.
///
/// Prints the most likely next tokens and a BLAKE3 digest of every stage and of the whole run. The arithmetic is fixed:
/// the same model and tokens give the same digests on any machine and with any number of threads.
///
/// Exit code: 0 done, 2 not covered, unreadable, malformed, or the output could not be written.
#[derive(Args)]
pub(crate) struct Arguments {
    /// A GGUF model (of a split set, any of its files) or an APR file
    model: PathBuf,
    #[command(flatten)]
    prompt: prompt::Arguments,
    /// The arithmetic
    #[arg(long, value_enum, default_value_t = Numerics::F32Fixed1)]
    numerics: Numerics,
    /// Write the logits of every position to a new file, as an array of numpy
    #[arg(long, value_name = "F.npy")]
    logits: Option<PathBuf>,
    /// Write every stage: to a new file when the name ends in .safetensors, with its digests beside it, and otherwise to a
    /// new folder of APRT files, which `apr diff --values` reads. Can be given twice
    #[arg(long, value_name = "PATH")]
    stages: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = FormatFlag::Text)]
    format: FormatFlag,
    #[command(flatten)]
    engine: engine::Arguments,
}

/// The arithmetic of a run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Numerics {
    /// The numeric contract: the same bits everywhere
    #[value(name = "f32-fixed-1")]
    F32Fixed1,
    /// The same structure in f64: the truth to judge other engines by, never compared with f32-fixed-1 bit for bit
    F64,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let options = arguments.engine.options()?;
    let files = Files::open(&arguments.model)?;
    let loaded = Loaded::new(&files, arguments.engine.io)?;
    let asked = arguments.prompt.of(&loaded);
    let prompt = match asked.with_context(|| files.name().to_owned())? {
        Some(prompt) => prompt,
        None => default_prompt(&loaded)?,
    };
    let (digests, logits) = match arguments.numerics {
        Numerics::F32Fixed1 => in_f32(arguments, &loaded, &prompt, &options),
        Numerics::F64 => in_f64(arguments, &loaded, &prompt, &options),
    }
    .with_context(|| files.name().to_owned())?;
    if let Err(why) = files.check_unchanged() {
        bail!("a file changed while it was run: {why}");
    }
    let answer = Answer {
        name: files.name().to_owned(),
        numerics: match arguments.numerics {
            Numerics::F32Fixed1 => NUMERICS,
            Numerics::F64 => "f64",
        },
        logits,
        model: loaded.model,
        prompt,
        digests,
    };
    output::print(&match arguments.format {
        FormatFlag::Text => answer.text(),
        FormatFlag::Json => answer.json(),
    })?;
    Ok(Outcome::Done)
}

/// Runs under the contract, and writes what was asked for.
fn in_f32(
    arguments: &Arguments,
    loaded: &Loaded<'_>,
    prompt: &Prompt,
    options: &Options,
) -> anyhow::Result<(Digests, Vec<f64>)> {
    let (model, sources, tokens) = (&loaded.model, loaded.sources(), &prompt.tokens);
    let mut digests = Digests::default();
    let mut dumps = arguments
        .stages
        .iter()
        .map(|path| Dump::new(path, loaded, tokens))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut sinks = Sinks(vec![&mut digests]);
    sinks.0.extend(dumps.iter_mut().map(Dump::sink));
    let logits = inference::forward(model, &sources, tokens, options, &mut sinks)?;
    for dump in dumps {
        dump.finish(&digests)?;
    }
    if let Some(path) = &arguments.logits {
        write(path, |file| write_npy(file, tokens.len(), &logits))?;
    }
    Ok((digests, logits.into_iter().map(f64::from).collect()))
}

fn in_f64(
    arguments: &Arguments,
    loaded: &Loaded<'_>,
    prompt: &Prompt,
    options: &Options,
) -> anyhow::Result<(Digests, Vec<f64>)> {
    if !arguments.stages.is_empty() {
        bail!("--stages holds values of f32-fixed-1 and not of f64: leave out --numerics");
    }
    let (model, sources, tokens) = (&loaded.model, loaded.sources(), &prompt.tokens);
    let mut digests = Digests::default();
    let logits = inference::forward_in_f64(model, &sources, tokens, options, &mut digests)?;
    if let Some(path) = &arguments.logits {
        write(path, |file| write_npy_f64(file, tokens.len(), &logits))?;
    }
    Ok((digests, logits))
}

/// The longest default prompt that the model takes.
fn default_prompt(loaded: &Loaded<'_>) -> anyhow::Result<Prompt> {
    let prompts = Prompt::defaults(loaded.model.config.vocabulary, loaded.longest());
    let longest = prompts.into_iter().next_back();
    longest.context("an empty vocabulary has no prompts")
}

/// Where all stages are written.
enum Dump {
    Safetensors {
        path: PathBuf,
        sink: SafetensorsSink<BufWriter<File>>,
    },
    Aprt {
        path: PathBuf,
        sink: AprtSink,
    },
}

impl Dump {
    fn new(path: &Path, loaded: &Loaded<'_>, tokens: &[u32]) -> anyhow::Result<Self> {
        let path = path.to_path_buf();
        if path.extension().is_some_and(|end| end == "safetensors") {
            let file = BufWriter::new(create(&path)?);
            let sink = SafetensorsSink::new(file, &loaded.model, tokens, None)
                .with_context(|| not_written(&path))?;
            return Ok(Self::Safetensors { path, sink });
        }
        let sink = AprtSink::new(&path);
        Ok(Self::Aprt { path, sink })
    }

    fn sink(&mut self) -> &mut dyn inference::StageSink {
        match self {
            Self::Safetensors { sink, .. } => sink,
            Self::Aprt { sink, .. } => sink,
        }
    }

    fn finish(self, digests: &Digests) -> anyhow::Result<()> {
        match self {
            Self::Safetensors { path, sink } => {
                sink.finish().with_context(|| not_written(&path))?;
                let beside = path.with_extension("digests");
                write(&beside, |file| {
                    file.write_all(digest_lines(digests).as_bytes())
                })
            }
            Self::Aprt { path, sink } => sink.finish().with_context(|| not_written(&path)),
        }
    }
}

/// Writes a new file.
fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let mut file = BufWriter::new(create(path)?);
    content(&mut file)
        .and_then(|()| file.flush())
        .with_context(|| not_written(path))
}

/// Creates a file; one that exists is never replaced.
fn create(path: &Path) -> anyhow::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    file.with_context(|| not_written(path))
}

fn not_written(path: &Path) -> String {
    format!("{} could not be written", path.display())
}
