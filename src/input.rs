//! Opens the files that the user named: one file, or all files of a split set.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use verifier::decode::container::Format;
use verifier::source::{FileSource, Source};
use verifier::verify::Input;

/// The open files of one model.
pub(crate) struct Files {
    name: String,
    files: Vec<(String, FileSource)>,
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
                let source = FileSource::open(path)
                    .with_context(|| format!("{} cannot be opened", path.display()))?;
                Ok((base_name(path), source))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        let name = files
            .first()
            .map(|(name, _)| name.clone())
            .unwrap_or_default();
        Ok(Self { name, files })
    }

    /// Wraps a file that is already open and will be named `path`.
    pub(crate) fn of_one(path: &Path, source: FileSource) -> Self {
        let name = base_name(path);
        Self {
            files: vec![(name.clone(), source)],
            name,
        }
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

    /// The format, by the first bytes; none for what is no model, or cannot be read.
    pub(crate) fn format(&self) -> Option<Format> {
        let (_, source) = self.files.first()?;
        let mut magic = [0; 4];
        source.read_exact_at(0, &mut magic).ok()?;
        Format::of(&magic)
    }

    /// The open files, in order.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &FileSource> {
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
        let siblings = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(siblings);
        let Some(siblings) = siblings else {
            return Ok(vec![path.to_path_buf()]);
        };
        let paths: Vec<_> = siblings
            .iter()
            .map(|name| path.with_file_name(name))
            .collect();
        if let Some(missing) = paths.iter().find(|path| !path.exists()) {
            bail!(
                "{} is one of {} files and {} is missing",
                path.display(),
                paths.len(),
                missing.display()
            );
        }
        Ok(paths)
    }
}

/// The format of a file, by its first bytes; none for what is no model, or cannot be read.
pub(crate) fn format_of(path: &Path) -> Option<Format> {
    let mut magic = [0; 4];
    File::open(path).ok()?.read_exact(&mut magic).ok()?;
    Format::of(&magic)
}

/// The part of a shard's name before `-NNNNN-of-NNNNN.gguf`.
pub(crate) fn split_prefix(name: &str) -> Option<&str> {
    split_parts(name).map(|(prefix, _)| prefix)
}

/// The first file of the split set that a path names one of, or the path itself.
pub(crate) fn first_of_set(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str());
    let first = name
        .and_then(siblings)
        .and_then(|names| names.into_iter().next());
    first.map_or_else(|| path.to_path_buf(), |first| path.with_file_name(first))
}

/// The names of all shards of the set that `name` belongs to.
fn siblings(name: &str) -> Option<Vec<String>> {
    let (prefix, count) = split_parts(name)?;
    Some(
        (1..=count)
            .map(|number| format!("{prefix}-{number:05}-of-{count:05}.gguf"))
            .collect(),
    )
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

fn base_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_leads_to_its_whole_set() {
        assert_eq!(
            siblings("m-00002-of-00002.gguf"),
            Some(vec![
                "m-00001-of-00002.gguf".to_owned(),
                "m-00002-of-00002.gguf".to_owned()
            ])
        );
        for name in [
            "m.gguf",
            "m-00003-of-00002.gguf",
            "m-2-of-3.gguf",
            "m-00000-of-00002.gguf",
        ] {
            assert_eq!(siblings(name), None);
        }
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
