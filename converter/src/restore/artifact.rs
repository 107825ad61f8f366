//! The artifact that a model is restored from: its head, and where its tensors lie.

use std::{collections::HashMap, path::Path};

use apr_file::AprFile;
use gguf_file::ReadAt as _;
use serde_json::{Map, Value as Json};

use crate::{error::Error, source::SourceFile};

/// An open APR file.
pub(super) struct Artifact {
    pub(super) file: SourceFile,
    pub(super) metadata: Map<String, Json>,
    /// Offset in the file and bytes of each tensor, by its name in the index.
    tensors: HashMap<String, (u64, u64)>,
}

impl Artifact {
    /// Opens an APR file and reads its head.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = SourceFile::open(path)?;
        let problem = |problem: &'static str| {
            let path = path.to_owned();
            Error::Path { path, problem }
        };
        let mut header = [0; HEADER];
        if file.length() < header.len() as u64 {
            return Err(problem(NO_APR));
        }
        file.read(0, &mut header)?;
        if !header.starts_with(b"APR") {
            return Err(problem(NO_APR));
        }
        let [_, _, _, _, data_offset, ..] = header.as_chunks::<8>().0 else {
            return Err(problem(NO_APR));
        };
        let data_offset = u64::from_le_bytes(*data_offset);
        let length = usize::try_from(data_offset.min(file.length()));
        let mut head = vec![0; length.map_err(|_| problem("its head does not fit in memory"))?];
        file.read(0, &mut head)?;
        let parsed = AprFile::parse(&head).map_err(|source| Error::Artifact {
            path: path.to_owned(),
            problem: source.to_string(),
        })?;
        let tensors = parsed.tensors.iter();
        let tensors = tensors.map(|tensor| {
            let place = (tensor.span.offset, tensor.span.length);
            (tensor.entry.name.to_string(), place)
        });
        let tensors = tensors.collect();
        let metadata = parsed.metadata.clone();
        let metadata = metadata.ok_or_else(|| problem("its metadata is not a JSON object"))?;
        Ok(Self {
            file,
            metadata,
            tensors,
        })
    }

    /// Offset in the file and bytes of a tensor.
    pub(super) fn tensor(&self, name: &str) -> Option<(u64, u64)> {
        self.tensors.get(name).copied()
    }
}

/// Bytes of the header of APR v2; the data offset stands at byte 32.
const HEADER: usize = 64;
const NO_APR: &str = "it is not an APR file; `aprove inspect` says what it is";
