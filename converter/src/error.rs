//! Why a model was not converted.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a conversion ended without an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be used: the machine's or the caller's fault.
    #[error("{}: cannot {action}", shown(.path))]
    Io {
        /// What was not possible.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that was handed over does not fit its purpose.
    #[error("{}: {problem}", shown(.path))]
    Path {
        /// The path.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// The output or its manifest exists and was not to be replaced.
    #[error("{} exists already: name another output", shown(.path))]
    Exists {
        /// The file that exists.
        path: PathBuf,
    },
    /// A file is something else than its place asks for, or half of it: what was downloaded or named is not a model.
    #[error("{} is {what}", shown(.path))]
    NotGguf {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what to do.
        what: String,
    },
    /// The source is a sound GGUF file that holds no model.
    #[error("the GGUF file is {kind}, not a model; {advice}")]
    NotModel {
        /// What it is.
        kind: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// Weights of the model are missing.
    #[error("the {architecture} model is incomplete: {problems}; download or export it again")]
    Incomplete {
        /// The value of `general.architecture`, escaped.
        architecture: String,
        /// What is missing.
        problems: Problems,
    },
    /// The keys of the model do not fit its tensors.
    #[error(
        "the keys of the model do not fit its tensors, so that no loader runs it right: {problems}; download or export it again"
    )]
    Unfit {
        /// What does not fit.
        problems: Problems,
    },
    /// The model computes something that no key of APR tells loaders.
    #[error(
        "APR has no key for what this model computes, so that loaders would run it wrong without an error: {problems}"
    )]
    NotCarried {
        /// Every key and tensor that would be lost, and what would go wrong.
        problems: Problems,
    },
    /// A source is not a sound GGUF file: its producer's or the transport's fault.
    #[error("{} is refused", shown(.path))]
    Source {
        /// The file.
        path: PathBuf,
        /// The broken rule.
        source: Box<gguf_file::Error>,
    },
    /// The files are sound but are not the shards of one model, in order.
    #[error("{paths:?} are not one model")]
    Shards {
        /// The files.
        paths: Vec<PathBuf>,
        /// The broken rule.
        source: Box<gguf_file::Error>,
    },
    /// An APR file does not give its source back: its producer's or the transport's fault.
    #[error("{}: {problem}", shown(.path))]
    Artifact {
        /// The APR file.
        path: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A source was written to during the conversion.
    #[error("{} changed while it was read; run again when nothing writes to it", shown(.path))]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A key that loaders need is not in the GGUF.
    #[error(
        "{key} is missing; loaders need it and it is never invented: give its value, or add it to the GGUF and convert again"
    )]
    MissingKey {
        /// The GGUF key.
        key: String,
    },
    /// A key that was given for the source cannot be used.
    #[error("the value given for {key} cannot be used: {problem}")]
    Set {
        /// The key, escaped.
        key: String,
        /// Why.
        problem: String,
    },
    /// The value of a key cannot be used.
    #[error("{key}: expected {expected}, found {found}")]
    Key {
        /// The GGUF key, escaped.
        key: String,
        /// What the key must hold.
        expected: String,
        /// What it holds, escaped.
        found: String,
    },
    /// The architecture cannot be written so that loaders run it right.
    #[error("architecture \"{architecture}\" is refused: {reason}")]
    Architecture {
        /// The value of `general.architecture`, escaped.
        architecture: String,
        /// Why.
        reason: &'static str,
    },
    /// Tensors have types that APR cannot hold and that were not to be stored another way.
    #[error("APR cannot hold {}", counted(.tensors))]
    Unsupported {
        /// Every such tensor.
        tensors: Vec<UnsupportedTensor>,
    },
    /// A tensor cannot be written.
    #[error("tensor \"{name}\": {problem}")]
    Tensor {
        /// The GGUF name, escaped.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// The metadata is longer than its length field can say.
    #[error("the metadata takes {length} bytes, which APR cannot hold: its limit is 4 GiB")]
    Metadata {
        /// The length in bytes.
        length: usize,
    },
    /// The artifact cannot be laid out.
    #[error("the artifact cannot be laid out")]
    Layout(#[from] apr_file::Error),
    /// The caller asked to stop.
    #[error("the conversion was cancelled; no file was written")]
    Cancelled,
}

/// What is wrong with a model: all of it, in short.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    first: Vec<String>,
    more: usize,
}

impl Problems {
    pub(crate) fn push(&mut self, problem: String) {
        self.push_with(|| problem);
    }

    /// Adds a problem, and writes it down where it will be named.
    pub(crate) fn push_with(&mut self, problem: impl FnOnce() -> String) {
        if self.first.len() < SHOWN {
            self.first.push(problem());
        } else {
            // No model has as many problems as a usize can count.
            self.more += 1;
        }
    }

    /// Returns a sentence for each one that is named, and one for the others, which are counted.
    pub(crate) fn into_warnings(self, what: &str) -> Vec<String> {
        let named = self.first.into_iter();
        let mut warnings: Vec<String> = named.map(|one| format!("{what}{one}")).collect();
        if self.more > 0 {
            warnings.push(format!("{what}{} more", self.more));
        }
        warnings
    }

    /// The problems, one sentence each; beyond the first twenty they are counted only.
    #[must_use]
    pub fn named(&self) -> &[String] {
        &self.first
    }

    /// Fails when there is a problem.
    pub(crate) fn into_result(self, error: impl FnOnce(Self) -> Error) -> Result<(), Error> {
        if self.first.is_empty() {
            return Ok(());
        }
        Err(error(self))
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.first.join("; "))?;
        match self.more {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}

/// How many problems are named; the others are counted.
const SHOWN: usize = 20;

/// A tensor of a type that APR cannot hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsupportedTensor {
    /// The GGUF name, escaped.
    pub name: String,
    /// The name of the type, or `type N` where the id is unknown.
    pub type_name: String,
    /// Whether the values can be stored as F32.
    pub decodable: bool,
    /// Whether the bytes can be stored under their ggml id.
    pub raw: bool,
}

impl Error {
    /// Makes the function that gives a failure of the system its place.
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// A path as it was given, in one line.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// How many tensors of which types, and where they begin; the variant has all of them.
fn counted(tensors: &[UnsupportedTensor]) -> String {
    let mut types = BTreeMap::<&str, usize>::new();
    for tensor in tensors {
        *types.entry(&tensor.type_name).or_default() += 1;
    }
    let types: Vec<String> = types
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    let first = tensors.first().map_or("", |tensor| &tensor.name);
    let (tensors, types) = (tensors.len(), types.join(", "));
    match tensors {
        1 => format!("1 tensor as it is ({types}): {first}"),
        _ => format!("{tensors} tensors as they are ({types}), the first: {first}"),
    }
}
