//! The tensor index.

use crate::{
    error::Error,
    header::Header,
    span::Span,
    text::{Grouped, to_u64},
};

/// An entry of the tensor index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// The name.
    pub name: String,
    /// The id of the storage type, see [`crate::DType`].
    pub dtype: u8,
    /// The dims in the order of APR: `[rows, columns]` of a matrix, else the order of GGUF.
    pub dims: Vec<u64>,
    /// Offset of the data from the data start of the file.
    pub offset: u64,
    /// Bytes of data without padding.
    pub size: u64,
}

impl TensorEntry {
    /// Appends the bytes of the entry.
    #[expect(
        clippy::expect_used,
        reason = "the plan checked that name and rank fit their fields"
    )]
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let name_length = u16::try_from(self.name.len()).expect("the plan bounds names");
        out.extend_from_slice(&name_length.to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        out.push(self.dtype);
        out.push(u8::try_from(self.dims.len()).expect("the plan bounds ranks"));
        for dim in &self.dims {
            out.extend_from_slice(&dim.to_le_bytes());
        }
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
    }

    /// The number of bytes that [`Self::write`] appends.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "the plan checked that the name has at most 256 bytes and the rank is at most 8"
    )]
    pub(crate) fn length(&self) -> u64 {
        LEAST_ENTRY + to_u64(self.name.len()) + 8 * to_u64(self.dims.len())
    }
}

/// Reads the entries between the index offset and the data offset, with the span of each.
pub(crate) fn read(file: &[u8], header: &Header) -> Result<Vec<(TensorEntry, Span)>, Error> {
    let region = Span::between(header.index_offset, header.data_offset);
    let most = region.length / LEAST_ENTRY;
    if u64::from(header.tensor_count) > most {
        let (expected, found) = (
            format_args!("at most {}", Grouped(most)),
            Grouped(header.tensor_count.into()),
        );
        return Err(Error::unreadable(
            "apr.count",
            8,
            "tensor count",
            expected,
            found,
        ));
    }
    let mut cursor = Cursor {
        rest: slice(file, region),
        offset: region.offset,
    };
    // Grows with the bytes read, not with the count.
    let mut entries = Vec::new();
    for index in 0..header.tensor_count {
        entries.push(read_entry(&mut cursor, index)?);
    }
    Ok(entries)
}

/// What is wrong with a tensor name.
pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("is empty")
    } else if name.len() > LONGEST_NAME {
        Some("is longer than 256 bytes")
    } else if name.chars().any(char::is_control) {
        Some("holds a control character")
    } else {
        None
    }
}

fn read_entry(cursor: &mut Cursor<'_>, index: u32) -> Result<(TensorEntry, Span), Error> {
    let start = cursor.offset;
    let name_length = u16::from_le_bytes(cursor.array(index, "name")?);
    let name_offset = cursor.offset;
    let name = cursor.take(name_length.into(), index, "name")?;
    let name = str::from_utf8(name).map_err(|_| {
        let (field, found) = (
            format_args!("tensor {index} name"),
            format_args!("\"{}\"", name.escape_ascii()),
        );
        Error::unreadable("apr.index.name", name_offset, field, "UTF-8", found)
    })?;
    let [dtype] = cursor.array(index, "type")?;
    let [rank] = cursor.array(index, "rank")?;
    let mut dims = Vec::new();
    for _ in 0..rank {
        dims.push(u64::from_le_bytes(cursor.array(index, "dims")?));
    }
    let offset = u64::from_le_bytes(cursor.array(index, "offset")?);
    let size = u64::from_le_bytes(cursor.array(index, "size")?);
    let entry = TensorEntry {
        name: name.to_owned(),
        dtype,
        dims,
        offset,
        size,
    };
    Ok((entry, Span::between(start, cursor.offset)))
}

/// The part of a slice that a span names, as far as it is there.
pub(crate) fn slice(file: &[u8], span: Span) -> &[u8] {
    let end = span.end().min(to_u64(file.len()));
    let (start, end) = (usize::try_from(span.offset).ok(), usize::try_from(end).ok());
    start
        .zip(end)
        .and_then(|(start, end)| file.get(start..end))
        .unwrap_or_default()
}

/// Reads fields one after the other inside the index.
struct Cursor<'a> {
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize, index: u32, field: &str) -> Result<&'a [u8], Error> {
        let Some((bytes, rest)) = self.rest.split_at_checked(length) else {
            let (field, found) = (
                format_args!("tensor {index} {field}"),
                Grouped(to_u64(self.rest.len())),
            );
            let expected = format_args!("{length} bytes in the index");
            return Err(Error::unreadable(
                "apr.index.short",
                self.offset,
                field,
                expected,
                found,
            ));
        };
        self.rest = rest;
        self.offset = self.offset.saturating_add(to_u64(length));
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self, index: u32, field: &str) -> Result<[u8; N], Error> {
        let offset = self.offset;
        let bytes = self.take(N, index, field)?;
        <[u8; N]>::try_from(bytes)
            .map_err(|_| Error::unreadable("apr.index.short", offset, field, N, bytes.len()))
    }
}

/// The ranks that the format stores; a writer of the library cuts the rest.
pub(crate) const RANKS: std::ops::RangeInclusive<usize> = 1..=8;
/// Two lengths, type, rank, offset and size.
const LEAST_ENTRY: u64 = 2 + 1 + 1 + 8 + 8;
const LONGEST_NAME: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_takes_at_least_20_bytes() {
        // `MIN_INDEX_ENTRY_BYTES` of the crate apr-format.
        assert_eq!(LEAST_ENTRY, 20);
    }
}
