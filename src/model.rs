//! A model that can be run: its open files and what they say.

use std::path::Path;

use anyhow::Context as _;
use inference::compare::{Comparison, compare};
use inference::trace::Trace;
use inference::{Digests, FileSource, Model, Options, Source};

use crate::input::Files;

/// A model and the files that it was built from.
pub(crate) struct Loaded {
    files: Vec<FileSource>,
    /// What the files say, and nothing else.
    pub(crate) model: Model,
}

impl Loaded {
    /// Opens the model that `path` is, or is a shard of.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let files = Files::paths_of_model(path)?
            .iter()
            .map(|path| {
                FileSource::open(path)
                    .with_context(|| format!("{} cannot be opened", path.display()))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let model =
            inference::load(&sources(&files)).with_context(|| path.display().to_string())?;
        Ok(Self { files, model })
    }

    /// The longest prompt that the model takes.
    pub(crate) fn longest(&self) -> usize {
        let window = self.model.config.window.unwrap_or(usize::MAX);
        window.min(self.model.config.context)
    }

    /// Holds traces of other engines against this model.
    pub(crate) fn compare(
        &self,
        traces: &[Trace],
        tokens: Option<&[u32]>,
        options: &Options,
    ) -> anyhow::Result<Comparison> {
        let sources = sources(&self.files);
        Ok(compare(&self.model, &sources, traces, tokens, options)?)
    }

    /// Runs a prompt: the digest of every stage, and the logits of every position.
    pub(crate) fn run(
        &self,
        tokens: &[u32],
        options: &Options,
    ) -> anyhow::Result<(Digests, Vec<f32>)> {
        let mut digests = Digests::default();
        let logits = inference::forward(
            &self.model,
            &sources(&self.files),
            tokens,
            options,
            &mut digests,
        )?;
        Ok((digests, logits))
    }
}

fn sources(files: &[FileSource]) -> Vec<&dyn Source> {
    files.iter().map(|file| file as &dyn Source).collect()
}
