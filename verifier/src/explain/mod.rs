//! From what was compared to findings: where a difference is, and what its cause probably is.

pub(crate) mod cause;
pub(crate) mod judge;
pub(crate) mod locate;
pub(crate) mod tensors;
