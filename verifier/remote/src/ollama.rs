//! The store of Ollama on this machine: a manifest for each name, which names its blobs by their SHA-256.

use std::env;
use std::fs;
use std::io::{self, Error, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The file of the model that is called `[HOST/][NAMESPACE/]NAME[:TAG]`.
pub(crate) fn blob(name: &str) -> io::Result<PathBuf> {
    let store = store().ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            "there is no HOME to find the store of Ollama in: set OLLAMA_MODELS",
        )
    })?;
    blob_in(&store, name)
}

/// Where Ollama keeps its models.
fn store() -> Option<PathBuf> {
    let named = env::var_os("OLLAMA_MODELS").filter(|folder| !folder.is_empty());
    named.map(PathBuf::from).or_else(|| {
        let home = env::var_os("HOME").filter(|home| !home.is_empty())?;
        Some(Path::new(&home).join(".ollama/models"))
    })
}

fn blob_in(store: &Path, name: &str) -> io::Result<PathBuf> {
    let manifest = store.join("manifests").join(manifest_of(name)?);
    let read = fs::read(&manifest).map_err(|why| {
        let hint = match why.kind() {
            ErrorKind::NotFound => "; `ollama list` shows what is there",
            _ => "",
        };
        Error::new(why.kind(), format!("{}: {why}{hint}", manifest.display()))
    })?;
    let invalid = |why: String| {
        let text = format!("{}: {why}", manifest.display());
        Error::new(ErrorKind::InvalidData, text)
    };
    let parsed: Manifest = serde_json::from_slice(&read).map_err(|why| invalid(why.to_string()))?;
    let mut models = parsed
        .layers
        .iter()
        .filter(|layer| layer.media_type == MODEL);
    let (Some(model), None) = (models.next(), models.next()) else {
        return Err(invalid("it does not name exactly one model".to_owned()));
    };
    let digest = model.digest.strip_prefix("sha256:").filter(|hex| {
        hex.len() == 64
            && hex
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    let digest = digest.ok_or_else(|| invalid("its model has no SHA-256".to_owned()))?;
    Ok(store.join("blobs").join(format!("sha256-{digest}")))
}

/// Where the manifest of a name lies, in the folder of the manifests.
fn manifest_of(name: &str) -> io::Result<PathBuf> {
    let (path, tag) = match name.rsplit_once(':') {
        // A colon before the last part is that of a port.
        Some((path, tag)) if !tag.contains('/') => (path, tag),
        _ => (name, "latest"),
    };
    let parts: Vec<&str> = path.split('/').collect();
    let [host, namespace, model] = match *parts.as_slice() {
        [model] => [HOST, NAMESPACE, model],
        [namespace, model] => [HOST, namespace, model],
        [host, namespace, model] => [host, namespace, model],
        _ => return Err(no_name()),
    };
    let all = [host, namespace, model, tag];
    if all
        .iter()
        .any(|part| part.is_empty() || part.starts_with('.') || part.contains('\\'))
    {
        return Err(no_name());
    }
    Ok(all.iter().collect())
}

fn no_name() -> Error {
    Error::new(
        ErrorKind::InvalidData,
        "expected ollama://NAME:TAG, ollama://NAMESPACE/NAME:TAG or ollama://HOST/NAMESPACE/NAME:TAG",
    )
}

/// What is read of a manifest.
#[derive(Deserialize)]
struct Manifest {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
}

const MODEL: &str = "application/vnd.ollama.image.model";
/// The host and the namespace that Ollama leaves out.
const HOST: &str = "registry.ollama.ai";
const NAMESPACE: &str = "library";

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_ollama_leaves_out_of_a_name_is_filled_in() {
        for (name, expected) in [
            ("llama3", "registry.ollama.ai/library/llama3/latest"),
            ("llama3:8b", "registry.ollama.ai/library/llama3/8b"),
            ("me/mine:1", "registry.ollama.ai/me/mine/1"),
            ("localhost:5000/me/mine", "localhost:5000/me/mine/latest"),
        ] {
            assert_eq!(manifest_of(name).unwrap(), Path::new(expected), "{name}");
        }
        for name in ["", ":8b", "a:", "../a", "a/../b", "a/b/c/d", "a/b:.."] {
            assert!(manifest_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_leads_to_the_one_model_of_its_manifest() {
        let store = tempfile::tempdir().unwrap();
        let folder = store.path().join("manifests/registry.ollama.ai/library/a");
        fs::create_dir_all(&folder).unwrap();
        let hex = "0123456789abcdef".repeat(4);
        let model = format!(r#"{{"mediaType":"{MODEL}","digest":"sha256:{hex}","size":3}}"#);
        let other = r#"{"mediaType":"application/vnd.ollama.image.license","digest":"x"}"#;
        let no_digest = model.replace("sha256:0", "sha256:/");
        let manifests: [&[&str]; 4] =
            [&[other, &model], &[other], &[&model, &model], &[&no_digest]];
        for (tag, layers) in manifests.iter().enumerate() {
            let text = format!(r#"{{"layers":[{}]}}"#, layers.join(","));
            let mut file = fs::File::create_new(folder.join(tag.to_string())).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }
        let expected = store.path().join(format!("blobs/sha256-{hex}"));
        assert_eq!(blob_in(store.path(), "a:0").unwrap(), expected);
        for name in ["a:1", "a:2", "a:3"] {
            let why = blob_in(store.path(), name).unwrap_err();
            assert_eq!(why.kind(), ErrorKind::InvalidData, "{name}");
        }
        let absent = blob_in(store.path(), "a:4").unwrap_err();
        assert_eq!(absent.kind(), ErrorKind::NotFound);
    }
}
