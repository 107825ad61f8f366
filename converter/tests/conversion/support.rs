//! A folder with a model in it, and a request to convert the model.

use std::{
    error::Error as StdError,
    fs,
    io::Read as _,
    iter::successors,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use converter::{Error, Naming, PendingArtifact, Request, Tie, Unsupported, Verification, convert};
use fixtures::gguf::Model;
use tempfile::TempDir;

/// A folder with sources and a request that names them.
pub(crate) struct Workbench {
    pub(crate) folder: TempDir,
    pub(crate) request: Request,
}

impl Workbench {
    pub(crate) fn new(model: &Model) -> Self {
        Self::with_files(&[("model.gguf".to_owned(), model.to_bytes())])
    }

    pub(crate) fn with_files(files: &[(String, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sources: Vec<PathBuf> = files
            .iter()
            .map(|(name, bytes)| write(&folder.path().join(name), bytes))
            .collect();
        let request = Request {
            sources,
            output: folder.path().join("model.apr"),
            naming: Naming::Auto,
            tie: Tie::Shared,
            unsupported: Unsupported::Refuse,
            overwrite: false,
            tensor_sha256: false,
            threads: 2,
            tool: "aprove 0.0.0".to_owned(),
        };
        Self { folder, request }
    }

    pub(crate) fn convert(&self) -> Result<PendingArtifact, Error> {
        convert(&self.request, &(), &AtomicBool::new(false))
    }

    /// Converts, publishes, and returns the bytes of the artifact.
    pub(crate) fn artifact(&self) -> Vec<u8> {
        let pending = self.convert().unwrap();
        let output = pending.publish(Verification::Skipped).unwrap();
        fs::read(output).unwrap()
    }

    /// Returns the error text of a conversion that must fail and leave nothing behind.
    pub(crate) fn refusal(&self) -> String {
        let before = self.names();
        let error = self.convert().unwrap_err();
        // As a program tells it: with all causes.
        let causes = successors(Some(&error as &dyn StdError), |error| (*error).source());
        let text = causes
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ");
        assert_eq!(self.names(), before);
        text
    }

    /// Returns the names of all files in the folder, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// Reads a pending artifact.
pub(crate) fn pending_bytes(pending: &PendingArtifact) -> Vec<u8> {
    let length = pending.file().metadata().unwrap().len();
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    pending.file().read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Writes a file and returns its path.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> PathBuf {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).write(true).truncate(true).open(path);
    file.unwrap().write_all_at(bytes, 0).unwrap();
    path.to_owned()
}

/// Reads a file next to the repository; `None`, with a line that says so, where it is absent.
pub(crate) fn shared(name: &str) -> Option<Vec<u8>> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data")).join(name);
    let Ok(mut file) = fs::File::open(&path) else {
        eprintln!("skipped: {name} is not on this machine");
        return None;
    };
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    Some(bytes)
}
