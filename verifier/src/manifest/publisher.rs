//! The digests that hubs and stores give: a Git LFS pointer, the file tree of Hugging Face, the manifest of a container
//! registry or of Ollama.

use serde::Deserialize;

use super::Problem;
use super::kind::Kind;
use super::lines::{Line, Listed, Scope, digest};

/// Reads what a publisher says of a file; none when it is something else. The word is the form.
pub(super) fn read(bytes: &[u8]) -> Option<(&'static str, Listed)> {
    if is_pointer(bytes) {
        return Some(("Git LFS pointer", (vec![pointer(bytes)?], Vec::new())));
    }
    match bytes.trim_ascii_start().first()? {
        b'[' => {
            let entries: Vec<TreeEntry> = serde_json::from_slice(bytes).ok()?;
            tree(&entries)
        }
        b'{' => {
            let document: Document = serde_json::from_slice(bytes).ok()?;
            match document {
                Document {
                    siblings: Some(entries),
                    ..
                } => tree(&entries),
                Document {
                    layers: Some(layers),
                    ..
                } => image(&layers),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether a text begins as the pointers of Git LFS do.
pub(super) fn is_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(b"version https://git-lfs.github.com/spec/")
}

fn pointer(bytes: &[u8]) -> Option<Line> {
    let text = std::str::from_utf8(bytes).ok()?;
    let field = |name: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
    };
    let (kinds, digest) = digest(field("oid")?.trim())?;
    Some(Line {
        place: "the pointer".to_owned(),
        scope: Scope::File,
        kinds,
        digest,
        label: None,
        size: Some(field("size")?.trim().parse().ok()?),
    })
}

/// A model of Hugging Face (`siblings`), or a manifest of a registry (`layers`).
#[derive(Deserialize)]
struct Document {
    siblings: Option<Vec<TreeEntry>>,
    layers: Option<Vec<Layer>>,
}

/// A file of a repository on Hugging Face.
#[derive(Deserialize)]
struct TreeEntry {
    #[serde(alias = "rfilename")]
    path: String,
    /// Only files that are stored apart have a SHA-256; the others have the SHA-1 of a Git blob.
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    #[serde(alias = "sha256")]
    oid: String,
    size: u64,
}

fn tree(entries: &[TreeEntry]) -> Option<(&'static str, Listed)> {
    let stored = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| Some((index, entry, entry.lfs.as_ref()?)));
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    for (index, entry, lfs) in stored {
        let place = format!("entry {index}");
        match Kind::Sha256.normal_form(lfs.oid.as_bytes()) {
            Some(digest) => rows.push(Line {
                place,
                scope: Scope::File,
                kinds: vec![Kind::Sha256],
                digest,
                label: Some(entry.path.clone().into_bytes()),
                size: Some(lfs.size),
            }),
            None => problems.push(Problem {
                place,
                text: "its oid is not a SHA-256".to_owned(),
            }),
        }
    }
    (!rows.is_empty()).then_some(("Hugging Face file tree", (rows, problems)))
}

/// A layer of an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
    size: u64,
}

fn image(layers: &[Layer]) -> Option<(&'static str, Listed)> {
    let models = layers.iter().enumerate();
    let mut models = models.filter(|(_, layer)| {
        let media_type = layer.media_type.as_str();
        media_type.ends_with(".image.model") || media_type.contains("gguf")
    });
    let (index, layer) = models.next()?;
    let mut problems = Vec::new();
    if models.next().is_some() {
        problems.push(Problem {
            place: "layers".to_owned(),
            text: "several of them are models".to_owned(),
        });
    }
    let (kinds, digest) = digest(&layer.digest)?;
    let row = Line {
        place: format!("layers[{index}]"),
        scope: Scope::File,
        kinds,
        digest,
        label: None,
        size: Some(layer.size),
    };
    Some(("registry manifest", (vec![row], problems)))
}
