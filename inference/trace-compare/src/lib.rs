//! Judges other engines by what they record of a run.
//!
//! [`mod@format`] reads traces and writes our own, one file per format. [`judge`] holds a trace against our run, operation by
//! operation, and says where and why they part: see `TRACES.md`.
#![forbid(unsafe_code)]

pub mod format;
pub mod judge;
