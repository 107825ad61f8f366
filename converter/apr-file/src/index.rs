//! The tensor index.

use crate::{
    dtype::{DType, Encoding},
    error::{Error, Findings},
    header::Header,
    span::Span,
    text::{Grouped, Quoted, to_u64},
};

/// An entry of the tensor index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// The name.
    pub name: String,
    /// The id of the storage type, see [`DType`].
    pub dtype: u8,
    /// The dims in the order of APR: `[rows, columns]` of a matrix, else the order of GGUF.
    pub dims: Vec<u64>,
    /// Offset of the data from the data start of the file.
    pub offset: u64,
    /// Bytes of data without padding.
    pub size: u64,
}

impl TensorEntry {
    /// Appends the bytes of the entry; the plan checked that name and rank fit their fields.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            &u16::try_from(self.name.len())
                .unwrap_or(u16::MAX)
                .to_le_bytes(),
        );
        out.extend_from_slice(self.name.as_bytes());
        out.push(self.dtype);
        out.push(u8::try_from(self.dims.len()).unwrap_or(u8::MAX));
        for dim in &self.dims {
            out.extend_from_slice(&dim.to_le_bytes());
        }
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
    }

    /// The number of bytes that [`Self::write`] appends.
    pub(crate) fn length(&self) -> u64 {
        let dims = to_u64(self.dims.len()).saturating_mul(8);
        LEAST_ENTRY
            .saturating_add(to_u64(self.name.len()))
            .saturating_add(dims)
    }
}

/// Reads the entries between the index offset and the data offset, with the span of each.
pub(crate) fn read(file: &[u8], header: &Header) -> Result<Vec<(TensorEntry, Span)>, Error> {
    let region = Span::between(header.index_offset, header.data_offset);
    let most = region.length.checked_div(LEAST_ENTRY).unwrap_or_default();
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

/// Reports what is wrong with the entries, one by one and in their order.
pub(crate) fn check(entries: &[(TensorEntry, Span)], findings: &mut Findings) {
    let mut previous: Option<&str> = None;
    for (entry, span) in entries {
        let name = Quoted(&entry.name);
        if let Some(previous) = previous {
            if previous == entry.name {
                findings.add(
                    "apr.index.duplicate",
                    span.offset,
                    format_args!("tensor {name} comes twice"),
                );
            } else if previous > entry.name.as_str() {
                let text = format_args!("tensor {name} stands after {}", Quoted(previous));
                findings.add("apr.index.order", span.offset, text);
            }
        }
        if let Some(problem) = name_problem(&entry.name) {
            findings.add(
                "apr.index.name",
                span.offset,
                format_args!("tensor {name}: the name {problem}"),
            );
        }
        if !RANKS.contains(&entry.dims.len()) {
            let text = format_args!("tensor {name}: {} dims, not 1 to 8", entry.dims.len());
            findings.add("apr.index.rank", span.offset, text);
        }
        if DType(entry.dtype)
            .encoding(&entry.dims, entry.size)
            .is_none()
        {
            let (code, problem) = misfit(entry);
            findings.add(code, span.offset, format_args!("tensor {name}: {problem}"));
        }
        previous = Some(&entry.name);
    }
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

/// Which of type and size is wrong: the type, when the size fits another one.
fn misfit(entry: &TensorEntry) -> (&'static str, String) {
    let dtype = DType(entry.dtype);
    let size = Grouped(entry.size);
    let fits: Vec<_> = Encoding::fitting(&entry.dims, entry.size)
        .map(Encoding::name)
        .collect();
    if !fits.is_empty() {
        let text = format!(
            "type {dtype} does not fit {size} bytes for {:?}; {} would",
            entry.dims,
            fits.join(", ")
        );
        return ("apr.tensor.dtype", text);
    }
    if dtype.meanings().is_empty() {
        return ("apr.tensor.dtype", format!("type {dtype}"));
    }
    (
        "apr.tensor.size",
        format!("{size} bytes do not fit type {dtype} and {:?}", entry.dims),
    )
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
