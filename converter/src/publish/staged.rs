//! Files that have no name until they are complete and on disk.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use rustix::{
    fs::{AtFlags, CWD, FallocateFlags, Mode, OFlags, RenameFlags},
    io::Errno,
};

use crate::error::Error;

/// An open folder: names in it stay in it when it is moved.
#[derive(Debug)]
pub(crate) struct Folder {
    descriptor: OwnedFd,
    path: PathBuf,
}

/// A file that is gone when it is dropped before it is [published](publish).
#[derive(Debug)]
pub(crate) struct StagedFile {
    folder: Arc<Folder>,
    file: File,
    /// A hidden name that goes with this value: the file's own, where it needs one, and after it was published that of the
    /// file which it replaced.
    temporary: Option<OsString>,
    name: OsString,
}

/// Gives complete files their names in one folder, and waits until these are on disk; an existing file is replaced only when
/// `overwrite` says so.
///
/// # Errors
/// Fails when a name was taken meanwhile and must not be overwritten, or when the disk fails. Then no file keeps its name, and
/// what was replaced is back, where the file system has links.
pub(crate) fn publish(
    folder: &Folder,
    mut files: Vec<StagedFile>,
    overwrite: bool,
) -> Result<(), Error> {
    for file in &files {
        file.sync()?;
    }
    let mut named = 0_usize;
    let published = files
        .iter_mut()
        .try_for_each(|file| {
            file.take_name(overwrite)?;
            named += 1;
            Ok(())
        })
        .and_then(|()| folder.sync());
    if published.is_err() {
        for file in files.iter_mut().take(named) {
            file.withdraw();
        }
    }
    published
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let descriptor = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|errno| Error::io("be opened", path)(errno.into()))?;
        Ok(Self {
            descriptor,
            path: path.to_owned(),
        })
    }

    /// Removes a name.
    fn remove(&self, name: &OsStr) -> Result<(), Error> {
        rustix::fs::unlinkat(&self.descriptor, name, AtFlags::empty())
            .map_err(|errno| Error::io("be removed", self.path.join(name))(errno.into()))
    }

    /// Waits until the names in the folder are on disk.
    fn sync(&self) -> Result<(), Error> {
        rustix::io::retry_on_intr(|| rustix::fs::fsync(&self.descriptor))
            .map_err(|errno| Error::io("be synced", &self.path)(errno.into()))
    }
}

impl StagedFile {
    /// Creates an empty file that can be read and written, to be called `name`.
    pub(crate) fn create(folder: &Arc<Folder>, name: &OsStr) -> Result<Self, Error> {
        let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
        match rustix::fs::openat(&folder.descriptor, ".", flags, new_file_mode()) {
            Ok(descriptor) => {
                let staged = Self {
                    folder: Arc::clone(folder),
                    file: descriptor.into(),
                    temporary: None,
                    name: name.to_owned(),
                };
                // Without this path the file could not get its name at the end.
                if rustix::fs::stat(staged.descriptor_path()).is_ok() {
                    return Ok(staged);
                }
                Self::create_named(folder, name)
            }
            // Not every file system has files without a name; any other problem shows up again.
            Err(_) => Self::create_named(folder, name),
        }
    }

    /// Creates the file under a hidden name.
    fn create_named(folder: &Arc<Folder>, name: &OsStr) -> Result<Self, Error> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let (temporary, descriptor) = under_new_name(name, |temporary| {
            rustix::fs::openat(&folder.descriptor, temporary, flags, new_file_mode())
        })
        .map_err(|errno| Error::io("hold a new file", &folder.path)(errno.into()))?;
        Ok(Self {
            folder: Arc::clone(folder),
            file: descriptor.into(),
            temporary: Some(temporary),
            name: name.to_owned(),
        })
    }

    /// Returns the open file.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Returns the path that the file will have.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    /// Reserves `length` bytes of zeros, so that a full disk is known at once.
    pub(crate) fn allocate(&self, length: u64) -> Result<(), Error> {
        match rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, length) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => self
                .file
                .set_len(length)
                .map_err(Error::io("be given its length", self.path())),
            result => {
                result.map_err(|errno| Error::io("be given its space", self.path())(errno.into()))
            }
        }
    }

    /// Waits until the bytes are on disk.
    fn sync(&self) -> Result<(), Error> {
        self.file
            .sync_all()
            .map_err(Error::io("be written to disk", self.path()))
    }

    /// Gives the file its name.
    fn take_name(&mut self, overwrite: bool) -> Result<(), Error> {
        let named = if overwrite {
            self.replace()
        } else {
            self.take_free_name().map(|()| None)
        };
        self.temporary = named.map_err(|errno| match errno {
            Errno::EXIST => Error::Exists { path: self.path() },
            errno => Error::io("be given its name", self.path())(errno.into()),
        })?;
        Ok(())
    }

    /// Takes the name away again, and gives it back to the file that had it. The failure to be told is an earlier one.
    fn withdraw(&mut self) {
        let folder = &self.folder.descriptor;
        match self.temporary.take() {
            Some(replaced) => {
                let _ = rustix::fs::renameat(folder, replaced, folder, &self.name);
            }
            None => drop(self.folder.remove(&self.name)),
        }
    }

    fn take_free_name(&self) -> Result<(), Errno> {
        let folder = &self.folder.descriptor;
        let Some(temporary) = &self.temporary else {
            return self.link(&self.name);
        };
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(folder, temporary, folder, &self.name, flags) {
            // A link never replaces either, where the file system has links.
            Err(Errno::INVAL | Errno::NOSYS) => {
                rustix::fs::linkat(folder, temporary, folder, &self.name, AtFlags::empty())?;
                rustix::fs::unlinkat(folder, temporary, AtFlags::empty())
            }
            result => result,
        }
    }

    /// Takes the name, from another file if there is one, and returns the hidden name under which that one is kept.
    fn replace(&mut self) -> Result<Option<OsString>, Errno> {
        if self.temporary.is_none() {
            self.temporary = Some(under_new_name(&self.name, |temporary| self.link(temporary))?.0);
        }
        let folder = &self.folder.descriptor;
        let kept = under_new_name(&self.name, |kept| {
            rustix::fs::linkat(folder, &self.name, folder, kept, AtFlags::empty())
        });
        // What has no second name, where links cannot be had, is gone for good.
        let kept = kept.ok().map(|(kept, ())| kept);
        let renamed = match &self.temporary {
            Some(temporary) => rustix::fs::renameat(folder, temporary, folder, &self.name),
            None => Ok(()),
        };
        if let (Err(_), Some(kept)) = (renamed, &kept) {
            drop(self.folder.remove(kept));
        }
        renamed.map(|()| kept)
    }

    /// Gives the file without a name this one.
    fn link(&self, name: &OsStr) -> Result<(), Errno> {
        let (path, flags) = (self.descriptor_path(), AtFlags::SYMLINK_FOLLOW);
        rustix::fs::linkat(CWD, path, &self.folder.descriptor, name, flags)
    }

    fn descriptor_path(&self) -> String {
        format!("/proc/self/fd/{}", self.file.as_raw_fd())
    }
}

impl Drop for StagedFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing is left to do about a failure here.
            drop(self.folder.remove(temporary));
        }
    }
}

/// Tries hidden names until one is free.
fn under_new_name<T>(
    name: &OsStr,
    mut create: impl FnMut(&OsStr) -> Result<T, Errno>,
) -> Result<(OsString, T), Errno> {
    let mut attempt = 0_u32;
    loop {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(match attempt {
            0 => format!(".{}.tmp", process::id()),
            _ => format!(".{}-{attempt}.tmp", process::id()),
        });
        match create(&temporary) {
            Err(Errno::EXIST) if attempt < MOST_ATTEMPTS => attempt += 1,
            result => return result.map(|made| (temporary, made)),
        }
    }
}

/// As for any new file: the process's mask takes bits away.
const fn new_file_mode() -> Mode {
    Mode::from_raw_mode(0o666)
}

const MOST_ATTEMPTS: u32 = 100;

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    type Create = fn(&Arc<Folder>, &OsStr) -> Result<StagedFile, Error>;
    const CREATORS: [Create; 2] = [StagedFile::create, StagedFile::create_named];

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    fn staged(create: Create, folder: &Arc<Folder>, text: &str) -> StagedFile {
        let staged = create(folder, OsStr::new("model.apr")).unwrap();
        staged.file().write_all(text.as_bytes()).unwrap();
        staged
    }

    #[test]
    fn a_dropped_file_leaves_nothing() {
        for create in CREATORS {
            let directory = tempfile::tempdir().unwrap();
            let folder = Arc::new(Folder::open(directory.path()).unwrap());
            drop(staged(create, &folder, "half"));
            assert_eq!(names(directory.path()), Vec::<OsString>::new());
        }
    }

    #[test]
    fn a_published_file_has_its_name_and_nothing_else_is_left() {
        for create in CREATORS {
            let directory = tempfile::tempdir().unwrap();
            let folder = Arc::new(Folder::open(directory.path()).unwrap());
            for (text, overwrite) in [("one", false), ("two", true)] {
                let file = staged(create, &folder, text);
                publish(&folder, vec![file], overwrite).unwrap();
                assert_eq!(names(directory.path()), ["model.apr"]);
                let read = fs::read_to_string(directory.path().join("model.apr")).unwrap();
                assert_eq!(read, text);
            }
        }
    }

    #[test]
    fn an_existing_file_is_kept_and_named() {
        for create in CREATORS {
            let directory = tempfile::tempdir().unwrap();
            let folder = Arc::new(Folder::open(directory.path()).unwrap());
            publish(&folder, vec![staged(create, &folder, "one")], false).unwrap();
            let file = staged(create, &folder, "two");
            let error = publish(&folder, vec![file], false).unwrap_err();
            assert!(matches!(&error, Error::Exists { path } if path.ends_with("model.apr")));
            assert_eq!(names(directory.path()), ["model.apr"]);
            let read = fs::read_to_string(directory.path().join("model.apr")).unwrap();
            assert_eq!(read, "one");
        }
    }

    #[test]
    fn files_get_their_names_together_or_not_at_all() {
        for create in CREATORS {
            let directory = tempfile::tempdir().unwrap();
            let folder = Arc::new(Folder::open(directory.path()).unwrap());
            publish(&folder, vec![staged(create, &folder, "one")], false).unwrap();
            // A folder is never replaced by a file.
            fs::create_dir(directory.path().join("taken")).unwrap();
            for (overwrite, name) in [(true, "model.apr"), (false, "new.apr")] {
                let mut first = staged(create, &folder, "two");
                first.name = name.into();
                let mut second = staged(create, &folder, "three");
                second.name = "taken".into();
                publish(&folder, vec![first, second], overwrite).unwrap_err();
                let mut left = names(directory.path());
                left.sort();
                assert_eq!(left, ["model.apr", "taken"]);
                let read = fs::read_to_string(directory.path().join("model.apr")).unwrap();
                assert_eq!(read, "one");
            }
        }
    }

    #[test]
    fn a_hidden_name_that_is_taken_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(directory.path()).unwrap());
        let first = staged(StagedFile::create_named, &folder, "one");
        let second = staged(StagedFile::create_named, &folder, "two");
        assert_ne!(first.temporary, second.temporary);
        publish(&folder, vec![second], false).unwrap();
        assert_eq!(names(directory.path()).len(), 2);
        drop(first);
        assert_eq!(names(directory.path()), ["model.apr"]);
    }
}
