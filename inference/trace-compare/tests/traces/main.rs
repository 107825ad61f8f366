//! Reading, writing and comparing traces.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a mistake must stop the test"
)]

mod compare;
mod formats;
mod left_out;
mod nodes;
#[expect(dead_code, reason = "the tests of runs use the rest")]
#[path = "../../../tests/support/mod.rs"]
mod runs;
mod support;
