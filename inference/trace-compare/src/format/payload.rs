//! The output of `apr trace --payload`: statistics of a run, as text or as JSON.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{
    error::TraceError,
    names, payload_json, payload_text,
    record::{Content, Record, Statistics, Trace},
};

/// Reads a file that is neither packed nor a table of tensors.
pub(crate) fn read(path: &Path, length: u64) -> Result<Trace, TraceError> {
    let mut bytes = Vec::new();
    // A model file or a disk may be named here by mistake: its start already shows that it is not text.
    let limit = length.min(LONGEST_TEXT.saturating_add(1));
    File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| TraceError::io(path, error))?;
    if length > LONGEST_TEXT {
        return Err(TraceError::Unknown {
            file: path.to_path_buf(),
        });
    }
    let text = str::from_utf8(&bytes).map_err(|_| TraceError::Unknown {
        file: path.to_path_buf(),
    })?;
    if text.trim_start().starts_with('{') {
        payload_json::parse(path, text)
    } else {
        payload_text::parse(path, text)
    }
}

/// A record of statistics.
pub(crate) fn record(layer: Option<usize>, name: &str, statistics: Statistics) -> Record {
    Record {
        captures: names::payload(layer, name),
        name: match layer {
            Some(layer) => format!("layer {layer} {name}"),
            None => name.to_owned(),
        },
        content: Content::Statistics(statistics),
    }
}

/// The error of a file that holds none of what `apr trace --payload` prints.
pub(crate) fn unknown(path: &Path) -> TraceError {
    TraceError::Unknown {
        file: PathBuf::from(path),
    }
}

/// The longest text that is read.
const LONGEST_TEXT: u64 = 64 << 20;
