//! NVIDIA GPUs: whether there is one that can run the forward, why not, and what it runs.
//!
//! The driver is loaded when it is asked for, so neither CUDA nor a GPU is needed to build or to run. Every way in which
//! a driver or a GPU can fail is an [`Error`] that says what to do; none of them says anything about a model.
//!
//! The kernels of `inference/kernels/` are one PTX text; [`Kernel`] says how each is called.

mod check;
mod context;
mod error;
mod forward;
mod gpu;
mod kernel;
#[cfg(test)]
mod lint;
mod memory;
mod panel;
mod probe;
mod product;
mod reader;
mod recorder;
mod records;
mod ring;
mod state;
mod stream;
#[cfg(test)]
mod tests;
mod tree;
mod weights;

pub use check::Copies;
pub use context::Context;
pub use error::{Call, Error};
pub use forward::{digests, forward_batch, forward_pair};
pub use gpu::Gpu;
pub use kernel::{KERNELS, Kernel, PTX, Parameter, kernel};
pub use probe::{Device, Driver, Version, probe};
pub use weights::Weight;
