//! Whether a name may be given to an output: what is not ours is never replaced.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

use crate::{error::Error, source::SourceFile};

/// What an output is, and so what it may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// An artifact.
    Apr,
    /// A restored model.
    Gguf,
    /// The JSON file beside an artifact.
    Manifest,
}

/// Checks that an output can be published at `path`, so that what cannot is refused before the work.
///
/// # Errors
/// Fails when the path is one of the sources, when something is there and must not be overwritten, and, whatever is
/// allowed, when what is there is not of the output's own kind: a model named by mistake must survive.
pub(crate) fn check_free<'a>(
    path: &Path,
    kind: Kind,
    overwrite: bool,
    sources: impl IntoIterator<Item = &'a SourceFile>,
) -> Result<(), Error> {
    let refuse = |problem| {
        let path = path.to_owned();
        Err(Error::Path { path, problem })
    };
    if let Ok(found) = fs::metadata(path) {
        let mut sources = sources.into_iter();
        if sources.any(|source| source.is_same_file(&found)) {
            return refuse("it is one of the sources; choose another output");
        }
        // Behind a link, too: whoever reads a pipe may wait for ever.
        if !found.is_file() {
            return refuse(
                "it is not a regular file, so it is never replaced; choose another output",
            );
        }
    }
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("be examined", path)(error)),
        Ok(_) => {}
    }
    let is_own_kind = kind
        .is_kind_of(path)
        .map_err(Error::io("be examined", path))?;
    match kind {
        _ if is_own_kind && overwrite => Ok(()),
        _ if is_own_kind => Err(Error::Exists {
            path: path.to_owned(),
        }),
        Kind::Apr => refuse(
            "it exists and is not an APR file, so it is never replaced; choose another output",
        ),
        Kind::Gguf => refuse(
            "it exists and is not a GGUF file, so it is never replaced; choose another output",
        ),
        Kind::Manifest => refuse(
            "it exists and is not a manifest, so it is never replaced; choose another output",
        ),
    }
}

impl Kind {
    /// Whether the file at `path` is of this kind, by its first bytes. An empty file is of every kind; so is a link that
    /// leads nowhere.
    fn is_kind_of(self, path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        let mut start = Vec::new();
        file.take(LONGEST_START).read_to_end(&mut start)?;
        Ok(start.is_empty()
            || match self {
                Self::Apr => start.starts_with(b"APR"),
                Self::Gguf => start.starts_with(b"GGUF"),
                Self::Manifest => start.trim_ascii_start().starts_with(b"{"),
            })
    }
}

/// Bytes that tell what a file is.
const LONGEST_START: u64 = 16;

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write as _};

    use super::*;

    #[test]
    fn only_the_same_kind_is_ever_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let starts: [(&[u8], &[Kind]); 5] = [
            (b"APR\0rest", &[Kind::Apr]),
            (b"GGUFrest", &[Kind::Gguf]),
            (b"{\n", &[Kind::Manifest]),
            (b"\x7fELF", &[]),
            (b"", &[Kind::Apr, Kind::Gguf, Kind::Manifest]),
        ];
        for (number, (start, kinds)) in starts.into_iter().enumerate() {
            let path = folder.path().join(number.to_string());
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            file.unwrap().write_all(start).unwrap();
            for kind in [Kind::Apr, Kind::Gguf, Kind::Manifest] {
                let allowed = check_free(&path, kind, true, []);
                assert_eq!(allowed.is_ok(), kinds.contains(&kind), "{start:?} {kind:?}");
                assert!(check_free(&path, kind, false, []).is_err());
            }
        }
        assert!(check_free(&folder.path().join("new"), Kind::Apr, false, []).is_ok());
        assert!(check_free(folder.path(), Kind::Apr, true, []).is_err());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_unread_behind_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("link");
        // Nothing is in it, as in a new file; `/dev/stdout` is such a link to a pipe.
        std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        for kind in [Kind::Apr, Kind::Gguf, Kind::Manifest] {
            let refused = check_free(&path, kind, true, []).unwrap_err().to_string();
            assert!(refused.contains("not a regular file"), "{refused}");
        }
    }
}
