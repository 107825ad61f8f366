//! The models that the user named: files, any file of a split set, and folders that are searched for them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use remote::Location;
use verifier::finding::escape;

use crate::input::first_of_set;

/// A model, or a place where one should be.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its file; of a split set the first one.
    pub(crate) path: PathBuf,
    /// Why there is no model.
    pub(crate) problem: Option<String>,
}

impl Found {
    /// The path in words: nothing in it can end a line or reach a terminal.
    pub(crate) fn name(&self) -> String {
        shown(&self.path)
    }
}

/// A path in words, an address without secrets; escaped like a name.
pub(crate) fn shown(path: &Path) -> String {
    match Location::of(path) {
        Location::Path(path) => escape(path.as_os_str().as_bytes()),
        address @ Location::Address(_) => escape(address.to_string().as_bytes()),
    }
}

/// Finds the models at these paths, each once, in their order; those of a folder in the order of their names.
///
/// A file that is named is taken for a model whatever it is. In a folder a model is told by its first bytes, or by an ending
/// that promises one, so that a page of a server under the name of a model is not passed over.
pub(crate) fn find(paths: &[PathBuf]) -> Vec<Found> {
    let mut search = Search::default();
    for path in paths {
        if path.is_dir() {
            let before = search.found.len();
            search.folder(path);
            if search.found.len() == before && !search.is_repeated {
                search.found.push(Found {
                    path: path.clone(),
                    problem: Some(format!("{} is a folder without a model", path.display())),
                });
            }
        } else {
            search.add(path);
        }
    }
    search.found
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
    /// What was found already, links resolved.
    known: HashSet<PathBuf>,
    /// Whether a model was met a second time.
    is_repeated: bool,
}

impl Search {
    fn add(&mut self, path: &Path) {
        let path = first_of_set(path);
        // What cannot be resolved cannot be opened either, and says so then.
        let resolved = path.canonicalize().unwrap_or_else(|_| path.clone());
        if self.known.insert(resolved) {
            let problem = None;
            self.found.push(Found { path, problem });
        } else {
            self.is_repeated = true;
        }
    }

    /// Links to files are followed, as model caches are full of them; links to folders are not, as they can lead in circles.
    fn folder(&mut self, folder: &Path) {
        let entries = fs::read_dir(folder).and_then(|entries| {
            let paths = entries.map(|entry| entry.map(|entry| entry.path()));
            paths.collect::<io::Result<Vec<_>>>()
        });
        let mut paths = match entries {
            Ok(paths) => paths,
            Err(error) => return self.problem(folder, &error),
        };
        paths.sort();
        for path in paths {
            match kind_of(&path) {
                Ok(Kind::Folder) => self.folder(&path),
                Ok(Kind::Model) => self.add(&path),
                Ok(Kind::Other) => {}
                Err(error) => self.problem(&path, &error),
            }
        }
    }

    fn problem(&mut self, path: &Path, error: &io::Error) {
        self.found.push(Found {
            path: path.to_path_buf(),
            problem: Some(format!("{}: cannot be read: {error}", path.display())),
        });
    }
}

enum Kind {
    Folder,
    Model,
    Other,
}

fn kind_of(path: &Path) -> io::Result<Kind> {
    let is_link = path.symlink_metadata()?.is_symlink();
    let promises = path.extension().is_some_and(|ending| {
        ending.eq_ignore_ascii_case("gguf") || ending.eq_ignore_ascii_case("apr")
    });
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        // A link to nothing that has the name of a model is a model that is missing.
        Err(_) if is_link && !promises => return Ok(Kind::Other),
        Err(error) => return Err(error),
    };
    if metadata.is_dir() {
        return Ok(if is_link { Kind::Other } else { Kind::Folder });
    }
    // What has the name of a model and is no file says so where it is opened.
    if promises {
        return Ok(Kind::Model);
    }
    if !metadata.is_file() {
        return Ok(Kind::Other);
    }
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    let is_model = start == b"GGUF" || start == b"APR\0";
    Ok(if is_model { Kind::Model } else { Kind::Other })
}
