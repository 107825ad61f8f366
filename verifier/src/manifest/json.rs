//! The two JSON forms: ours, and the sidecar of the converter.
//!
//! Ours: `{"manifest": 1, "files": [..], "tensors": [..]}`. The sidecar has `artifact` and `sources` in the place of
//! `files`, `behaviour` where it was run, and `tool`, `verification` and the tensors' `gguf_name`, which are not compared
//! with anything. Every other field is an error: a row that is not understood must not look checked.

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// A manifest that describes files and tensors.
#[derive(Debug)]
pub(super) enum Described {
    Own(Own),
    Sidecar(Sidecar),
}

/// Our form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Own {
    /// The version of the form; 1.
    pub(super) manifest: u64,
    /// The files in shard order.
    pub(super) files: Vec<FileEntry>,
    /// The tensors in file order. Names are escaped as everywhere in reports, so that any bytes can be named.
    pub(super) tensors: Vec<TensorEntry>,
}

/// What the converter writes beside an artifact.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sidecar {
    #[serde(rename = "manifest")]
    _version: u64,
    #[serde(rename = "tool")]
    _tool: String,
    #[serde(rename = "verification")]
    _verification: String,
    pub(super) artifact: FileEntry,
    pub(super) sources: Vec<FileEntry>,
    pub(super) tensors: Vec<TensorEntry>,
    /// How the artifact behaves, and its sources as well.
    #[serde(default)]
    pub(super) behaviour: Option<Fingerprint>,
}

impl Described {
    /// The behaviour that is recorded.
    pub(super) const fn fingerprint(&self) -> Option<&Fingerprint> {
        match self {
            Self::Own(_) => None,
            Self::Sidecar(sidecar) => sidecar.behaviour.as_ref(),
        }
    }
}

/// A whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    /// The base name.
    #[serde(alias = "file")]
    pub(super) name: String,
    pub(super) size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) blake3: Option<String>,
    /// The CRC-32 of everything before the footer of an APR file, which holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crc32: Option<String>,
}

/// One tensor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TensorEntry {
    pub(super) name: String,
    #[serde(rename = "gguf_name", default, skip_serializing)]
    pub(super) _gguf_name: Option<String>,
    pub(super) r#type: String,
    /// The dimensions in the order of the file.
    pub(super) shape: Vec<u64>,
    /// From the start of the file.
    pub(super) offset: u64,
    pub(super) size: u64,
    #[serde(default)]
    pub(super) shard: usize,
    pub(super) sha256: String,
    pub(super) blake3: String,
}

/// Recognises JSON that calls itself a manifest, and reads it.
pub(super) fn read(bytes: &[u8]) -> Option<Result<Described, String>> {
    #[derive(Deserialize)]
    struct Probe {
        manifest: Option<serde_json::Value>,
        artifact: Option<serde::de::IgnoredAny>,
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
    let version = probe.manifest?;
    if version != 1 {
        return Some(Err("the version of the manifest is not 1".to_owned()));
    }
    let read = if probe.artifact.is_some() {
        serde_json::from_slice(bytes).map(Described::Sidecar)
    } else {
        serde_json::from_slice(bytes).map(Described::Own)
    };
    Some(read.map_err(|error| error.to_string()))
}

const NAME: &[u8] = b"\"manifest\"";
