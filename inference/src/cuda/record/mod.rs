//! Digest, statistics and comparison of every stage, made on the GPU.

pub(crate) mod layout;
pub(crate) mod recorder;
