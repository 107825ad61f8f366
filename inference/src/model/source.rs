//! Sources of weights: files or bytes that are read by position.

use gguf_file::ReadAt;

use crate::error::Error;

/// Bytes that several threads read by position.
pub trait Source: ReadAt + Sync {}

impl<S: ReadAt + Sync + ?Sized> Source for S {}

/// Reads `length` bytes at `offset`; the caller has bounded the length.
pub fn read(source: &dyn Source, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    source
        .read_exact_at(offset, &mut bytes)
        .map_err(|error| Error::io(offset, length, &error))?;
    Ok(bytes)
}
