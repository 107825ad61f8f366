//! The page of a report, as a browser and its reader get it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, on pages that it made itself"
)]

mod browser;
mod contrast;
mod document;
mod samples;
mod sizes;
mod structure;
