//! `.npy`: one array of numpy.
//!
//! "\x93NUMPY", a version, the length of the header, the header as a Python dictionary, then the values.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{error::TraceError, record::Element};

/// The header of an array.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) element: Element,
    pub(crate) count: usize,
    /// Where the values start.
    pub(crate) data: usize,
}

/// Writes rows of f32 as an array `[rows, values / rows]`, the same bytes for the same values.
///
/// # Errors
/// Fails when the writer fails, or with [`io::ErrorKind::InvalidInput`] when the values are not whole rows.
pub fn write(out: &mut dyn Write, rows: usize, values: &[f32]) -> io::Result<()> {
    write_header(out, "<f4", rows, values.len())?;
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()
}

/// Writes rows of f64, as [`write()`] does.
///
/// # Errors
/// Fails as [`write()`] does.
pub fn write_f64(out: &mut dyn Write, rows: usize, values: &[f64]) -> io::Result<()> {
    write_header(out, "<f8", rows, values.len())?;
    for value in values {
        out.write_all(&value.to_le_bytes())?;
    }
    out.flush()
}

fn write_header(out: &mut dyn Write, element: &str, rows: usize, values: usize) -> io::Result<()> {
    let columns = values.checked_div(rows).unwrap_or_default();
    if columns.saturating_mul(rows) != values {
        let message = format!("{values} values are not {rows} rows");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let mut header =
        format!("{{'descr': '{element}', 'fortran_order': False, 'shape': ({rows}, {columns}), }}");
    // The values start at a multiple of 64.
    while header.len() % 64 != 64 - PREFIX - 1 {
        header.push(' ');
    }
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&[1, 0])?;
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    out.write_all(&length.to_le_bytes())?;
    out.write_all(header.as_bytes())
}

/// Reads the header at the start of `bytes`; `None` for an array of a type that no stage has, such as integers.
pub(crate) fn header(file: &Path, bytes: &[u8]) -> Result<Option<Header>, TraceError> {
    let malformed =
        |offset, expected: &str, found: &str| TraceError::malformed(file, offset, expected, found);
    let Some(([major, _], rest)) = bytes
        .strip_prefix(MAGIC)
        .and_then(|rest| rest.split_first_chunk())
    else {
        let start: Vec<u8> = bytes.iter().take(8).copied().collect();
        let found = start.escape_ascii().to_string();
        return Err(malformed(0, "\"\\x93NUMPY\" and a version", &found));
    };
    let split = match major {
        1 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u16::from_le_bytes(*length)), rest)),
        2 | 3 => rest
            .split_first_chunk()
            .map(|(length, rest)| (u64::from(u32::from_le_bytes(*length)), rest)),
        _ => return Err(malformed(6, "version 1, 2 or 3", &major.to_string())),
    };
    let text = split.and_then(|(length, rest)| {
        let length = usize::try_from(length.min(LONGEST_HEADER)).ok()?;
        str::from_utf8(rest.get(..length)?).ok()
    });
    let (Some((_, rest)), Some(text)) = (split, text) else {
        return Err(malformed(8, "a header", "less"));
    };
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("'{name}':"))?;
        Some(rest.trim_start())
    };
    let (Some(descr), Some(order), Some(shape)) =
        (field("descr"), field("fortran_order"), field("shape"))
    else {
        let found = text.trim_end().escape_debug().to_string();
        return Err(malformed(
            10,
            "'descr', 'fortran_order' and 'shape'",
            &found,
        ));
    };
    if !order.starts_with("False") {
        return Err(malformed(10, "fortran_order False", "another order"));
    }
    let element = match descr.get(..5) {
        Some("'<f4'") => Element::F32,
        Some("'<f8'") => Element::F64,
        Some("'<f2'") => Element::F16,
        _ => return Ok(None),
    };
    let dims = shape
        .strip_prefix('(')
        .and_then(|shape| shape.split_once(')'))
        .and_then(|(dims, _)| product(dims));
    let Some(count) = dims else {
        return Err(malformed(10, "a shape such as (8, 256)", "another"));
    };
    let data = bytes
        .len()
        .saturating_sub(rest.len())
        .saturating_add(text.len());
    let available = bytes.len().saturating_sub(data);
    if count.checked_mul(element.size()) != Some(available) {
        let expected = format!("{count} values of {} bytes", element.size());
        let found = format!("{available} bytes");
        return Err(malformed(data as u64, &expected, &found));
    }
    Ok(Some(Header {
        element,
        count,
        data,
    }))
}

/// The number of elements of `8, 256,`.
fn product(dims: &str) -> Option<usize> {
    dims.split(',')
        .map(str::trim)
        .filter(|dim| !dim.is_empty())
        .try_fold(1usize, |count, dim| count.checked_mul(dim.parse().ok()?))
}

const MAGIC: &[u8] = b"\x93NUMPY";

/// Magic, version and length of the header.
const PREFIX: usize = 10;

const LONGEST_HEADER: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_starts_at_a_multiple_of_64() {
        for (rows, count) in [(1, 1), (2, 6), (8, 8 * 512), (3, 0)] {
            let values: Vec<f32> = (0..count).map(|i| i as f32 - 0.5).collect();
            let mut bytes = Vec::new();
            write(&mut bytes, rows, &values).unwrap();
            let header = header(Path::new("a.npy"), &bytes).unwrap().unwrap();
            assert_eq!(header.data % 64, 0);
            assert_eq!(header.element.decode(&bytes[header.data..]), values);
        }
        let error = write(&mut Vec::new(), 2, &[1.0]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_header_that_is_cut_or_says_too_much_is_an_error() {
        let mut good = Vec::new();
        write(&mut good, 2, &[1.0, 2.0, 3.0, 4.0]).unwrap();
        let file = Path::new("a.npy");
        for length in 0..good.len() {
            assert!(header(file, &good[..length]).is_err(), "{length}");
        }
        let text = String::from_utf8_lossy(&good[10..]).replace("(2, 2)", "(2, 3)");
        let mut more = good[..10].to_vec();
        more.extend(text.bytes().take(118));
        more.extend(&good[128..]);
        assert!(header(file, &more).is_err());
        for (from, to) in [
            ("False", "True "),
            ("(2, 2)", "(2, x)"),
            ("'shape'", "'shap_'"),
        ] {
            let bytes = String::from_utf8_lossy(&good[10..128]).replace(from, to);
            let bytes = [&good[..10], bytes.as_bytes(), &good[128..]].concat();
            assert!(header(file, &bytes).is_err(), "{to}");
        }
        let huge = String::from_utf8_lossy(&good[10..128])
            .replace("(2, 2), }  ", "(99999999999, 99999999999), }");
        let bytes = [&good[..10], &huge.as_bytes()[..118], &good[128..]].concat();
        assert!(header(file, &bytes).is_err());
    }

    #[test]
    fn arrays_of_integers_are_passed_over() {
        let mut good = Vec::new();
        write(&mut good, 1, &[1.0]).unwrap();
        let bytes = String::from_utf8_lossy(&good[10..128]).replace("<f4", "<i4");
        let bytes = [&good[..10], bytes.as_bytes(), &good[128..]].concat();
        assert_eq!(header(Path::new("a.npy"), &bytes).unwrap(), None);
    }
}
