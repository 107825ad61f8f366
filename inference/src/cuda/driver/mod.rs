//! The driver: whether there is a GPU to use, what belongs to it, and how a kernel is launched.

pub(crate) mod check;
pub(crate) mod context;
pub(crate) mod gpu;
pub(crate) mod memory;
pub(crate) mod probe;
pub(crate) mod stream;
