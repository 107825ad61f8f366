//! Inputs that fail or change under the verifier: undecided, never a pass, never a dead process.

mod common;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use fixtures::{apr, models};
use verifier::report::Report;
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
