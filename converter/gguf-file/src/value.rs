//! Metadata values.

use crate::{
    array::Array,
    error::{Error, Grouped},
    header::{Cursor, Place},
    limits::Limits,
    value_type::ValueType,
};

/// A metadata value that borrows its bytes from the header.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "the variants are the value types of the format"
)]
pub enum Value<'a> {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(&'a [u8]),
    Array(Array<'a>),
    U64(u64),
    I64(i64),
    F64(f64),
}

impl<'a> Value<'a> {
    /// Returns the type of the value.
    pub const fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// Returns the bytes of a string.
    pub const fn as_str(&self) -> Option<&'a [u8]> {
        match self {
            Self::String(bytes) => Some(*bytes),
            _ => None,
        }
    }

    /// Returns an integer of any width that is not negative.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::U64(value) => Some(value),
            Self::I8(value) => value.try_into().ok(),
            Self::I16(value) => value.try_into().ok(),
            Self::I32(value) => value.try_into().ok(),
            Self::I64(value) => value.try_into().ok(),
            _ => None,
        }
    }

    /// Returns a 32-bit float.
    pub const fn as_f32(&self) -> Option<f32> {
        match self {
            Self::F32(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns a truth value.
    pub const fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Returns an array.
    pub const fn as_array(&self) -> Option<Array<'a>> {
        match self {
            Self::Array(array) => Some(*array),
            _ => None,
        }
    }

    /// Reads a value, and checks every item of an array.
    pub(crate) fn read(
        cursor: &mut Cursor<'a>,
        value_type: ValueType,
        depth: usize,
        place: Place,
    ) -> Result<Self, Error> {
        Ok(match value_type {
            ValueType::U8 => Self::U8(u8::from_le_bytes(cursor.array(place)?)),
            ValueType::I8 => Self::I8(i8::from_le_bytes(cursor.array(place)?)),
            ValueType::U16 => Self::U16(u16::from_le_bytes(cursor.array(place)?)),
            ValueType::I16 => Self::I16(i16::from_le_bytes(cursor.array(place)?)),
            ValueType::U32 => Self::U32(u32::from_le_bytes(cursor.array(place)?)),
            ValueType::I32 => Self::I32(i32::from_le_bytes(cursor.array(place)?)),
            ValueType::F32 => Self::F32(f32::from_le_bytes(cursor.array(place)?)),
            ValueType::U64 => Self::U64(u64::from_le_bytes(cursor.array(place)?)),
            ValueType::I64 => Self::I64(i64::from_le_bytes(cursor.array(place)?)),
            ValueType::F64 => Self::F64(f64::from_le_bytes(cursor.array(place)?)),
            ValueType::Bool => Self::Bool(read_bool(cursor, place)?),
            ValueType::String => Self::String(read_string(cursor, place)?),
            ValueType::Array => Self::Array(Array::read(cursor, depth, place)?),
        })
    }
}

pub(crate) fn read_bool(cursor: &mut Cursor<'_>, place: Place) -> Result<bool, Error> {
    let offset = cursor.position();
    match cursor.array(place)? {
        [0] => Ok(false),
        [1] => Ok(true),
        [other] => Err(Error::format(
            "gguf.value.bool",
            offset,
            place,
            "0 or 1",
            other,
        )),
    }
}

pub(crate) fn read_string<'a>(cursor: &mut Cursor<'a>, place: Place) -> Result<&'a [u8], Error> {
    let offset = cursor.position();
    let length = cursor.u64(place)?;
    let most = cursor.left().min(LONGEST_STRING);
    if length > most {
        let expected = format_args!("a string of at most {} bytes", Grouped(most));
        return Err(Error::format(
            "gguf.string.length",
            offset,
            place,
            expected,
            Grouped(length),
        ));
    }
    cursor.take(length, place)
}

/// Reads the type and the value of a key.
pub(crate) fn read_typed<'a>(
    cursor: &mut Cursor<'a>,
    index: u64,
    limits: &Limits,
) -> Result<Value<'a>, Error> {
    let value_type = ValueType::read(cursor, Place::KeyValue(index, "type"))?;
    Value::read(
        cursor,
        value_type,
        limits.array_depth,
        Place::KeyValue(index, "value"),
    )
}

/// The bound of llama.cpp, 1 GiB.
const LONGEST_STRING: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_of_any_width_are_seen_as_u64_unless_negative() {
        let values = [
            Value::U8(7),
            Value::I8(7),
            Value::U16(7),
            Value::I32(7),
            Value::I64(7),
            Value::U64(7),
        ];
        assert!(values.iter().all(|value| value.as_u64() == Some(7)));
        for value in [
            Value::I8(-1),
            Value::I64(-1),
            Value::F32(7.0),
            Value::Bool(true),
            Value::String(b"7"),
        ] {
            assert_eq!(value.as_u64(), None);
        }
    }
}
