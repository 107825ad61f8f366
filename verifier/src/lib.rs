#![doc = include_str!("../README.md")]
//!
//! # Where to look
//!
//! [`source`] gives bytes by position, [`decode`] turns them into a [`decode::container::Container`] whose regions
//! partition the file, [`verify()`] compares two of them, and [`report`] holds what came of it. [`inspect`] shows one file,
//! [`manifest`] writes and reads digests of one. [`policy`] says what may pass, and [`explanation`] what a code means.

#![forbid(unsafe_code)]

pub mod check;
pub mod code;
mod compare;
pub mod decode;
mod explain;
pub mod explanation;
pub mod finding;
mod input;
pub mod inspect;
pub mod manifest;
pub mod observer;
pub mod origin;
mod parallel;
pub mod policy;
pub mod region;
pub mod report;
mod roles;
pub mod source;
pub mod sources;
mod verify;

pub use input::{FileSha256, Input, Options};
pub use report::Report;
pub use report::verdict::{self, Verdict};
pub use verify::verify;
