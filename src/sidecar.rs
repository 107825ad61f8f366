//! The manifest beside a model.

use std::io::ErrorKind;
use std::path::Path;

use remote::Location;
use verifier::check::Sidecar;
use verifier::manifest::{self, Unusable};

use crate::input::{Files, read_text};

/// The manifest that `convert` leaves beside an artifact, and that others can write with `aprove manifest`: of a split set it
/// may stand beside any of the files, and beside several only if they are the same.
pub(crate) fn sidecar_of(model: &Path) -> Sidecar {
    if Location::of(model).is_address() {
        return sidecar_of_file(model);
    }
    let files = Files::paths_of_model(model).unwrap_or_else(|_| vec![model.to_owned()]);
    let mut files = files.iter().filter(|file| has_sidecar(file));
    let Some(first) = files.next() else {
        return Sidecar::Absent;
    };
    let found = sidecar_of_file(first);
    match files.find(|other| !is_same_text(first, other)) {
        Some(other) if matches!(found, Sidecar::Read(_)) => {
            let [name, other] = [first, other].map(|file| Location::of(file).name() + SIDECAR);
            Sidecar::Unusable(name, Unusable::Several(other))
        }
        _ => found,
    }
}

/// Whether something stands where the sidecar of a file of this machine has its place.
pub(crate) fn has_sidecar(file: &Path) -> bool {
    let path = Location::of(file).with_ending(SIDECAR);
    path.is_some_and(|path| path.symlink_metadata().is_ok())
}

/// Whether the sidecars of two files have the same bytes, as far as they can be read.
fn is_same_text(first: &Path, second: &Path) -> bool {
    let texts =
        [first, second].map(|file| read_text(&Location::of(file).with_ending(SIDECAR)?).ok());
    matches!(texts, [Some(first), Some(second)] if first == second)
}

/// What the name of a sidecar has behind that of its model.
const SIDECAR: &str = ".manifest.json";

fn sidecar_of_file(model: &Path) -> Sidecar {
    let location = Location::of(model);
    let Some(path) = location.with_ending(SIDECAR) else {
        return Sidecar::Absent;
    };
    let location = Location::of(&path);
    let name = location.name();
    match location.open() {
        Ok(file) => match manifest::read(&name, &file) {
            Ok(manifest) => Sidecar::Read(manifest),
            Err(why) => Sidecar::Unusable(name, why),
        },
        // Beside a model of a very long name there can be none.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::InvalidFilename
            ) && path.symlink_metadata().is_err() =>
        {
            Sidecar::Absent
        }
        Err(error) => Sidecar::Unusable(name, Unusable::Io(error)),
    }
}
