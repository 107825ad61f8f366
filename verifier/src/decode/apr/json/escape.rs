//! Escapes in strings of JSON.

use std::borrow::Cow;

/// Every text that reaches this was checked while reading, so an escape that does not parse cannot occur.
pub(super) fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let (character, length) = escape_at(escaped.as_bytes()).unwrap_or(('\u{fffd}', 1));
        text.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the escape after a backslash, and how many bytes it takes.
pub(super) fn escape_at(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_at(bytes),
        _ => return None,
    };
    Some((simple, 1))
}

/// `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair.
fn unicode_at(bytes: &[u8]) -> Option<(char, usize)> {
    let high = hex(bytes.get(1..5)?)?;
    if !(0xd800..0xe000).contains(&high) {
        return Some((char::from_u32(high)?, 5));
    }
    let low = bytes
        .get(5..7)
        .filter(|&mark| mark == b"\\u")
        .and_then(|_| hex(bytes.get(7..11)?))?;
    let mut decoded = char::decode_utf16([high, low].map(|unit| u16::try_from(unit).unwrap_or(0)));
    Some((decoded.next()?.ok()?, 11))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
