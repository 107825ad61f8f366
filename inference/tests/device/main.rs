//! The forward on a GPU against the forward on the CPU, bit for bit, with the stand-in driver in the place of a GPU.
//!
//! A test runs itself again with the driver in front of the libraries of the machine: a process loads one driver only.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bits;
mod reads;
mod support;
