//! The manifest beside the artifact: what was made out of what, for people and scripts.

use gguf_file::ReadAt as _;
use serde_json::{Value, json};

use crate::{
    plan::{
        PlannedTensor,
        json::hex,
        record::{SourceDigests, TensorDigests},
    },
    request::Verification,
    source::SourceFile,
};

/// What a manifest says, except whether the artifact was verified.
#[derive(Debug)]
pub(crate) struct Manifest {
    /// Name and version of the program.
    pub(crate) tool: String,
    /// Name of the artifact without folders.
    pub(crate) file: String,
    /// Length of the artifact.
    pub(crate) size: u64,
    /// The CRC-32 in the footer of the artifact.
    pub(crate) crc32: u32,
    /// The entries of [`source_entry`].
    pub(crate) sources: Vec<Value>,
    /// The entries of [`tensor_entry`].
    pub(crate) tensors: Vec<Value>,
    /// How the artifact behaves, when it was run.
    pub(crate) behaviour: Option<Fingerprint>,
}

/// How an artifact and its sources behave under a fixed arithmetic: recorded in the manifest for others to check again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// The id of the arithmetic.
    pub numerics: String,
    /// The prompts.
    pub prompts: Vec<PromptFingerprint>,
}

/// How a model behaves on one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromptFingerprint {
    /// The name of the prompt.
    pub name: String,
    /// The token ids.
    pub tokens: Vec<u32>,
    /// The digest of all stages of the run, in hexadecimal.
    pub run: String,
}

impl Manifest {
    /// Returns the text: JSON with sorted keys, without times or folders, the same for the same conversion.
    pub(crate) fn text(&self, verification: Verification) -> String {
        let mut manifest = json!({
            "artifact": {
                "crc32": format!("{:08x}", self.crc32),
                "file": self.file,
                "size": self.size,
            },
            "manifest": 1,
            "sources": self.sources,
            "tensors": self.tensors,
            "tool": self.tool,
            "verification": match verification {
                Verification::Verified => "verified",
                Verification::Skipped => "skipped",
            },
        });
        if let (Some(behaviour), Some(manifest)) = (&self.behaviour, manifest.as_object_mut()) {
            manifest.insert("behaviour".to_owned(), behaviour_entry(behaviour));
        }
        // The map keeps another order when a feature of its crate is on.
        manifest.sort_all_objects();
        format!("{manifest:#}\n")
    }
}

fn behaviour_entry(behaviour: &Fingerprint) -> Value {
    let prompts = behaviour
        .prompts
        .iter()
        .map(|prompt| json!({"name": prompt.name, "run": prompt.run, "tokens": prompt.tokens}));
    json!({
        "numerics": behaviour.numerics,
        "prompts": prompts.collect::<Vec<_>>(),
    })
}

/// Describes a source file.
pub(crate) fn source_entry(source: &SourceFile, digests: &SourceDigests) -> Value {
    json!({
        "blake3": hex(&digests.blake3),
        "file": source.name(),
        "sha256": hex(&digests.sha256),
        "size": source.length(),
    })
}

/// Describes a tensor that starts at `offset` of the artifact.
pub(crate) fn tensor_entry(
    tensor: &PlannedTensor<'_>,
    offset: u64,
    digests: &TensorDigests,
) -> Value {
    let mut entry = json!({
        "blake3": hex(&digests.blake3),
        "gguf_name": tensor.gguf_name,
        "name": tensor.name,
        "offset": offset,
        "shape": tensor.dims,
        "size": tensor.size,
        "type": tensor.type_name,
    });
    if let (Some(sha256), Some(entry)) = (&digests.sha256, entry.as_object_mut()) {
        entry.insert("sha256".to_owned(), json!(hex(sha256)));
    }
    entry
}
