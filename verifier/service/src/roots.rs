//! Files that a job may read: below a folder that the configuration names, or uploaded.
//!
//! A path is opened by the kernel beneath its root (`openat2` with `RESOLVE_BENEATH`), never compared as text: `..`, absolute
//! links and races with them lead nowhere.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};

use crate::job::{Bound, Input, Op, Place};

/// Where files may lie.
#[derive(Clone, Debug)]
pub(crate) struct Roots {
    roots: BTreeMap<String, PathBuf>,
    blobs: PathBuf,
}

/// Why an input is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No root has this name.
    #[error("no root has the name `{0}`: a path is ROOT/PATH, and `/metadata` lists the roots")]
    NoRoot(String),
    /// The path leads out of its root.
    #[error("{0}: leads out of its root")]
    Escapes(String),
    /// There is nothing.
    #[error("{0}: there is no such file")]
    Absent(String),
    /// It is a folder, a pipe or a device.
    #[error("{0}: is not a regular file")]
    NotRegular(String),
    /// A name that no file of a report may have.
    #[error("{0}: is no name of a model: one without `/` that does not begin with `-` or `.`")]
    BadName(String),
    /// A digest that is none.
    #[error("`{0}` is no digest: give sha256:HEX with 64 digits, in small letters")]
    BadDigest(String),
    /// The system cannot open it.
    #[error("{0}: cannot be opened: {1}")]
    Io(String, #[source] io::Error),
}

/// The most files of a split model.
const SHARDS: usize = 1000;

impl Roots {
    /// Roots by name, and the folder of the uploads.
    #[must_use]
    pub(crate) const fn new(roots: BTreeMap<String, PathBuf>, blobs: PathBuf) -> Self {
        Self { roots, blobs }
    }

    /// The names of the roots.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.roots.keys().map(String::as_str)
    }

    /// Binds the model at `ROOT/PATH`, with all files that the program is to see of it.
    ///
    /// # Errors
    /// One of them is refused.
    pub(crate) fn path(&self, given: &str, op: Op) -> Result<Input, Refused> {
        let (root, path) = given
            .split_once('/')
            .ok_or_else(|| Refused::NoRoot(given.to_owned()))?;
        let (folder, name) = path
            .rsplit_once('/')
            .map_or(("", path), |(folder, name)| (folder, name));
        let mut names = shards(name).unwrap_or_else(|| vec![name.to_owned()]);
        if op == Op::Check {
            names.push(format!("{name}.manifest.json"));
        }
        let mut files = Vec::new();
        for other in names {
            let place = Place::Root {
                root: root.to_owned(),
                path: if folder.is_empty() {
                    other.clone()
                } else {
                    format!("{folder}/{other}")
                },
            };
            match self.bind(&other, place) {
                Ok(file) => files.push(file),
                // The program says what is missing of a split model; a sidecar may be absent.
                Err(Refused::Absent(_)) if other != name => {}
                Err(refused) => return Err(refused),
            }
        }
        Ok(Input {
            name: name.to_owned(),
            files,
            address: None,
        })
    }

    /// Binds an upload.
    ///
    /// # Errors
    /// There is none with this digest, or the name is refused.
    pub(crate) fn blob(&self, digest: &str, name: &str) -> Result<Input, Refused> {
        let hex = hex_of(digest)?;
        let file = self.bind(name, Place::Blob(hex.to_owned()))?;
        Ok(Input {
            name: name.to_owned(),
            files: vec![file],
            address: None,
        })
    }

    fn bind(&self, name: &str, place: Place) -> Result<Bound, Refused> {
        let is_name = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with(['-', '.'])
            && !name.contains(['/', '\0', '\n', '\r']);
        if !is_name {
            return Err(Refused::BadName(name.to_owned()));
        }
        let (size, content) = self.content(&place)?;
        Ok(Bound {
            name: name.to_owned(),
            place,
            content,
            size,
        })
    }

    /// Whether a file is still what was submitted.
    ///
    /// # Errors
    /// It is gone or refused.
    pub(crate) fn is_unchanged(&self, file: &Bound) -> Result<bool, Refused> {
        let (size, content) = self.content(&file.place)?;
        Ok(size == file.size && content == file.content)
    }

    /// The length of a file, and what says whether it is the same one. The number of the disk is left out, since it is another
    /// one on each machine that mounts it.
    fn content(&self, place: &Place) -> Result<(u64, String), Refused> {
        let file = self.open(place)?;
        let status = file
            .metadata()
            .map_err(|error| Refused::Io(place.to_string(), error))?;
        let content = match place {
            Place::Blob(hex) => format!("sha256:{hex}"),
            Place::Root { root, path } => format!(
                "file:{root}:{path}:{}:{}:{}.{:09}:{}.{:09}",
                status.ino(),
                status.len(),
                status.mtime(),
                status.mtime_nsec(),
                status.ctime(),
                status.ctime_nsec()
            ),
        };
        Ok((status.len(), content))
    }

    fn open(&self, place: &Place) -> Result<File, Refused> {
        let path = match place {
            Place::Blob(hex) => hex,
            Place::Root { path, .. } => path,
        };
        let folder = self.folder(place)?;
        let folder = rustix::fs::open(folder, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| Refused::Io(place.to_string(), error.into()))?;
        // O_NONBLOCK: opening a pipe must not wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = rustix::fs::openat2(folder, path.as_str(), flags, Mode::empty(), resolve)
            .map_err(|error| match error {
                rustix::io::Errno::XDEV | rustix::io::Errno::LOOP => {
                    Refused::Escapes(place.to_string())
                }
                rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR => {
                    Refused::Absent(place.to_string())
                }
                rustix::io::Errno::NXIO => Refused::NotRegular(place.to_string()),
                error => Refused::Io(place.to_string(), error.into()),
            })?;
        let file = File::from(file);
        let status = file
            .metadata()
            .map_err(|error| Refused::Io(place.to_string(), error))?;
        if !status.is_file() {
            return Err(Refused::NotRegular(place.to_string()));
        }
        Ok(file)
    }

    fn folder(&self, place: &Place) -> Result<&Path, Refused> {
        match place {
            Place::Blob(_) => Ok(&self.blobs),
            Place::Root { root, .. } => self
                .roots
                .get(root)
                .map(PathBuf::as_path)
                .ok_or_else(|| Refused::NoRoot(root.clone())),
        }
    }

    /// The path of a file that was bound, for a link to it.
    ///
    /// # Errors
    /// Its root is gone.
    pub(crate) fn target(&self, file: &Bound) -> Result<PathBuf, Refused> {
        let folder = self.folder(&file.place)?;
        Ok(match &file.place {
            Place::Blob(hex) => folder.join(hex),
            Place::Root { path, .. } => folder.join(path),
        })
    }
}

/// The digits of a digest.
pub(crate) fn hex_of(digest: &str) -> Result<&str, Refused> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() == 64 && hex.bytes().all(is_digit) {
        Ok(hex)
    } else {
        Err(Refused::BadDigest(digest.to_owned()))
    }
}

/// The names of all files of a split model, from that of one.
fn shards(name: &str) -> Option<Vec<String>> {
    let (stem, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, number) = stem.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(number) || !is_number(count) {
        return None;
    }
    let count: usize = count.parse().ok()?;
    let all = 1..=count.min(SHARDS);
    Some(
        all.map(|number| format!("{stem}-{number:05}-of-{count:05}.gguf"))
            .collect(),
    )
}

/// Whether the kernel can open beneath a folder: Linux 5.6.
///
/// # Errors
/// It cannot.
pub(crate) fn check_kernel() -> io::Result<()> {
    let resolve = ResolveFlags::BENEATH;
    rustix::fs::openat2(
        CWD,
        ".",
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?;
    Ok(())
}
