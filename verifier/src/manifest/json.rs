//! Our own form, version 2, as `aprove manifest` and the converter write it.
//!
//! The converter also names the `sources` that the model was made from, the `verification` that it passed, the tensors'
//! `source_name`, and where the model was run its `behaviour`. A field that is not known is an error: what is not
//! understood must not look checked.

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// A manifest that describes files and tensors. The order of the fields is that of the text.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Described {
    /// How the model behaves, and its sources as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) behaviour: Option<Fingerprint>,
    /// The files of the model, in shard order.
    pub(super) files: Vec<FileEntry>,
    /// The version of the form.
    pub(super) manifest: u64,
    /// What the user chose for the conversion. It is shown and not compared with anything.
    #[serde(default, skip_serializing)]
    #[expect(dead_code, reason = "named so that it is not an unknown field")]
    options: Option<serde::de::IgnoredAny>,
    /// The files that the model was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sources: Option<Vec<FileEntry>>,
    /// The tensors in the order of the file.
    pub(super) tensors: Vec<TensorEntry>,
    /// The program that wrote it. It is shown and never trusted.
    pub(super) tool: String,
    /// What came of the verification that follows a conversion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verification: Option<String>,
}

/// A whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub(super) blake3: String,
    /// The base name.
    pub(super) name: String,
    pub(super) sha256: String,
    pub(super) size: u64,
}

/// One tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorEntry {
    /// BLAKE3 of the unpadded bytes.
    pub(super) blake3: String,
    pub(super) name: String,
    /// From the start of the file.
    pub(super) offset: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    /// The dimensions in the order of the file.
    pub(super) shape: Vec<u64>,
    /// The file that holds it, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) shard: Option<usize>,
    pub(super) size: u64,
    /// The name in the file that the model was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source_name: Option<String>,
    pub(super) r#type: String,
}

impl Described {
    /// A manifest of a model as it is.
    pub(super) fn new(tool: &str, files: Vec<FileEntry>, tensors: Vec<TensorEntry>) -> Self {
        Self {
            behaviour: None,
            files,
            manifest: VERSION,
            options: None,
            sources: None,
            tensors,
            tool: tool.to_owned(),
            verification: None,
        }
    }
}

/// Recognises JSON that calls itself a manifest, and reads it.
pub(super) fn read(bytes: &[u8]) -> Option<Result<Described, String>> {
    #[derive(Deserialize)]
    struct Probe {
        manifest: Option<serde_json::Value>,
    }
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let probe: Probe = match serde_json::from_slice(bytes) {
        Ok(probe) => probe,
        Err(error) => {
            // A manifest that was cut or edited wrongly is still one.
            let named = bytes.windows(NAME.len()).any(|window| window == NAME);
            return named.then(|| Err(error.to_string()));
        }
    };
    Some(match probe.manifest?.as_u64() {
        Some(VERSION) => serde_json::from_slice(bytes).map_err(|error| error.to_string()),
        Some(1) => Err(
            "version 1 is of an older aprove and does not bind the whole file: convert again, or write a manifest with `aprove manifest`"
                .to_owned(),
        ),
        _ => Err(format!("its version is not {VERSION}, the one that this program reads")),
    })
}

/// The version of the form.
const VERSION: u64 = 2;
const NAME: &[u8] = b"\"manifest\"";
