//! Where a report goes: a file that appears whole or not at all, or a device or pipe that is written to as it is.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tempfile::NamedTempFile;
use verifier::decode::container::Format;

/// A place that a report can be written to.
pub(super) struct Target {
    path: PathBuf,
    place: Place,
    how: How,
}

/// What tells one place from another, whatever it is called.
#[derive(PartialEq, Eq)]
enum Place {
    /// Something that is there: device and number of the file.
    Known(u64, u64),
    /// A name to be given in a folder.
    New(PathBuf),
}

enum How {
    /// In one step, under the name that links lead to.
    Replace(PathBuf),
    /// By writing to what is there: a device, a pipe, or what `/dev/stdout` stands for.
    Write,
    /// Behind what is there, up to so many bytes in all.
    Add(u64),
}

impl Target {
    /// Looks at the place. A folder, a name that cannot be given, and a model are refused.
    pub(super) fn new(path: &Path, is_summary: bool) -> anyhow::Result<Self> {
        let shown = path.display();
        let name = path
            .file_name()
            .with_context(|| format!("{shown} is no place for a report"))?;
        // A link leads to another name.
        let behind = path.canonicalize().ok();
        let behind = behind.as_deref().and_then(Path::file_name);
        for name in [Some(name), behind].into_iter().flatten() {
            let name = name.to_string_lossy().to_ascii_lowercase();
            if let Some((_, what)) = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending)) {
                bail!("{shown} is the name of {what}; choose another place for the report");
            }
        }
        let is_open_file = path.starts_with("/dev") || path.starts_with("/proc");
        let how = match path.metadata() {
            Ok(found) if found.is_dir() => bail!("{shown} is a folder; a report is a file"),
            Ok(found) if !found.is_file() || is_open_file => How::Write,
            Ok(_) => {
                refuse_models(path)?;
                if is_summary {
                    How::Add(MOST_OF_A_SUMMARY)
                } else {
                    How::Replace(path.canonicalize()?)
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => How::Replace(path.to_owned()),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be used")),
        };
        if let How::Replace(path) = &how {
            let folder = path.parent().filter(|folder| *folder != Path::new(""));
            if let Some(folder) = folder.filter(|folder| !folder.exists()) {
                let folder = folder.display();
                bail!("{shown} cannot be written: there is no folder {folder}");
            }
            stage(path).with_context(|| format!("{shown} cannot be written"))?;
        }
        let place = place_of(path).with_context(|| format!("{shown} cannot be used"))?;
        Ok(Self {
            path: path.to_owned(),
            place,
            how,
        })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Whether a file of the run is, or is to be written, at this place.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        place_of(path).is_ok_and(|place| self.place == place)
    }

    /// Writes all of the text, to the disk where it is a file.
    pub(super) fn write(&self, text: &str) -> anyhow::Result<()> {
        let written = match &self.how {
            How::Replace(path) => {
                // It may have come there meanwhile.
                if path.exists() {
                    refuse_models(path)?;
                }
                replace(path, text)
            }
            // Opened again, a file behind it would be written to by two who do not know of each other.
            How::Write if self.path == Path::new("/dev/stdout") => {
                let mut stdout = io::stdout().lock();
                let written = stdout.write_all(text.as_bytes());
                written.and_then(|()| stdout.flush())
            }
            How::Write => open(&self.path).and_then(|mut file| file.write_all(text.as_bytes())),
            How::Add(most) => add(&self.path, text, *most),
        };
        written.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

fn place_of(path: &Path) -> io::Result<Place> {
    match path.metadata() {
        Ok(found) => Ok(Place::Known(found.dev(), found.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let name = path.file_name().unwrap_or_default();
            Ok(Place::New(folder_of(path).canonicalize()?.join(name)))
        }
        Err(error) => Err(error),
    }
}

/// A model named by mistake must survive.
fn refuse_models(path: &Path) -> anyhow::Result<()> {
    let mut start = Vec::new();
    let shown = path.display();
    File::open(path)
        .and_then(|file| file.take(4).read_to_end(&mut start))
        .with_context(|| format!("{shown} cannot be read: whether it is a model is not known"))?;
    if Format::of(&start).is_some() {
        bail!("{shown} is a model, which is never replaced; choose another place for the report");
    }
    Ok(())
}

/// A file without its name, in the folder of the name.
fn stage(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".report-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

/// What is there already counts: GitHub drops a summary that is too long, and with it what others wrote. A heading begins a
/// line, so the last line of others is ended first.
fn add(path: &Path, text: &str, most: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).append(true).open(path)?;
    let there = file.metadata()?.len();
    let mut last = [b'\n'];
    if let Some(place) = there.checked_sub(1) {
        file.read_exact_at(&mut last, place)?;
    }
    let text = match last {
        [b'\n'] => text.to_owned(),
        _ => format!("\n{text}"),
    };
    let length = there + text.len() as u64;
    if length > most {
        return Err(io::Error::other(format!(
            "the summary would have {length} bytes, and GitHub takes {most}"
        )));
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut staged = stage(path)?;
    staged.write_all(text.as_bytes())?;
    staged.as_file().sync_all()?;
    staged.persist(path)?;
    File::open(folder_of(path))?.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Bytes of the summary of a step.
const MOST_OF_A_SUMMARY: u64 = 1 << 20;
/// Names of what must survive whatever is in it, such as a model that is damaged at its start.
const ENDINGS: [(&str, &str); 3] = [
    (".apr", "a model"),
    (".gguf", "a model"),
    (".manifest.json", "the manifest beside a model"),
];
