//! Compares an APR v2 file with a GGUF model, byte for byte, and says where and why they differ.
//!
//! The decoders here are written from the format descriptions and share no code with the converter: a mistake of the
//! converter must not be hidden by shared code. The way of the data: [`source`] gives bytes by position, [`gguf`] and
//! [`apr`] turn them into a [`container::Container`] whose regions partition the file.
//!
//! The library never touches the terminal, the environment or the clock, and never panics on an input.

#![forbid(unsafe_code)]

pub mod apr;
pub mod blocks;
mod cause;
pub mod container;
pub mod finding;
pub mod gguf;
mod head;
pub mod inspect;
mod judge;
mod locate;
pub mod manifest;
pub mod metadata;
mod names;
pub mod observer;
mod padding;
mod pairing;
pub mod region;
pub mod report;
mod scan;
pub mod source;
mod tensors;
pub mod types;
pub mod verdict;
pub mod verify;
