//! What a GPU runs: the kernels of `inference/kernels/` as one PTX text, and how each is called.

mod kernel;
#[cfg(test)]
mod lint;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

pub use kernel::{KERNELS, Kernel, PTX, Parameter, kernel};
