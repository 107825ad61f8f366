#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod convert;
mod copy;
mod error;
mod not_gguf;
mod observer;
mod plan;
mod publish;
mod request;
mod restore;
mod source;

pub use convert::{convert, plan};
pub use error::{Error, Problems, UnsupportedTensor};
pub use observer::Observer;
pub use plan::summary::{How, Plan, PlannedTensor, Stored};
pub use publish::manifest::{ArtifactDigests, Fingerprint, PromptFingerprint};
pub use publish::pending::PendingArtifact;
pub use request::{Naming, Request, Tie, Unsupported, Verification};
pub use restore::made_with::MadeWith;
pub use restore::{PendingModel, RestoreRequest, RestoredFile, restore};
