//! What both decoders produce: one file, or one set of shards, as regions, tensors, metadata and findings.

use schemars::JsonSchema;
use serde::Serialize;

use crate::decode::types::BlockType;
use crate::finding::Finding;
use crate::region::{Region, Span};

/// The container format, told by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// GGUF version 2 or 3.
    Gguf,
    /// APR v2.
    Apr,
}

impl Format {
    /// Tells the format by the first bytes of a file; the version of an APR file is judged when it is decoded.
    #[must_use]
    pub const fn of(start: &[u8]) -> Option<Self> {
        match start {
            [b'G', b'G', b'U', b'F', ..] => Some(Self::Gguf),
            [b'A', b'P', b'R', _, ..] => Some(Self::Apr),
            _ => None,
        }
    }

    /// Returns the name of the format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gguf => "GGUF",
            Self::Apr => "APR",
        }
    }
}

/// What a file is by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// APR v2.
    Apr,
    /// GGUF.
    Gguf,
    /// Neither of them.
    Unknown,
}

impl From<Format> for FileFormat {
    fn from(format: Format) -> Self {
        match format {
            Format::Apr => Self::Apr,
            Format::Gguf => Self::Gguf,
        }
    }
}

impl FileFormat {
    /// Returns the word of reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apr => "apr",
            Self::Gguf => "gguf",
            Self::Unknown => "unknown",
        }
    }
}

/// One file of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Length of the file in bytes.
    pub length: u64,
    /// The partition of the file, by offset: the regions touch, start at 0 and end at `length`.
    pub regions: Vec<Region>,
}

/// One tensor as its container describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The name, raw bytes.
    pub name: Vec<u8>,
    /// The type id as stored: a ggml id in a GGUF, the dtype byte in an APR.
    pub type_id: u32,
    /// What the data is, when that can be told: the type of ggml's table.
    pub block_type: Option<&'static BlockType>,
    /// The dimensions in the order of the file: `ne` order in a GGUF, index order in an APR.
    pub dims: Vec<u64>,
    /// The shard that holds the data.
    pub shard: usize,
    /// The unpadded data. Lies inside the shard, unless a finding says otherwise.
    pub span: Span,
    /// The bytes of the tensor info or index entry, in the shard that describes it.
    pub info_span: Span,
    /// Whether type, shape, size and span agree, so that the data can be interpreted and compared.
    pub sound: bool,
}

impl Tensor {
    /// The name of its type, or its id where it has none.
    pub(crate) fn type_name(&self) -> String {
        match self.block_type {
            Some(block_type) => block_type.name.to_owned(),
            None => format!("id {}", self.type_id),
        }
    }

    /// The number of its elements, where 64 bits hold it.
    pub(crate) fn elements(&self) -> Option<u64> {
        let mut dims = self.dims.iter();
        dims.try_fold(1_u64, |product, &dim| product.checked_mul(dim))
    }
}

/// A decoded file or set of shards. Decoding never fails: what is broken is a finding.
#[derive(Clone, Debug)]
pub struct Container<M> {
    /// The files, in shard order.
    pub shards: Vec<Shard>,
    /// The tensors, in the order in which the file lists them.
    pub tensors: Vec<Tensor>,
    /// The metadata of the format.
    pub metadata: M,
    /// What is wrong with this container alone, the first cause first.
    pub findings: Vec<Finding>,
    /// Whether header, metadata and tensor list were decoded to their end.
    pub complete: bool,
}
