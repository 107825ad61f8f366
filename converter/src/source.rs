//! The source files: opened once, read by position, and held against their state at the start.

use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::{FileExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use gguf_file::ReadAt;
use rustix::fs::{Mode, OFlags};

use crate::error::Error;

/// An open source file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    /// The path without links, under which the file must still be found at the end.
    real_path: PathBuf,
    name: String,
    file: File,
    state: State,
}

/// What changes when somebody writes to a file or puts another one in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl SourceFile {
    /// Opens a regular file.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let must_be_regular = |metadata: &Metadata| {
            let problem = match metadata.is_dir() {
                true => "it is a folder",
                false => "it is not a regular file",
            };
            let path = path.to_owned();
            let is_regular = metadata.is_file();
            is_regular
                .then_some(())
                .ok_or(Error::Path { path, problem })
        };
        // A pipe has no path that leads to it.
        must_be_regular(&fs::metadata(path).map_err(Error::io("be opened", path))?)?;
        let real_path = fs::canonicalize(path).map_err(Error::io("be opened", path))?;
        // Not blocking: opening a pipe would wait for somebody to write to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::open(&real_path, flags, Mode::empty())
            .map_err(|error| Error::io("be opened", path)(error.into()))?;
        let file = File::from(file);
        let metadata = file.metadata().map_err(Error::io("be examined", path))?;
        must_be_regular(&metadata)?;
        // Advice only: without it the file is read all the same.
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Sequential);
        Ok(Self {
            path: path.to_owned(),
            name: utf8_name(path)?,
            real_path,
            file,
            state: State::of(&metadata),
        })
    }

    /// Returns the path as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the last part of the path.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether these are the data of another file's name.
    pub(crate) fn is_same_file(&self, metadata: &Metadata) -> bool {
        (self.state.device, self.state.inode) == (metadata.dev(), metadata.ino())
    }

    /// Fills `buffer` from `offset` on.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), Error> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => self.changed(),
                _ => Error::io("be read", &self.path)(error),
            })
    }

    /// Fails when the file is not the one, or not in the state, that was opened.
    pub(crate) fn check_unchanged(&self) -> Result<(), Error> {
        match fs::symlink_metadata(&self.real_path) {
            Ok(metadata) if State::of(&metadata) == self.state => Ok(()),
            _ => Err(self.changed()),
        }
    }

    pub(crate) fn changed(&self) -> Error {
        Error::Changed {
            path: self.path.clone(),
        }
    }
}

impl apr_file::ReadAt for SourceFile {
    fn length(&self) -> u64 {
        self.state.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl ReadAt for SourceFile {
    fn length(&self) -> u64 {
        self.state.size
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Returns the last part of a path, which must be UTF-8 because it is written into JSON.
pub(crate) fn utf8_name(path: &Path) -> Result<String, Error> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| Error::Path {
        path: path.to_owned(),
        problem: "it needs a file name of UTF-8; rename it",
    })
}
