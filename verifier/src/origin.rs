//! Where a file came from, when it is an object of a network, and the digest that its publisher gives.

use schemars::JsonSchema;
use serde::Serialize;

/// Which object of a network was read, as far as its server says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Origin {
    /// Its address, without what gives access to it.
    pub location: String,
    /// The tag of its state, which every reply had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The time of its last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The commit of its repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Its version in its store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The SHA-256 that its publisher gives, which the bytes are held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_sha256: Option<String>,
}

impl Origin {
    /// Whether the publisher of the file gives a digest of it.
    pub(crate) const fn is_published(&self) -> bool {
        self.published_sha256.is_some()
    }
}
