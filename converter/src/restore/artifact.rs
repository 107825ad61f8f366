//! The artifact that a model is restored from: its head, and where its tensors lie.

use std::{collections::HashMap, path::Path};

use apr_file::{Head, ReadAt as _};
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
        let refused = |error: apr_file::Error| Error::Artifact {
            path: path.to_owned(),
            problem: format!("{error}; `aprove inspect` says more"),
        };
        let bytes = apr_file::read_header(&file).map_err(refused)?;
        let head = Head::parse(&bytes, file.length()).map_err(refused)?;
        let tensors = head.tensors.into_iter();
        let tensors = tensors.map(|tensor| {
            let place = (tensor.span.offset, tensor.span.length);
            (tensor.entry.name, place)
        });
        Ok(Self {
            file,
            metadata: head.metadata,
            tensors: tensors.collect(),
        })
    }

    /// Offset in the file and bytes of a tensor.
    pub(super) fn tensor(&self, name: &str) -> Option<(u64, u64)> {
        self.tensors.get(name).copied()
    }
}
