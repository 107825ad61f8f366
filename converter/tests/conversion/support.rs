//! A folder with a model in it, and a request to convert the model.

use std::{
    error::Error as StdError,
    fs,
    iter::successors,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
};

use apr_file::{Head, Header, TensorEntry};
use converter::{Error, Naming, PendingArtifact, Request, Tie, Unsupported, Verification, convert};
use fixtures::gguf::Model;
use serde_json::{Map, Value};
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
            set: Vec::new(),
            overwrite: false,
            record_only: false,
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

/// An artifact that is sound outside its tensors: checksums, offsets and padding.
pub(crate) struct Artifact<'a> {
    pub(crate) header: Header,
    pub(crate) metadata: Map<String, Value>,
    /// The metadata as it is written.
    pub(crate) text: &'a str,
    pub(crate) tensors: Vec<Stored<'a>>,
}

/// A tensor with its bytes.
pub(crate) struct Stored<'a> {
    pub(crate) entry: TensorEntry,
    pub(crate) data: &'a [u8],
}

impl<'a> Artifact<'a> {
    pub(crate) fn of(file: &'a [u8]) -> Self {
        let Head {
            header,
            metadata,
            tensors,
            ..
        } = Head::parse(file, file.len() as u64).unwrap();
        let size = |number: u64| usize::try_from(number).unwrap();
        let text = &file[64..64 + header.metadata_size as usize];
        let mut data_end = size(header.data_offset);
        for tensor in &tensors {
            let start = size(tensor.span.offset);
            // In the order of the names, each padded with zeros to 64 bytes.
            assert_eq!((start, start % 64), (data_end, 0), "{}", tensor.entry.name);
            let end = size(tensor.span.end());
            data_end = end.next_multiple_of(64);
            assert!(file[end..data_end].iter().all(|byte| *byte == 0));
        }
        let (body, footer) = file.split_at(data_end);
        assert_eq!(footer, crc32fast::hash(body).to_le_bytes());
        let others = [&file[..40], &file[44..64]].concat();
        assert_eq!(header.checksum, crc32fast::hash(&others));
        let stored = |tensor: apr_file::Tensor| Stored {
            data: &file[size(tensor.span.offset)..size(tensor.span.end())],
            entry: tensor.entry,
        };
        Self {
            header,
            metadata,
            text: str::from_utf8(text).unwrap(),
            tensors: tensors.into_iter().map(stored).collect(),
        }
    }

    pub(crate) fn tensor(&self, name: &str) -> Option<&Stored<'a>> {
        self.tensors.iter().find(|tensor| tensor.entry.name == name)
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
