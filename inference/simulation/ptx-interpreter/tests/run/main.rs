//! Runs PTX and compares with what the same instructions are in Rust.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails by panicking"
)]

mod bits;
mod compiled;
mod control;
mod conversions;
mod faults;
mod floats;
mod hostile;
mod integers;
mod memory;
mod support;
mod warps;
