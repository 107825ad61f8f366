//! The output of `apr trace --payload`: statistics of a run, as text or as JSON.

use std::{fs::File, io::Read as _, path::Path};

use super::{error::TraceError, payload_json, payload_text, record::Trace};

/// Reads a file that is neither packed nor a table of tensors.
pub(crate) fn read(path: &Path, length: u64) -> Result<Trace, TraceError> {
    let mut bytes = Vec::new();
    // A model file or a disk may be named here by mistake: its start already shows that it is not text.
    let limit = length.min(LONGEST_TEXT.saturating_add(1));
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| TraceError::io(path, error))?;
    if length > LONGEST_TEXT {
        return Err(TraceError::unknown(path));
    }
    let text = str::from_utf8(&bytes).map_err(|_| TraceError::unknown(path))?;
    if text.trim_start().starts_with('{') {
        payload_json::parse(path, text)
    } else {
        payload_text::parse(path, text)
    }
}

/// The longest text that is read.
const LONGEST_TEXT: u64 = 64 << 20;
