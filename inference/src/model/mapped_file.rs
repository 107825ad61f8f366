//! Files that are mapped into memory.

use std::{fs::File, io};

use gguf_file::ReadAt;
use memmap2::Mmap;

/// A file that is mapped into memory instead of read by position.
///
/// Only for files that are known not to change: when a mapped file shrinks, the next access kills the process (SIGBUS),
/// and when it is written to, a run may see some bytes before and others after. Positioned reads turn both into errors.
#[derive(Debug)]
pub struct MappedFile {
    map: Mmap,
}

impl MappedFile {
    /// Maps a file that does not change as long as this lives.
    ///
    /// # Errors
    /// Fails when the system cannot map it.
    pub fn new(file: &File) -> io::Result<Self> {
        #[expect(
            unsafe_code,
            reason = "mapping a file trusts everybody who can write to it"
        )]
        // SAFETY: the caller promises that the file does not change; the user asked for it knowing what happens otherwise.
        let map = unsafe { Mmap::map(file) }?;
        Ok(Self { map })
    }
}

impl ReadAt for MappedFile {
    fn length(&self) -> u64 {
        self.map.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.map.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_mapped_file_reads_like_any_other() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let mapped = MappedFile::new(&file).unwrap();
        assert_eq!(mapped.length(), 10);
        let mut buffer = [0; 3];
        mapped.read_exact_at(7, &mut buffer).unwrap();
        assert_eq!(&buffer, b"789");
        for offset in [8, 10, u64::MAX] {
            let error = mapped.read_exact_at(offset, &mut buffer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
        }
    }
}
