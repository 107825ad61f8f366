//! The models that the user named: files, any file of a split set, and folders that are searched for them.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use remote::Location;
use verifier::decode::container::Format;
use verifier::finding::escape;

use crate::input::{Files, first_of_set};
use crate::sidecar::has_sidecar;

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
            if search.found.len() == before {
                search.found.push(Found {
                    path: path.clone(),
                    problem: Some(format!("{} is a folder without a model", path.display())),
                });
            }
        } else {
            search.add(path);
        }
    }
    each_once(search.found)
}

/// Drops what was found before, links resolved. The files of a set are those of the set, whatever else leads to them: a
/// cache of Hugging Face has each under its digest as well.
fn each_once(mut found: Vec<Found>) -> Vec<Found> {
    // Every file of a set leads to its first.
    let mut paths = HashSet::new();
    found.retain(|found| found.problem.is_some() || paths.insert(found.path.clone()));
    let found: Vec<_> = found
        .into_iter()
        .map(|found| (files_of(&found), has_sidecar(&found.path), found))
        .collect();
    let sets = found.iter().filter(|(files, ..)| files.len() > 1);
    let of_sets: HashSet<PathBuf> = sets.flat_map(|(files, ..)| files.clone()).collect();
    // What a name with a sidecar says of the file is held, whatever other names it has.
    let with_sidecar = found.iter().filter(|(_, has_sidecar, _)| *has_sidecar);
    let with_sidecar: HashSet<_> = with_sidecar.map(|(files, ..)| files.clone()).collect();
    let mut known = HashSet::new();
    let kept = found.into_iter().filter_map(|(files, has_sidecar, found)| {
        let is_of_set = matches!(files.as_slice(), [file] if of_sets.contains(file));
        let is_known = if with_sidecar.contains(&files) {
            !has_sidecar
        } else {
            !known.insert(files)
        };
        (found.problem.is_some() || !is_of_set && !is_known).then_some(found)
    });
    kept.collect()
}

/// The files of what was found, links resolved.
fn files_of(found: &Found) -> Vec<PathBuf> {
    // What cannot be resolved cannot be opened either, and says so then.
    let resolved = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let paths = Files::paths_of_model(&found.path);
    let paths = paths.unwrap_or_else(|_| vec![found.path.clone()]);
    paths.into_iter().map(resolved).collect()
}

#[derive(Default)]
struct Search {
    found: Vec<Found>,
}

impl Search {
    fn add(&mut self, path: &Path) {
        self.found.push(Found {
            path: first_of_set(path),
            problem: None,
        });
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
    Ok(Format::of(&start).map_or(Kind::Other, |_| Kind::Model))
}
