//! Metadata as text: the same bytes for the same values, on any machine.

use serde_json::{Map, Number, Value};

use crate::{aliases::canonical, error::Error, text::Quoted};

/// Writes metadata as compact JSON with the keys of every object sorted by their bytes.
///
/// A float that is exactly an f32 becomes the shortest decimal that reads back as that f32; any other float becomes the
/// shortest decimal of its f64.
///
/// # Errors
/// Fails with `apr.meta.alias` when a top-level key is an alias of a canonical one: loaders that meet both drop all
/// metadata without a word.
pub fn to_json(metadata: &Map<String, Value>) -> Result<String, Error> {
    for key in metadata.keys() {
        if let Some(canonical) = canonical(key) {
            let expected = format_args!("the canonical {canonical}");
            return Err(Error::unwritable(
                "apr.meta.alias",
                "metadata key",
                expected,
                Quoted(key),
            ));
        }
    }
    let mut out = String::new();
    write_object(&mut out, metadata);
    Ok(out)
}

fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index);
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => write_object(out, object),
    }
}

/// Sorts the keys itself: the map keeps another order when a feature of its crate is on.
fn write_object(out: &mut String, object: &Map<String, Value>) {
    let mut pairs: Vec<_> = object.iter().collect();
    pairs.sort_by_key(|(key, _)| *key);
    out.push('{');
    for (index, (key, value)) in pairs.into_iter().enumerate() {
        separate(out, index);
        write_text(out, key);
        out.push(':');
        write_value(out, value);
    }
    out.push('}');
}

/// Floats are written by the standard library, whose shortest decimals are JSON and change with no crate.
fn write_number(out: &mut String, number: &Number) {
    match number.as_f64().filter(|_| number.is_f64()) {
        Some(float) => out.push_str(&shortest_f32(float).unwrap_or_else(|| format!("{float:?}"))),
        None => out.push_str(&number.to_string()),
    }
}

/// The shortest decimal of a float that is exactly an f32.
fn shortest_f32(float: f64) -> Option<String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the next line keeps only what the cast left whole"
    )]
    let narrow = float as f32;
    if f64::from(narrow).to_bits() != float.to_bits() {
        return None;
    }
    let text = format!("{narrow:?}");
    // Loaders read an f64 and round it to f32: twice rounded must be the same as once.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the rounding that loaders do"
    )]
    let again = text.parse::<f64>().ok()? as f32;
    (again.to_bits() == narrow.to_bits()).then_some(text)
}

fn write_text(out: &mut String, text: &str) {
    // A string has no key that could fail to be one.
    out.push_str(&Value::from(text).to_string());
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        to_json(value.as_object().unwrap()).unwrap()
    }

    #[test]
    fn keys_are_sorted_by_bytes_at_every_level() {
        let value = json!({"b": {"z": 1, "a": [{"é": 1, "f": null, "F": true}]}, "a.b": "", "a": false, "B": -1});
        assert_eq!(
            text(&value),
            r#"{"B":-1,"a":false,"a.b":"","b":{"a":[{"F":true,"f":null,"é":1}],"z":1}}"#
        );
    }

    #[test]
    fn floats_are_the_shortest_decimals_of_their_f32() {
        let floats = [
            1e-6_f32,
            1e6,
            10000.0,
            0.1,
            -0.0,
            f32::MIN_POSITIVE,
            f32::MAX,
            1e-45,
        ];
        let value = json!({"floats": floats});
        let expected =
            r#"{"floats":[1e-6,1000000.0,10000.0,0.1,-0.0,1.1754944e-38,3.4028235e38,1e-45]}"#;
        assert_eq!(text(&value), expected);
        // Not an f32, so it stays what it is.
        assert_eq!(text(&json!({"double": 0.1_f64})), r#"{"double":0.1}"#);
        assert_eq!(
            text(&json!({"double": 1.0000000000000002_f64})),
            r#"{"double":1.0000000000000002}"#
        );
    }

    #[test]
    fn every_f32_survives_the_way_of_a_loader() {
        // A stride that visits all exponents and many mantissas.
        let mut bits = 1_u32;
        while let Some(next) = bits.checked_add(104_729) {
            let float = f32::from_bits(bits);
            if float.is_finite() {
                let text = text(&json!({"x": float}));
                let read: Value = serde_json::from_str(&text).unwrap();
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the rounding that loaders do"
                )]
                let rounded = read["x"].as_f64().unwrap() as f32;
                assert_eq!(rounded.to_bits(), bits, "{text}");
            }
            bits = next;
        }
    }

    #[test]
    fn integers_and_strings_keep_every_bit() {
        let value = json!({"i": i64::MIN, "u": u64::MAX, "s": "\"\\\n\u{0}\u{1b}\u{7f}é\u{fffd}"});
        let text = text(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(!text.contains('\n'));
    }

    #[test]
    fn alias_keys_are_refused_at_the_top_only() {
        for alias in [
            "num_hidden_layers",
            "n_embd",
            "context_length",
            "norm_eps",
            "n_vocab",
        ] {
            let error = to_json(json!({ alias: 1 }).as_object().unwrap()).unwrap_err();
            assert_eq!(error.code(), "apr.meta.alias");
        }
        assert_eq!(
            text(&json!({"rope_scaling": {"context_length": 1}})),
            r#"{"rope_scaling":{"context_length":1}}"#
        );
    }
}
