//! From what was compared to findings: where a difference is, and what its cause probably is.

pub(crate) mod blob;
pub(crate) mod cause;
pub(crate) mod common;
pub(crate) mod culprit;
pub(crate) mod evidence;
pub(crate) mod excerpt;
pub(crate) mod given_back;
pub(crate) mod identity;
mod integrity;
pub(crate) mod judge;
pub(crate) mod locate;
mod other_types;
pub(crate) mod publisher;
pub(crate) mod recorded;
mod rewriting;
pub(crate) mod same_format;
pub(crate) mod tensors;
