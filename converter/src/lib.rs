//! Converts a GGUF model to APR v2 in one pass and hands over a pending artifact.
//!
//! [`convert`] plans first: the name, type and place of every tensor, and the metadata that loaders need. What cannot be
//! converted without loss or guess is refused before a byte is written. Then each byte of the sources is read once: it
//! goes into the digests of its file and of its tensor, and to its place in the artifact. The [`PendingArtifact`] has
//! no name until [`PendingArtifact::publish`], so that a half-written or unverified file never looks like a model.
//!
//! Beside the keys that loaders read, an artifact carries a record from which every byte of the sources outside their
//! tensor data can be built again: see `ARTIFACT.md`.
//!
//! Invariants: tensor bytes are copied, or decoded on request, never computed anew; no key is invented; the artifact is
//! the same for any number of threads; nothing is left on disk by a failure.
#![forbid(unsafe_code)]

mod convert;
mod copy;
mod error;
mod observer;
mod plan;
mod publish;
mod request;
mod restore;
mod source;

pub use convert::convert;
pub use error::{Error, UnsupportedTensor};
pub use observer::Observer;
pub use publish::manifest::{Fingerprint, PromptFingerprint};
pub use publish::pending::PendingArtifact;
pub use request::{Naming, Request, Tie, Unsupported, Verification};
pub use restore::{PendingModel, RestoreRequest, RestoredFile, restore};
