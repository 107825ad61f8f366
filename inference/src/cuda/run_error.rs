//! Errors of a run on a GPU.

use crate::{cuda::error::Error, error::Error as ModelError};

/// Reason why a run on a GPU failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The GPU or its driver failed, which says nothing about a model.
    #[error(transparent)]
    Gpu(#[from] Error),
    /// A model cannot be run, on any device.
    #[error(transparent)]
    Model(#[from] ModelError),
}
