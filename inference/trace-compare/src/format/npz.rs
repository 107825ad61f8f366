//! `.npz`: a zip of `.npy` arrays, as `numpy.savez_compressed` writes it.

use std::{fs::File, io::Read as _, path::Path};

use zip::{ZipArchive, result::ZipError};

use super::{
    error::TraceError,
    npy,
    record::{Content, Element, MOST_RECORDS, Record},
};

/// Reads all arrays; the name of a record is that of the array. Packed values cannot be read by position, so they are held.
pub(crate) fn read(path: &Path) -> Result<Vec<Record>, TraceError> {
    let failed = |error: ZipError| match error {
        ZipError::Io(error) => TraceError::io(path, error),
        error => TraceError::malformed(path, 0, "a zip of .npy arrays", error),
    };
    let file = File::open(path).map_err(|error| TraceError::io(path, error))?;
    let mut archive = ZipArchive::new(file).map_err(failed)?;
    if archive.len() > MOST_RECORDS {
        return Err(limit(path, "the number of arrays", MOST_RECORDS as u64));
    }
    let mut records = Vec::new();
    let mut left = MOST_HELD;
    for index in 0..archive.len() {
        let member = archive.by_index(index).map_err(failed)?;
        let name = member.name().map_err(failed)?;
        let Some(name) = name.strip_suffix(".npy").map(str::to_owned) else {
            continue;
        };
        let mut bytes = Vec::new();
        member
            .take(left.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| TraceError::io(path, error))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| limit(path, "the size of the unpacked arrays", MOST_HELD))?;
        let member = path.join(name.escape_debug().to_string());
        let Some(header) = npy::header(&member, &bytes)? else {
            continue;
        };
        let data = bytes.get(header.data..).unwrap_or_default();
        records.push(Record {
            name,
            captures: Vec::new(),
            content: Content::Held(Element::decode(header.element, data).into(), header.element),
        });
    }
    Ok(records)
}

fn limit(path: &Path, what: &str, limit: u64) -> TraceError {
    TraceError::Limit {
        file: path.to_path_buf(),
        what: what.to_owned(),
        limit,
    }
}

/// The most bytes that the arrays of a file may unpack to.
const MOST_HELD: u64 = 4 << 30;
