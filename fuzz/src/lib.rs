//! What the targets share: a pair to attack, edits of bytes and of models, and the two programs as functions.

pub mod edits;
pub mod models;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{LazyLock, atomic::AtomicBool},
};

use converter::{Error, Naming, Request, Tie, Unsupported, Verification};
use tempfile::TempDir;
use verifier::{FileSha256, Input, Options, Report, Verdict, source::Source, verify};

/// A good pair: the tiny model of the fixtures and what the converter makes of it.
pub struct Pair {
    /// The APR file.
    pub apr: Vec<u8>,
    /// The GGUF.
    pub gguf: Vec<u8>,
}

/// The good pair, which is made once.
pub static PAIR: LazyLock<Pair> = LazyLock::new(|| {
    let gguf = fixtures::models::tiny().to_bytes();
    let apr = fs::read(Bench::new(&gguf).convert(1).unwrap()).unwrap();
    assert_eq!(judged(&apr, &gguf).verdict, Verdict::Verified);
    Pair { apr, gguf }
});

/// A folder with a source in it.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    /// Writes the source.
    pub fn new(gguf: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.gguf"), gguf).unwrap();
        Self { folder }
    }

    /// The path of a name in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Converts the source on so many threads, and returns the path of the artifact.
    pub fn convert(&self, threads: usize) -> Result<PathBuf, Error> {
        let request = Request {
            sources: vec![self.path("m.gguf")],
            output: self.path("m.apr"),
            naming: Naming::Auto,
            tie: Tie::Shared,
            unsupported: Unsupported::Raw,
            set: Vec::new(),
            record_only: false,
            overwrite: true,
            tensor_sha256: false,
            threads,
            tool: "fuzz".to_owned(),
        };
        converter::convert(&request, &(), &AtomicBool::new(false))?.publish(Verification::Skipped)
    }

    /// Restores the source from an artifact of the folder, and returns its bytes.
    pub fn restore(&self, artifact: &Path) -> Result<Vec<u8>, Error> {
        let request = converter::RestoreRequest {
            lossy: false,
            artifact: artifact.to_owned(),
            output: self.path("back.gguf"),
            overwrite: false,
        };
        converter::restore(&request, &(), &AtomicBool::new(false))?.publish()?;
        Ok(fs::read(self.path("back.gguf")).unwrap())
    }
}

/// Verifies two files.
pub fn judged(apr: &[u8], gguf: &[u8]) -> Report {
    judged_with(apr, gguf, 1)
}

/// Verifies two files on so many threads.
pub fn judged_with(apr: &[u8], gguf: &[u8], threads: usize) -> Report {
    let (apr, gguf) = (apr.to_vec(), gguf.to_vec());
    let options = Options {
        threads,
        file_sha256: FileSha256::None,
        tensor_sha256: false,
    };
    verify(
        &input("m.apr", &apr),
        &input("m.gguf", &gguf),
        &options,
        &(),
    )
}

/// A file as an input of the verifier.
pub fn input<'a>(name: &str, source: &'a dyn Source) -> Input<'a> {
    Input {
        name: name.to_owned(),
        shards: vec![(name.to_owned(), source)],
    }
}
