//! What a store can do wrong, and what is read of it then.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use fixtures::random::Random;
use fixtures::web::{Answer, Request, serve};
use object_store::gcp::GoogleConfigKey;
use reach::Reach;
use verifier::source::Source as _;

use super::*;
use crate::network::{RemoteSource, runtime};

const ETAG: &str = "\"one\"";
/// What gives access to Azure: the key that its emulator is known by.
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const KINDS: [Kind; 3] = [Kind::S3, Kind::Google, Kind::Azure];

/// A store that a server of this machine stands for.
pub(in crate::network) fn store_at(
    kind: Kind,
    server: SocketAddr,
    limit: Option<Reach>,
    retry: RetryConfig,
) -> Arc<dyn ObjectStore> {
    // The runtime has a provider of TLS installed.
    runtime::wait(async {}).unwrap();
    let (url, connector) = (format!("http://{server}"), Connector(limit));
    match kind {
        Kind::S3 => Arc::new(
            AmazonS3Builder::new()
                .with_bucket_name("box")
                .with_endpoint(url)
                .with_allow_http(true)
                .with_access_key_id("KEY")
                .with_secret_access_key("SECRET")
                .with_token("SECRET")
                .with_retry(retry)
                .with_http_connector(connector)
                .build()
                .unwrap(),
        ),
        Kind::Google => Arc::new(
            GoogleCloudStorageBuilder::new()
                .with_bucket_name("box")
                .with_config(GoogleConfigKey::BaseUrl, url)
                .with_service_account_key(
                    r#"{"private_key":"","private_key_id":"","client_email":"","disable_oauth":true}"#,
                )
                .with_client_options(object_store::ClientOptions::new().with_allow_http(true))
                .with_retry(retry)
                .with_http_connector(connector)
                .build()
                .unwrap(),
        ),
        Kind::Azure => Arc::new(
            MicrosoftAzureBuilder::new()
                .with_container_name("box")
                .with_endpoint(url)
                .with_allow_http(true)
                .with_account("account")
                .with_access_key(KEY)
                .with_retry(retry)
                .with_http_connector(connector)
                .build()
                .unwrap(),
        ),
    }
}

fn open(
    kind: Kind,
    answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
) -> std::io::Result<RemoteSource> {
    open_at(kind, serve(answer), None)
}

fn open_at(kind: Kind, server: SocketAddr, limit: Option<Reach>) -> std::io::Result<RemoteSource> {
    let object = StoredObject {
        store: store_at(kind, server, limit, READING),
        key: Path::from("a/m.gguf"),
        version: None,
    };
    RemoteSource::open(Box::new(object), "box/a/m.gguf".to_owned())
}

/// Five parts, the last of them short.
fn bytes() -> Vec<u8> {
    let mut bytes = vec![0; (2 << 20) + 12_345];
    Random::new(7).fill(&mut bytes);
    bytes
}

fn read_all(source: &RemoteSource) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(source.length()).unwrap()];
    source.read_exact_at(0, &mut bytes)?;
    Ok(bytes)
}

/// What a good store answers, as each of them says it.
fn good(request: &Request, file: &[u8], etag: &str, version: &str) -> Answer {
    let answer = request.part_of(file, etag);
    let time = "Mon, 30 Nov 2026 00:00:00 GMT";
    let answer = answer.with("Last-Modified", time);
    ["x-amz-version-id", "x-goog-generation", "x-ms-version-id"]
        .into_iter()
        .fold(answer, |answer, name| answer.with(name, version))
}

/// What is said of a store that answers in this way; it repeats nothing that gives access.
fn said(kind: Kind, answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> String {
    let read = open(kind, answer).and_then(|source| read_all(&source));
    let said = read.unwrap_err().to_string();
    assert!(!said.contains("SECRET"), "{said}");
    said
}

#[test]
fn every_range_of_a_store_is_read_on_one_condition() {
    for kind in KINDS {
        let (file, asked) = (bytes(), Arc::new(Mutex::new(Vec::new())));
        let (served, conditions) = (file.clone(), Arc::clone(&asked));
        let source = open(kind, move |request| {
            let condition = request.headers.get("if-match").cloned();
            conditions.lock().unwrap().push(condition);
            good(request, &served, ETAG, "7")
        });
        let source = source.unwrap();
        assert!(read_all(&source).unwrap() == file);
        assert_eq!(source.check_unchanged(), Ok(()));
        let origin = source.origin().unwrap();
        let pinned = (origin.etag.as_deref(), origin.version.as_deref());
        assert_eq!(pinned, (Some(ETAG), Some("7")));
        let asked = asked.lock().unwrap();
        // The first one takes the identity; the last asks for it again.
        assert_eq!((asked.len(), asked[0].as_deref()), (6, None));
        assert!(asked[1..].iter().all(|one| one.as_deref() == Some(ETAG)));
    }
}

#[test]
fn an_object_of_a_store_that_changes_is_no_mixture() {
    // What the store has once two ranges were read, whether it holds conditions, and what is said then.
    let one = bytes().len();
    for (etag, version, length, holds, expected) in [
        ("\"two\"", "8", one, true, "another version"),
        ("\"two\"", "7", one, false, "ETag went from"),
        (ETAG, "8", one, false, "version went from"),
        (ETAG, "7", one - 1, false, "length went from"),
        (ETAG, "7", 10, false, "shorter now"),
        (ETAG, "7", 0, false, "not there any more"),
    ] {
        for kind in KINDS {
            let file = bytes();
            let source = open(kind, move |request| {
                if request.number < 2 {
                    return good(request, &file, ETAG, "7");
                }
                if length == 0 {
                    return Answer::of(404);
                }
                let mut request = Request {
                    headers: request.headers.clone(),
                    ..Request::default()
                };
                if !holds {
                    request.headers.remove("if-match");
                }
                good(&request, &file[..length], etag, version)
            });
            let source = source.unwrap();
            // From behind, where the object is shorter first.
            let mut last = vec![0; 2 << 20];
            source.read_exact_at(12_345, &mut last).unwrap_err();
            let said = source.check_unchanged().unwrap_err();
            assert!(said.contains(expected), "{expected}: {said}");
            assert!(!said.contains("cannot be asked"), "{expected}: {said}");
            assert!(read_all(&source).is_err());
        }
    }
}

#[test]
fn a_body_that_is_cut_may_go_on_as_another_object() {
    for kind in KINDS {
        for etag in [ETAG, "\"two\""] {
            // Two parts, so that nobody else finds out.
            let file = bytes()[..600_000].to_vec();
            let served = file.clone();
            let source = open(kind, move |request| match request.number {
                0 => good(request, &served, ETAG, "7"),
                1 => Answer {
                    missing: 1000,
                    ..good(request, &served, ETAG, "7")
                },
                _ => good(request, &served, etag, "7"),
            });
            let source = source.unwrap();
            if etag == ETAG {
                assert!(read_all(&source).unwrap() == file);
                continue;
            }
            read_all(&source).unwrap_err();
            let said = source.check_unchanged().unwrap_err();
            assert!(said.contains("another version"), "{said}");
        }
    }
}

#[test]
fn a_store_that_is_busy_is_asked_again_when_it_says() {
    for kind in KINDS {
        let file = bytes();
        let served = file.clone();
        let source = open(kind, move |request| match request.number {
            0 => Answer::of(503).with("Retry-After", "0"),
            1 => Answer::of(429),
            3 => Answer::of(500),
            _ => good(request, &served, ETAG, "7"),
        });
        assert!(read_all(&source.unwrap()).unwrap() == file);
    }
}

#[test]
fn what_a_store_gives_wrongly_is_an_error_in_words() {
    let file = Arc::new(bytes());
    for kind in KINDS {
        let refuse = |status| {
            said(kind, move |request| {
                let echo = format!("{:?} SECRET", request.headers);
                Answer {
                    body: echo.into_bytes(),
                    ..Answer::of(status)
                }
            })
        };
        // Neither how long it took, nor what the store writes.
        for (status, expected) in [(400, "400"), (403, "403"), (401, "401"), (404, "no such")] {
            let said = refuse(status);
            assert!(said.contains(expected), "{said}");
            assert!(!said.contains(" in "), "{said}");
        }
        let served = Arc::clone(&file);
        let whole = said(kind, move |request| Answer {
            status: 200,
            ..good(request, &served, ETAG, "7")
        });
        assert!(whole.contains("non-partial"), "{whole}");
        let served = Arc::clone(&file);
        let other = said(kind, move |request| {
            let mut answer = good(request, &served, ETAG, "7");
            answer.headers.retain(|(name, _)| *name != "Content-Range");
            answer.with("Content-Range", "bytes 1-524288/9000000")
        });
        assert!(other.contains("524289"), "{other}");
        let (served, asked) = (Arc::clone(&file), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&asked);
        let more = said(kind, move |request| {
            count.fetch_add(1, Ordering::Relaxed);
            let mut answer = good(request, &served, ETAG, "7");
            answer.body.push(0);
            answer
        });
        assert!(more.contains("more than"), "{more}");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }
}

#[test]
fn a_store_leads_to_no_other_host() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let other = serve(move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        good(request, &bytes(), ETAG, "7")
    });
    for kind in KINDS {
        for to in [
            format!("http://{other}/m.gguf"),
            "http://169.254.169.254/latest".to_owned(),
        ] {
            for status in [301, 302, 307, 308] {
                let to = to.clone();
                let said = said(kind, move |_| {
                    Answer::of(status).with("Location", to.clone())
                });
                assert!(said.contains("redirects"), "{said}");
            }
        }
        let said = open_at(kind, other, Some(Reach::Public)).err().unwrap();
        let said = said.to_string();
        assert!(said.contains("private network"), "{said}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 0);
}
