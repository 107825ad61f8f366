//! Where bytes come from.

use std::io;

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
        u64::try_from(self.len()).unwrap_or(u64::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_is_read_at_any_offset_up_to_its_end() {
        let source = vec![1, 2, 3, 4];
        let mut buffer = [0; 2];
        source.read_exact_at(2, &mut buffer).unwrap();
        assert_eq!((source.length(), buffer), (4, [3, 4]));
        for offset in [3, 4, 5, u64::MAX] {
            let error = source.read_exact_at(offset, &mut buffer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
