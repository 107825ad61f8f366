//! Runs of whole models: made by the fixtures, and the shared ones with their f64 truth where they are present.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a mistake must stop the test"
)]

mod architectures;
mod forward;
mod keys;
mod pairs;
#[path = "../support/mod.rs"]
mod support;
