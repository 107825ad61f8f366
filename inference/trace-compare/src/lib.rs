#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod format;
#[expect(
    clippy::arithmetic_side_effects,
    reason = "sizes of values that are in memory: a wrapped one must end the run, as overflow checks do"
)]
pub mod judge;
