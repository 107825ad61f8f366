//! From an artifact back to the GGUF files that it was made from, bit for bit.
//!
//! [`restore`] builds the head of each source from the artifact's record, copies the tensor data behind it, reads the
//! result back and compares its BLAKE3 with the recorded one. Only then [`PendingModel::publish`] gives it its name.

mod artifact;
mod copies;
mod head;
pub(crate) mod made_with;
mod rebuild;
mod record;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::File,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use gguf_file::{Content, SplitSet};
use sha2::Digest as _;

use crate::{
    convert::LIMITS,
    error::Error,
    observer::Observer,
    plan::{
        json::hex,
        names::{Names, OUTPUT},
    },
    publish::{
        free::{Kind, check_free},
        staged::{Folder, StagedFile, publish},
    },
    restore::{
        artifact::Artifact,
        copies::{Copy, copies_of},
        rebuild::Rebuilt,
        record::{Malformed, Record},
    },
    source::{SourceFile, utf8_name},
};

/// What to restore, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreRequest {
    /// The APR file, which must carry the record of `aprove convert`.
    pub artifact: PathBuf,
    /// The GGUF file to write; of a split set, each file gets `-NNNNN-of-NNNNN` before `.gguf`.
    pub output: PathBuf,
    /// Whether existing outputs are replaced.
    pub overwrite: bool,
    /// Whether an artifact without a record, of another tool, becomes a GGUF of what it holds.
    pub lossy: bool,
}

/// Complete, checked files that have no name yet; dropped, they leave nothing behind.
#[derive(Debug)]
#[must_use = "without `publish` nothing stays on disk"]
pub struct PendingModel {
    files: Vec<(StagedFile, RestoredFile)>,
    losses: Vec<String>,
    folder: Arc<Folder>,
    overwrite: bool,
}

/// A file that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredFile {
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256, in hex: to be compared with that of the publisher, or of the sidecar.
    pub sha256: String,
    /// Its BLAKE3, in hex, which is the one that the artifact records, if it has a record.
    pub blake3: String,
}

/// Restores the GGUF files that an artifact was made from.
///
/// # Errors
/// Fails when the file is not an artifact of aprove and `lossy` is not said (what is lost is named), when tensors were decoded and the source's bytes are gone (all are
/// named), when the restored bytes do not have the recorded BLAKE3, when a file fails, or when `cancel` is set meanwhile.
/// Nothing is left on disk then.
pub fn restore(
    request: &RestoreRequest,
    observer: &dyn Observer,
    cancel: &AtomicBool,
) -> Result<PendingModel, Error> {
    let artifact = Artifact::open(&request.artifact)?;
    let malformed = |problem: String| Error::Artifact {
        path: request.artifact.clone(),
        problem,
    };
    let length = apr_file::ReadAt::length(&artifact.file);
    if let Some(missing) = artifact.tensors.iter().find(|it| it.span.end() > length) {
        let name = missing.entry.name.escape_debug();
        return Err(malformed(format!(
            "it is cut, half a download or copy: tensor \"{name}\" would end at byte {}, the file ends at {length}",
            missing.span.end()
        )));
    }
    let (planned, losses) = match Record::read(&artifact.metadata) {
        Some(record) => {
            let record = record.map_err(malformed)?;
            (recorded(&record, &artifact).map_err(malformed)?, Vec::new())
        }
        None => {
            let rebuilt = Rebuilt::of(&artifact).map_err(malformed)?;
            if !request.lossy {
                let lost = rebuilt.losses.join("; ");
                return Err(malformed(format!("{FOREIGN}: {lost}. {LOSSY}")));
            }
            let planned = rebuilt.planned(&artifact).map_err(malformed)?;
            (vec![planned], rebuilt.losses)
        }
    };

    let paths = outputs(&request.output, planned.len())?;
    for path in &paths {
        check_free(path, Kind::Gguf, request.overwrite, [&artifact.file])?;
    }
    let parent = request.output.parent();
    let parent = parent.filter(|parent| *parent != Path::new(""));
    let folder = Arc::new(Folder::open(parent.unwrap_or(Path::new(".")))?);

    let copied = planned.iter().flat_map(|file| &file.copies);
    let copied = copied.map(|copy| copy.length);
    let read_back = planned.iter().map(|file| file.size);
    observer.start(copied.chain(read_back).fold(0, u64::saturating_add));
    let watched = Watched { observer, cancel };
    let mut files = Vec::new();
    for (file, path) in planned.iter().zip(paths) {
        let staged = StagedFile::create(&folder, OsStr::new(&utf8_name(&path)?))?;
        staged.allocate(file.size)?;
        staged
            .file()
            .write_all_at(&file.head, 0)
            .map_err(Error::io("be written", staged.path()))?;
        for copy in &file.copies {
            watched.copy(&artifact.file, &staged, copy)?;
        }
        let restored = watched.digests(&staged, file.size, path)?;
        if let Some(blake3) = &file.blake3
            && restored.blake3 != *blake3
        {
            return Err(malformed(format!(
                "what it holds does not give its source back: expected BLAKE3 {}, found {}; the artifact is damaged",
                blake3.escape_debug(),
                restored.blake3
            )));
        }
        files.push((staged, restored));
    }
    artifact.file.check_unchanged()?;
    Ok(PendingModel {
        files,
        losses,
        folder,
        overwrite: request.overwrite,
    })
}

impl PendingModel {
    /// Returns the restored files, in shard order, each open for reading.
    pub fn files(&self) -> impl Iterator<Item = (&File, &RestoredFile)> {
        let files = self.files.iter();
        files.map(|(staged, restored)| (staged.file(), restored))
    }

    /// Returns what the GGUF that the artifact was made from may have had besides; nothing where there is a record.
    pub fn losses(&self) -> &[String] {
        &self.losses
    }

    /// Waits until the files are on disk, gives them their names, and returns what they are.
    ///
    /// # Errors
    /// Fails when a name was taken meanwhile and must not be overwritten, or when the disk fails. Then none of the files has its
    /// name.
    pub fn publish(self) -> Result<Vec<RestoredFile>, Error> {
        let (staged, restored) = self.files.into_iter().unzip();
        publish(&self.folder, staged, self.overwrite)?;
        Ok(restored)
    }
}

/// A file that is to be written.
struct Planned {
    head: Vec<u8>,
    /// Bytes of the whole file.
    size: u64,
    copies: Vec<Copy>,
    /// What its BLAKE3 must be, in hex, where the artifact records it.
    blake3: Option<String>,
}

/// The sources of an artifact, by its record.
fn recorded(record: &Record<'_>, artifact: &Artifact) -> Result<Vec<Planned>, Malformed> {
    if !record.decoded.is_empty() {
        return Err(format!(
            "{} tensors were stored as decoded F32, so their original bytes are gone: {}",
            record.decoded.len(),
            record.decoded.join(", ").escape_debug()
        ));
    }
    let digests: BTreeSet<&str> = record.sources.iter().map(|source| source.blake3).collect();
    if digests.len() != record.sources.len() || digests.is_empty() {
        return Err(format!(
            "its record has {} sources, {} of which differ: the artifact was edited, and no GGUF can be given back",
            record.sources.len(),
            digests.len()
        ));
    }
    let names = Names::from_word(record.names).ok_or("the naming of its tensors is not known")?;
    let planned = record.sources.iter().map(|source| {
        Ok(Planned {
            copies: copies_of(source, names, artifact)?,
            head: source.head(&artifact.metadata)?,
            size: source.size,
            blake3: Some(source.blake3.to_owned()),
        })
    });
    let planned = planned.collect::<Result<Vec<Planned>, Malformed>>()?;
    check_set(&planned)
        .map_err(|error| format!("the files that it records are no model: {error}"))?;
    check_stored(record, names, artifact)?;
    Ok(planned)
}

/// The files of a set belong together, in their order, and none is missing.
fn check_set(files: &[Planned]) -> Result<(), gguf_file::Error> {
    let contents = files.iter();
    let contents = contents.map(|file| Content::parse(&file.head, file.size, &LIMITS));
    SplitSet::join(&contents.collect::<Result<Vec<_>, _>>()?)?;
    Ok(())
}

/// Each tensor of the artifact goes into a file.
fn check_stored(record: &Record<'_>, names: Names, artifact: &Artifact) -> Result<(), Malformed> {
    let sources = record.sources.iter();
    let tensors = sources.flat_map(|source| &source.contents.tensors);
    let mut given: BTreeSet<String> = tensors
        .map(|tensor| names.apply(&String::from_utf8_lossy(&tensor.name)))
        .collect();
    if record.has_copy {
        given.insert(names.apply(OUTPUT));
    }
    let mut stored = artifact.tensors.iter().map(|tensor| &tensor.entry.name);
    match stored.find(|name| !given.contains(*name)) {
        Some(name) => {
            let name = name.escape_debug();
            Err(format!("no file that it records has the tensor \"{name}\""))
        }
        None => Ok(()),
    }
}

/// Work that can be watched and stopped.
struct Watched<'a> {
    observer: &'a dyn Observer,
    cancel: &'a AtomicBool,
}

impl Watched<'_> {
    fn advance(&self, length: usize) -> Result<(), Error> {
        self.observer.advance(length as u64);
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Error::Cancelled);
        }
        Ok(())
    }

    fn copy(&self, artifact: &SourceFile, staged: &StagedFile, copy: &Copy) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        let mut done = 0;
        while done < copy.length {
            let chunk = next(&mut buffer, copy.length - done);
            artifact.read(copy.from + done, chunk)?;
            staged
                .file()
                .write_all_at(chunk, copy.to + done)
                .map_err(Error::io("be written", staged.path()))?;
            self.advance(chunk.len())?;
            done += chunk.len() as u64;
        }
        Ok(())
    }

    /// Reads a restored file back: what is checked is what lies in the file.
    fn digests(
        &self,
        staged: &StagedFile,
        size: u64,
        path: PathBuf,
    ) -> Result<RestoredFile, Error> {
        let (sha256, blake3) = thread::scope(|scope| {
            let sha256 = scope.spawn(|| {
                let mut sha256 = sha2::Sha256::new();
                let hash = |bytes: &[u8]| {
                    sha256.update(bytes);
                    Ok(())
                };
                read_back(staged, size, hash).map(|()| sha256.finalize())
            });
            let mut blake3 = blake3::Hasher::new();
            let hash = |bytes: &[u8]| {
                blake3.update(bytes);
                self.advance(bytes.len())
            };
            let blake3 = read_back(staged, size, hash).map(|()| blake3.finalize());
            let sha256 = sha256.join();
            let sha256 = sha256.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (sha256, blake3)
        });
        Ok(RestoredFile {
            path,
            size,
            sha256: hex(&sha256?),
            blake3: blake3?.to_hex().to_string(),
        })
    }
}

fn read_back(
    staged: &StagedFile,
    size: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut buffer = vec![0; CHUNK];
    let mut done = 0;
    while done < size {
        let chunk = next(&mut buffer, size - done);
        staged
            .file()
            .read_exact_at(chunk, done)
            .map_err(Error::io("be read back", staged.path()))?;
        take(chunk)?;
        done += chunk.len() as u64;
    }
    Ok(())
}

/// The part of a buffer for what is left.
fn next(buffer: &mut [u8], left: u64) -> &mut [u8] {
    let length = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
    buffer.split_at_mut(length).0
}

/// The paths of the files of a set: the one given, or numbered ones.
fn outputs(output: &Path, count: usize) -> Result<Vec<PathBuf>, Error> {
    if count == 1 {
        return Ok(vec![output.to_owned()]);
    }
    let name = utf8_name(output)?;
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    let first = format!("-00001-of-{count:05}");
    let stem = stem.strip_suffix(&first).unwrap_or(stem);
    Ok((1..=count)
        .map(|number| output.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf")))
        .collect())
}

/// Bytes that are copied or hashed at a time.
const CHUNK: usize = 1 << 20;
const FOREIGN: &str = "another tool made it, so it has no record of its source, and the GGUF cannot be given back bit for bit. \
    Lost are";
const LOSSY: &str = "With --lossy, a GGUF of what the artifact holds is written";
