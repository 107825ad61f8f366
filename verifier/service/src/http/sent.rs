//! A file as an answer: the whole, a part of it, or that the client has it already.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::problem::{Code, Problem};

/// Answers with a file that never changes under its tag, as far as the conditions and the range of the request ask for it (RFC 9110,
/// 13.2.2). Of several ranges none is taken: then the answer is the whole.
pub(crate) async fn file(
    request: &HeaderMap,
    path: PathBuf,
    kind: &'static str,
    tag: &str,
) -> Result<Response, Problem> {
    let mut file = File::open(path).await.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            Problem::new(Code::NoReport, "the job left no such file")
        } else {
            error.into()
        }
    })?;
    let length = file.metadata().await?.len();
    let tag = format!("\"{tag}\"");
    let said = |name: HeaderName| request.get(name).and_then(|value| value.to_str().ok());
    if said(header::IF_MATCH).is_some_and(|tags| !names(tags, &tag)) {
        let detail = format!("its ETag is {tag}");
        return Err(Problem::new(Code::PreconditionFailed, detail));
    }
    let etag = HeaderValue::try_from(&tag).map_err(|error| Problem::internal(&error))?;
    let etag = [(header::ETAG, etag)];
    if said(header::IF_NONE_MATCH).is_some_and(|tags| names(&tags.replace("W/", ""), &tag)) {
        return Ok((StatusCode::NOT_MODIFIED, etag).into_response());
    }
    let range = said(header::RANGE).filter(|_| said(header::IF_RANGE).is_none_or(|one| one == tag));
    let Some(part) = range.map_or(Some(0..length), |range| part(range, length)) else {
        let problem = Problem::new(Code::Range, format!("it has {length} bytes"));
        let whole = [(header::CONTENT_RANGE, format!("bytes */{length}"))];
        return Ok((whole, problem).into_response());
    };
    file.seek(SeekFrom::Start(part.start)).await?;
    let count = part.end.saturating_sub(part.start);
    let body = Body::from_stream(ReaderStream::new(file.take(count)));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_LENGTH, HeaderValue::from(count)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    let response = (etag, headers, body).into_response();
    if count == length {
        return Ok(response);
    }
    let last = part.end.saturating_sub(1);
    let range = format!("bytes {}-{last}/{length}", part.start);
    let range = [(header::CONTENT_RANGE, range)];
    Ok((StatusCode::PARTIAL_CONTENT, range, response).into_response())
}

/// Whether a list of tags has one.
fn names(tags: &str, tag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|one| one == "*" || one == tag)
}

/// The bytes that a range asks for: all where it is none, and none where there are none of them.
fn part(range: &str, length: u64) -> Option<Range<u64>> {
    let ends = range.strip_prefix("bytes=").and_then(|ends| {
        let (first, last) = ends.split_once('-')?;
        let number = |text: &str| text.parse::<u64>().ok();
        match (first, last) {
            ("", count) => Some((length.saturating_sub(number(count)?), length)),
            (first, "") => Some((number(first)?, length)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some((first, last.saturating_add(1)))
            }
        }
    });
    match ends {
        None => Some(0..length),
        Some((first, end)) => (first < length).then_some(first..end.min(length)),
    }
}

/// What a browser calls what it keeps: the name, and for those who do not read it one in ASCII (RFC 6266).
pub(crate) fn disposition(name: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let ascii: String = name
        .chars()
        .map(|letter| if is_plain(letter) { letter } else { '_' })
        .collect();
    if ascii == name {
        return format!("attachment; filename=\"{ascii}\"");
    }
    let escaped = |byte: u8| match char::from(byte) {
        letter if is_plain(letter) => letter.to_string(),
        _ => format!("%{byte:02X}"),
    };
    let escaped: String = name.bytes().map(escaped).collect();
    format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{escaped}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_what_there_is() {
        for (range, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=2-4", Some(2..5)),
            ("bytes=2-", Some(2..10)),
            ("bytes=2-99", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=10-", None),
            ("bytes=99-100", None),
            ("bytes=-0", None),
            // What is no range, or several, asks for the whole.
            ("bytes=4-2", Some(0..10)),
            ("bytes=-", Some(0..10)),
            ("bytes=0-1,4-5", Some(0..10)),
            ("bytes=a-b", Some(0..10)),
            ("bytes=2-18446744073709551615", Some(2..10)),
            ("lines=0-1", Some(0..10)),
            ("", Some(0..10)),
        ] {
            assert_eq!(part(range, 10), expected, "{range}");
        }
        assert_eq!(part("bytes=0-0", 0), None);
        assert_eq!(part("bytes=-1", 0), None);
        assert_eq!(part("bytes=99-", 10), None);
    }

    #[test]
    fn a_name_outside_ascii_is_kept() {
        assert_eq!(
            disposition("m-1_a.apr"),
            "attachment; filename=\"m-1_a.apr\""
        );
        assert_eq!(
            disposition("a \"b\"é.apr"),
            "attachment; filename=\"a__b__.apr\"; filename*=UTF-8''a%20%22b%22%C3%A9.apr"
        );
    }
}
