//! What a server can do wrong, and what is read of it then.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io, thread};

use fixtures::apr::converted;
use fixtures::gguf::Tensor;
use fixtures::models;
use fixtures::random::Random;
use fixtures::web::{Answer, Request, serve};
use remote::{Location, Opened};
use verifier::FileSha256;
use verifier::check::{Sidecar, check, text};
use verifier::report::Report;
use verifier::source::Source;
use verifier::{Input, Options};

/// 17 parts, the last of them short.
fn bytes() -> Vec<u8> {
    let mut bytes = vec![0; LENGTH + 12_345];
    Random::new(7).fill(&mut bytes);
    bytes
}

fn open(address: SocketAddr) -> io::Result<Opened> {
    Location::of(Path::new(&format!("http://{address}/m.gguf?key=secret"))).open()
}

fn read_all(source: &Opened) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(source.length()).unwrap()];
    source.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}

/// What is said of a server that answers in this way; it never repeats the query of the address.
fn said(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let read = open(serve(answer)).and_then(|source| read_all(&source));
    let said = read.unwrap_err().to_string();
    assert!(!said.contains("secret"), "{said}");
    said
}

/// Of 16 parts.
const LENGTH: usize = 8 << 20;
const ETAG: &str = "\"one\"";

#[test]
fn every_part_is_fetched_once_however_many_read_it() {
    let file = Arc::new(bytes());
    let (served, count) = (Arc::clone(&file), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&count);
    let address = serve(move |request| {
        counted.fetch_add(1, Ordering::Relaxed);
        request.part_of(&served, ETAG)
    });
    let source = open(address).unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(read_all(&source).unwrap() == *file));
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 17);
    let mut past = [0; 2];
    let end = source.length() - 1;
    let why = source.read_exact_at(end, &mut past).unwrap_err();
    assert_eq!(why.kind(), io::ErrorKind::UnexpectedEof);
    assert_eq!(source.check_unchanged(), Ok(()));
    let origin = source.origin().unwrap();
    assert_eq!(origin.etag.as_deref(), Some(ETAG));
    assert_eq!(origin.location, format!("http://{address}/m.gguf"));
}

/// Of the source that an artifact records nothing is fetched for itself, nor for a SHA-256: they come of the same pass.
#[test]
fn a_check_fetches_a_model_about_once() {
    let mut model = models::small();
    for number in 0..60_u64 {
        // Some large, and many between which there is little.
        let rows = if number < 3 { 32_000 } else { 900 };
        let mut data = vec![0; 144 * rows];
        Random::new(number).fill(&mut data);
        for block in data.chunks_exact_mut(144) {
            block[..4].fill(0);
        }
        model.tensors.push(Tensor {
            name: format!("blk.0.extra_{number}.weight").into_bytes(),
            dims: vec![256, rows as u64],
            type_id: 12,
            data,
        });
        // Small ones, which a conversion puts beside each other.
        for small in 0..5 {
            model.tensors.push(Tensor {
                name: format!("blk.0.extra_{small}_{number}.weight").into_bytes(),
                dims: vec![32],
                type_id: 0,
                data: [1_f32; 32].map(f32::to_le_bytes).concat(),
            });
        }
    }
    let artifact = converted(&model).to_bytes();
    for (bytes, says) in [
        (artifact, "and of its source"),
        (model.to_bytes(), "only the format"),
    ] {
        let local = checked(&bytes, FileSha256::All);
        for file_sha256 in [FileSha256::None, FileSha256::All] {
            let (served, fetched) = (bytes.clone(), Arc::new(AtomicUsize::new(0)));
            let requests = Arc::new(AtomicUsize::new(0));
            let (counted, asked) = (Arc::clone(&fetched), Arc::clone(&requests));
            let address = serve(move |request| {
                let answer = request.part_of(&served, ETAG);
                asked.fetch_add(1, Ordering::Relaxed);
                counted.fetch_add(answer.body.len(), Ordering::Relaxed);
                answer
            });
            let report = checked(&open(address).unwrap(), file_sha256);
            let said = text::full(&report);
            assert!(said.contains(says), "{said}");
            let [sha256, expected] = [&report, &local].map(|report| {
                let first = report.files.first();
                first.and_then(|file| file.sha256.clone())
            });
            assert!(sha256.is_none() || sha256 == expected, "{sha256:?}");
            assert_eq!(sha256.is_some(), file_sha256 == FileSha256::All);
            let (fetched, length) = (fetched.load(Ordering::Relaxed), bytes.len());
            assert!(
                fetched < length / 10 * 13,
                "{file_sha256:?}: {fetched} of {length}"
            );
            // Between the tensors as many again at most as there are parts.
            let (requests, parts) = (requests.load(Ordering::Relaxed), length.div_ceil(512 << 10));
            assert!(
                requests < 2 * parts,
                "{file_sha256:?}: {requests} for {parts} parts"
            );
        }
    }
}

fn checked(source: &dyn Source, file_sha256: FileSha256) -> Report {
    let input = Input {
        name: "m".to_owned(),
        shards: vec![("m".to_owned(), source)],
    };
    let options = Options {
        threads: 2,
        file_sha256,
        ..Options::default()
    };
    check(&input, &Sidecar::Absent, &options, &())
}

#[test]
fn an_object_that_changes_is_never_read_as_a_mixture() {
    let file = bytes();
    let source = open(serve(move |request| {
        let etag = if request.number < 2 { ETAG } else { "\"two\"" };
        request.part_of(&file, etag)
    }));
    let source = source.unwrap();
    assert!(read_all(&source).is_err());
    let said = source.check_unchanged().unwrap_err();
    assert!(said.contains("another version"), "{said}");
    // What was read before is not read any more than what comes after.
    assert!(read_all(&source).is_err());
}

#[test]
fn a_server_that_answers_wrongly_has_changed_nothing() {
    let mut model = models::small();
    model.tensors.push(Tensor {
        name: b"blk.0.extra.weight".to_vec(),
        dims: vec![256, 1000],
        type_id: 0,
        data: vec![0; 1_024_000],
    });
    let file = converted(&model).to_bytes();
    let source = open(serve(move |request| {
        let mut answer = request.part_of(&file, ETAG);
        // The first one gives its bytes; it may be asked what it is at any time.
        if request.number > 0 && answer.body.len() > 1 {
            answer.body.push(0);
        }
        answer
    }));
    let source = source.unwrap();
    let report = checked(&source, FileSha256::None);
    let said = text::full(&report);
    let first = said.lines().next().unwrap_or_default();
    assert!(first.contains("more than"), "{said}");
    assert!(!said.contains("changed while"), "{said}");
    assert_eq!(report.verdict.exit_code(), 2, "{said}");
}

#[test]
fn a_server_that_ignores_conditions_is_held_to_its_tags() {
    for (etag, length) in [("\"two\"", 12_345), (ETAG, 12_344)] {
        let file = bytes();
        let source = open(serve(move |request| {
            if request.number == 0 {
                return request.part_of(&file, ETAG);
            }
            let mut request = Request {
                headers: request.headers.clone(),
                ..Request::default()
            };
            request.headers.remove("if-match");
            request.part_of(&file[..LENGTH + length], etag)
        }));
        let source = source.unwrap();
        let said = read_all(&source).unwrap_err().to_string();
        assert!(said.contains("went from"), "{said}");
        assert!(source.check_unchanged().unwrap_err().contains("went from"));
    }
}

#[test]
fn what_passes_is_tried_again() {
    let file = bytes();
    let served = file.clone();
    let source = open(serve(move |request| match request.number {
        0 => Answer::of(503).with("Retry-After", "0"),
        1 => Answer::of(429),
        3 => Answer {
            missing: 1000,
            ..request.part_of(&served, ETAG)
        },
        5 => Answer::of(500),
        _ => request.part_of(&served, ETAG),
    }));
    assert!(read_all(&source.unwrap()).unwrap() == file);
}

#[test]
fn what_a_server_gives_wrongly_is_an_error_in_words() {
    let file = Arc::new(bytes());
    let good = |file: &Arc<Vec<u8>>| {
        let file = Arc::clone(file);
        move |request: &Request| request.part_of(&file, ETAG)
    };
    let answers = good(&file);
    let other_range = said(move |request| {
        let mut answer = answers(request);
        answer.headers.pop();
        answer.with("Content-Range", "bytes 1-4194304/9000000")
    });
    assert!(other_range.contains("were asked for"), "{other_range}");
    let answers = good(&file);
    let too_much = said(move |request| {
        let mut answer = answers(request);
        answer.body.push(0);
        answer
    });
    assert!(too_much.contains("more than"), "{too_much}");
    let whole = said(|_| Answer::of(200).with("ETag", ETAG));
    assert!(whole.contains("no ranges"), "{whole}");
    let untold = said(|request| {
        let mut answer = request.part_of(&[0; 100], ETAG);
        answer.headers.remove(0);
        answer
    });
    assert!(untold.contains("neither ETag nor"), "{untold}");
    let circle = said(|_| Answer::of(302).with("Location", "/m.gguf?key=secret"));
    assert!(circle.contains("redirect"), "{circle}");
    assert!(said(|_| Answer::of(404)).contains("404"));
    assert!(said(|_| Answer::of(403)).contains("403"));
}

#[test]
fn no_model_is_as_long_as_a_server_may_claim() {
    let said = said(|_| Answer {
        body: vec![0; 1 << 19],
        ..Answer::of(206)
            .with("ETag", ETAG)
            .with("Content-Range", "bytes 0-524287/9223372036854775808")
    });
    assert!(said.contains("no model has so many"), "{said}");
}

#[test]
fn a_bucket_is_a_name_and_no_address() {
    for bucket in ["b b", "box:\\..\\secret", "box@evil#", "box%2f", ".."] {
        for scheme in ["s3", "gs", "az"] {
            let address = format!("{scheme}://{bucket}/m.gguf");
            let said = Location::of(Path::new(&address)).open().err().unwrap();
            let said = said.to_string();
            assert!(said.contains("a bucket has"), "{address}: {said}");
        }
    }
}
