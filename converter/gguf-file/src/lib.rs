#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(clippy::arithmetic_side_effects)]

mod array;
mod content;
mod error;
mod ggml_type;
mod header;
mod layout;
mod limits;
mod metadata;
mod source;
mod span;
mod split;
mod tensors;
#[cfg(test)]
mod tests;
mod value;
mod value_type;
pub mod values;

pub use array::{Array, Items, Part, Parts};
pub use content::{Content, read_header};
pub use error::{Error, FormatError};
pub use ggml_type::{GgmlType, TypeError};
pub use limits::Limits;
pub use metadata::KeyValue;
pub use source::ReadAt;
pub use span::{Region, RegionKind, Span};
pub use split::SplitSet;
pub use tensors::TensorInfo;
pub use value::Value;
pub use value_type::ValueType;
