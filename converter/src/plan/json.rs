//! Numbers and bytes as JSON without loss.

use std::fmt::Write as _;

use serde_json::{Number, Value, json};

/// Returns a float as a number, which is written as the shortest decimal of the f32; `None` where JSON has no such
/// number.
pub(crate) fn f32_number(value: f32) -> Option<Number> {
    Number::from_f64(value.into())
}

/// Returns a string, or `{"hex": "..."}` for bytes that are not UTF-8.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

/// Returns two lower-case hex digits for every byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_that_json_lacks_are_none() {
        assert_eq!(
            f32_number(1.5).map(|number| number.to_string()).as_deref(),
            Some("1.5")
        );
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(f32_number(value), None);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_become_hex() {
        assert_eq!(bytes("é".as_bytes()).to_string(), "\"é\"");
        assert_eq!(bytes(b"\xff\x00").to_string(), r#"{"hex":"ff00"}"#);
    }
}
