//! A parsed file.

use crate::{
    error::{Error, Quoted},
    header::{Cursor, Header, Place},
    layout,
    limits::Limits,
    metadata::{self, KeyValue},
    source::ReadAt,
    span::{Region, RegionKind, Span},
    tensors::{self, TensorInfo},
    value::Value,
};

/// Everything that a file says before its tensor data, and where the data lies.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Content<'a> {
    /// The version: 2 or 3, which share one layout.
    pub version: u32,
    /// The value of `general.alignment`, or 32.
    pub alignment: u32,
    /// The start of the tensor data; with no tensors the end of the file.
    pub data_offset: u64,
    /// The length of the file.
    pub file_length: u64,
    /// The key/values in file order, no key twice.
    pub metadata: Vec<KeyValue<'a>>,
    /// The tensors in file order, which is also the order of their data; no name twice.
    pub tensors: Vec<TensorInfo<'a>>,
}

impl<'a> Content<'a> {
    /// Parses the bytes before the tensor data; `header` may hold more, up to the whole file.
    ///
    /// # Errors
    /// Fails with the stable code of the first broken rule, or with [`Error::Incomplete`] when `header` ends before the
    /// tensor infos do.
    pub fn parse(header: &'a [u8], file_length: u64, limits: &Limits) -> Result<Self, Error> {
        let mut cursor = Cursor::new(header, file_length, limits);
        let Header {
            version,
            tensor_count,
            key_value_count,
        } = Header::read(&mut cursor)?;
        let metadata = metadata::read(&mut cursor, key_value_count, limits)?;
        let alignment = metadata::alignment(&metadata, limits)?;
        let mut tensors = tensors::read(&mut cursor, tensor_count)?;
        let data_offset = layout::place(&mut tensors, cursor.position(), alignment, file_length)?;
        Ok(Self {
            version,
            alignment,
            data_offset,
            file_length,
            metadata,
            tensors,
        })
    }

    /// Returns the value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&Value<'a>> {
        self.metadata
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| &pair.value)
    }

    /// Returns the partition of the file: in order, without gap or overlap, from 0 to the file's length.
    pub fn regions(&self) -> Vec<Region> {
        let mut regions = Vec::new();
        let mut add = |kind, span: Span| regions.push(Region { kind, span });
        let mut end = Header::LENGTH;
        add(RegionKind::Header, Span::between(0, end));
        for (index, pair) in self.metadata.iter().enumerate() {
            add(RegionKind::KeyValue(index), pair.span);
            end = pair.span.end();
        }
        for (index, info) in self.tensors.iter().enumerate() {
            add(RegionKind::TensorInfo(index), info.span);
            end = info.span.end();
        }
        for (index, info) in self.tensors.iter().enumerate() {
            if info.data.offset > end {
                add(RegionKind::Padding, Span::between(end, info.data.offset));
            }
            add(RegionKind::Tensor(index), info.data);
            end = info.data.end();
        }
        if self.file_length > end {
            add(RegionKind::Padding, Span::between(end, self.file_length));
        }
        regions
    }

    /// Checks that every byte of padding is zero: no digest of a tensor covers them.
    ///
    /// # Errors
    /// Fails with `gguf.padding` at the first byte that is not zero, or when the source cannot be read.
    pub fn check_padding<S: ReadAt + ?Sized>(&self, source: &S) -> Result<(), Error> {
        let regions = self.regions();
        for Region { span, .. } in regions
            .iter()
            .filter(|region| region.kind == RegionKind::Padding)
        {
            // At most one alignment long, and that is limited.
            let bytes = read(source, *span)?;
            if let Some((offset, byte)) = (span.offset..).zip(&bytes).find(|(_, byte)| **byte != 0)
            {
                let found = Quoted(std::slice::from_ref(byte));
                return Err(Error::format(
                    "gguf.padding",
                    offset,
                    Place::File("padding"),
                    "zero bytes",
                    found,
                ));
            }
        }
        Ok(())
    }
}

/// Reads everything before the tensor data: header, key/values, infos and the padding after them.
///
/// Reads in steps that double, so that no count in the file decides about memory.
///
/// # Errors
/// Fails as [`Content::parse`] does, or when the source cannot be read.
pub fn read_header<S: ReadAt + ?Sized>(source: &S, limits: &Limits) -> Result<Vec<u8>, Error> {
    let file_length = source.length();
    let mut length = FIRST_STEP.min(file_length);
    let mut header = read(source, Span { offset: 0, length })?;
    let data_offset = loop {
        match Content::parse(&header, file_length, limits) {
            Ok(content) => break content.data_offset,
            // The field fits the file and the budget, or the error were another one.
            Err(Error::Incomplete { needed, .. }) => {
                let found = length;
                // Each step parses from the start again, so few large steps cost less than many.
                let step = found.saturating_mul(8).min(limits.metadata_bytes);
                length = step.max(needed).min(file_length);
                header.append(&mut read(source, Span::between(found, length))?);
            }
            Err(error) => return Err(error),
        }
    };
    if data_offset > length {
        header.append(&mut read(source, Span::between(length, data_offset))?);
    }
    header.truncate(usize::try_from(data_offset).unwrap_or(usize::MAX));
    Ok(header)
}

fn read<S: ReadAt + ?Sized>(source: &S, span: Span) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; usize::try_from(span.length).unwrap_or(usize::MAX)];
    source
        .read_exact_at(span.offset, &mut bytes)
        .map_err(|error| Error::io(span.offset, bytes.len(), &error))?;
    Ok(bytes)
}

const FIRST_STEP: u64 = 256 << 10;
