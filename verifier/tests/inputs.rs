//! Inputs that fail or change under the verifier: undecided, never a pass, never a dead process.

mod common;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use fixtures::{apr, models};
use sha2::{Digest as _, Sha256};
use verifier::check::{self, Sidecar};
use verifier::manifest::{self, CheckOptions, Manifest};
use verifier::origin::Origin;
use verifier::report::{AtFault, Report};
use verifier::source::{FileSource, Source};
use verifier::verdict::Verdict;
use verifier::{Input, Options};

/// A file that ends early from the n-th read on, as one that is truncated by somebody else.
struct Shrinking {
    bytes: Vec<u8>,
    reads_left: AtomicU64,
}

impl Source for Shrinking {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let left = self
            .reads_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            });
        if left.is_err() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes.read_exact_at(offset, buffer)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }
}

fn report(a: &dyn Source, b: &dyn Source) -> Report {
    common::report(a, b, 1)
}

#[test]
fn a_file_that_shrinks_at_any_read_is_undecided() {
    let model = models::tiny();
    let (gguf, apr) = (model.to_bytes(), apr::from_model(&model).to_bytes());
    let shrinking = |bytes: &[u8], reads| Shrinking {
        bytes: bytes.to_vec(),
        reads_left: AtomicU64::new(reads),
    };
    let mut reads = 0;
    loop {
        let file = shrinking(&apr, reads);
        let found = report(&file, &gguf);
        if file.reads_left.load(Ordering::Relaxed) > 0 {
            assert_eq!(found.verdict, Verdict::Verified);
            break;
        }
        // With the last read the file was whole.
        if found.verdict != Verdict::Verified {
            assert_eq!(found.verdict, Verdict::Undecided, "{reads}");
            assert!(
                found.reasons.iter().any(|reason| reason == "io"),
                "{reads}: {:?}",
                found.reasons
            );
        }
        reads += 1;
    }
    // The head of so small a file is the whole file, read once to tell what it is, once to tell a manifest, and once to decode.
    assert!(reads >= 3, "{reads}");
    let found = report(&apr, &shrinking(&gguf, 2));
    assert_eq!(found.verdict, Verdict::Undecided);
}

#[test]
fn a_file_that_is_written_to_while_it_is_read_is_undecided() {
    use std::io::Write as _;
    let model = models::tiny();
    let gguf = model.to_bytes();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&apr::from_model(&model).to_bytes()).unwrap();
    file.flush().unwrap();
    let source = FileSource::open(file.path()).unwrap();
    assert_eq!(report(&source, &gguf).verdict, Verdict::Verified);
    // The same bytes once more: only the state of the file tells.
    file.as_file().set_modified(UNIX_EPOCH).unwrap();
    let found = report(&source, &gguf);
    assert_eq!(found.verdict, Verdict::Undecided);
    assert_eq!(found.reasons, ["input-changed"]);
}

#[test]
fn a_file_that_is_replaced_under_its_name_is_undecided() {
    let model = models::tiny();
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("a"), folder.path().join("b"));
    for path in [&path, &other] {
        use std::io::Write as _;
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        file.write_all(&model.to_bytes()).unwrap();
    }
    let source = FileSource::open(&path).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let found = report(&apr::from_model(&model).to_bytes(), &source);
    assert_eq!(found.reasons, ["input-changed"]);
}

#[test]
fn files_of_one_format_and_name_are_called_by_position() {
    let gguf = models::tiny().to_bytes();
    let bit = fixtures::damage::flip_bit(&gguf, gguf.len() - 100, 3);
    let found = report(&gguf, &bit);
    assert_eq!(found.verdict, Verdict::Different);
    let text = verifier::report::text::full(&found);
    assert!(text.contains("at the second file, byte"), "{text}");
}

/// An object whose publisher gives another digest than it has.
struct Misstated(Vec<u8>, Origin);

impl Misstated {
    fn new(bytes: &[u8]) -> Self {
        Self::published(bytes, "0".repeat(64))
    }

    fn published(bytes: &[u8], sha256: String) -> Self {
        let origin = Origin {
            published_sha256: Some(sha256),
            ..Origin::default()
        };
        Self(bytes.to_vec(), origin)
    }
}

impl Source for Misstated {
    fn length(&self) -> u64 {
        self.0.length()
    }

    fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(offset, buffer)
    }

    fn check_unchanged(&self) -> Result<(), String> {
        Ok(())
    }

    fn origin(&self) -> Option<&Origin> {
        Some(&self.1)
    }
}

#[test]
fn the_file_that_its_publisher_gives_otherwise_is_at_fault() {
    let model = models::tiny();
    let (gguf, apr) = (model.to_bytes(), apr::converted(&model).to_bytes());
    let [wrong_gguf, wrong_apr] = [&gguf, &apr].map(|bytes| Misstated::new(bytes));
    for (a, b, at_fault) in [
        (
            &apr as &dyn Source,
            &wrong_gguf as &dyn Source,
            AtFault::Gguf,
        ),
        (&wrong_apr, &gguf, AtFault::Apr),
        (&wrong_apr, &wrong_gguf, AtFault::Both),
        (&gguf, &wrong_gguf, AtFault::B),
    ] {
        let found = report(a, b);
        assert_eq!(found.verdict, Verdict::Different);
        assert_eq!(found.reasons, ["input.published"]);
        let concluded = found.conclusion.unwrap();
        assert_eq!(concluded.at_fault, at_fault, "{}", concluded.text);
        assert!(
            concluded.text.contains("what its publisher gives")
                && !concluded.text.contains("damaged"),
            "{}",
            concluded.text
        );
    }
}

#[test]
fn a_publisher_is_heard_beside_a_digest_of_the_user() {
    let gguf = models::tiny().to_bytes();
    let wrong = Misstated::new(&gguf);
    let sha256 = sha256(&gguf);
    let blake3 = format!("blake3:{}", blake3::hash(&gguf));
    for (name, source, digest, reason) in [
        (
            "m.gguf".to_owned(),
            &wrong as &dyn Source,
            format!("sha256:{sha256}"),
            "input.published",
        ),
        (
            "m.gguf".to_owned(),
            &wrong,
            blake3.clone(),
            "input.published",
        ),
        (
            format!("sha256-{}", "0".repeat(64)),
            &gguf,
            blake3,
            "input.name",
        ),
    ] {
        let input = Input {
            name: name.clone(),
            shards: vec![(name.clone(), source)],
        };
        let manifest = Manifest::of_digest(&digest, &name).unwrap();
        let options = CheckOptions {
            folders: &[],
            threads: 1,
            allow_unbound_metadata: false,
            file_digests: false,
        };
        let found = manifest::check(&manifest, &input, &options, &());
        assert_eq!(found.verdict, Verdict::Different, "{digest}");
        assert_eq!(found.reasons, [reason]);
        let text = found.conclusion.unwrap().text;
        assert!(text.starts_with("the file is not what its "), "{text}");
    }
}

#[test]
fn a_check_says_that_the_digest_of_a_publisher_was_held() {
    let gguf = models::tiny().to_bytes();
    let source = Misstated::published(&gguf, sha256(&gguf));
    let input = Input {
        name: "m.gguf".to_owned(),
        shards: vec![("m.gguf".to_owned(), &source as &dyn Source)],
    };
    let found = check::check(&input, &Sidecar::Absent, &Options::default(), &());
    assert_eq!(
        check::text::reason(&found),
        "held against the SHA-256 that its publisher gives"
    );
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
