//! Opens the files that the user named: one file, or all files of a split set.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use remote::{Location, Opened};
use verifier::Input;
use verifier::decode::container::Format;
use verifier::inspect::inspect;
use verifier::report::FindingRow;
use verifier::source::{FileSource, Source};

/// The open files of one model.
pub(crate) struct Files {
    name: String,
    files: Vec<(String, Opened)>,
}

impl Files {
    /// Opens the model at `path`, or the split set that `path` is a shard of.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        Self::open_all(&Self::paths_of_model(path)?)
    }

    /// Opens these files as one model, in this order.
    pub(crate) fn open_all(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let files = paths
            .iter()
            .map(|path| {
                let location = Location::of(path);
                let source = location
                    .open()
                    .with_context(|| format!("{location}: cannot be opened"))?;
                Ok((location.name(), source))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let name = files
            .first()
            .map(|(name, _)| name.clone())
            .unwrap_or_default();
        Ok(Self { name, files })
    }

    /// Reads back a file that was written, has no name yet, and will be named `path`.
    pub(crate) fn of_pending(file: &File, path: &Path) -> anyhow::Result<Self> {
        let source = file.try_clone().and_then(FileSource::from_file);
        let source = source.context("what was written cannot be read back")?;
        let name = Location::of(path).name();
        Ok(Self {
            files: vec![(name.clone(), Opened::Local(source))],
            name,
        })
    }

    /// The input for the verifier.
    pub(crate) fn input(&self) -> Input<'_> {
        Input {
            name: self.name.clone(),
            shards: self
                .files
                .iter()
                .map(|(name, source)| (name.clone(), source as &dyn Source))
                .collect(),
        }
    }

    /// The name of the model: that of its first file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The format, by the first bytes; none for what is no model.
    ///
    /// # Errors
    /// The first file cannot be read.
    pub(crate) fn format(&self) -> io::Result<Option<Format>> {
        self.sources().next().map_or(Ok(None), format_of)
    }

    /// Refuses what is no model by its first bytes, and says what it is, as every other command does.
    pub(crate) fn must_be_model(&self) -> anyhow::Result<()> {
        if self.format()?.is_some() {
            return Ok(());
        }
        let found = inspect(&self.input()).findings;
        match found.first() {
            Some(FindingRow {
                message,
                hint: Some(hint),
                ..
            }) => bail!("{message}: {hint}"),
            // One that may be damaged at its start is read, which says what was expected there.
            _ => Ok(()),
        }
    }

    /// The open files, in order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Opened> {
        self.files.iter().map(|(_, source)| source)
    }

    /// Checks that the files are still those that were opened; the error says what changed.
    pub(crate) fn check_unchanged(&self) -> Result<(), String> {
        let mut files = self.files.iter();
        files.try_for_each(|(name, source)| {
            let named = |why| format!("{}: {why}", name.escape_debug());
            source.check_unchanged().map_err(named)
        })
    }

    /// The path itself, or the paths of all shards when it is named like one of a split set.
    ///
    /// An incomplete set is an error: one shard is never taken for the whole.
    pub(crate) fn paths_of_model(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let paths = Self::paths_by_name(path);
        // What is missing at an address is noticed when it is opened.
        let is_missing = |path: &&PathBuf| !Location::of(path).is_address() && !path.exists();
        if let ([_, _, ..], Some(missing)) = (paths.as_slice(), paths.iter().find(is_missing)) {
            if is_whole(path) {
                return Ok(vec![path.to_path_buf()]);
            }
            bail!(
                "{} is one of {} files and {} is missing",
                path.display(),
                paths.len(),
                missing.display()
            );
        }
        Ok(paths)
    }

    /// The same by the name alone: those of the set may be missing.
    pub(crate) fn paths_by_name(path: &Path) -> Vec<PathBuf> {
        set_of(path).map_or_else(|| vec![path.to_path_buf()], Iterator::collect)
    }

    /// Which file keeps a model from being opened: of a split set the first that cannot be.
    pub(crate) fn unopened(path: &Path) -> PathBuf {
        let mut files = set_of(path).into_iter().flatten();
        let unopened = files.find(|file| Location::of(file).open().is_err());
        unopened.unwrap_or_else(|| path.to_owned())
    }
}

/// Reads a text that says what to do, such as a policy: a regular file, as a manifest is, and never a large one.
pub(crate) fn read_text(path: &Path) -> anyhow::Result<String> {
    let read = || {
        let source = FileSource::open(path)?;
        if source.length() > LONGEST_TEXT {
            let text = format!("it is larger than {} MiB", LONGEST_TEXT >> 20);
            return Err(io::Error::other(text));
        }
        let mut bytes = Vec::new();
        source.file().take(LONGEST_TEXT).read_to_end(&mut bytes)?;
        source.check_unchanged().map_err(io::Error::other)?;
        String::from_utf8(bytes).map_err(io::Error::other)
    };
    let text = read().with_context(|| format!("{}: cannot be read", path.display()))?;
    // Windows begins a text with a byte order mark.
    let plain = text.strip_prefix('\u{feff}').map(str::to_owned);
    Ok(plain.unwrap_or(text))
}

/// A list of 100,000 pairs of long paths is shorter.
const LONGEST_TEXT: u64 = 64 << 20;

/// The format of a file, by its first bytes; none for what is no model.
pub(crate) fn format_of(source: &Opened) -> io::Result<Option<Format>> {
    let mut magic = [0; 4];
    if source.length() < magic.len() as u64 {
        return Ok(None);
    }
    source.read_exact_at(0, &mut magic)?;
    Ok(Format::of(&magic))
}

/// Refuses an address where only files of this machine can be read or written.
pub(crate) fn must_be_path(path: &Path) -> anyhow::Result<()> {
    let location = Location::of(path);
    if location.is_address() {
        bail!("{location}: this command takes files: download it, and name the file");
    }
    Ok(())
}

/// The part of a shard's name before `-NNNNN-of-NNNNN.gguf`.
pub(crate) fn split_prefix(name: &str) -> Option<&str> {
    split_parts(name).map(|(prefix, _)| prefix)
}

/// The first file of the split set that a path names one of, or the path itself; where files are missing, the first that is
/// there.
pub(crate) fn first_of_set(path: &Path) -> PathBuf {
    let mut paths = set_of(path).into_iter().flatten();
    let first = paths.find(|path| Location::of(path).is_address() || path.exists());
    first.unwrap_or_else(|| path.to_path_buf())
}

/// Whether a file is a model of its own, whatever its name says: loaders go by `split.count`, which merging sets to 0.
fn is_whole(path: &Path) -> bool {
    let Ok(source) = FileSource::open(path) else {
        return false;
    };
    let gguf = verifier::decode::gguf::decode(&[&source as &dyn Source]);
    let count = gguf.metadata.get(b"split.count");
    gguf.complete && count.is_none_or(|count| matches!(count.as_u64(), Some(0 | 1)))
}

/// The paths of all files of the split set that a path names one of, made as they are asked for.
fn set_of(path: &Path) -> Option<impl Iterator<Item = PathBuf>> {
    let location = Location::of(path);
    let name = match location {
        Location::Path(path) => path.file_name()?.to_str()?.to_owned(),
        Location::Address(_) => location.name(),
    };
    let (prefix, count) = split_parts(&name)?;
    let prefix = prefix.to_owned();
    let names = (1..=count).map(move |number| format!("{prefix}-{number:05}-of-{count:05}.gguf"));
    Some(names.filter_map(move |name| location.beside(&name)))
}

fn split_parts(name: &str) -> Option<(&str, u32)> {
    let rest = name.strip_suffix(".gguf")?;
    let (rest, count) = rest.rsplit_once("-of-")?;
    let (prefix, number) = rest.rsplit_once('-')?;
    let (number, count) = (five_digits(number)?, five_digits(count)?);
    (1..=count).contains(&number).then_some((prefix, count))
}

fn five_digits(text: &str) -> Option<u32> {
    (text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_shard_leads_to_its_whole_set() {
        let of = |name: &str| Files::paths_by_name(Path::new(name));
        assert_eq!(
            of("m-00002-of-00002.gguf"),
            ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"].map(PathBuf::from)
        );
        for name in [
            "m.gguf",
            "m-00003-of-00002.gguf",
            "m-2-of-3.gguf",
            "m-00000-of-00002.gguf",
        ] {
            assert_eq!(of(name), [PathBuf::from(name)]);
        }
    }

    #[test]
    fn a_text_is_a_regular_file_that_is_not_large() {
        assert!(read_text(Path::new("/dev/zero")).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs");
        let file = File::create_new(&path).unwrap();
        (&file).write_all(b"\xef\xbb\xbfa\tb\n").unwrap();
        assert_eq!(read_text(&path).unwrap(), "a\tb\n");
        file.set_len(LONGEST_TEXT + 1).unwrap();
        let error = format!("{:#}", read_text(&path).unwrap_err());
        assert!(error.contains("larger than 64 MiB"), "{error}");
    }

    #[test]
    fn one_shard_is_never_taken_for_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m-00001-of-00002.gguf");
        std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .unwrap();
        let error = Files::paths_of_model(&path).unwrap_err().to_string();
        assert!(
            error.contains("m-00002-of-00002.gguf is missing"),
            "{error}"
        );
    }
}
