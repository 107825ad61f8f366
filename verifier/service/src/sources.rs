//! Models that a job names by an address: what stands for their content, and what is shown of them.
//!
//! The service itself never asks there. The job's process does, limited to the list of the configuration.

use std::env;
use std::ffi::OsString;

use reach::{Address as Text, Sources, needs};

use crate::job::{Address, Input, random};

/// Stores, which artifacts may be put into.
pub(crate) const STORES: [&str; 3] = ["s3://", "gs://", "az://"];
/// Letters of an address.
const LONGEST: usize = 2048;

/// Why an address is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// No name or path has so many letters.
    #[error("the address has more than {LONGEST} letters")]
    Long,
    /// It would be read as something else on the way, or written where it must not be.
    #[error("the address has a space or a control character in it: write it as %20, for example")]
    Letters,
    /// A folder has none.
    #[error("a folder of a store has no query")]
    Query,
    /// There is no list.
    #[error("this service reads no addresses (`sources.allow`): upload the model")]
    None,
    /// The list does not have it.
    #[error("{0}: {1} (`sources` and `destinations` of the configuration)")]
    Reach(String, #[source] reach::Refused),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Refuses an address that the list does not allow.
fn check(list: &Sources, url: &str) -> Result<(), Refused> {
    if url.len() > LONGEST {
        return Err(Refused::Long);
    }
    if url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(Refused::Letters);
    }
    let allowed = list.allowed(url);
    allowed.map_err(|why| Refused::Reach(shown(url), why))
}

/// Refuses a folder that the list does not allow.
pub(crate) fn destination(destinations: &Sources, url: &str) -> Result<(), Refused> {
    check(destinations, url)?;
    if url.contains(['?', '#']) {
        return Err(Refused::Query);
    }
    Ok(())
}

/// Binds the model at an address that the list allows.
pub(crate) fn bind(sources: &Sources, url: &str) -> Result<Input, Refused> {
    if sources.allow.is_empty() {
        return Err(Refused::None);
    }
    check(sources, url)?;
    // What is behind any other address may be something else in the next moment: such a job is equal to no other.
    let once = if is_fixed(url) {
        String::new()
    } else {
        random::<12>()?
    };
    Ok(Input {
        // As the report has it.
        name: Text::of(url)
            .map_or("", |address| address.parts().1)
            .to_owned(),
        files: Vec::new(),
        address: Some(Address {
            url: url.to_owned(),
            content: format!("address:{url}:{once}"),
        }),
    })
}

/// What the environment of a job's process has in it: the list, and what gives access to the places that the job names.
pub(crate) fn environment(list: &Sources, urls: &[&str]) -> Vec<(OsString, OsString)> {
    let given = env::vars_os().filter(|(name, _)| {
        let name = name.to_str().unwrap_or_default();
        urls.iter().any(|url| needs(url, name))
    });
    let list = (Sources::VARIABLE.into(), list.to_text().into());
    given.chain([list]).collect()
}

/// Whether an address names bytes that cannot change: a commit, or a version of an object.
fn is_fixed(url: &str) -> bool {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    match scheme {
        "hf" => rest.rsplit_once('@').is_some_and(|(_, revision)| {
            let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
            revision.len() == 40 && revision.bytes().all(is_digit)
        }),
        // The version `null` is of a bucket that keeps one of each.
        "s3" | "gs" | "az" => rest
            .split_once("?versionId=")
            .is_some_and(|(_, version)| !version.is_empty() && version != "null"),
        _ => false,
    }
}

/// An address without what gives access, as the program shows it, too.
pub(crate) fn shown(url: &str) -> String {
    let address = Text::of(url);
    address.map_or_else(|| "the address".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(url: &str) -> String {
        let sources = Sources {
            allow: ["https://h", "s3://b", "hf://o", "ollama://"]
                .map(str::to_owned)
                .to_vec(),
            private: false,
        };
        let input = bind(&sources, url).unwrap();
        input.address.unwrap().content
    }

    #[test]
    fn a_job_is_shared_only_where_its_bytes_cannot_change() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for url in [
            format!("hf://o/r/m.gguf@{commit}"),
            "s3://b/m?versionId=7".to_owned(),
        ] {
            assert_eq!(key(&url), key(&url), "{url}");
        }
        for url in [
            "https://h/m?versionId=7",
            "s3://b/m",
            "s3://b/m?versionId=null",
            "hf://o/r/m@main",
            "hf://o/r/m",
            "ollama://m",
        ] {
            assert_ne!(key(url), key(url), "{url}");
        }
    }
}
