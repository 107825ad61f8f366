//! Positioned reads from a file or from memory, bound to the input that was opened.
//!
//! Files are read by position and never mapped: a file that shrinks under the reader gives an ordinary error, where a
//! mapped one would kill the process without a verdict.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::origin::Origin;
use crate::region::Span;

/// Bytes that can be read by position from several threads.
pub trait Source: Sync {
    /// Returns the length in bytes, as it was when the source was opened.
    fn length(&self) -> u64;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// An I/O error; `UnexpectedEof` when the source ends before the buffer is full.
    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Checks that the source is still the input that was opened.
    ///
    /// # Errors
    /// Says in words what changed.
    fn check_unchanged(&self) -> Result<(), String>;

    /// Why nothing is read of it any more, though it is what was opened; [`Self::check_unchanged`] fails then as well.
    fn ended(&self) -> Option<String> {
        None
    }

    /// What it was when it was opened, for an object of a network.
    fn origin(&self) -> Option<&Origin> {
        None
    }
}

/// A source whose decoded parts are served from memory: what is read here is what was decoded.
pub(crate) struct Held<'a> {
    source: &'a dyn Source,
    head: &'a [u8],
    footer: Option<(Span, [u8; 4])>,
}

impl<'a> Held<'a> {
    /// `head` are bytes from the start of the source, `footer` are four more and where they lie.
    pub(crate) const fn new(
        source: &'a dyn Source,
        head: &'a [u8],
        footer: Option<(Span, [u8; 4])>,
    ) -> Self {
        Self {
            source,
            head,
            footer,
        }
    }
}

impl Source for Held<'_> {
    fn length(&self) -> u64 {
        self.source.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let held = self.head.get(start..).unwrap_or_default();
        let (from_head, rest) = buffer.split_at_mut(held.len().min(buffer.len()));
        if let Some(held) = held.get(..from_head.len()) {
            from_head.copy_from_slice(held);
        }
        if rest.is_empty() {
            return Ok(());
        }
        let offset = offset
            .checked_add(from_head.len() as u64)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        self.source.read_exact_at(offset, rest)?;
        if let Some((span, bytes)) = self.footer {
            for (at, byte) in (span.offset..).zip(bytes) {
                let index = at.checked_sub(offset).map(usize::try_from);
                if let Some(Ok(index)) = index
                    && let Some(slot) = rest.get_mut(index)
                {
                    *slot = byte;
                }
            }
        }
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), String> {
        self.source.check_unchanged()
    }

    fn origin(&self) -> Option<&Origin> {
        self.source.origin()
    }
}

impl Source for [u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|start| self.get(start..start.checked_add(buffer.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.as_slice().length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_exact_at(offset, buffer)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Reads a stretch piece by piece, in order, in constant memory; `each` takes the offset and the bytes of a piece.
pub(crate) fn read_through(
    source: &dyn Source,
    span: Span,
    buffer: &mut Vec<u8>,
    mut each: impl FnMut(u64, &[u8]),
) -> io::Result<()> {
    for piece in span.pieces(READ) {
        buffer.resize(usize::try_from(piece.length).map_err(io::Error::other)?, 0);
        source.read_exact_at(piece.offset, buffer)?;
        each(piece.offset, buffer);
    }
    Ok(())
}

/// Bytes read at a time: small enough for the caches, large enough for the system calls not to count.
pub(crate) const READ: u64 = 256 << 10;

/// A regular file, opened once; its identity is taken at the start and compared at the end.
#[derive(Debug)]
pub struct FileSource {
    file: File,
    /// The resolved path, for the check that it still names the same file; none for a file given by handle.
    path: Option<PathBuf>,
    identity: Identity,
}

impl FileSource {
    /// Opens the file that `path` leads to.
    ///
    /// Links are resolved first (model caches are full of them), then the target is opened without following.
    ///
    /// # Errors
    /// The file cannot be resolved or opened, or is not a regular file.
    pub fn open(path: &Path) -> io::Result<Self> {
        // A pipe has no path that leads to it.
        must_be_regular(&path.metadata()?)?;
        let path = path.canonicalize()?;
        // O_NONBLOCK: opening a FIFO must not wait for a writer; it has no effect on a regular file.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&path)?;
        Self::new(file, Some(path))
    }

    /// Takes a file that is already open, such as one that has no name yet.
    ///
    /// # Errors
    /// The file is not a regular file, or its status cannot be read.
    pub fn from_file(file: File) -> io::Result<Self> {
        Self::new(file, None)
    }

    /// Returns the open file.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    fn new(file: File, path: Option<PathBuf>) -> io::Result<Self> {
        let metadata = file.metadata()?;
        must_be_regular(&metadata)?;
        let identity = Identity::of(&metadata);
        Ok(Self {
            file,
            path,
            identity,
        })
    }
}

fn must_be_regular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let text = match metadata.is_dir() {
        true => "it is a folder",
        false => "not a regular file",
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.identity.length
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        let now = |metadata: io::Result<Metadata>| {
            metadata
                .map(|metadata| Identity::of(&metadata))
                .map_err(|error| format!("its status cannot be read any more: {error}"))
        };
        let open = now(self.file.metadata())?;
        if let Some(change) = self.identity.change(&open) {
            return Err(change);
        }
        let Some(path) = &self.path else {
            return Ok(());
        };
        let named = now(path.symlink_metadata())?;
        if (named.device, named.inode) != (open.device, open.inode) {
            return Err("its path names another file now".to_owned());
        }
        Ok(())
    }
}

/// What tells one state of one file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    fn change(&self, now: &Self) -> Option<String> {
        if self.length != now.length {
            return Some(format!(
                "its length went from {} to {} bytes",
                self.length, now.length
            ));
        }
        (self != now).then(|| "it was written to, renamed or relinked".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn a_read_past_the_end_of_memory_is_an_error() {
        let bytes = vec![1_u8, 2, 3];
        let mut buffer = [0; 2];
        assert!(bytes.read_exact_at(1, &mut buffer).is_ok());
        assert_eq!(buffer, [2, 3]);
        assert!(bytes.read_exact_at(2, &mut buffer).is_err());
        assert!(bytes.read_exact_at(u64::MAX, &mut buffer).is_err());
    }

    #[test]
    fn a_file_that_grows_is_not_the_one_that_was_opened() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let source = FileSource::open(file.path()).unwrap();
        assert_eq!(source.check_unchanged(), Ok(()));
        file.write_all(b"d").unwrap();
        assert_eq!(
            source.check_unchanged(),
            Err("its length went from 3 to 4 bytes".to_owned())
        );
    }

    #[test]
    fn a_path_that_names_another_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut first = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
        first.write_all(b"abc").unwrap();
        std::fs::hard_link(first.path(), &path).unwrap();
        let source = FileSource::open(&path).unwrap();
        std::fs::rename(
            tempfile::NamedTempFile::new_in(folder.path())
                .unwrap()
                .path(),
            &path,
        )
        .unwrap();
        assert!(source.check_unchanged().is_err());
    }

    #[test]
    fn a_folder_is_not_a_source() {
        let folder = tempfile::tempdir().unwrap();
        assert!(FileSource::open(folder.path()).is_err());
    }
}
