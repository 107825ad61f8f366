//! Signatures that show in a file alone: a web page or a pointer instead of a model, traces of text handling.

use std::io;

use crate::finding::{Cause, Effect, Finding, escape};
use crate::source::Source;

/// Says what a file is that begins with neither magic, when it can be told.
pub(crate) fn not_a_model(start: &[u8]) -> Option<Finding> {
    let text = start
        .strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(start)
        .trim_ascii_start();
    let begins = |prefix: &[u8]| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if [&b"<!doctype"[..], b"<html", b"<?xml", b"{\"error\""]
        .into_iter()
        .any(begins)
    {
        return Some(
            Finding::new(
                "input.web-page",
                Effect::Undecided,
                "this is a web page or an error message, not a model",
            )
            .cause(
                "cause.web-page",
                "the server answered with a page: a login, an error, a moved file",
            )
            .hint("open the address in a browser, then download the file again"),
        );
    }
    if !begins(b"version https://git-lfs") {
        return None;
    }
    let field = |name: &str| {
        let lines = text.split(|&byte| byte == b'\n');
        lines
            .filter_map(|line| line.strip_prefix(name.as_bytes()))
            .map(|value| escape(value.trim_ascii()))
            .next()
            .unwrap_or_else(|| "unknown".to_owned())
    };
    Some(
        Finding::new(
            "input.pointer",
            Effect::Undecided,
            "this is a Git LFS pointer, not the model it points to",
        )
        .cause(
            "cause.pointer",
            format!(
                "the real file has {} bytes and the digest {}",
                field("size "),
                field("oid ")
            ),
        )
        .hint("fetch the real file: git lfs pull"),
    )
}

/// Looks for traces of text handling in the start of a binary file: replacement characters, or line ends of one kind only.
pub(crate) fn text_mode(source: &dyn Source) -> io::Result<Option<Cause>> {
    let length = usize::try_from(source.length().min(SAMPLE)).unwrap_or(0);
    let mut bytes = vec![0; length];
    source.read_exact_at(0, &mut bytes)?;
    let replaced = count(&bytes, b"\xef\xbf\xbd");
    if replaced >= TELLING
        && bytes.iter().filter(|byte| !byte.is_ascii()).count() <= replaced.saturating_mul(4)
    {
        return Ok(Some(Cause {
            code: "cause.transcoded",
            text: format!(
                "handled as text: {replaced} replacement characters in the first {length} bytes"
            ),
        }));
    }
    let (feeds, pairs) = (count(&bytes, b"\n"), count(&bytes, b"\r\n"));
    if feeds >= TELLING && feeds == pairs {
        return Ok(Some(Cause {
            code: "cause.crlf",
            text: format!(
                "copied in text mode: each of {feeds} line feeds follows a carriage return"
            ),
        }));
    }
    Ok(None)
}

fn count(bytes: &[u8], pattern: &[u8]) -> usize {
    bytes
        .windows(pattern.len())
        .filter(|window| *window == pattern)
        .count()
}

const SAMPLE: u64 = 4 << 20;
/// Fewer occurrences also come about by chance.
const TELLING: usize = 12;
