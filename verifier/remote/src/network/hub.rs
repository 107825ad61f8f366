//! `hf://ORGANISATION/REPOSITORY/FILE@REVISION`: a file of a repository of Hugging Face, or of a host that answers like it.
//!
//! The revision is resolved to a commit once, and every byte is read at that commit. The token goes to that host only.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use reach::Sources;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};

use super::Object;
use super::attempts::attempts;
use super::failure::Failure;
use super::http::{State, WebObject, client, following, text, url};
use super::pinned::Pinned;

/// Finds out which bytes an address means.
pub(super) async fn object(
    rest: &str,
    limit: Option<&Sources>,
) -> Result<Box<dyn Object>, Failure> {
    let file = File::of(rest)?;
    let host = env::var("HF_ENDPOINT").ok().filter(|host| !host.is_empty());
    let host = url(host.as_deref().unwrap_or("https://huggingface.co"))?;
    if let Some(limit) = limit {
        // Whoever limits the process has chosen the host.
        limit.reach().check(&host).map_err(super::refused)?;
    }
    let headers = headers(token()?)?;
    let client = client(Policy::none(), limit)?;
    let url = file.url(&host, file.revision)?;
    let reply = attempts(|| resolve(&client, url.clone(), &headers)).await?;
    let named = |name| text(&reply, &HeaderName::from_static(name));
    let revision = named("x-repo-commit")
        .filter(|commit| is_hex(commit, 40))
        .ok_or_else(|| Failure::Lasting("its host does not say which commit it is of".into()))?;
    let linked = named("x-linked-size").or_else(|| text(&reply, &header::CONTENT_LENGTH));
    let length = linked
        .and_then(|size| size.parse().ok())
        .ok_or_else(|| Failure::Lasting("its host does not say how long it is".into()))?;
    // Of a file that is kept beside the repository the tag is its SHA-256; of others it is no digest of the bytes alone.
    let sha256 = named("x-linked-etag").map(|etag| etag.trim_matches('"').to_owned());
    let object = WebObject {
        client: super::http::client(following(&host, limit), limit)?,
        url: file.url(&host, &revision)?,
        headers,
        state: State::OfRevision(Pinned {
            length,
            revision: Some(revision),
            sha256: sha256.filter(|digest| is_hex(digest, 64)),
            ..Pinned::default()
        }),
    };
    Ok(Box::new(object))
}

/// What the host says of a file. A repository that was renamed is followed on the same host.
async fn resolve(client: &Client, mut url: Url, headers: &HeaderMap) -> Result<Response, Failure> {
    for _ in 0..5 {
        let request = client.head(url.clone()).headers(headers.clone());
        let request = request.header(header::ACCEPT_ENCODING, "identity");
        let response = request.send().await.map_err(Failure::of_request)?;
        let status = response.status();
        // A file that is kept elsewhere is told by the first host, any other by the last.
        let is_linked = response.headers().contains_key("x-linked-size");
        if status.is_success() || (status.is_redirection() && is_linked) {
            return Ok(response);
        }
        let target = text(&response, &header::LOCATION).and_then(|to| url.join(&to).ok());
        match target.filter(|to| status.is_redirection() && to.origin() == url.origin()) {
            Some(target) => url = target,
            None => return Err(refused(&response)),
        }
    }
    Err(Failure::Lasting(
        "its host redirects again and again".to_owned(),
    ))
}

fn refused(response: &Response) -> Failure {
    let code = text(response, &HeaderName::from_static("x-error-code"));
    let code = code.map_or_else(String::new, |code| format!(" ({})", code.escape_debug()));
    let said = format!("its host answers {}{code}", response.status());
    match super::http::refused(response, false) {
        Some(Failure::Absent(_)) => Failure::Absent(said),
        Some(Failure::Refused(_)) => Failure::Refused(format!("{said}: set HF_TOKEN")),
        Some(Failure::Passing(_, wait)) => Failure::Passing(said, wait),
        _ => Failure::Lasting(said),
    }
}

/// A file of a repository.
#[derive(Debug, PartialEq, Eq)]
struct File<'a> {
    repository: [&'a str; 2],
    path: Vec<&'a str>,
    revision: &'a str,
}

impl<'a> File<'a> {
    fn of(rest: &'a str) -> Result<Self, Failure> {
        let (path, revision) = rest.rsplit_once('@').unwrap_or((rest, "main"));
        let parts: Vec<&str> = path.split('/').collect();
        let is_sound = |part: &str| !part.is_empty() && !matches!(part, "." | "..");
        match parts.split_at_checked(2) {
            Some((&[organisation, name], path))
                if !path.is_empty() && !revision.is_empty() && parts.iter().all(|part| is_sound(part)) =>
            {
                Ok(Self {
                    repository: [organisation, name],
                    path: path.to_vec(),
                    revision,
                })
            }
            _ => Err(Failure::Lasting(
                "expected hf://ORGANISATION/REPOSITORY/FILE or hf://ORGANISATION/REPOSITORY/FILE@REVISION"
                    .to_owned(),
            )),
        }
    }

    fn url(&self, host: &Url, revision: &str) -> Result<Url, Failure> {
        let mut url = host.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::Lasting("HF_ENDPOINT is no address of a host".to_owned()))?
            .pop_if_empty()
            .extend(self.repository)
            .push("resolve")
            .push(revision)
            .extend(&self.path);
        Ok(url)
    }
}

fn headers(token: Option<String>) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value
            .map_err(|_| Failure::Lasting("the token has characters that no token has".into()))?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The token of the user, from where the tools of the host have it.
fn token() -> Result<Option<String>, Failure> {
    let named = |name: &str| env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(token) = named("HF_TOKEN") {
        return Ok(Some(token.trim().to_owned()));
    }
    let home = named("HF_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&named("HOME")?).join(".cache/huggingface")));
    let path = named("HF_TOKEN_PATH").map(PathBuf::from);
    let Some(path) = path.or_else(|| Some(home?.join("token"))) else {
        return Ok(None);
    };
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|token| !token.is_empty())),
        Err(why) if why.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(Failure::Lasting(format!("{}: {why}", path.display()))),
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == digits && text.bytes().all(is_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_repository_has_a_revision() {
        let host = Url::parse("http://127.0.0.1/hub/").unwrap();
        for (rest, expected) in [
            ("o/r/m.gguf", "/hub/o/r/resolve/main/m.gguf"),
            ("o/r/a/m.gguf@v1", "/hub/o/r/resolve/v1/a/m.gguf"),
            (
                "o/r/m.gguf@refs/pr/1",
                "/hub/o/r/resolve/refs%2Fpr%2F1/m.gguf",
            ),
            ("o/r/a b?.gguf", "/hub/o/r/resolve/main/a%20b%3F.gguf"),
        ] {
            let file = File::of(rest).unwrap();
            assert_eq!(file.url(&host, file.revision).unwrap().path(), expected);
        }
        for rest in ["", "o/r", "o/r/", "o//m", "o/../m", "o/r/m@", "o/r/../m"] {
            assert!(File::of(rest).is_err(), "{rest}");
        }
    }
}
