//! Where the artifact goes, and how it gets its name.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use sha2::{Digest as _, Sha256};

use crate::{
    error::Error,
    publish::{
        free::{Kind, check_free},
        manifest::{ArtifactDigests, Fingerprint, Manifest},
        staged::{Folder, StagedFile, publish},
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
    digests: Option<ArtifactDigests>,
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
            digests: None,
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

    /// Takes the digests of the artifact from whoever has read it already, so that it is not read once more for them.
    pub const fn record_digests(&mut self, digests: ArtifactDigests) {
        self.digests = Some(digests);
    }

    /// Records in the manifest how the artifact behaves.
    pub fn record_behaviour(&mut self, behaviour: Fingerprint) {
        self.manifest.behaviour = Some(behaviour);
    }

    /// Reads the artifact for its digests: both kinds at the same time, on a thread each.
    fn compute_digests(&self) -> Result<ArtifactDigests, Error> {
        let (file, path) = (self.staged.file(), self.staged.path());
        let read = |take: &mut dyn FnMut(&[u8])| -> io::Result<()> {
            let mut buffer = vec![0; READ];
            let mut position = 0;
            loop {
                let count = file.read_at(&mut buffer, position)?;
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                    return Ok(());
                };
                take(bytes);
                position += bytes.len() as u64;
            }
        };
        let digests: io::Result<_> = thread::scope(|scope| {
            let sha256 = scope.spawn(|| {
                let mut sha256 = Sha256::new();
                read(&mut |bytes| sha256.update(bytes))?;
                io::Result::Ok(sha256.finalize().into())
            });
            let mut blake3 = blake3::Hasher::new();
            read(&mut |bytes| {
                blake3.update(bytes);
            })?;
            let sha256 = sha256.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok(ArtifactDigests {
                sha256: sha256?,
                blake3: *blake3.finalize().as_bytes(),
            })
        });
        digests.map_err(Error::io("be read back", path))
    }

    /// Waits until the artifact is on disk, gives it its name, writes the manifest beside it, and returns the path.
    ///
    /// # Errors
    /// Fails when a name was taken meanwhile and must not be overwritten, or when the disk fails. Then neither the artifact nor
    /// its manifest has its name.
    pub fn publish(self, verification: Verification) -> Result<PathBuf, Error> {
        let digests = match self.digests {
            Some(digests) => digests,
            None => self.compute_digests()?,
        };
        let destination = self.destination;
        let manifest_name = OsStr::new(&destination.manifest_name);
        let manifest = StagedFile::create(&destination.folder, manifest_name)?;
        let text = self.manifest.text(&digests, verification);
        write_whole(manifest.file(), text.as_bytes())
            .map_err(Error::io("be written", manifest.path()))?;
        publish(
            &destination.folder,
            vec![self.staged, manifest],
            destination.overwrite,
        )?;
        Ok(destination.path)
    }
}

/// Writes a file and reads it back, as the artifact was: not every disk keeps what it took.
fn write_whole(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)?;
    let mut found = vec![0; bytes.len()];
    file.read_exact_at(&mut found, 0)?;
    if found != bytes || file.metadata()?.len() != bytes.len() as u64 {
        return Err(io::Error::other("it does not hold what was written"));
    }
    Ok(())
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

/// Bytes read at a time.
const READ: usize = 256 << 10;
