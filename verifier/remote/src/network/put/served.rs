//! Google Cloud Storage and Azure, as far as a model is put there, each in its own way.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::{Arc, Mutex};

use fixtures::web::{Answer, Request, serve};

use super::tests::model;
use super::*;
use crate::network::runtime;
use crate::network::store::tests::store_at;
use crate::network::store::{Kind, WRITING};

/// What a bucket has: bytes and generations, by names as they are in addresses.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, (Vec<u8>, usize)>,
    parts: Vec<u8>,
    /// Where a copy goes, of what, and how often somebody looks before it is done.
    copy: Option<(String, String, usize)>,
}

impl Bucket {
    fn put(&mut self, name: &str, bytes: Vec<u8>, generation: usize) -> Answer {
        self.objects.insert(name.to_owned(), (bytes, generation));
        self.state(name, 201)
    }

    /// What is said of an object.
    fn state(&self, name: &str, status: u16) -> Answer {
        let Some((_, generation)) = self.objects.get(name) else {
            return Answer::of(404);
        };
        Answer::of(status)
            .with("ETag", format!("\"{generation}\""))
            .with("x-goog-generation", generation.to_string())
            .with("Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT")
    }

    fn read(&mut self, name: &str, request: &Request) -> Answer {
        self.go_on_copying(name);
        let Some((bytes, generation)) = self.objects.get(name) else {
            return Answer::of(404);
        };
        let mut answer = request.part_of(bytes, &format!("\"{generation}\""));
        answer.headers.retain(|(name, _)| *name != "ETag");
        let state = self.state(name, 200);
        answer.headers.extend(state.headers);
        answer
    }

    fn go_on_copying(&mut self, name: &str) {
        let Some((to, from, looks)) = &mut self.copy else {
            return;
        };
        if to != name {
            return;
        }
        *looks -= 1;
        if *looks > 0 {
            return;
        }
        let (to, from) = (to.clone(), from.clone());
        self.copy = None;
        // Without its source it comes to nothing.
        if let Some((bytes, generation)) = self.objects.get(&from).cloned() {
            self.objects.insert(to, (bytes, generation + 1));
        }
    }
}

fn google(bucket: &mut Bucket, request: &Request) -> Answer {
    let (name, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let name = name.trim_start_matches("/box/");
    let is_taken = request.headers.contains_key("x-goog-if-generation-match")
        && bucket.objects.contains_key(name);
    let text = |text: &str| Answer {
        body: text.as_bytes().to_vec(),
        ..Answer::of(200)
    };
    match (&*request.method, query) {
        ("GET" | "HEAD", _) => bucket.read(name, request),
        ("POST", query) if query.starts_with("uploads") => text("<I><UploadId>1</UploadId></I>"),
        ("PUT", query) if query.contains("partNumber") => {
            bucket.parts.extend(&request.body);
            Answer::of(200).with("ETag", "\"part\"")
        }
        ("POST", _) => {
            let parts = take(&mut bucket.parts);
            let state = bucket.put(name, parts, request.number);
            // It is not the one that the object has.
            let said = text("<C><ETag>\"parts-1\"</ETag></C>");
            Answer {
                headers: state.headers,
                ..said
            }
        }
        ("DELETE", _) => Answer::of(bucket.objects.remove(name).map_or(404, |_| 204)),
        ("PUT", _) if is_taken => Answer::of(412),
        ("PUT", _) => {
            let from = request.headers.get("x-goog-copy-source");
            let from = from.map(|from| from.trim_start_matches("box/"));
            let bytes = from.map_or_else(
                || request.body.clone(),
                |from| bucket.objects[from].0.clone(),
            );
            bucket.put(name, bytes, request.number)
        }
        _ => Answer::of(400),
    }
}

fn azure(bucket: &mut Bucket, request: &Request) -> Answer {
    let (name, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
    let name = name.trim_start_matches("/box/");
    let is_taken =
        request.headers.contains_key("if-none-match") && bucket.objects.contains_key(name);
    match (&*request.method, query) {
        ("GET" | "HEAD", _) => bucket.read(name, request),
        ("PUT", query) if query.contains("comp=blocklist") => {
            let parts = take(&mut bucket.parts);
            bucket.put(name, parts, request.number)
        }
        ("PUT", query) if query.contains("comp=block") => {
            bucket.parts.extend(&request.body);
            Answer::of(201)
        }
        ("POST", _) => {
            let said = String::from_utf8_lossy(&request.body);
            let name = said.split("DELETE /box/").nth(1).unwrap();
            let name = name.split(' ').next().unwrap();
            let status = bucket.objects.remove(name).map_or(404, |_| 202);
            let part = format!(
                "--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\nHTTP/1.1 {status} -\r\n\r\n\r\n--b--\r\n"
            );
            Answer {
                body: part.into_bytes(),
                ..Answer::of(202).with("Content-Type", "multipart/mixed; boundary=b")
            }
        }
        ("PUT", _) if is_taken => Answer::of(409),
        ("PUT", _) => match request.headers.get("x-ms-copy-source") {
            Some(from) => {
                let from = from.split("/box/").nth(1).unwrap().to_owned();
                bucket.copy = Some((name.to_owned(), from, 3));
                // There at once, and empty.
                bucket.put(name, Vec::new(), request.number);
                bucket.state(name, 202)
            }
            None => bucket.put(name, request.body.clone(), request.number),
        },
        _ => Answer::of(400),
    }
}

#[test]
fn a_model_is_put_whole_into_every_store_and_replaces_nothing() {
    type Serve = fn(&mut Bucket, &Request) -> Answer;
    for (kind, answer) in [(Kind::Google, google as Serve), (Kind::Azure, azure)] {
        let bucket = Arc::new(Mutex::new(Bucket::default()));
        let served = Arc::clone(&bucket);
        let server = serve(move |request| answer(&mut served.lock().unwrap(), request));
        let store = store_at(kind, server, None, WRITING);
        let put = |[data, manifest]: &[std::path::PathBuf; 2], overwrite| {
            let put = Put {
                store: &*store,
                folder: "f/",
                data,
                manifest,
                overwrite,
            };
            runtime::wait(async { put.all().await }).unwrap()
        };
        let there = || -> Vec<Vec<u8>> {
            let bucket = bucket.lock().unwrap();
            bucket
                .objects
                .values()
                .map(|(bytes, _)| bytes.clone())
                .collect()
        };
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let one = model(folders[0].path(), b"one");
        let two = model(folders[1].path(), b"three");
        let of_one = vec![b"one".to_vec(), b"manifest of one".to_vec()];
        assert_eq!(put(&one, false), Ok(()));
        assert_eq!(there(), of_one);
        assert_eq!(put(&one, false), Ok(()));
        let refused = put(&two, false).unwrap_err();
        assert!(refused.text().contains("there already"), "{refused:?}");
        assert_eq!(there(), of_one);
        assert_eq!(put(&two, true), Ok(()));
        assert_eq!(there(), [&b"three"[..], b"manifest of three"]);
    }
}
