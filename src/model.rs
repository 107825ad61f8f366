//! A model that can be run: what its open files say.

use std::io;

use anyhow::Context as _;
use inference::{Model, ReadAt, Side, Source};
use verifier::source::Source as _;

use crate::input::Files;

/// A model and the files that it was built from, which it reads through the handles that the verifier has.
pub(crate) struct Loaded<'a> {
    files: Vec<Handle<'a>>,
    /// What the files say, and nothing else.
    pub(crate) model: Model,
}

impl<'a> Loaded<'a> {
    /// Builds the model of open files.
    pub(crate) fn new(files: &'a Files) -> anyhow::Result<Self> {
        let handles: Vec<_> = files.sources().map(Handle).collect();
        let model = inference::load(&sources(&handles)).with_context(|| files.name().to_owned())?;
        Ok(Self {
            files: handles,
            model,
        })
    }

    /// The longest prompt that the model takes.
    pub(crate) fn longest(&self) -> usize {
        let window = self.model.config.window.unwrap_or(usize::MAX);
        window.min(self.model.config.context)
    }

    /// Where the weights come from.
    pub(crate) fn sources(&self) -> Vec<&dyn Source> {
        sources(&self.files)
    }

    /// The model as a side of a pair.
    pub(crate) const fn side<'b>(&'b self, sources: &'b [&'b dyn Source]) -> Side<'b> {
        Side {
            model: &self.model,
            sources,
        }
    }
}

/// An open file as the forward takes it.
struct Handle<'a>(&'a verifier::source::FileSource);

impl ReadAt for Handle<'_> {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buffer)
    }
}

fn sources<'a>(files: &'a [Handle<'_>]) -> Vec<&'a dyn Source> {
    files.iter().map(|file| file as &dyn Source).collect()
}
