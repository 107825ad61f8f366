//! The behaviour that a manifest records: digests of runs, which the verifier keeps and does not compute.

use serde::{Deserialize, Serialize};

/// How a model behaves under a fixed arithmetic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// The id of the arithmetic.
    pub numerics: String,
    /// The prompts.
    pub prompts: Vec<PromptFingerprint>,
}

/// How a model behaves on one prompt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptFingerprint {
    /// The name of the prompt.
    pub name: String,
    /// The token ids.
    pub tokens: Vec<u32>,
    /// The digest of all stages of the run, in lower-case hexadecimal.
    pub run: String,
}
