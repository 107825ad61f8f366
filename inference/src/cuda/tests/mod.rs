//! The shipped kernels in an interpreter: they have the bits of the CPU, and it shows where they have not.
//!
//! [`kernels`] are tested one by one, [`models`] run as a whole, and [`mutants`] of the text have to be found. All of them
//! run on a [`device`]: [`launches`] and [`records`] are its kernels as functions, and a [`simulation`] takes the steps of a
//! model by them.
#![expect(
    clippy::cast_possible_truncation,
    reason = "the shapes are those of the tests"
)]

mod device;
mod kernels;
mod launches;
mod lint;
mod models;
mod mutants;
mod records;
mod simulation;
