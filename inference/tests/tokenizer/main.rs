//! The tokenizer on recorded results of llama.cpp, on models made by the fixtures, and on hostile files.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a mistake must stop the test"
)]

mod files;
mod hostile;
mod pieces;
mod recorded;
#[expect(dead_code, reason = "the tests of the forward use the rest")]
#[path = "../support/mod.rs"]
mod support;

use inference::{Error, Tokenizer};

/// Loads the tokenizer of a file in memory.
fn load(bytes: &[u8]) -> Result<Tokenizer, Error> {
    Tokenizer::load(&[&bytes.to_vec()])
}
