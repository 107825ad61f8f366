//! Typed access to the keys of the GGUF: a key of another type is an error, never a default.

use gguf_file::{Array, SplitSet, Value};

use crate::error::Error;

/// The keys of one model.
pub(crate) struct Keys<'a> {
    set: SplitSet<'a>,
    /// Keys that the source lacks and the caller gave.
    given: &'a [Given<'a>],
    architecture: &'a str,
}

/// A key with a value.
pub(crate) type Given<'a> = (&'a str, Value<'a>);

impl<'a> Keys<'a> {
    /// Reads `general.architecture`, which the names of other keys begin with.
    pub(crate) fn new(set: SplitSet<'a>, given: &'a [Given<'a>]) -> Result<Self, Error> {
        let mut keys = Self {
            set,
            given,
            architecture: "",
        };
        keys.architecture = required(ARCHITECTURE, keys.text(ARCHITECTURE)?)?;
        Ok(keys)
    }

    /// Returns the value of `general.architecture`.
    pub(crate) const fn architecture(&self) -> &'a str {
        self.architecture
    }

    /// Returns the key of the architecture with this ending.
    pub(crate) fn name(&self, ending: &str) -> String {
        format!("{}.{ending}", self.architecture)
    }

    /// Returns the value of a key, whatever its type.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        let given = || {
            let mut given = self.given.iter();
            given.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        self.set.get(key.as_bytes()).or_else(given)
    }

    /// Returns every key and value whose key begins with `start`, with the rest of the key.
    pub(crate) fn starting_with(
        &self,
        start: String,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a Value<'a>)> + use<'a> {
        let first = self.set.shards().first();
        let pairs = first.map_or(&[][..], |shard| &shard.metadata);
        let pairs = pairs.iter().filter_map(|pair| {
            let key = str::from_utf8(pair.key).ok()?;
            Some((key, &pair.value))
        });
        let given = self.given.iter().map(|(key, value)| (*key, value));
        pairs
            .chain(given)
            .filter_map(move |(key, value)| Some((key, key.strip_prefix(start.as_str())?, value)))
    }

    /// Returns every key of the architecture, with its ending.
    pub(crate) fn of_architecture(
        &self,
    ) -> impl Iterator<Item = (&'a str, &'a str, &'a Value<'a>)> + use<'a> {
        self.starting_with(self.name(""))
    }

    /// Returns the bytes of a string.
    pub(crate) fn string(&self, key: &str) -> Result<Option<&'a [u8]>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_str()
            .map(Some)
            .ok_or_else(|| wrong(key, "a string", value))
    }

    /// Returns a string of UTF-8.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        let Some(bytes) = self.string(key)? else {
            return Ok(None);
        };
        str::from_utf8(bytes).map(Some).map_err(|_| Error::Key {
            key: key.escape_debug().to_string(),
            expected: "a string of UTF-8, which is all that JSON can hold".to_owned(),
            found: format!("\"{}\"", bytes.escape_ascii()),
        })
    }

    /// Returns an integer that is not negative; an array stands for one integer when all its items are equal.
    pub(crate) fn count(&self, key: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        count(key, value).map(Some)
    }

    /// Returns a finite f32.
    pub(crate) fn float(&self, key: &str) -> Result<Option<f32>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        match value.as_f32() {
            Some(float) if float.is_finite() => Ok(Some(float)),
            _ => Err(wrong(key, "a finite f32", value)),
        }
    }

    /// Returns a truth value.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| wrong(key, "a bool", value))
    }

    /// Returns an array.
    pub(crate) fn array(&self, key: &str) -> Result<Option<Array<'a>>, Error> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        value
            .as_array()
            .map(Some)
            .ok_or_else(|| wrong(key, "an array", value))
    }
}

/// Reads an integer that is not negative; an array stands for one integer when all its items are equal.
pub(crate) fn count(key: &str, value: &Value<'_>) -> Result<u64, Error> {
    let count = match value {
        Value::Array(array) => {
            let mut counts = array.iter().map(|item| item.as_u64());
            let first = counts.next().flatten();
            first.filter(|_| counts.all(|count| count == first))
        }
        value => value.as_u64(),
    };
    let expected = "an integer from 0 on, the same for every layer";
    count.ok_or_else(|| wrong(key, expected, value))
}

/// Refuses the absence of a key.
pub(crate) fn required<T>(key: &str, value: Option<T>) -> Result<T, Error> {
    value.ok_or_else(|| Error::MissingKey {
        key: key.escape_debug().to_string(),
    })
}

/// Refuses the value of a key.
pub(crate) fn wrong(key: &str, expected: &str, value: &Value<'_>) -> Error {
    Error::Key {
        key: key.escape_debug().to_string(),
        expected: expected.to_owned(),
        found: shown(value),
    }
}

/// Shows a value in short, escaped.
pub(crate) fn shown(value: &Value<'_>) -> String {
    match value {
        Value::String(_) => "a string".to_owned(),
        Value::Array(array) => {
            let shown: Vec<String> = array.iter().take(SHOWN).map(|item| brief(&item)).collect();
            let more = if array.count > SHOWN as u64 {
                ", ..."
            } else {
                ""
            };
            format!(
                "{} of {}: [{}{more}]",
                array.count,
                array.element_type,
                shown.join(", ")
            )
        }
        scalar => brief(scalar),
    }
}

fn brief(value: &Value<'_>) -> String {
    match value {
        Value::U8(value) => value.to_string(),
        Value::I8(value) => value.to_string(),
        Value::U16(value) => value.to_string(),
        Value::I16(value) => value.to_string(),
        Value::U32(value) => value.to_string(),
        Value::I32(value) => value.to_string(),
        Value::U64(value) => value.to_string(),
        Value::I64(value) => value.to_string(),
        Value::F32(value) => format!("{value} (f32)"),
        Value::F64(value) => format!("{value} (f64)"),
        Value::Bool(value) => value.to_string(),
        other => format!("a {}", other.value_type()),
    }
}

/// The key that names the architecture.
pub(crate) const ARCHITECTURE: &str = "general.architecture";
const SHOWN: usize = 4;
