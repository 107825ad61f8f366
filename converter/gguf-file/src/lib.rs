//! Strict, lossless reader and writer for GGUF, with the span of every byte.
//!
//! [`read_header`] fetches everything before the tensor data from a [`ReadAt`] source, [`Content::parse`] turns those
//! bytes into a [`Content`] that holds only legal states, and [`Content::regions`] splits the file so that every byte
//! belongs to exactly one region. Keys, strings and names stay byte strings. [`Writer`] builds files byte by byte.
//!
//! What is refused: see the code of each [`Error`]. What is legal but odd becomes a [`Note`]. The reader never reads
//! tensor data, and of the padding only what [`Content::check_padding`] is asked to look at.
//!
//! Invariants: no panic, no recursion and no allocation from a count that the file's length does not bear out, whatever
//! the bytes are.
#![forbid(unsafe_code)]

mod array;
mod content;
mod error;
mod ggml_type;
mod header;
mod layout;
mod limits;
mod metadata;
mod note;
mod source;
mod span;
mod split;
mod tensors;
#[cfg(test)]
mod tests;
mod value;
mod value_type;
mod writer;

pub use array::{Array, Items};
pub use content::{Content, read_header};
pub use error::{Error, FormatError};
pub use ggml_type::{GgmlType, TypeError};
pub use limits::Limits;
pub use metadata::KeyValue;
pub use note::Note;
pub use source::ReadAt;
pub use span::{Region, RegionKind, Span};
pub use split::SplitSet;
pub use tensors::TensorInfo;
pub use value::Value;
pub use value_type::ValueType;
pub use writer::{ArrayBuffer, Writer};
