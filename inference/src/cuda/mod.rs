//! NVIDIA GPUs: whether there is one that can run the forward, and why not.
//!
//! The driver is loaded when it is asked for, so neither CUDA nor a GPU is needed to build or to run. Every way in which
//! a driver or a GPU can fail is an [`Error`] that says what to do; none of them says anything about a model.

mod error;
mod probe;

pub use error::{Call, Error};
pub use probe::{Device, Driver, Version, probe};
