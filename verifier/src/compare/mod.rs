//! The comparison: which tensor is which, the one pass over both files, and the metadata key by key.

pub(crate) mod inputs;
pub(crate) mod metadata;
pub(crate) mod names;
pub(crate) mod pairing;
pub(crate) mod scan;
