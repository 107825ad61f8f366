//! Reader and writer for the APR v2 container.
//!
//! [`Plan`] lays out a file whose tensors are known by name, type and size, and gives the bytes around the data: the
//! header, the index and where everything goes. [`to_json`] writes the metadata, the same bytes on any machine.
//! [`AprFile`] reads what real producers write, and lists what a strict reader must object to as [`Finding`]s.
//!
//! The order in a file: header (64 bytes), metadata (JSON), tensor index, tensor data, footer (4 bytes). Metadata,
//! index and each tensor are padded with zeros to 64 bytes. All integers are little-endian.
//!
//! Invariants of the reader: no panic and no allocation from a count that the file's length does not bear out, whatever
//! the bytes are; its regions cover every byte exactly once.
#![forbid(unsafe_code)]

mod data;
mod dtype;
mod error;
mod file;
pub mod flags;
mod header;
mod index;
mod json;
mod metadata;
mod plan;
mod span;
#[cfg(test)]
mod tests;
mod text;

pub use dtype::{DType, Encoding};
pub use error::{Error, Finding};
pub use file::{AprFile, Tensor};
pub use header::Header;
pub use index::TensorEntry;
pub use json::to_json;
pub use plan::{Plan, PlannedTensor};
pub use span::{Region, RegionKind, Span, align64};
