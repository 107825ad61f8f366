//! What was opened, wherever it lives.

use std::fs::File;
use std::io;
use std::path::Path;

use verifier::origin::Origin;
use verifier::source::{FileSource, Source};

use crate::location::{Location, Scheme};
#[cfg(feature = "network")]
use crate::network;
use crate::ollama;

/// An open model file.
pub enum Opened {
    /// On this machine.
    Local(FileSource),
    /// On a network.
    #[cfg(feature = "network")]
    Remote(Box<dyn Source + Send>),
}

impl Location<'_> {
    /// Opens what is there.
    ///
    /// # Errors
    /// There is nothing, or it cannot be read; the sentence names no secret.
    pub fn open(&self) -> io::Result<Opened> {
        let local = |path: &Path| FileSource::open(path).map(Opened::Local);
        let address = match self {
            Self::Path(path) => return local(path),
            Self::Address(address) => *address,
        };
        #[cfg(feature = "network")]
        let limit = network::allowed(address)?;
        if address.scheme == Scheme::Ollama {
            return local(&ollama::blob(address.rest)?);
        }
        #[cfg(feature = "network")]
        return Ok(Opened::Remote(Box::new(network::open(
            address,
            limit.as_ref(),
        )?)));
        #[cfg(not(feature = "network"))]
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this build of aprove reads nothing over a network: download it, and name the file",
        ))
    }
}

#[cfg(feature = "network")]
impl Location<'_> {
    /// Puts a model and its manifest here, which is the folder of a store: the model first. What is there is replaced only where
    /// that is asked for.
    ///
    /// # Errors
    /// It is no such folder, or not everything could be put there; then nothing has the name of the manifest.
    pub fn put(&self, data: &Path, manifest: &Path, overwrite: bool) -> io::Result<()> {
        let Self::Address(folder) = self else {
            let why = "it is no address of a store";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        };
        network::put(*folder, data, manifest, overwrite)
    }
}

impl Opened {
    /// The open file, of what lives on this machine.
    #[must_use]
    pub const fn file(&self) -> Option<&File> {
        match self {
            Self::Local(source) => Some(source.file()),
            #[cfg(feature = "network")]
            Self::Remote(_) => None,
        }
    }

    fn source(&self) -> &dyn Source {
        match self {
            Self::Local(source) => source,
            #[cfg(feature = "network")]
            Self::Remote(source) => &**source,
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

    fn ended(&self) -> Option<String> {
        self.source().ended()
    }

    fn origin(&self) -> Option<&Origin> {
        self.source().origin()
    }
}
