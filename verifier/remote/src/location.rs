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
    Http,
    Https,
    Hub,
    S3,
    Google,
    Azure,
}

impl Scheme {
    const ALL: [Self; 7] = [
        Self::Ollama,
        Self::Http,
        Self::Https,
        Self::Hub,
        Self::S3,
        Self::Google,
        Self::Azure,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ollama => "ollama",
            Self::Http => "http",
            Self::Https => "https",
            Self::Hub => "hf",
            Self::S3 => "s3",
            Self::Google => "gs",
            Self::Azure => "az",
        }
    }
}

impl<'a> Location<'a> {
    /// Reads what the user named.
    #[must_use]
    pub fn of(path: &'a Path) -> Self {
        let address = path.to_str().and_then(reach::Address::of);
        let address = address.and_then(|address| {
            let is_named = |one: &Scheme| one.name().eq_ignore_ascii_case(address.scheme);
            let scheme = Scheme::ALL.into_iter().find(is_named)?;
            let rest = address.rest;
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
                _ => address.text().parts().1.to_owned(),
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
                scheme => {
                    let (folder, _, end) = address.text().parts();
                    let name = name.as_ref().to_str()?;
                    Some(format!("{}://{folder}{name}{end}", scheme.name()).into())
                }
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

impl<'a> Address<'a> {
    /// The same as text.
    fn text(&self) -> reach::Address<'a> {
        let scheme = self.scheme.name();
        reach::Address {
            scheme,
            rest: self.rest,
        }
    }

    /// All of it, with what gives access.
    #[cfg(feature = "network")]
    pub(crate) fn whole(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.rest)
    }
}

/// As a person may read it.
impl fmt::Display for Location<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(out),
            Self::Address(address) => address.text().fmt(out),
        }
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_that_is_known() {
        let location = Location::of(Path::new("HTTP://me:key@h/m.gguf?key"));
        assert!(location.is_address());
        let shown = (&*location.to_string(), &*location.name());
        assert_eq!(shown, ("http://h/m.gguf", "m.gguf"));
        for text in ["./s3:/a", "C://a", "/a/https://h/m.gguf", "ftp://h/m.gguf"] {
            assert_eq!(
                Location::of(Path::new(text)),
                Location::Path(Path::new(text))
            );
        }
    }

    #[test]
    fn a_file_beside_another_has_its_folder_and_its_revision() {
        for (text, expected) in [
            ("hf://o/r/a/m.gguf@v1", "hf://o/r/a/n.gguf@v1"),
            ("https://h/a/m.gguf?b=/c", "https://h/a/n.gguf?b=/c"),
            ("s3://b/m.gguf", "s3://b/n.gguf"),
        ] {
            let beside = Location::of(Path::new(text)).beside("n.gguf");
            assert_eq!(beside, Some(PathBuf::from(expected)));
        }
    }
}
