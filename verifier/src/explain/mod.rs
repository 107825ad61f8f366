//! From what was compared to findings: where a difference is, and what its cause probably is.

pub(crate) mod cause;
pub(crate) mod culprit;
pub(crate) mod evidence;
pub(crate) mod excerpt;
mod identity;
pub(crate) mod judge;
pub(crate) mod locate;
mod recorded;
pub(crate) mod sniff;
pub(crate) mod tensors;
