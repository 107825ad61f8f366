//! Where everything goes in a file to be written.

use crate::{
    dtype::DType,
    error::Error,
    flags,
    header::Header,
    index::{RANKS, TensorEntry, name_problem},
    span::align64,
    text::{Grouped, Quoted, to_u64},
};

/// A tensor to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedTensor {
    /// The name: 1 to 256 bytes without control characters.
    pub name: String,
    /// The id of the storage type, in ggml's meaning: one of the constants of [`DType`].
    pub dtype: u8,
    /// 1 to 8 dims in the order of APR: `[rows, columns]` of a matrix, else the order of GGUF.
    pub dims: Vec<u64>,
    /// Bytes of data without padding.
    pub size: u64,
}

/// The layout of a file: everything but the bytes of metadata, data and footer.
///
/// To write the file: [`Self::header`], the metadata padded with zeros to [`Self::index_offset`], [`Self::index`], each
/// of [`Self::tensors`] in order and padded with zeros to 64 bytes, then the little-endian CRC-32 of all of that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    header: Header,
    tensors: Vec<TensorEntry>,
    footer_offset: u64,
}

impl Plan {
    /// Lays the tensors out in the order of their names' bytes.
    ///
    /// `metadata_length` counts the JSON without padding.
    ///
    /// # Errors
    /// Fails with the code that a strict reader would report: a name that is empty, too long, with control characters
    /// or twice; a rank out of 1 to 8; a type that no reader has, or a size that does not fit it; flags without a
    /// meaning; lengths that pass 2^64.
    pub fn new(
        tensors: Vec<PlannedTensor>,
        metadata_length: u32,
        flags: u16,
    ) -> Result<Self, Error> {
        if let Some(problem) = flags::problems(flags).next() {
            return Err(Error::unwritable(
                "apr.flags",
                "flags",
                "flags with a meaning",
                problem,
            ));
        }
        let count = to_u64(tensors.len());
        let tensor_count = u32::try_from(tensors.len()).map_err(|_| {
            Error::unwritable("apr.count", "tensors", "at most 2^32 - 1", Grouped(count))
        })?;
        let (tensors, data_length) = lay_out(tensors)?;
        let offsets = || {
            let index_length = tensors
                .iter()
                .try_fold(0_u64, |sum, entry| sum.checked_add(entry.length()))?;
            let index_offset = METADATA_OFFSET.checked_add(align64(metadata_length.into())?)?;
            let data_offset = index_offset.checked_add(align64(index_length)?)?;
            let footer_offset = data_offset.checked_add(data_length)?;
            // The footer must fit too.
            footer_offset.checked_add(FOOTER)?;
            Some((index_offset, data_offset, footer_offset))
        };
        let (index_offset, data_offset, footer_offset) = offsets().ok_or_else(|| {
            Error::unwritable("apr.data.bounds", "file length", "below 2^64", "more")
        })?;
        let header = Header {
            flags,
            tensor_count,
            metadata_offset: METADATA_OFFSET,
            metadata_size: metadata_length,
            index_offset,
            data_offset,
            checksum: 0,
            reserved: [0; 20],
        };
        Ok(Self {
            header,
            tensors,
            footer_offset,
        })
    }

    /// Returns the bytes of the header, with its checksum.
    pub fn header(&self) -> [u8; 64] {
        self.header.to_bytes()
    }

    /// Returns the bytes of the tensor index, padded with zeros to the data.
    pub fn index(&self) -> Vec<u8> {
        let mut index = Vec::new();
        for entry in &self.tensors {
            entry.write(&mut index);
        }
        index.resize(index.len().next_multiple_of(64), 0);
        index
    }

    /// Returns the tensors in the order of the index, which is the order of the data.
    pub fn tensors(&self) -> &[TensorEntry] {
        &self.tensors
    }

    /// Returns where the metadata starts: 64.
    pub const fn metadata_offset(&self) -> u64 {
        self.header.metadata_offset
    }

    /// Returns where the tensor index starts, and the padding of the metadata ends.
    pub const fn index_offset(&self) -> u64 {
        self.header.index_offset
    }

    /// Returns where the tensor data starts.
    pub const fn data_offset(&self) -> u64 {
        self.header.data_offset
    }

    /// Returns where the footer is: behind the padding of the last tensor.
    pub const fn footer_offset(&self) -> u64 {
        self.footer_offset
    }

    /// Returns the length of the file, with the footer.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "checked when the plan was made"
    )]
    pub const fn file_length(&self) -> u64 {
        self.footer_offset + FOOTER
    }
}

/// Checks and sorts the tensors, and returns them with the padded length of all data.
fn lay_out(mut tensors: Vec<PlannedTensor>) -> Result<(Vec<TensorEntry>, u64), Error> {
    tensors.sort_by(|one, other| one.name.cmp(&other.name));
    let mut entries: Vec<TensorEntry> = Vec::new();
    let mut offset = 0;
    for PlannedTensor {
        name,
        dtype,
        dims,
        size,
    } in tensors
    {
        check(&name, DType(dtype), &dims, size)?;
        if entries.last().is_some_and(|last| last.name == name) {
            return Err(Error::unwritable(
                "apr.index.duplicate",
                "tensor name",
                "a new name",
                Quoted(&name),
            ));
        }
        let end = align64(size)
            .and_then(|padded| padded.checked_add(offset))
            .ok_or_else(|| {
                let field = format_args!("tensor {} size", Quoted(&name));
                Error::unwritable(
                    "apr.data.bounds",
                    field,
                    "data that end below 2^64",
                    Grouped(size),
                )
            })?;
        entries.push(TensorEntry {
            name,
            dtype,
            dims,
            offset,
            size,
        });
        offset = end;
    }
    Ok((entries, offset))
}

fn check(name: &str, dtype: DType, dims: &[u64], size: u64) -> Result<(), Error> {
    let quoted = Quoted(name);
    if let Some(problem) = name_problem(name) {
        let found = format_args!("{quoted}, which {problem}");
        let expected = "1 to 256 bytes without control characters";
        return Err(Error::unwritable(
            "apr.index.name",
            "tensor name",
            expected,
            found,
        ));
    }
    if !RANKS.contains(&dims.len()) {
        return Err(Error::unwritable(
            "apr.index.rank",
            format_args!("tensor {quoted} rank"),
            "1 to 8",
            dims.len(),
        ));
    }
    let encoding = dtype
        .meanings()
        .first()
        .filter(|_| dtype.is_writable())
        .ok_or_else(|| {
            let field = format_args!("tensor {quoted} type");
            Error::unwritable("apr.tensor.dtype", field, "a type that tools read", dtype)
        })?;
    let length = encoding.byte_length(dims);
    if length != Some(size) {
        let field = format_args!("tensor {quoted} size");
        let expected = match length {
            Some(length) => format!(
                "{} bytes for {} and {dims:?}",
                Grouped(length),
                encoding.name()
            ),
            None => format!("whole blocks of {} in {dims:?}", encoding.name()),
        };
        return Err(Error::unwritable(
            "apr.tensor.size",
            field,
            expected,
            Grouped(size),
        ));
    }
    Ok(())
}

const METADATA_OFFSET: u64 = 64;
/// The CRC-32 at the end.
const FOOTER: u64 = 4;
