//! The manifest beside the artifact: what was made out of what, for people and scripts.

use gguf_file::ReadAt as _;
use serde_json::{Map, Value, json};

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
    pub(crate) name: String,
    /// Length of the artifact.
    pub(crate) size: u64,
    /// The entries of [`source_entry`].
    pub(crate) sources: Vec<Value>,
    /// The entries of [`tensor_entry`].
    pub(crate) tensors: Vec<Value>,
    /// How the artifact behaves, when it was run.
    pub(crate) behaviour: Option<Fingerprint>,
}

/// The digests of every byte of the finished artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArtifactDigests {
    /// SHA-256.
    pub sha256: [u8; 32],
    /// BLAKE3.
    pub blake3: [u8; 32],
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
    pub(crate) fn text(self, digests: &ArtifactDigests, verification: Verification) -> String {
        let artifact = file_entry(&self.name, self.size, &digests.sha256, &digests.blake3);
        let verification = match verification {
            Verification::Verified => "verified",
            Verification::Skipped => "skipped",
        };
        let mut manifest = Map::new();
        let mut put = |key: &str, value| manifest.insert(key.to_owned(), value);
        put("files", json!([artifact]));
        put("manifest", json!(2));
        // Moved: `json!` copies what it is given.
        put("sources", Value::Array(self.sources));
        put("tensors", Value::Array(self.tensors));
        put("tool", self.tool.into());
        put("verification", verification.into());
        if let Some(behaviour) = &self.behaviour {
            put("behaviour", behaviour_entry(behaviour));
        }
        let mut manifest = Value::Object(manifest);
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
    file_entry(
        source.name(),
        source.length(),
        &digests.sha256,
        &digests.blake3,
    )
}

fn file_entry(name: &str, size: u64, sha256: &[u8; 32], blake3: &[u8; 32]) -> Value {
    json!({
        "blake3": hex(blake3),
        "name": name,
        "sha256": hex(sha256),
        "size": size,
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
        "name": tensor.name,
        "offset": offset,
        "shape": tensor.dims,
        "size": tensor.size,
        "source_name": tensor.gguf_name,
        "type": tensor.type_name,
    });
    if let (Some(sha256), Some(entry)) = (&digests.sha256, entry.as_object_mut()) {
        entry.insert("sha256".to_owned(), json!(hex(sha256)));
    }
    entry
}
