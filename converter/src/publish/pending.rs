//! Where the artifact goes, and how it gets its name.

use std::{
    ffi::OsStr,
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::Error,
    publish::{
        free::{Kind, check_free},
        manifest::{Fingerprint, Manifest},
        staged::{Folder, StagedFile},
    },
    request::{Request, Verification},
    source::{SourceFile, utf8_name},
};

/// A complete artifact that has no name yet; dropped, it leaves nothing behind.
#[derive(Debug)]
#[must_use = "without `publish` nothing stays on disk"]
pub struct PendingArtifact {
    staged: StagedFile,
    destination: Destination,
    manifest: Manifest,
    warnings: Vec<String>,
}

/// The names to be given.
#[derive(Debug)]
pub(crate) struct Destination {
    folder: Arc<Folder>,
    path: PathBuf,
    name: String,
    manifest_name: String,
    overwrite: bool,
}

impl PendingArtifact {
    pub(crate) const fn new(
        staged: StagedFile,
        destination: Destination,
        manifest: Manifest,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            staged,
            destination,
            manifest,
            warnings,
        }
    }

    /// Returns the artifact, open for reading.
    pub const fn file(&self) -> &File {
        self.staged.file()
    }

    /// Returns what the caller should tell its user.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Records in the manifest how the artifact behaves.
    pub fn record_behaviour(&mut self, behaviour: Fingerprint) {
        self.manifest.behaviour = Some(behaviour);
    }

    /// Waits until the artifact is on disk, gives it its name, writes the manifest beside it, and returns the path.
    ///
    /// # Errors
    /// Fails when a name was taken meanwhile and must not be overwritten, or when the disk fails. The artifact does not
    /// keep its name when its manifest cannot get one.
    pub fn publish(self, verification: Verification) -> Result<PathBuf, Error> {
        let destination = self.destination;
        let manifest_name = OsStr::new(&destination.manifest_name);
        let manifest = StagedFile::create(&destination.folder, manifest_name)?;
        manifest
            .file()
            .write_all(self.manifest.text(verification).as_bytes())
            .map_err(Error::io("write it", manifest.path()))?;
        self.staged.sync()?;
        manifest.sync()?;

        self.staged.publish(destination.overwrite)?;
        if let Err(error) = manifest.publish(destination.overwrite) {
            // The failure to be told is the first one.
            drop(destination.folder.remove(OsStr::new(&destination.name)));
            return Err(error);
        }
        destination.folder.sync()?;
        Ok(destination.path)
    }
}

impl Destination {
    /// Looks at the output of a request, so that what cannot be published is refused before the work.
    pub(crate) fn new(request: &Request, sources: &[SourceFile]) -> Result<Self, Error> {
        let path = &request.output;
        let name = utf8_name(path)?;
        let manifest_name = format!("{name}.manifest.json");
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let folder = parent.unwrap_or(Path::new("."));
        let manifest = folder.join(&manifest_name);
        for (path, kind) in [(path, Kind::Apr), (&manifest, Kind::Manifest)] {
            check_free(path, kind, request.overwrite, sources)?;
        }
        Ok(Self {
            folder: Arc::new(Folder::open(folder)?),
            path: path.clone(),
            name,
            manifest_name,
            overwrite: request.overwrite,
        })
    }

    /// Returns the name of the artifact.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Creates the artifact, empty.
    pub(crate) fn stage(&self) -> Result<StagedFile, Error> {
        StagedFile::create(&self.folder, OsStr::new(&self.name))
    }
}
