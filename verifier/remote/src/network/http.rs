//! An object that a web server has.

use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, TryStreamExt as _, stream};
use reach::Sources;
use reqwest::header::{self, HeaderMap, HeaderName};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};

use super::failure::Failure;
use super::pinned::{Pinned, Reply};
use super::{Object, Reading};
use crate::location::Address;

/// An object behind an address.
pub(super) struct WebObject {
    pub(super) client: Client,
    pub(super) url: Url,
    /// What gives access, for this host only.
    pub(super) headers: HeaderMap,
    pub(super) state: State,
}

/// How the state of an object is told.
pub(super) enum State {
    /// By what the server says of it with the first bytes, which every request makes a condition.
    OfServer,
    /// By its address, which names a revision that cannot change; this is known of it.
    OfRevision(Pinned),
}

/// The object that an address names.
pub(super) fn object(
    address: Address<'_>,
    limit: Option<&Sources>,
) -> Result<Box<dyn Object>, Failure> {
    let url = url(&address.whole())?;
    let object = WebObject {
        client: client(following(&url, limit), limit)?,
        url,
        headers: HeaderMap::new(),
        state: State::OfServer,
    };
    Ok(Box::new(object))
}

/// Parses an address, without repeating it.
pub(super) fn url(text: &str) -> Result<Url, Failure> {
    reach::parse(text).map_err(|why| Failure::Lasting(why.to_string()))
}

/// A client that follows redirects or not, and connects to what the process is limited to.
pub(super) fn client(redirects: Policy, limit: Option<&Sources>) -> Result<Client, Failure> {
    let client = limit
        .map_or_else(ClientBuilder::new, |limit| limit.reach().client())
        .redirect(redirects);
    timed(client).build().map_err(Failure::of_request)
}

/// How long a server may take, and who asks it.
pub(super) fn timed(client: ClientBuilder) -> ClientBuilder {
    client
        .user_agent(concat!("aprove/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(10))
        .read_timeout(Duration::from_secs(30))
        .timeout(Duration::from_secs(300))
}

/// Follows ten redirects, none from a protected address to one that is not, and none to what may not be asked. What may be asked
/// leads to itself.
pub(super) fn following(from: &Url, limit: Option<&Sources>) -> Policy {
    let (origin, limit) = (from.origin(), limit.cloned());
    Policy::custom(move |attempt| {
        let was_protected = attempt
            .previous()
            .last()
            .is_some_and(|url| url.scheme() == "https");
        if was_protected && attempt.url().scheme() != "https" {
            return attempt.error("it redirects from https to http");
        }
        if let Some(limit) = &limit
            && attempt.url().origin() != origin
            && let Err(refused) = limit.allowed_url(attempt.url())
        {
            return attempt.error(refused);
        }
        Policy::limited(10).redirect(attempt)
    })
}

impl Object for WebObject {
    fn get<'a>(&'a self, range: Range<u64>, pinned: Option<&'a Pinned>) -> Reading<'a, Reply> {
        Box::pin(async move {
            let response = self.request(&range, pinned).await?;
            let now = self.state_of(&response, &range, pinned)?;
            if let Some(pinned) = pinned {
                pinned.hold(&now)?;
            }
            let wanted = now.within(&range);
            let bytes = body(response, wanted.end.saturating_sub(wanted.start)).await?;
            Ok(Reply { pinned: now, bytes })
        })
    }
}

impl WebObject {
    async fn request(
        &self,
        range: &Range<u64>,
        pinned: Option<&Pinned>,
    ) -> Result<Response, Failure> {
        let last = range.end.saturating_sub(1);
        let mut request = self
            .client
            .get(self.url.clone())
            .headers(self.headers.clone())
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::RANGE, format!("bytes={}-{last}", range.start));
        if let (State::OfServer, Some(pinned)) = (&self.state, pinned) {
            if let Some(etag) = pinned.strong_etag() {
                request = request.header(header::IF_MATCH, etag);
            } else if let Some(time) = &pinned.last_modified {
                request = request.header(header::IF_UNMODIFIED_SINCE, time);
            }
        }
        let response = request.send().await.map_err(|error| match pinned {
            // Where nothing was read yet, the address is wrong more often than the network.
            None if error.is_connect() => {
                Failure::Lasting(Failure::of_request(error).text().to_owned())
            }
            _ => Failure::of_request(error),
        })?;
        refused(&response, pinned.is_some()).map_or(Ok(response), Err)
    }

    /// What a reply says that the object is, when it is about the range that was asked for.
    fn state_of(
        &self,
        response: &Response,
        range: &Range<u64>,
        pinned: Option<&Pinned>,
    ) -> Result<Pinned, Failure> {
        let text = text(response, &header::CONTENT_RANGE).ok_or_else(|| {
            Failure::Lasting("its server does not say which range it gives".into())
        })?;
        let (given, length) = content_range(&text)
            .ok_or_else(|| Failure::Lasting(format!("its server gives no range, but {text:?}")))?;
        let now = Pinned {
            length,
            etag: self::text(response, &header::ETAG),
            last_modified: self::text(response, &header::LAST_MODIFIED),
            ..Pinned::default()
        };
        if pinned.is_some_and(|pinned| pinned.length != length) {
            // The range depends on the length: this is about another object, and said so.
            return Ok(now);
        }
        let wanted = now.within(range);
        if given != wanted {
            let why = format!(
                "its server gives bytes {} to {} where {} to {} were asked for",
                given.start, given.end, wanted.start, wanted.end
            );
            return Err(Failure::Lasting(why));
        }
        match &self.state {
            State::OfRevision(known) => {
                let known = known.clone();
                if known.length != length {
                    return Err(Failure::Lasting(format!(
                        "its publisher says {} bytes, and its server has {length}",
                        known.length
                    )));
                }
                Ok(known)
            }
            State::OfServer if now.etag.is_none() && now.last_modified.is_none() => {
                Err(Failure::Lasting(
                    "its server gives neither ETag nor Last-Modified, so that a change would go unnoticed: download it, and name the file"
                        .to_owned(),
                ))
            }
            State::OfServer => Ok(now),
        }
    }
}

/// Why a reply is not the part of the object that was asked for.
pub(super) fn refused(response: &Response, is_pinned: bool) -> Option<Failure> {
    let wait = retry_after(response.headers());
    of_status(response.status(), wait, is_pinned)
}

/// How long a server wants to be left alone, where it says seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// The same by the status, and how long the server wants to be left alone.
pub(super) fn of_status(
    status: StatusCode,
    wait: Option<Duration>,
    is_pinned: bool,
) -> Option<Failure> {
    let said = || format!("its server answers {status}");
    Some(match status {
        StatusCode::PARTIAL_CONTENT => return None,
        StatusCode::OK => Failure::Lasting(
            "its server gives no ranges (Accept-Ranges): download it, and name the file".to_owned(),
        ),
        StatusCode::PRECONDITION_FAILED if is_pinned => {
            Failure::Changed("its server has another version now".to_owned())
        }
        StatusCode::RANGE_NOT_SATISFIABLE if is_pinned => {
            Failure::Changed("it is shorter now".to_owned())
        }
        StatusCode::RANGE_NOT_SATISFIABLE => Failure::Lasting("it is empty".to_owned()),
        StatusCode::NOT_FOUND | StatusCode::GONE if is_pinned => {
            Failure::Changed("it is not there any more".to_owned())
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => Failure::Absent(said()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Failure::Refused(said()),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            Failure::Passing(said(), wait)
        }
        status if status.is_server_error() => Failure::Passing(said(), wait),
        _ => Failure::Lasting(said()),
    })
}

/// The body of a reply, which has this many bytes.
async fn body(response: Response, length: u64) -> Result<Vec<u8>, Failure> {
    let chunks = stream::try_unfold(response, async |mut response| {
        let chunk = response.chunk().await.map_err(Failure::of_request)?;
        Ok(chunk.map(|chunk| (chunk, response)))
    });
    collect(chunks, length).await
}

/// The bytes of a body, of which there are so many, and of which no more are read.
pub(super) async fn collect(
    chunks: impl Stream<Item = Result<impl AsRef<[u8]>, Failure>>,
    length: u64,
) -> Result<Vec<u8>, Failure> {
    let length = usize::try_from(length).map_err(|why| Failure::Lasting(why.to_string()))?;
    let (mut bytes, mut chunks) = (Vec::with_capacity(length), pin!(chunks));
    while let Some(chunk) = chunks.try_next().await? {
        let chunk = chunk.as_ref();
        if chunk.len() > length.saturating_sub(bytes.len()) {
            return Err(Failure::Lasting(format!(
                "its server gives more than {length} bytes"
            )));
        }
        bytes.extend_from_slice(chunk);
    }
    if bytes.len() < length {
        let why = format!("its server ends after {} of {length} bytes", bytes.len());
        return Err(Failure::Passing(why, None));
    }
    Ok(bytes)
}

/// A header as text.
pub(super) fn text(response: &Response, name: &HeaderName) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

/// `bytes FIRST-LAST/LENGTH`.
fn content_range(text: &str) -> Option<(Range<u64>, u64)> {
    let (range, length) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let end = last.parse::<u64>().ok()?.checked_add(1)?;
    Some((first.parse().ok()?..end, length.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_a_length_is_no_range() {
        assert_eq!(content_range("bytes 4-7/20"), Some((4..8, 20)));
        for text in ["bytes 4-7/*", "bytes */20", "4-7/20", "bytes 4-/20", ""] {
            assert_eq!(content_range(text), None, "{text}");
        }
    }
}
