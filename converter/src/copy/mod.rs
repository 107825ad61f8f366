//! The one pass over the sources: bytes are read once, digested, and copied or decoded to their places.

pub(crate) mod pipeline;
pub(crate) mod segment;
pub(crate) mod stream;
