//! The two decoders, GGUF and APR: bytes to regions, tensors and metadata; what is broken is a finding, never an error.
#![warn(clippy::arithmetic_side_effects)]

pub mod apr;
pub mod blocks;
pub mod container;
pub(crate) mod decoded;
pub(crate) mod findings;
pub mod gguf;
pub(crate) mod head_reader;
pub(crate) mod padding;
pub(crate) mod sniff;
pub mod types;
