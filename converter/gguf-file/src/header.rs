//! The cursor that all fields are read through, and the fixed header.

use std::fmt;

use crate::{
    error::{Error, Grouped, Quoted},
    limits::Limits,
};

/// The fixed header: magic, version and counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header {
    pub(crate) version: u32,
    pub(crate) tensor_count: u64,
    pub(crate) key_value_count: u64,
}

impl Header {
    /// Magic, version and two counts.
    pub(crate) const LENGTH: u64 = 24;

    pub(crate) fn read(cursor: &mut Cursor<'_>) -> Result<Self, Error> {
        let magic = cursor.take(4, Place::File("magic"))?;
        if magic != b"GGUF" {
            return Err(Error::format(
                "gguf.magic",
                0,
                Place::File("magic"),
                "\"GGUF\"",
                Quoted(magic),
            ));
        }
        let version = cursor.u32(Place::File("version"))?;
        check_version(version)?;
        let tensor_count = cursor.u64(Place::File("tensor count"))?;
        let key_value_count = cursor.u64(Place::File("key/value count"))?;
        let left = cursor.left();
        let most = left / LEAST_TENSOR_INFO;
        if tensor_count > most {
            let found = Grouped(tensor_count);
            return Err(at_most(
                "gguf.count.tensors",
                8,
                Place::File("tensor count"),
                most,
                found,
            ));
        }
        let left = left.saturating_sub(tensor_count.saturating_mul(LEAST_TENSOR_INFO));
        let most = left / LEAST_KEY_VALUE;
        if key_value_count > most {
            let found = Grouped(key_value_count);
            return Err(at_most(
                "gguf.count.kv",
                16,
                Place::File("key/value count"),
                most,
                found,
            ));
        }
        Ok(Self {
            version,
            tensor_count,
            key_value_count,
        })
    }
}

fn check_version(version: u32) -> Result<(), Error> {
    let code = match version {
        2 | 3 => return Ok(()),
        1 => "gguf.version.v1",
        // The test of ggml: a small number in the other byte order has an empty low half.
        _ if version != 0 && version & 0xffff == 0 => "gguf.endian",
        _ => "gguf.version.unknown",
    };
    Err(Error::format(
        code,
        4,
        Place::File("version"),
        "2 or 3, little-endian",
        format_args!("{version:#x}"),
    ))
}

fn at_most(code: &'static str, offset: u64, place: Place, most: u64, found: Grouped) -> Error {
    Error::format(
        code,
        offset,
        place,
        format_args!("at most {} in the bytes left", Grouped(most)),
        found,
    )
}

/// A field, for error texts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    File(&'static str),
    KeyValue(u64, &'static str),
    Tensor(u64, &'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(field) => formatter.write_str(field),
            Self::KeyValue(index, field) => write!(formatter, "kv {index} {field}"),
            Self::Tensor(index, field) => write!(formatter, "tensor {index} {field}"),
        }
    }
}

/// Reads fields one after the other, inside the bytes at hand, the file and the metadata budget.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
    file_length: u64,
    budget: u64,
}

impl<'a> Cursor<'a> {
    /// Starts at the first byte of a file of which `bytes` are at hand.
    pub(crate) fn new(bytes: &'a [u8], file_length: u64, limits: &Limits) -> Self {
        let inside = usize::try_from(file_length)
            .ok()
            .and_then(|length| bytes.get(..length));
        Self {
            bytes: inside.unwrap_or(bytes),
            position: 0,
            file_length,
            budget: limits.metadata_bytes,
        }
    }

    /// Starts at the first of some bytes that were read without an error before.
    pub(crate) fn again(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            position: 0,
            file_length: to_u64(bytes.len()),
            budget: u64::MAX,
        }
    }

    pub(crate) fn position(&self) -> u64 {
        to_u64(self.position)
    }

    /// Bytes of the file behind the cursor, whether they are at hand or not.
    pub(crate) fn left(&self) -> u64 {
        self.file_length.saturating_sub(self.position())
    }

    /// The bytes from an earlier position up to the cursor.
    pub(crate) fn since(&self, start: u64) -> &'a [u8] {
        usize::try_from(start)
            .ok()
            .and_then(|start| self.bytes.get(start..self.position))
            .unwrap_or_default()
    }

    /// Reads `length` bytes; a file that ends first is too short.
    pub(crate) fn take(&mut self, length: u64, place: Place) -> Result<&'a [u8], Error> {
        if length > self.left() {
            let expected = format_args!("{} bytes", Grouped(length));
            return Err(Error::format(
                "gguf.short",
                self.position(),
                place,
                expected,
                Grouped(self.left()),
            ));
        }
        // At most the file's length by the test above.
        let end = self.position().saturating_add(length);
        if end > self.budget {
            let expected = format_args!("metadata of at most {} bytes", Grouped(self.budget));
            let found = format_args!("at least {}", Grouped(end));
            return Err(Error::format(
                "gguf.limit.metadata",
                self.position(),
                place,
                expected,
                found,
            ));
        }
        let span = usize::try_from(end)
            .ok()
            .and_then(|end| Some((end, self.bytes.get(self.position..end)?)));
        let Some((end, bytes)) = span else {
            return Err(Error::Incomplete {
                needed: end,
                found: to_u64(self.bytes.len()),
            });
        };
        self.position = end;
        Ok(bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self, place: Place) -> Result<[u8; N], Error> {
        let offset = self.position();
        let bytes = self.take(to_u64(N), place)?;
        <[u8; N]>::try_from(bytes).map_err(|_| {
            Error::format("gguf.short", offset, place, N, Grouped(to_u64(bytes.len())))
        })
    }

    pub(crate) fn u32(&mut self, place: Place) -> Result<u32, Error> {
        self.array(place).map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, place: Place) -> Result<u64, Error> {
        self.array(place).map(u64::from_le_bytes)
    }
}

/// A length in memory; `usize` is never wider than 64 bits.
pub(crate) fn to_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Name length, rank, type and offset.
const LEAST_TENSOR_INFO: u64 = 8 + 4 + 4 + 8;
/// Key length, value type and one byte of value.
const LEAST_KEY_VALUE: u64 = 8 + 4 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_sizes_are_those_of_the_format() {
        // An info of a name without bytes and rank 0, and a key without bytes that is a flag: `gguf.h` of ggml.
        assert_eq!((LEAST_TENSOR_INFO, LEAST_KEY_VALUE), (24, 13));
    }
}
