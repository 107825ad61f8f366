//! The deterministic forward that runs each file from its own names and metadata.
//!
//! Nothing is here yet: `verify` compares bytes and metadata and says so (`--forward off`).
