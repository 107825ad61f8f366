//! Everything that a file says before its tensor data.

use serde_json::{Map, Value};

use crate::{
    dtype::{DType, Encoding},
    error::Error,
    header::Header,
    index::{self, TensorEntry, slice},
    source::{ReadAt, read},
    span::Span,
    text::{Grouped, to_u64},
};

/// The header, the metadata and the tensor index of a file of any size.
///
/// A head is what a loader needs to find its tensors. It is no judgement: checksums, padding, the order of names and
/// the tensor data themselves are for a verifier to look at.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Head {
    /// The header.
    pub header: Header,
    /// The metadata.
    pub metadata: Map<String, Value>,
    /// The tensors in the order of the index.
    pub tensors: Vec<Tensor>,
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tensor {
    /// The entry of the index.
    pub entry: TensorEntry,
    /// Where the data is in the file, or would be if the file went on.
    pub span: Span,
}

/// Reads everything before the tensor data of a file.
///
/// # Errors
/// Fails when the file is too short, another format or version, when its head is longer than 256 MiB, or when the source
/// cannot be read.
pub fn read_header<S: ReadAt + ?Sized>(source: &S) -> Result<Vec<u8>, Error> {
    let file_length = source.length();
    // A file that is shorter than its header is read as far as it goes, and refused by `Header::read`.
    let first =
        usize::try_from(file_length).map_or(Header::LENGTH, |length| length.min(Header::LENGTH));
    let mut head = read(source, 0, first)?;
    let header = Header::read(&head)?;
    if header.data_offset > LONGEST_HEAD {
        let expected = format_args!("at most {}", Grouped(LONGEST_HEAD));
        return Err(Error::unreadable(
            "apr.head.limit",
            32,
            "data offset",
            expected,
            Grouped(header.data_offset),
        ));
    }
    check_length(&header, file_length)?;
    if let Some(rest) = usize::try_from(header.data_offset)
        .ok()
        .and_then(|end| end.checked_sub(first))
    {
        head.append(&mut read(source, to_u64(first), rest)?);
    }
    Ok(head)
}

impl Head {
    /// Parses the bytes before the tensor data; `head` may hold more, up to the whole file.
    ///
    /// # Errors
    /// Fails when the file cannot be taken apart: it is too short, another format or version, its sections do not fit
    /// into it in their order, the metadata is not a JSON object, or the index ends early, holds a name that is not
    /// UTF-8 or an offset that passes 2^64.
    pub fn parse(head: &[u8], file_length: u64) -> Result<Self, Error> {
        let header = Header::read(head)?;
        let metadata_span = Span {
            offset: header.metadata_offset,
            length: header.metadata_size.into(),
        };
        check_sections(&header, metadata_span)?;
        check_length(&header, file_length)?;
        check_length(&header, to_u64(head.len()))?;
        let metadata = parse_metadata(slice(head, metadata_span), metadata_span.offset)?;
        let entries = index::read(head, &header)?;
        let tensors = entries.into_iter().map(|(entry, entry_span)| {
            let offset = header.data_offset.checked_add(entry.offset);
            let span = offset.and_then(|offset| {
                let end = offset.checked_add(entry.size)?;
                Some(Span::between(offset, end))
            });
            match span {
                Some(span) => Ok(Tensor { entry, span }),
                None => Err(Error::unreadable(
                    "apr.data.bounds",
                    entry_span.offset,
                    "tensor offset",
                    "data that end below 2^64",
                    Grouped(entry.offset),
                )),
            }
        });
        let tensors = tensors.collect::<Result<_, _>>()?;
        Ok(Self {
            header,
            metadata,
            tensors,
        })
    }

    /// Returns the tensor with this name, the first one if there are several.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|tensor| tensor.entry.name == name)
    }
}

impl Tensor {
    /// Returns what the bytes are: the one meaning of the type that fits dims and size.
    pub fn encoding(&self) -> Option<Encoding> {
        DType(self.entry.dtype).encoding(&self.entry.dims, self.entry.size)
    }
}

fn parse_metadata(bytes: &[u8], offset: u64) -> Result<Map<String, Value>, Error> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::unreadable("apr.meta.json", offset, "metadata", "a JSON object", error)
    })
}

/// Header, metadata, index and data must come in this order, or nothing can be read.
fn check_sections(header: &Header, metadata: Span) -> Result<(), Error> {
    let metadata_end = metadata.offset.checked_add(metadata.length);
    let sections = [
        (
            12,
            "metadata offset",
            Some(to_u64(Header::LENGTH)),
            metadata.offset,
        ),
        (24, "index offset", metadata_end, header.index_offset),
        (
            32,
            "data offset",
            Some(header.index_offset),
            header.data_offset,
        ),
    ];
    for (offset, field, least, found) in sections {
        let least = least.unwrap_or(u64::MAX);
        if found < least {
            let expected = format_args!("at least {}", Grouped(least));
            return Err(Error::unreadable(
                "apr.header.offsets",
                offset,
                field,
                expected,
                Grouped(found),
            ));
        }
    }
    Ok(())
}

fn check_length(header: &Header, length: u64) -> Result<(), Error> {
    if header.data_offset <= length {
        return Ok(());
    }
    Err(Error::unreadable(
        "apr.short",
        length,
        "file",
        format_args!("{} bytes before the data", Grouped(header.data_offset)),
        Grouped(length),
    ))
}

/// The budget of the GGUF reader, too.
const LONGEST_HEAD: u64 = 256 << 20;
