//! Compares an APR v2 file with a GGUF model, byte for byte, and says where and why they differ.
//!
//! The decoders here are written from the format descriptions and share no code with the converter: a mistake of the
//! converter must not be hidden by shared code. The way of the data: [`source`] gives bytes by position, [`decode`]
//! turns them into a [`decode::container::Container`] whose regions partition the file.
//!
//! The library never touches the terminal, the environment or the clock, and never panics on an input.

#![forbid(unsafe_code)]

pub mod compare;
pub mod decode;
mod explain;
pub mod finding;
pub mod inspect;
pub mod manifest;
pub mod observer;
mod parallel;
pub mod region;
pub mod report;
pub mod source;
pub mod verdict;
pub mod verify;
