//! What the user names, as text: a path, or an address. Nothing here reads a byte.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::ollama;

/// Where a model lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location<'a> {
    /// A path of the file system.
    Path(&'a Path),
    /// An address, which a path can never be taken for: `./s3:/x` is a path.
    Address(Address<'a>),
}

/// An address: a scheme that is known, and what follows `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    pub(crate) scheme: Scheme,
    pub(crate) rest: &'a str,
}

/// The schemes that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Ollama,
}

impl Scheme {
    const ALL: [Self; 1] = [Self::Ollama];

    const fn name(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
        }
    }
}

impl<'a> Location<'a> {
    /// Reads what the user named.
    #[must_use]
    pub fn of(path: &'a Path) -> Self {
        let parts = path.to_str().and_then(|text| text.split_once("://"));
        let address = parts.and_then(|(scheme, rest)| {
            let is_named = |one: &Scheme| one.name().eq_ignore_ascii_case(scheme);
            let scheme = Scheme::ALL.into_iter().find(is_named)?;
            Some(Self::Address(Address { scheme, rest }))
        });
        address.unwrap_or(Self::Path(path))
    }

    /// The name of the file: the last part of the path or the address.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Path(path) => name_of(path),
            Self::Address(address) => match address.scheme {
                Scheme::Ollama => ollama::blob(address.rest)
                    .map_or_else(|_| address.rest.to_owned(), |blob| name_of(&blob)),
            },
        }
    }

    /// Where a file of another name lies, in the same folder; none where there are no folders.
    #[must_use]
    pub fn beside(&self, name: impl AsRef<OsStr>) -> Option<PathBuf> {
        match self {
            Self::Path(path) => Some(path.with_file_name(name)),
            Self::Address(address) => match address.scheme {
                Scheme::Ollama => Some(ollama::blob(address.rest).ok()?.with_file_name(name)),
            },
        }
    }

    /// Where the file lies whose name has this ending as well.
    #[must_use]
    pub fn with_ending(&self, ending: &str) -> Option<PathBuf> {
        let mut name = match self {
            // As it is: a name need not be UTF-8.
            Self::Path(path) => path.file_name().unwrap_or_default().to_os_string(),
            Self::Address(_) => self.name().into(),
        };
        name.push(ending);
        self.beside(name)
    }

    /// Whether it is an address.
    #[must_use]
    pub const fn is_address(&self) -> bool {
        matches!(self, Self::Address(_))
    }
}

/// As a person may read it.
impl fmt::Display for Location<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(out),
            Self::Address(Address { scheme, rest }) => write!(out, "{}://{rest}", scheme.name()),
        }
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
