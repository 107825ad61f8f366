//! The list of what may be asked: origins of web servers, and places in stores.

use std::env;

use reqwest::Url;
use serde::Deserialize;

use crate::{Reach, Refused};

/// Which addresses of models may be read; nothing where the list is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sources {
    /// `https://HOST`, `https://HOST:PORT` or `https://*.DOMAIN`; `s3://BUCKET` or `s3://BUCKET/PREFIX`, and so for `gs`, `az`,
    /// `hf` and `ollama`, each.
    pub allow: Vec<String>,
    /// Whether those may be at addresses of this machine and of private networks.
    pub private: bool,
}

/// The word for `private` among the entries.
const PRIVATE: &str = "private";
/// The schemes of places that are named by their beginning.
const PLACES: [&str; 5] = ["s3", "gs", "az", "hf", "ollama"];

impl Sources {
    /// The variable of the environment that limits a process to a list: its entries, and `private`, with spaces between them.
    pub const VARIABLE: &str = "APROVE_SOURCES";

    /// What this process is limited to; none where it is not.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        let text = env::var_os(Self::VARIABLE)?;
        // What cannot be read allows nothing.
        Some(Self::of(text.to_str().unwrap_or_default()))
    }

    fn of(text: &str) -> Self {
        let (private, allow) = text
            .split_whitespace()
            .map(str::to_owned)
            .partition::<Vec<_>, _>(|word| word == PRIVATE);
        Self {
            allow,
            private: !private.is_empty(),
        }
    }

    /// The value of the variable.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut words: Vec<&str> = self.allow.iter().map(String::as_str).collect();
        if self.private {
            words.push(PRIVATE);
        }
        words.join(" ")
    }

    /// The first entry that can name nothing, or more than it looks like.
    #[must_use]
    pub fn unsound(&self) -> Option<&str> {
        let is_sound = |entry: &str| {
            let place = entry.split_once("://");
            let is_sound = place.is_some_and(|(scheme, place)| match place {
                "" => scheme == "ollama",
                _ => PLACES.contains(&scheme) && is_place(scheme, place),
            });
            (is_sound && !entry.contains(char::is_whitespace)) || is_origin(entry)
        };
        let mut entries = self.allow.iter().map(String::as_str);
        entries.find(|entry| !is_sound(entry))
    }

    /// Which addresses may be connected to.
    #[must_use]
    pub const fn reach(&self) -> Reach {
        if self.private {
            Reach::Private
        } else {
            Reach::Public
        }
    }

    /// Refuses an address that may not be read. A name in it is only looked up where it is connected to.
    ///
    /// # Errors
    /// The list does not name it, or it is not of the internet.
    pub fn allowed(&self, address: &str) -> Result<(), Refused> {
        let (scheme, rest) = address
            .split_once("://")
            .ok_or_else(|| Refused::NoAddress("it has no scheme".to_owned()))?;
        let scheme = scheme.to_ascii_lowercase();
        if PLACES.contains(&scheme.as_str()) {
            return self.has_place(&scheme, rest);
        }
        self.allowed_url(&parse(address)?)
    }

    /// The same of an address of a web server, where a redirect leads to for example.
    ///
    /// # Errors
    /// The list does not name it, or it is not of the internet.
    pub fn allowed_url(&self, url: &Url) -> Result<(), Refused> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::User);
        }
        if !names(&self.allow, url) {
            let origin = url.origin().ascii_serialization();
            return Err(Refused::NotNamed(format!("`{origin}`")));
        }
        self.reach().check(url)
    }

    fn has_place(&self, scheme: &str, rest: &str) -> Result<(), Refused> {
        let is_named = self.allow.iter().any(|entry| {
            entry.split_once("://").is_some_and(|(named, beginning)| {
                named == scheme && begins(scheme, beginning, rest)
            })
        });
        if is_named && is_place(scheme, rest) {
            Ok(())
        } else {
            let place = rest.split(['?', '#']).next().unwrap_or_default();
            Err(Refused::NotNamed(format!("`{scheme}://{place}`")))
        }
    }
}

/// Whether an entry of the list is a place or a folder above it. What names a version of a place is no part of its name.
fn begins(scheme: &str, beginning: &str, rest: &str) -> bool {
    let version = match scheme {
        "hf" => rest.rfind('@'),
        "ollama" => rest
            .rfind(':')
            .filter(|&colon| rest.rfind('/').is_none_or(|slash| slash < colon)),
        _ => rest.find('?'),
    };
    let place = rest.split_at(version.unwrap_or(rest.len())).0;
    let beginning = beginning.trim_end_matches('/');
    beginning.is_empty()
        || [place, rest].iter().any(|whole| {
            let more = whole.strip_prefix(beginning);
            more.is_some_and(|more| more.is_empty() || more.starts_with('/'))
        })
}

/// Whether a place is read as what it looks like. No store has other keys, and no key may lead out of what is named.
fn is_place(scheme: &str, rest: &str) -> bool {
    let has_bucket =
        matches!(scheme, "hf" | "ollama") || is_bucket(rest.split('/').next().unwrap_or_default());
    let leads_out = rest.split('/').any(|part| matches!(part, "." | ".."));
    let is_odd = rest.contains(|letter: char| matches!(letter, '\\' | '#') || letter.is_control())
        || rest.to_ascii_lowercase().contains("%2e");
    has_bucket && !leads_out && !is_odd
}

/// Whether a store can have a bucket of this name. It becomes part of an address, where any other letter can mean something.
#[must_use]
pub fn is_bucket(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(name, "" | "." | "..") && name.bytes().all(is_letter)
}

/// Whether an entry is `https://HOST`, `https://HOST:PORT`, or the same with `*.` before the host, as an address would have it:
/// in small letters, without a port that goes without saying, without a dot at the end.
#[must_use]
pub fn is_origin(entry: &str) -> bool {
    let whole = entry.replacen("://*.", "://any.", 1);
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_letter);
    Url::parse(&whole).is_ok_and(|url| {
        let host = url.host_str().unwrap_or_default();
        matches!(url.scheme(), "http" | "https")
            && url.origin().ascii_serialization() == whole
            && (host.starts_with('[') || host.split('.').all(is_name))
            && url.port() != Some(0)
    })
}

/// Whether a list names the origin of an address. `*.` stands for one or more names before a domain.
#[must_use]
pub fn names(allow: &[String], url: &Url) -> bool {
    let origin = url.origin().ascii_serialization();
    allow.iter().any(|entry| match entry.split_once("://*.") {
        Some((scheme, domain)) => origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .is_some_and(|host| {
                host.strip_suffix(domain)
                    .is_some_and(|name| name.ends_with('.'))
            }),
        None => *entry == origin,
    })
}

/// Whether whoever reads an address may have this variable: what gives access there, and to nothing else.
#[must_use]
pub fn needs(address: &str, variable: &str) -> bool {
    let scheme = address.split_once("://").map_or("", |(scheme, _)| scheme);
    let of_scheme: &[&str] = match scheme.to_ascii_lowercase().as_str() {
        "s3" => &["AWS_"],
        "gs" => &["GOOGLE_"],
        "az" => &["AZURE_"],
        "hf" => &["HF_ENDPOINT", "HF_TOKEN"],
        "ollama" => return matches!(variable, "HOME" | "OLLAMA_MODELS"),
        _ => &[],
    };
    variable == "SSL_CERT_FILE" || of_scheme.iter().any(|start| variable.starts_with(start))
}

/// Parses the address of a web server. What a parser reads otherwise than a person does is refused: `\\` as `/`, and line
/// ends and tabs as nothing.
///
/// # Errors
/// It is no address.
pub fn parse(address: &str) -> Result<Url, Refused> {
    if address.contains(|letter: char| letter == '\\' || letter.is_ascii_control()) {
        let why = "it has a backslash or a control character in it";
        return Err(Refused::NoAddress(why.to_owned()));
    }
    Url::parse(address).map_err(|why| Refused::NoAddress(why.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Sources {
        let sources = Sources::of(text);
        assert_eq!(sources.unsound(), None);
        assert_eq!(Sources::of(&sources.to_text()), sources);
        sources
    }

    #[test]
    fn what_only_a_parser_reads_is_no_address() {
        for address in [
            "https://evil.example\\@h.example/m.gguf",
            "https://h.example\t.evil.example/m",
            "https://h\n.example/m",
        ] {
            assert!(
                matches!(parse(address), Err(Refused::NoAddress(_))),
                "{address}"
            );
        }
        assert!(parse("https://h.example/m.gguf").is_ok());
    }

    #[test]
    fn an_address_may_be_read_where_the_list_names_it() {
        let sources = list(
            "https://h.example https://h.example:8443 https://*.cdn.example s3://box s3://part/models/ hf://org ollama://",
        );
        for address in [
            "https://h.example/m.gguf?sig=a",
            "HTTPS://H.example:443/m.gguf",
            "https://h.example:8443/m.gguf",
            "https://a.b.cdn.example/m.gguf",
            "s3://box/m.gguf?versionId=1",
            "s3://part/models/a/m.gguf",
            "hf://org/r/m.gguf@v1",
            "ollama://llama3:8b",
        ] {
            assert_eq!(sources.allowed(address), Ok(()), "{address}");
        }
        for address in [
            "http://h.example/m.gguf",
            "https://h.example:444/m.gguf",
            "https://h.example.evil/m.gguf",
            "https://evil/h.example",
            "https://cdn.example/m.gguf",
            "https://evilcdn.example/m.gguf",
            "s3://box2/m.gguf",
            "s3://part/other/m.gguf",
            "s3://part/models/../other/m.gguf",
            "s3://part/models2/m.gguf",
            "s3://box:\\..\\secret/m.gguf",
            "s3://box@\\..\\secret/m.gguf",
            "s3://box:\\%2e%2e\\secret/m.gguf",
            "s3://box:x@evil/m.gguf",
            "s3://box@evil#/m.gguf",
            "s3://box\\..\\secret/m.gguf",
            "s3://box/..\\..\\secret/m.gguf",
            "s3://box/%2E%2e/secret/m.gguf",
            "s3://part/models:secret/m.gguf",
            "s3://part/models@secret/m.gguf",
            "hf://org@x/r/m.gguf@main",
            "hf://org/r\\..\\..\\x/m.gguf",
            "ollama://evil:80\\x",
            "gs://box/m.gguf",
            "hf://org2/r/m.gguf",
            "hf://other/org/m.gguf",
            "file:///etc/passwd",
            "ftp://h.example/m.gguf",
        ] {
            let refused = sources.allowed(address);
            assert!(
                matches!(refused, Err(Refused::NotNamed(_))),
                "{address}: {refused:?}"
            );
        }
        for address in [
            "https://me@h.example/m",
            "https://me:key@h.example/m",
            "https://:key@h.example/m",
        ] {
            assert_eq!(sources.allowed(address), Err(Refused::User), "{address}");
        }
    }

    #[test]
    fn what_is_named_and_private_needs_one_more_word() {
        let named = "http://127.0.0.1:9 http://[::ffff:7f00:1] https://169.254.169.254";
        for address in [
            "http://127.0.0.1:9/m",
            "http://[::ffff:127.0.0.1]/m",
            "https://169.254.169.254/m",
        ] {
            let refused = list(named).allowed(address);
            assert!(
                matches!(refused, Err(Refused::Private(..))),
                "{address}: {refused:?}"
            );
            let allowed = list(&format!("private {named}")).allowed(address);
            assert_eq!(allowed, Ok(()), "{address}");
        }
    }

    #[test]
    fn an_entry_that_names_nothing_is_not_sound() {
        for entry in [
            "h.example",
            "https://h.example/",
            "https://h.example/a",
            "https://me@h.example",
            "https://*",
            "ftp://h",
            "https://a.*.h",
            "s3://b\\..\\c",
            "s3://b:c",
            "s3://b c",
            "s3://",
            "gs:///p",
            "hf://",
            "",
            "private",
            "https://",
            "https://.",
            "https://*.",
            "https://h.example.",
            "https://*.h.example.",
            "https://.h.example",
            "https://h..example",
            "https://H.example",
            "https://h.example,https://i.example",
            "https://h.example,i.example",
            "https://h.example:443",
            "http://h.example:80",
            "https://h.example:",
            "https://h.example:0",
            "https://h.example:65536",
            "https://h.example:-1",
            "https://@h.example",
            "https://h.example?",
            "https://h.example#",
            "https:/h.example",
            "https://h.example\\",
            "https://h%2eexample",
            "http://[fe80::1%25eth0]",
            "http://[fe80::1%eth0]",
            "http://[::1",
            "http://::1",
            "http://[0:0::1]",
            "http://0x7f.1",
            "http://127.1",
            "https://*.127.0.0.1",
        ] {
            let sources = Sources {
                allow: vec!["https://h".to_owned(), entry.to_owned()],
                private: false,
            };
            assert_eq!(sources.unsound(), Some(entry));
        }
        list(
            "http://h http://h:8080 https://a_b.h-1 http://[::1]:81 https://[::1] http://127.0.0.1:1 https://xn--bcher-kva.h",
        );
        assert!(Sources::of("").allowed("https://h.example/m").is_err());
    }

    #[test]
    fn what_gives_access_is_for_its_own_place() {
        assert!(needs("s3://b/m", "AWS_SECRET_ACCESS_KEY"));
        assert!(needs("hf://o/r/m", "HF_TOKEN"));
        for address in [
            "https://h/m",
            "gs://b/m",
            "hf://o/r/m",
            "ollama://m",
            "m.gguf",
        ] {
            assert!(!needs(address, "AWS_SECRET_ACCESS_KEY"), "{address}");
        }
        assert!(!needs("https://h/m", "HF_TOKEN"));
    }
}
