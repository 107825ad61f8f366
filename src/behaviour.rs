//! Runs both files of a pair with one engine and compares every stage bit for bit.

use std::path::{Path, PathBuf};

use inference::{Digests, FileSource, Format, Model, NUMERICS, Options, Source};
use verifier::report::{Behaviour, BehaviourRow};

use crate::input::Files;

/// Runs the default prompts through both models. Each is built from its own file only, so a difference that the bytes do
/// not show lies in the metadata.
pub(crate) fn compare(a: &Path, b: &Path, threads: usize) -> (Behaviour, BehaviourRow) {
    let mut row = BehaviourRow {
        device: "cpu".to_owned(),
        numerics: NUMERICS.to_owned(),
        result: String::new(),
        tokens: 0,
        stages: 0,
        assumptions: Vec::new(),
    };
    let behaviour = run(a, b, threads, &mut row).unwrap_or_else(|error| Behaviour::NotCovered {
        why: format!("{error:#}"),
    });
    (behaviour, row)
}

fn run(a: &Path, b: &Path, threads: usize, row: &mut BehaviourRow) -> anyhow::Result<Behaviour> {
    let options = Options {
        threads,
        ..Options::default()
    };
    let (a, b) = (Runner::open(a)?, Runner::open(b)?);
    let (a, b) = (a.load()?, b.load()?);
    let (apr, gguf) = match (a.model.format, b.model.format) {
        (Format::Apr, Format::Gguf) => (a, b),
        (Format::Gguf, Format::Apr) => (b, a),
        _ => anyhow::bail!("they are not an APR file and a GGUF"),
    };
    for (name, loaded) in [("apr", &apr), ("gguf", &gguf)] {
        let assumptions = loaded.model.assumptions.iter();
        row.assumptions
            .extend(assumptions.map(|assumption| format!("{name}: {assumption}")));
    }
    // The prompts depend on the number of tokens, which both must agree on.
    let vocabulary = apr.model.config.vocabulary;
    if vocabulary != gguf.model.config.vocabulary {
        anyhow::bail!(
            "their vocabularies have {vocabulary} and {} tokens",
            gguf.model.config.vocabulary
        );
    }
    let longest = apr.longest().min(gguf.longest());
    for prompt in inference::default_prompts(u32::try_from(vocabulary)?) {
        let tokens: Vec<u32> = prompt.tokens.into_iter().take(longest).collect();
        let (a, b) = (
            apr.digests(&tokens, &options)?,
            gguf.digests(&tokens, &options)?,
        );
        row.tokens = row.tokens.saturating_add(tokens.len());
        row.stages = row.stages.saturating_add(a.stages.len());
        if let Some((a, b)) = a.first_difference(&b) {
            return Ok(Behaviour::Different {
                stage: a.or(b).unwrap_or_default(),
                prompt: prompt.name.to_owned(),
            });
        }
    }
    if row.stages == 0 {
        anyhow::bail!("no prompt was run");
    }
    Ok(Behaviour::Equal)
}

/// The open files of a model.
struct Runner {
    files: Vec<FileSource>,
}

/// A model and the files that it was built from.
struct Loaded {
    runner: Runner,
    model: Model,
}

impl Runner {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let paths: Vec<PathBuf> = Files::paths_of_model(path)?;
        let files = paths.iter().map(|path| FileSource::open(path));
        Ok(Self {
            files: files.collect::<Result<_, _>>()?,
        })
    }

    fn sources(&self) -> Vec<&dyn Source> {
        self.files.iter().map(|file| file as &dyn Source).collect()
    }

    fn load(self) -> anyhow::Result<Loaded> {
        let model = inference::load(&self.sources())?;
        Ok(Loaded {
            runner: self,
            model,
        })
    }
}

impl Loaded {
    /// The longest prompt that the model takes.
    fn longest(&self) -> usize {
        let window = self.model.config.window.unwrap_or(usize::MAX);
        window.min(self.model.config.context)
    }

    fn digests(&self, tokens: &[u32], options: &Options) -> anyhow::Result<Digests> {
        let mut digests = Digests::default();
        inference::forward(
            &self.model,
            &self.runner.sources(),
            tokens,
            options,
            &mut digests,
        )?;
        Ok(digests)
    }
}
