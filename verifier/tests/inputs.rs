//! Inputs that fail or change under the verifier: undecided, never a pass, never a dead process.

mod common;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use fixtures::{apr, models};
use verifier::origin::Origin;
use verifier::report::{AtFault, Report};
use verifier::source::{FileSource, Source};
use verifier::verdict::Verdict;

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
    std::thread::sleep(std::time::Duration::from_millis(20));
    file.as_file().set_len(source.length() + 1).unwrap();
    file.as_file().set_len(source.length()).unwrap();
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
        let origin = Origin {
            published_sha256: Some("0".repeat(64)),
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
    }
}
