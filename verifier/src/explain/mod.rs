//! From what was compared to findings: where a difference is, and what its cause probably is.

pub(crate) mod cause;
pub(crate) mod culprit;
pub(crate) mod evidence;
mod identity;
pub(crate) mod judge;
pub(crate) mod locate;
pub(crate) mod recorded;
pub(crate) mod sniff;
pub(crate) mod tensors;
