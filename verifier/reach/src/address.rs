//! Addresses as text: what they name, and what of them may be shown.

use std::fmt;

/// A scheme, and what follows `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// In any letters.
    pub scheme: &'a str,
    /// Anything.
    pub rest: &'a str,
}

impl<'a> Address<'a> {
    /// Splits a text; none where it has no scheme.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        Some(Self { scheme, rest })
    }

    fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme)
    }

    /// The folder, the name of the file, and what follows it: a revision, or a query.
    #[must_use]
    pub fn parts(&self) -> (&'a str, &'a str, &'a str) {
        let end = if self.is("hf") {
            self.rest.rfind('@')
        } else {
            self.rest.find(['?', '#'])
        };
        let (path, end) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        let name = path.rfind('/').map_or(0, |slash| slash.saturating_add(1));
        let (folder, name) = path.split_at(name);
        (folder, name, end)
    }
}

/// As a person may read it: without what gives access, which are its user and its query.
impl fmt::Display for Address<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.to_ascii_lowercase();
        if self.is("hf") || self.is("ollama") {
            return write!(out, "{scheme}://{}", self.rest);
        }
        let (folder, name, end) = self.parts();
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
        write!(out, "{scheme}://{host}{rest}{end}")
    }
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
            ("ftp://me:key@h/m?key", "ftp://h/m", "m"),
            ("https://h?key", "https://h", "h"),
            ("ollama://llama3:8b", "ollama://llama3:8b", "llama3:8b"),
        ] {
            let address = Address::of(text).unwrap();
            assert_eq!((&*address.to_string(), address.parts().1), (shown, name));
        }
    }
}
