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
                _ => address.parts().1.to_owned(),
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
                    let (folder, _, end) = address.parts();
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
    /// The folder, the name of the file, and what follows it: a revision, or a query.
    fn parts(&self) -> (&'a str, &'a str, &'a str) {
        let is_hub = self.scheme == Scheme::Hub;
        let end = if is_hub {
            self.rest.rfind('@')
        } else {
            self.rest.find(['?', '#'])
        };
        let (path, end) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let name = path.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let (folder, name) = path.split_at(name);
        (folder, name, end)
    }

    /// All of it, with what gives access.
    #[cfg(feature = "network")]
    pub(crate) fn whole(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.rest)
    }
}

/// As a person may read it: an address without what gives access, which are its user and its query.
impl fmt::Display for Location<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = match self {
            Self::Path(path) => return path.display().fmt(out),
            Self::Address(address) => address,
        };
        let (folder, name, end) = address.parts();
        let path = match address.scheme {
            Scheme::Ollama | Scheme::Hub => address.rest.to_owned(),
            _ => {
                let end = end.split(['&', '#']).next().unwrap_or_default();
                // A version gives no access, and says which object is meant.
                let end = if end.starts_with("?versionId=") {
                    end
                } else {
                    ""
                };
                let path = format!("{folder}{name}");
                let (host, rest) = path.split_at(path.find('/').unwrap_or(path.len()));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{host}{rest}{end}")
            }
        };
        write!(out, "{}://{path}", address.scheme.name())
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
    fn an_address_is_shown_without_what_gives_access() {
        for (text, shown, name) in [
            (
                "https://me:key@h/a/m.gguf?X-Amz-Signature=key",
                "https://h/a/m.gguf",
                "m.gguf",
            ),
            ("https://h/m.gguf#key", "https://h/m.gguf", "m.gguf"),
            ("az://box/m.gguf?sig=key", "az://box/m.gguf", "m.gguf"),
            (
                "s3://key:key@b/m.apr?versionId=1&sig=key",
                "s3://b/m.apr?versionId=1",
                "m.apr",
            ),
            (
                "hf://o/r/a/m.gguf@refs/pr/1",
                "hf://o/r/a/m.gguf@refs/pr/1",
                "m.gguf",
            ),
            ("HTTP://h/m.gguf", "http://h/m.gguf", "m.gguf"),
            ("https://h?key", "https://h", "h"),
        ] {
            let location = Location::of(Path::new(text));
            assert!(location.is_address());
            assert_eq!((&*location.to_string(), &*location.name()), (shown, name));
        }
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
