//! The artifact that a model is restored from: its head, and where its tensors lie.

use std::{collections::HashMap, path::Path};

use apr_file::{Head, ReadAt as _, Tensor};
use serde_json::{Map, Value as Json};

use crate::{error::Error, not_gguf, source::SourceFile};

/// An open APR file.
pub(super) struct Artifact {
    pub(super) file: SourceFile,
    pub(super) metadata: Map<String, Json>,
    /// The tensors of its index.
    pub(super) tensors: Vec<Tensor>,
    /// Where each name stands in it.
    by_name: HashMap<String, usize>,
}

impl Artifact {
    /// Opens an APR file and reads its head.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let file = SourceFile::open(path)?;
        let refused = |error: apr_file::Error| Error::Artifact {
            path: path.to_owned(),
            problem: format!("{error}; `aprove inspect` says more"),
        };
        if let Some(what) = not_gguf::instead_of_apr(&file)? {
            let path = path.to_owned();
            return Err(Error::NotGguf { path, what });
        }
        let bytes = apr_file::read_header(&file).map_err(refused)?;
        let head = Head::parse(&bytes, file.length()).map_err(refused)?;
        let names = head.tensors.iter().enumerate();
        let by_name = names.map(|(at, tensor)| (tensor.entry.name.clone(), at));
        Ok(Self {
            file,
            metadata: head.metadata,
            by_name: by_name.collect(),
            tensors: head.tensors,
        })
    }

    /// Offset in the file and bytes of a tensor.
    pub(super) fn tensor(&self, name: &str) -> Option<(u64, u64)> {
        let tensor = self.tensors.get(*self.by_name.get(name)?)?;
        Some((tensor.span.offset, tensor.span.length))
    }
}
