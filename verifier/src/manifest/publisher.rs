//! The digests that hubs and stores give: a Git LFS pointer, the file tree of Hugging Face, the manifest of a container
//! registry or of Ollama.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Problem;
use super::kind::Kind;
use super::lines::{Line, Listed, Scope, digest};

/// Reads what a publisher says of a file; none when it is something else. The word is the form.
pub(super) fn read(bytes: &[u8]) -> Option<(&'static str, Listed)> {
    if is_pointer(bytes) {
        let listed = match pointer(bytes) {
            Ok(row) => (vec![row], Vec::new()),
            Err(text) => {
                let place = "the pointer".to_owned();
                (Vec::new(), vec![Problem { place, text }])
            }
        };
        return Some(("Git LFS pointer", listed));
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

/// Reads the lines `KEY VALUE`. One that says more than once what the file is, or holds anything else, is no pointer: a
/// merge that was not ended, two of them in one file, rows behind it.
fn pointer(bytes: &[u8]) -> Result<Line, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
    let mut fields = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let number: usize = number;
        let field = line.split_once(' ');
        let is_known = |key: &str| matches!(key, "version" | "oid" | "size");
        // What an extension of Git LFS did to the file is not for us.
        let field = field.filter(|(key, _)| is_known(key) || key.starts_with("ext-"));
        let (key, value) = field.ok_or_else(|| format!("line {number} is none of a pointer"))?;
        if fields.insert(key, value.trim()).is_some() {
            return Err(format!("line {number} is a second {key}"));
        }
    }
    let field = |key: &str| fields.get(key).copied();
    let digest = field("oid").and_then(digest);
    let (kinds, digest) = digest.ok_or("it has no oid that is a SHA-256")?;
    let size = field("size").and_then(|size| size.parse().ok());
    Ok(Line {
        place: "the pointer".to_owned(),
        scope: Scope::File,
        kinds,
        digest,
        label: None,
        size: Some(size.ok_or("it has no size that is a number")?),
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
    r#type: Option<String>,
    size: Option<u64>,
    /// Only files that are stored apart have a SHA-256; the others have the SHA-1 of a Git blob.
    lfs: Option<Lfs>,
}

impl TreeEntry {
    /// The digest, where the entry says one thing of one file.
    fn sha256(&self, lfs: &Lfs) -> Result<String, &'static str> {
        if self.r#type.as_ref().is_some_and(|kind| kind != "file") {
            return Err("it is not a file, and has the digest of one");
        }
        if self.size.is_some_and(|size| size != lfs.size) {
            return Err("its size is not the size of its lfs");
        }
        let digest = Kind::Sha256.normal_form(lfs.oid.as_bytes());
        digest.ok_or("its oid is not a SHA-256")
    }
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
        match entry.sha256(lfs) {
            Ok(digest) => rows.push(Line {
                place,
                scope: Scope::File,
                kinds: vec![Kind::Sha256],
                digest,
                label: Some(entry.path.clone().into_bytes()),
                size: Some(lfs.size),
            }),
            Err(text) => problems.push(Problem {
                place,
                text: text.to_owned(),
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
