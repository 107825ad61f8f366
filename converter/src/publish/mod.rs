//! From a complete file without a name to an artifact: what it is before it is published, and the sidecar beside it.

pub(crate) mod free;
pub(crate) mod manifest;
pub(crate) mod pending;
pub(crate) mod staged;
