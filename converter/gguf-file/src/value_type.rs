//! The types of metadata values.

use std::fmt;

use crate::{
    error::Error,
    header::{Cursor, Place},
};

/// The type of a metadata value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the variants are the value types of the format"
)]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// Returns the id that files hold.
    pub fn id(self) -> u32 {
        IDS.into_iter()
            .zip(0..)
            .find(|(value_type, _)| *value_type == self)
            .map_or(0, |(_, id)| id)
    }

    /// Returns the type with this id, if there is one.
    pub fn from_id(id: u32) -> Option<Self> {
        IDS.get(usize::try_from(id).ok()?).copied()
    }

    /// Returns the short name, such as `u8`, `str` or `arr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "str",
            Self::Array => "arr",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        }
    }

    /// Reads a type id.
    pub(crate) fn read(cursor: &mut Cursor<'_>, place: Place) -> Result<Self, Error> {
        let offset = cursor.position();
        let id = cursor.u32(place)?;
        Self::from_id(id).ok_or_else(|| {
            Error::format(
                "gguf.value.type",
                offset,
                place,
                "a value type from 0 to 12",
                id,
            )
        })
    }

    /// The fewest bytes of one value: all of them for a number, the lengths for the others.
    pub(crate) const fn least_bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::String => 8,
            Self::Array => 12,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// In the order of the ids.
const IDS: [ValueType; 13] = [
    ValueType::U8,
    ValueType::I8,
    ValueType::U16,
    ValueType::I16,
    ValueType::U32,
    ValueType::I32,
    ValueType::F32,
    ValueType::Bool,
    ValueType::String,
    ValueType::Array,
    ValueType::U64,
    ValueType::I64,
    ValueType::F64,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_follow_the_format() {
        let names: Vec<_> = (0..13)
            .map(|id| ValueType::from_id(id).unwrap().name())
            .collect();
        let expected = [
            "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64",
            "f64",
        ];
        assert_eq!(names, expected);
        assert!((0..13).all(|id| ValueType::from_id(id).unwrap().id() == id));
        assert_eq!(ValueType::from_id(13), None);
    }
}
