//! The tensor infos.

use std::collections::HashSet;

use crate::{
    error::{Error, Grouped, Quoted},
    ggml_type::{GgmlType, TypeError},
    header::{Cursor, Place, to_u64},
    span::Span,
};

/// What the file says about a tensor, with the place of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo<'a> {
    /// The name: 1 to 64 bytes without control bytes.
    pub name: &'a [u8],
    /// The dimensions, the contiguous one first (`ne`); none for a scalar.
    pub dims: Vec<u64>,
    /// The id of the storage type in the file.
    pub type_id: u32,
    /// The storage type; `None` when the id is unknown, so that [`Self::data`] is the gap up to the next tensor.
    pub ggml_type: Option<GgmlType>,
    /// Offset of the data from the data start of the file.
    pub offset: u64,
    /// Where the info is.
    pub span: Span,
    /// Where the data is, without the padding after it.
    pub data: Span,
}

impl TensorInfo<'_> {
    /// Returns the number of elements: 1 for a scalar.
    pub fn elements(&self) -> u64 {
        // Parsing checked the product; a value made by hand saturates.
        self.dims
            .iter()
            .fold(1, |product, dim| product.saturating_mul(*dim))
    }

    /// Offset of the field after the name and the dims, for findings.
    fn type_offset(&self) -> u64 {
        self.span.end().saturating_sub(12)
    }
}

pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, count: u64) -> Result<Vec<TensorInfo<'a>>, Error> {
    // Grows with the bytes read, not with the count.
    let mut tensors = Vec::new();
    for index in 0..count {
        tensors.push(read_info(cursor, index)?);
    }
    check_names(&tensors)?;
    Ok(tensors)
}

fn read_info<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<TensorInfo<'a>, Error> {
    let start = cursor.position();
    let name = read_name(cursor, index)?;

    let rank_offset = cursor.position();
    let rank = cursor.u32(Place::Tensor(index, "rank"))?;
    if rank > MOST_DIMS {
        let (place, expected) = (
            Place::Tensor(index, "rank"),
            format_args!("at most {MOST_DIMS}"),
        );
        return Err(Error::format(
            "gguf.tensor.rank",
            rank_offset,
            place,
            expected,
            rank,
        ));
    }
    let mut dims = Vec::new();
    for _ in 0..rank {
        dims.push(read_dim(cursor, index)?);
    }
    let type_id = cursor.u32(Place::Tensor(index, "type"))?;
    let offset = cursor.u64(Place::Tensor(index, "offset"))?;
    let span = Span::between(start, cursor.position());
    let mut info = TensorInfo {
        name,
        dims,
        type_id,
        ggml_type: None,
        offset,
        span,
        data: Span::default(),
    };
    check_elements(&info, index)?;
    match GgmlType::from_id(type_id) {
        Ok(ggml_type) => {
            info.data.length = byte_length(&info, index, ggml_type)?;
            info.ggml_type = Some(ggml_type);
        }
        Err(TypeError::Removed { name }) => {
            let found = format_args!("{type_id}, once {name}");
            let place = Place::Tensor(index, "type");
            return Err(Error::format(
                "gguf.type.removed",
                info.type_offset(),
                place,
                "a type of ggml",
                found,
            ));
        }
        // Its bytes are kept and not interpreted.
        Err(TypeError::Unknown) => {}
    }
    Ok(info)
}

fn read_name<'a>(cursor: &mut Cursor<'a>, index: u64) -> Result<&'a [u8], Error> {
    let place = Place::Tensor(index, "name");
    let offset = cursor.position();
    let length = cursor.u64(place)?;
    if length > LONGEST_NAME {
        let expected = format_args!("at most {LONGEST_NAME} bytes");
        return Err(Error::format(
            "gguf.name.length",
            offset,
            place,
            expected,
            Grouped(length),
        ));
    }
    let name = cursor.take(length, place)?;
    Ok(name)
}

fn read_dim(cursor: &mut Cursor<'_>, index: u64) -> Result<u64, Error> {
    let (offset, place) = (cursor.position(), Place::Tensor(index, "dimension"));
    let dim = cursor.u64(place)?;
    if i64::try_from(dim).is_err() {
        return Err(Error::format(
            "gguf.tensor.dim",
            offset,
            place,
            "below 2^63",
            Grouped(dim),
        ));
    }
    Ok(dim)
}

/// Zero dims do not hide an overflow of the others.
fn check_elements(info: &TensorInfo<'_>, index: u64) -> Result<(), Error> {
    let product = info
        .dims
        .iter()
        .try_fold(1_u64, |product, dim| product.checked_mul((*dim).max(1)));
    if product.is_some_and(|product| i64::try_from(product).is_ok()) {
        return Ok(());
    }
    let (place, found) = (
        Place::Tensor(index, "elements"),
        format_args!("{:?}", info.dims),
    );
    Err(Error::format(
        "gguf.tensor.elements",
        info.span.offset,
        place,
        "a product below 2^63",
        found,
    ))
}

fn byte_length(info: &TensorInfo<'_>, index: u64, ggml_type: GgmlType) -> Result<u64, Error> {
    let (block_size, block_bytes) = (ggml_type.block_size(), ggml_type.block_bytes());
    let row = info.dims.first().copied().unwrap_or(1);
    if row.checked_rem(block_size) != Some(0) {
        let (place, found) = (Place::Tensor(index, "row"), Grouped(row));
        let expected = format_args!("a multiple of {block_size} for {ggml_type}");
        return Err(Error::format(
            "gguf.tensor.row",
            info.span.offset,
            place,
            expected,
            found,
        ));
    }
    let elements = info.elements();
    // Dividing first would fit for quantised types, but readers that multiply first (ggml among them) wrap there
    // and see another size: such a file has two meanings.
    let length = elements
        .checked_mul(block_bytes)
        .and_then(|_| elements.checked_div(block_size)?.checked_mul(block_bytes));
    length.ok_or_else(|| {
        let (place, found) = (
            Place::Tensor(index, "byte length"),
            format_args!("{} {ggml_type}", Grouped(elements)),
        );
        Error::format(
            "gguf.tensor.bytes",
            info.span.offset,
            place,
            "elements x block bytes below 2^64",
            found,
        )
    })
}

/// Names are looked at together: a NUL is reported as what it does to C readers when it makes two names equal.
fn check_names(tensors: &[TensorInfo<'_>]) -> Result<(), Error> {
    let named = || (0..).zip(tensors);
    let refuse = |code, index, info: &TensorInfo<'_>, expected: &str| {
        let offset = info.span.offset.saturating_add(8);
        Err(Error::format(
            code,
            offset,
            Place::Tensor(index, "name"),
            expected,
            Quoted(info.name),
        ))
    };
    let mut seen = HashSet::new();
    for (index, info) in named() {
        if !seen.insert(info.name) {
            return refuse("gguf.name.duplicate", index, info, "a new name");
        }
    }
    seen.clear();
    for (index, info) in named() {
        let until_nul = info
            .name
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if !until_nul.is_empty() && !seen.insert(until_nul) {
            return refuse(
                "gguf.name.c-duplicate",
                index,
                info,
                "a new name up to the first NUL",
            );
        }
    }
    for (index, info) in named() {
        if info.name.is_empty() || info.name.iter().any(u8::is_ascii_control) {
            return refuse(
                "gguf.name.bytes",
                index,
                info,
                "1 to 64 bytes without control bytes",
            );
        }
    }
    Ok(())
}

/// The name of a tensor for findings: `tensor 2 "blk.0.attn_q.weight" offset`.
pub(crate) fn field_of(index: usize, info: &TensorInfo<'_>, part: &str) -> String {
    format!("tensor {} {} {part}", to_u64(index), Quoted(info.name))
}

const MOST_DIMS: u32 = 4;
const LONGEST_NAME: u64 = 64;
