#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(clippy::arithmetic_side_effects)]

mod aliases;
mod dtype;
mod error;
pub mod flags;
mod head;
mod header;
mod index;
mod json;
mod plan;
mod source;
mod span;
#[cfg(test)]
mod tests;
mod text;

pub use dtype::{DType, Encoding};
pub use error::Error;
pub use head::{Head, Tensor, read_header};
pub use header::Header;
pub use index::TensorEntry;
pub use json::to_json;
pub use plan::{Plan, PlannedTensor};
pub use source::ReadAt;
pub use span::{Span, align64};
