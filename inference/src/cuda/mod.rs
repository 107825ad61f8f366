//! NVIDIA GPUs: whether there is one that can run the forward, why not, and what it runs.
//!
//! The driver is loaded when it is asked for, so neither CUDA nor a GPU is needed to build or to run. Every way in which
//! a driver or a GPU can fail is an [`Error`] that says what to do; none of them says anything about a model.
//!
//! The kernels of `inference/kernels/` are one PTX text; [`Kernel`] says how each is called.

mod backend;
mod driver;
mod forward;
mod product;
mod record;
#[cfg(test)]
mod tests;
mod upload;

pub use driver::check::Copies;
pub use driver::context::Context;
pub use driver::error::{Call, Error};
pub use driver::gpu::Gpu;
pub use driver::kernel::{KERNELS, Kernel, PTX, Parameter, kernel};
pub use driver::probe::{Device, Driver, Version, probe};
pub use forward::{digests, forward_batch, forward_pair};
pub use upload::weights::Weight;
