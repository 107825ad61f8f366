//! The address of a file.

/// The address of an escaped path: relative to the working folder unless the path is absolute, or an address already.
pub(super) fn uri(path: &str) -> String {
    // No path has such a name: it would begin with `./`.
    let is_word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let (mut uri, path) = match path.split_once("://").filter(|(scheme, _)| is_word(scheme)) {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            (format!("{scheme}://{host}"), path)
        }
        None => (String::new(), path),
    };
    let bytes = bytes(path);
    let relative = bytes.strip_prefix(b"./").unwrap_or(&bytes);
    if uri.is_empty() && relative.starts_with(b"/") {
        uri.push_str("file://");
    }
    for byte in relative {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

/// What was escaped: a backslash that was there is escaped itself, so that nothing is taken for an escape that is none.
fn bytes(path: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .split_at_checked(3)
            .filter(|(code, _)| *first == b'\\' && code.starts_with(b"x"))
            .and_then(|(code, after)| {
                let digits = std::str::from_utf8(code.get(1..)?).ok()?;
                Some((u8::from_str_radix(digits, 16).ok()?, after))
            });
        let (byte, after) = escaped.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use verifier::finding::escape;

    use super::*;

    #[test]
    fn a_path_gives_the_address_of_its_bytes() {
        for (path, expected) in [
            (&b"models/a-1_2.gguf"[..], "models/a-1_2.gguf"),
            (b"./a b.gguf", "a%20b.gguf"),
            (b"/data/a.gguf", "file:///data/a.gguf"),
            (b"c:\\x41%", "c%3A%5Cx41%25"),
            (b"a\n\xff\"", "a%0A%FF%22"),
            (b"http://127.0.0.1:80/a b", "http://127.0.0.1:80/a%20b"),
            ("größe\u{202e}".as_bytes(), "gr%C3%B6%C3%9Fe%E2%80%AE"),
        ] {
            assert_eq!(uri(&escape(path)), expected);
            assert_eq!(bytes(&escape(path)), path);
        }
    }
}
