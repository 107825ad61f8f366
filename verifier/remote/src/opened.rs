//! What was opened, wherever it lives.

use std::fs::File;
use std::io;
use std::path::Path;

use verifier::source::{FileSource, Source};

use crate::location::{Location, Scheme};
use crate::ollama;

/// An open model file.
#[derive(Debug)]
pub enum Opened {
    /// On this machine.
    Local(FileSource),
}

impl Location<'_> {
    /// Opens what is there.
    ///
    /// # Errors
    /// There is nothing, or it cannot be read; the sentence names no secret.
    pub fn open(&self) -> io::Result<Opened> {
        let local = |path: &Path| FileSource::open(path).map(Opened::Local);
        match self {
            Self::Path(path) => local(path),
            Self::Address(address) => match address.scheme {
                Scheme::Ollama => local(&ollama::blob(address.rest)?),
            },
        }
    }
}

impl Opened {
    /// The open file, of what lives on this machine.
    #[must_use]
    pub const fn file(&self) -> Option<&File> {
        match self {
            Self::Local(source) => Some(source.file()),
        }
    }

    const fn source(&self) -> &dyn Source {
        match self {
            Self::Local(source) => source,
        }
    }
}

impl Source for Opened {
    fn length(&self) -> u64 {
        self.source().length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.source().read_exact_at(offset, buffer)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        self.source().check_unchanged()
    }
}
