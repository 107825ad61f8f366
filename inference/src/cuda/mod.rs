//! NVIDIA GPUs: whether there is one that can run the forward, why not, and what it runs.
//!
//! The driver is loaded when it is asked for, so neither CUDA nor a GPU is needed to build or to run. Every way in which
//! a driver or a GPU can fail is an [`Error`] that says what to do; none of them says anything about a model. Without the
//! feature `cuda` the answer of [`probe`] is [`Error::NotBuilt`].
//!
//! The kernels of `inference/kernels/` are one PTX text; `kernel` lists how each is called.

#[cfg(not(feature = "cuda"))]
mod absent;
#[cfg(feature = "cuda")]
mod backend;
mod device;
#[cfg(feature = "cuda")]
mod driver;
mod error;
#[cfg(feature = "cuda")]
mod forward;
#[cfg(feature = "cuda")]
mod kernel;
#[cfg(feature = "cuda")]
mod product;
#[cfg(feature = "cuda")]
mod record;
mod run_error;
#[cfg(test)]
#[cfg(feature = "cuda")]
mod tests;
#[cfg(feature = "cuda")]
mod upload;

#[cfg(not(feature = "cuda"))]
pub use absent::{Context, Copies, Gpu, digests, forward_batch, forward_pair, probe};
pub use device::{Device, Driver, Version};
#[cfg(feature = "cuda")]
pub use driver::{check::Copies, context::Context, gpu::Gpu, probe::probe};
pub use error::{Call, Error};
#[cfg(feature = "cuda")]
pub use forward::{digests, forward_batch, forward_pair};
pub use run_error::RunError;

use crate::record::Digest;

/// A tensor that a run has used, by its name in the file, and what its bytes were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// The name.
    pub name: String,
    /// BLAKE3 of all bytes.
    pub digest: Digest,
}
