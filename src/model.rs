//! A model that is ready to run, built from open files.

use std::io;

use anyhow::Context as _;
use inference::{MappedFile, Model, ReadAt, Side, Source, Tokenizer};
use remote::Opened;
use verifier::source::Source as _;

use crate::engine_flags::Io;
use crate::input::Files;

/// A model and the files that it was built from, read through the verifier's own file handles.
pub(crate) struct Loaded<'a> {
    files: Vec<File<'a>>,
    /// The model as the files describe it.
    pub(crate) model: Model,
}

impl<'a> Loaded<'a> {
    /// Builds the model of open files.
    pub(crate) fn new(files: &'a Files, io: Io) -> anyhow::Result<Self> {
        files.must_be_model()?;
        let opened = files
            .sources()
            .map(|source| match io {
                Io::Reads => Ok(File::Read(source)),
                Io::Mmap => source
                    .file()
                    .ok_or_else(|| {
                        io::Error::other("it is no file of this machine: use --io reads")
                    })
                    .and_then(MappedFile::new)
                    .map(File::Mapped),
            })
            .collect::<Result<Vec<_>, _>>()
            .with_context(|| format!("{}: cannot be mapped", files.name()))?;
        let model = inference::load(&sources(&opened)).with_context(|| files.name().to_owned())?;
        Ok(Self {
            files: opened,
            model,
        })
    }

    /// The longest prompt that the model accepts, in tokens.
    pub(crate) fn longest(&self) -> usize {
        let window = self.model.config.window.unwrap_or(usize::MAX);
        window.min(self.model.config.context)
    }

    /// Loads the tokenizer from the files.
    pub(crate) fn tokenizer(&self) -> anyhow::Result<Tokenizer> {
        Ok(Tokenizer::load(&self.sources())?)
    }

    /// The sources of the weights.
    pub(crate) fn sources(&self) -> Vec<&dyn Source> {
        sources(&self.files)
    }

    /// The model as one side of a pair.
    pub(crate) const fn side<'b>(&'b self, sources: &'b [&'b dyn Source]) -> Side<'b> {
        Side {
            model: &self.model,
            sources,
        }
    }
}

/// The tensors of a model that no step of its forward reads, as far as its architecture is known.
pub(crate) fn unread(sources: &Files) -> Vec<String> {
    match Loaded::new(sources, Io::Reads) {
        Ok(loaded) => loaded.model.unused,
        // What keeps it from being run is said where it is run.
        Err(error) => match error.downcast() {
            Ok(inference::Error::NotCovered { unread, .. }) => unread,
            Ok(_) | Err(_) => Vec::new(),
        },
    }
}

/// An open file, as the forward reads it.
enum File<'a> {
    Read(&'a Opened),
    Mapped(MappedFile),
}

impl ReadAt for File<'_> {
    fn length(&self) -> u64 {
        match self {
            Self::Read(file) => file.length(),
            Self::Mapped(file) => file.length(),
        }
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Read(file) => file.read_exact_at(offset, buffer),
            Self::Mapped(file) => file.read_exact_at(offset, buffer),
        }
    }
}

fn sources<'a>(files: &'a [File<'_>]) -> Vec<&'a dyn Source> {
    files.iter().map(|file| file as &dyn Source).collect()
}
