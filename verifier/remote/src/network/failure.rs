//! Why a range was not read, in words that give no access to anything.

use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a range was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It is not the object any more that was opened.
    Changed(String),
    /// There is no such object.
    Absent(String),
    /// Access was refused.
    Refused(String),
    /// Another attempt may succeed, after this time where the server named one.
    Passing(String, Option<Duration>),
    /// Anything else, which another attempt does not cure.
    Lasting(String),
}

impl Failure {
    /// The failure of a request, which is taken for a passing one.
    pub(crate) fn of_request(error: reqwest::Error) -> Self {
        let is_lasting = error.is_builder() || error.is_redirect();
        // The address may hold a signature.
        let mut text = in_words(&error.without_url());
        if is_lasting && text.contains("CA certificates") {
            text += ": SSL_CERT_FILE names a file of them";
        }
        if is_lasting {
            Self::Lasting(text)
        } else {
            Self::Passing(text, None)
        }
    }

    /// What happened.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Changed(text)
            | Self::Absent(text)
            | Self::Refused(text)
            | Self::Passing(text, _)
            | Self::Lasting(text) => text,
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let kind = match failure {
            Failure::Absent(_) => io::ErrorKind::NotFound,
            Failure::Refused(_) => io::ErrorKind::PermissionDenied,
            Failure::Changed(_) | Failure::Passing(..) | Failure::Lasting(_) => {
                io::ErrorKind::Other
            }
        };
        Self::new(kind, failure.text().to_owned())
    }
}

/// An error and what caused it. Whatever looks like the query of an address is left out.
pub(crate) fn in_words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    without_queries(&text)
}

fn without_queries(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace);
    let kept = words.map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => {
            let end = if word.ends_with(char::is_whitespace) {
                " "
            } else {
                ""
            };
            format!("{address}{end}")
        }
        _ => word.to_owned(),
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_query_of_an_address_is_repeated() {
        let text = "GET https://a/b?sig=SECRET failed: is it there? yes";
        let expected = "GET https://a/b failed: is it there? yes";
        assert_eq!(without_queries(text), expected);
    }
}
