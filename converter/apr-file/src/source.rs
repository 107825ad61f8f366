//! Where bytes come from.

use std::io;

use crate::{error::Error, text::to_u64};

/// A source of bytes with a fixed length that can be read at any offset.
pub trait ReadAt {
    /// Returns the length of the source in bytes.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Fails with [`io::ErrorKind::UnexpectedEof`] when the source ends first, or with the source's own failure.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

impl ReadAt for [u8] {
    fn length(&self) -> u64 {
        to_u64(self.len())
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let bytes = start
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buffer)
    }
}

/// Reads `length` bytes, which the caller has bounded.
pub(crate) fn read<S: ReadAt + ?Sized>(
    source: &S,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    source
        .read_exact_at(offset, &mut bytes)
        .map_err(|error| Error::Io {
            offset,
            length,
            kind: error.kind(),
            message: error.to_string(),
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_memory_are_read_at_their_places() {
        let bytes: Vec<u8> = (0..10).collect();
        assert_eq!(ReadAt::length(&bytes), 10);
        let mut found = [0; 3];
        ReadAt::read_exact_at(&bytes, 7, &mut found).unwrap();
        assert_eq!(found, [7, 8, 9]);
        assert!(ReadAt::read_exact_at(&bytes, 8, &mut found).is_err());
    }
}
