//! Where the tensor data lies: in file order, each tensor at the padded end of the one before.

use crate::{
    error::{Error, Grouped},
    header::Place,
    span::Span,
    tensors::{TensorInfo, field_of},
};

/// Sets the data span of every tensor and returns the data start.
pub(crate) fn place(
    tensors: &mut [TensorInfo<'_>],
    infos_end: u64,
    alignment: u32,
    file_length: u64,
) -> Result<u64, Error> {
    if tensors.is_empty() {
        return place_nothing(infos_end, alignment, file_length);
    }
    let data_offset = round_up(infos_end, alignment).ok_or_else(|| {
        let expected = "a data start below 2^64";
        Error::format(
            "gguf.offset.wrap",
            infos_end,
            Place::File("tensor data"),
            expected,
            Grouped(infos_end),
        )
    })?;
    let padded_end = place_tensors(tensors, data_offset, alignment, file_length)?;
    for (index, info) in tensors.iter().enumerate() {
        if info.data.end() > file_length {
            let (offset, field) = (info.data.offset, field_of(index, info, "data"));
            let expected = format_args!("{} bytes", Grouped(info.data.length));
            let found = Grouped(file_length.saturating_sub(offset));
            return Err(Error::format(
                "gguf.truncated",
                offset,
                field,
                expected,
                found,
            ));
        }
    }
    let end = match tensors.last() {
        // Such a tensor takes the padding too: nobody knows where it ends.
        Some(last) if last.ggml_type.is_none() => last.data.end(),
        _ => padded_end,
    };
    if file_length > end {
        return Err(trailing(end, file_length));
    }
    // The padding after the last tensor may be missing: llama.cpp loads such files.
    Ok(data_offset)
}

/// Rounds up to a multiple of the alignment, a power of two; the sum is checked before the bits go.
pub(crate) fn round_up(value: u64, alignment: u32) -> Option<u64> {
    let mask = u64::from(alignment).checked_sub(1)?;
    Some(value.checked_add(mask)? & !mask)
}

/// Without tensors there is no data section: up to one alignment of bytes may stand as padding.
fn place_nothing(infos_end: u64, alignment: u32, file_length: u64) -> Result<u64, Error> {
    let data_offset = infos_end.saturating_add(alignment.into()).min(file_length);
    if data_offset < file_length {
        return Err(trailing(data_offset, file_length));
    }
    Ok(data_offset)
}

/// Sets the spans and returns the padded end, in arithmetic alone: nothing is held against the file's length yet.
fn place_tensors(
    tensors: &mut [TensorInfo<'_>],
    data_offset: u64,
    alignment: u32,
    file_length: u64,
) -> Result<u64, Error> {
    let mut expected = 0;
    let mut next_offsets: Vec<_> = tensors
        .iter()
        .skip(1)
        .map(|info| Some(info.offset))
        .collect();
    next_offsets.push(None);
    for ((index, info), next_offset) in tensors.iter_mut().enumerate().zip(next_offsets) {
        let start = data_offset
            .checked_add(info.offset)
            .filter(|start| i64::try_from(*start).is_ok());
        let Some(start) = start else {
            return Err(refuse(
                "gguf.offset.range",
                index,
                info,
                "a place in the file below 2^63".to_owned(),
            ));
        };
        if round_up(info.offset, alignment) != Some(info.offset) {
            return Err(refuse(
                "gguf.offset.align",
                index,
                info,
                format!("a multiple of {alignment}"),
            ));
        }
        if info.offset != expected {
            // Everything below the expected offset is taken, so an aligned offset below it lies inside a tensor.
            let code = if info.offset < expected {
                "gguf.offset.overlap"
            } else {
                "gguf.offset.order"
            };
            return Err(refuse(code, index, info, Grouped(expected).to_string()));
        }
        if info.ggml_type.is_none() {
            let end = next_offset.unwrap_or_else(|| file_length.saturating_sub(data_offset));
            // Elements take at least a byte, so that two tensors at one place overlap.
            let least = info.elements().min(1);
            info.data.length = end.saturating_sub(info.offset).max(least);
        }
        info.data.offset = start;
        let padded_end = info
            .offset
            .checked_add(info.data.length)
            .and_then(|end| round_up(end, alignment));
        let Some(end) = padded_end.filter(|end| data_offset.checked_add(*end).is_some()) else {
            return Err(refuse(
                "gguf.offset.wrap",
                index,
                info,
                "a padded end below 2^64".to_owned(),
            ));
        };
        expected = end;
    }
    // Cannot saturate: checked for every tensor above.
    Ok(data_offset.saturating_add(expected))
}

fn refuse(code: &'static str, index: usize, info: &TensorInfo<'_>, expected: String) -> Error {
    // The offset is the last field of the info.
    let offset = info.span.end().saturating_sub(8);
    Error::format(
        code,
        offset,
        field_of(index, info, "offset"),
        expected,
        Grouped(info.offset),
    )
}

fn trailing(end: u64, file_length: u64) -> Error {
    let length = Span::between(end, file_length).length;
    let found = format_args!("{} bytes", Grouped(length));
    Error::format(
        "gguf.trailing",
        end,
        Place::File("trailing bytes"),
        "the end of the file",
        found,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_up_never_wraps() {
        assert_eq!(round_up(0, 32), Some(0));
        assert_eq!(round_up(1, 32), Some(32));
        assert_eq!(round_up(64, 32), Some(64));
        assert_eq!(round_up(7, 1), Some(7));
        assert_eq!(round_up(u64::MAX - 31, 32), Some(u64::MAX - 31));
        assert_eq!(round_up(u64::MAX - 30, 32), None);
    }
}
