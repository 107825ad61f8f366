//! Where the weights come from.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use gguf_file::ReadAt;

use crate::error::Error;

/// Bytes that several threads read by position.
pub trait Source: ReadAt + Sync {}

impl<S: ReadAt + Sync + ?Sized> Source for S {}

/// A regular file, read by position; its length is the one it had when it was opened.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    length: u64,
}

impl FileSource {
    /// Opens a regular file.
    ///
    /// # Errors
    /// Fails when the file cannot be opened or is not a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Asked before it is opened: opening a pipe would wait for somebody to write to it.
        if !path.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }
}

impl ReadAt for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

/// Reads `length` bytes at `offset`; the caller has bounded the length.
pub fn read(source: &dyn Source, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    source
        .read_exact_at(offset, &mut bytes)
        .map_err(|error| Error::io(offset, length, &error))?;
    Ok(bytes)
}
