//! What is sent again or in parts, and who is told of a verdict: asked with plain HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{File, Permissions, set_permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::client::{self, Reply};
use ring::hmac;
use serde_json::{Value, json};
use service::Service;
use service::config::Config;
use service::store::tokens::{NewToken, Scope};

mod answers;
mod artifacts;
mod connections;
mod refusals;
mod room;
mod sentences;
mod uploads;

#[expect(clippy::disallowed_methods, reason = "a configuration of the test")]
fn write(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// A server in a thread, which ends with the process, and does no jobs.
fn serve(folder: &Path, lines: &str) -> SocketAddr {
    let lines = format!("jobs = 0\n{lines}");
    serve_with(folder, &lines, PathBuf::from("/bin/false"))
}

/// The same with a program of ours, a script whose words are those of a shell alone: its environment is empty.
fn serve_script(folder: &Path, lines: &str, script: &str) -> SocketAddr {
    let program = folder.join("program");
    // The service tests the program, too, in the folder of this test.
    write(
        &program,
        &format!("#!/bin/sh\n[ -d artifact ] || exit 0\n{script}"),
    );
    set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    serve_with(folder, lines, program)
}

fn serve_with(folder: &Path, lines: &str, program: PathBuf) -> SocketAddr {
    let path = folder.join("aprove.toml");
    let text = format!("listen = \"127.0.0.1:0\"\n{lines}");
    write(&path, &text);
    let service = Service::open(Config::read(&path).unwrap(), program);
    let service = service.unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || service.serve(|address| tell.send(address).unwrap()));
    told.recv().unwrap()
}

/// Makes tokens in the folder of a server that is started later with these lines; each as the header that it is sent in.
fn tokens<const N: usize>(folder: &Path, lines: &str, new: [NewToken; N]) -> [String; N] {
    let path = folder.join("aprove.toml");
    write(&path, lines);
    let service = Service::open(Config::read(&path).unwrap(), PathBuf::from("/bin/false"));
    let service = service.unwrap();
    new.map(|new| format!("Authorization: Bearer {}", service.new_token(&new).unwrap()))
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &[String], body: &[u8]) -> Reply {
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    client::ask(&address.to_string(), method, path, &headers, body).unwrap()
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Reply {
    let json = ["Content-Type: application/json".to_owned()];
    ask(address, "POST", path, &json, body.to_string().as_bytes())
}

fn offset(offset: usize) -> [String; 1] {
    [format!("Upload-Offset: {offset}")]
}

#[test]
fn an_idempotency_key_is_one_body_and_one_job() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let digest = ask(address, "PUT", "/v1/blobs", &[], b"a file").json()["digest"].clone();
    let job = json!({"op": "check", "inputs": [{"digest": digest}]});
    let other = json!({"op": "check", "inputs": [{"digest": digest, "name": "m"}]});
    let submit = |key: &str, body: &Value| {
        let json = "Content-Type: application/json".to_owned();
        let headers = [json, format!("Idempotency-Key: {key}")];
        let body = body.to_string();
        ask(address, "POST", "/v1/jobs", &headers, body.as_bytes())
    };
    let first = submit("k", &job);
    assert_eq!(first.status, 202);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    ask(address, "DELETE", &format!("/v1/jobs/{id}"), &[], b"");
    // Also once it is done: without the key this would be a second job.
    let again = submit("k", &job);
    assert_eq!((again.status, &again.json()["id"]), (200, &json!(id)));
    let reused = submit("k", &other).code();
    assert_eq!(reused, (422, "key-reused".to_owned()));
    let long = submit(&"k".repeat(256), &job).code();
    assert_eq!(long, (400, "bad-request".to_owned()));
    assert_ne!(submit("another", &job).json()["id"], id);
}

#[test]
fn an_upload_goes_on_where_it_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let length = [format!("Upload-Length: {}", bytes.len())];
    let begun = ask(address, "POST", "/v1/uploads", &length, b"");
    assert_eq!(begun.status, 201);
    let place = begun.header("location").to_owned();

    let [first] = &offset(0);
    let cut = client::open(&address.to_string(), "PATCH", &place, &[first], bytes.len());
    let mut cut = cut.unwrap();
    cut.write_all(&bytes[..150_000]).unwrap();
    drop(cut);
    // It is noticed once the rest was read: what arrived until then is there.
    let mut arrived = 0;
    while arrived < 150_000 {
        let standing = ask(address, "HEAD", &place, &[], b"");
        arrived = standing.header("upload-offset").parse().unwrap();
    }
    assert_eq!(arrived, 150_000);

    let mut answer = ask(
        address,
        "PATCH",
        &place,
        &offset(arrived),
        &bytes[arrived..200_000],
    );
    while answer.status == 423 {
        answer = ask(
            address,
            "PATCH",
            &place,
            &offset(arrived),
            &bytes[arrived..200_000],
        );
    }
    assert_eq!(answer.status, 204);
    let wrong = ask(address, "PATCH", &place, &offset(arrived), b"x");
    assert_eq!(wrong.code(), (409, "upload-offset".to_owned()));
    let last = ask(
        address,
        "PATCH",
        &place,
        &offset(200_000),
        &bytes[200_000..],
    );
    assert_eq!(last.status, 204);
    let whole = ask(address, "PUT", "/v1/blobs", &[], &bytes).json()["digest"].clone();
    assert_eq!(last.header("upload-digest"), whole);
    let standing = ask(address, "GET", &place, &[], b"").json();
    assert_eq!(
        (&standing["digest"], &standing["offset"]),
        (&whole, &json!(bytes.len()))
    );
    // The answer to the last part was lost: sent again it is the same answer.
    let again = ask(address, "PATCH", &place, &offset(bytes.len()), b"");
    assert_eq!(again.header("upload-digest"), whole);
    let hex = whole.as_str().unwrap().trim_start_matches("sha256:");
    let kept = std::fs::read(folder.path().join("aprove-data/blobs").join(hex));
    assert_eq!(kept.unwrap(), bytes);
}

#[test]
fn a_part_that_does_not_fit_is_refused_with_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "max_upload = 100\n");
    let begin = |length: usize, query: &str| {
        let length = [format!("Upload-Length: {length}")];
        ask(
            address,
            "POST",
            &format!("/v1/uploads{query}"),
            &length,
            b"",
        )
    };
    assert_eq!(begin(101, "").code(), (413, "too-large".to_owned()));
    let none = ask(address, "POST", "/v1/uploads", &[], b"");
    assert_eq!(none.code(), (400, "bad-request".to_owned()));
    let unknown = ask(address, "PATCH", "/v1/uploads/x", &offset(0), b"x");
    assert_eq!(unknown.code(), (404, "not-found".to_owned()));

    let place = begin(3, "").header("location").to_owned();
    let long = ask(address, "PATCH", &place, &offset(0), b"four");
    assert_eq!(long.code(), (413, "too-large".to_owned()));
    let gap = ask(address, "PATCH", &place, &offset(1), b"x");
    assert_eq!(gap.code(), (409, "upload-offset".to_owned()));

    let digest = format!("?digest=sha256:{}", "0".repeat(64));
    let place = begin(3, &digest).header("location").to_owned();
    let other = ask(address, "PATCH", &place, &offset(0), b"abc");
    assert_eq!(other.code(), (422, "digest-mismatch".to_owned()));
    let gone = ask(address, "GET", &place, &[], b"");
    assert_eq!(gone.code(), (404, "not-found".to_owned()));
}

/// Answers one request with a status and a header, and returns what was asked.
fn receive(listener: &TcpListener, answer: &str) -> (String, Vec<u8>) {
    let (stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        reader.read_line(&mut head).unwrap();
    }
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.unwrap().parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    reader.get_mut().write_all(answer.as_bytes()).unwrap();
    (head, body)
}

const KEY: &[u8] = b"a key of more than 24 bytes";

fn webhooks(origin: &str, private: bool) -> String {
    let secret = STANDARD.encode(KEY);
    format!(
        "[webhooks]\nallow = [\"{origin}\"]\nsecret = \"whsec_{secret}\"\nprivate = {private}\n"
    )
}

#[test]
fn a_webhook_is_told_of_the_verdict_and_can_check_who_said_it() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let address = serve(folder.path(), &webhooks(&origin, true));
    let digest = ask(address, "PUT", "/v1/blobs", &[], b"a file").json()["digest"].clone();
    let url = format!("{origin}/hook?of=me");
    let job = json!({"op": "check", "inputs": [{"digest": digest}], "webhook": url});
    let id = post(address, "/v1/jobs", &job).json()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    ask(address, "DELETE", &format!("/v1/jobs/{id}"), &[], b"");

    // A receiver that sends it elsewhere is not followed, and told again later.
    let (head, body) = receive(&listener, "302 Found\r\nLocation: http://127.0.0.1:1/");
    assert!(head.starts_with("post /hook?of=me http/1.1\r\n"));
    let event: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&event["type"], &event["data"]["id"]),
        (&json!("job.done"), &json!(id))
    );
    assert_eq!(event["data"]["verdict"], "undecided");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim_start_matches(": ").to_owned()
    };
    let stamp = header("webhook-timestamp");
    let text = format!("{}.{stamp}.", header("webhook-id"));
    let signed = [text.as_bytes(), &body].concat();
    // Header names are compared in small letters above, which a signature has not.
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), &signed);
    let signature = format!("v1,{}", STANDARD.encode(signature)).to_lowercase();
    assert_eq!(header("webhook-signature"), signature);

    let path = format!("/v1/jobs/{id}/deliveries");
    let mut told = ask(address, "GET", &path, &[], b"").json();
    while told[0]["answer"].is_null() {
        told = ask(address, "GET", &path, &[], b"").json();
    }
    assert_eq!(told[0]["id"], event["id"]);
    assert_eq!(
        (&told[0]["state"], &told[0]["answer"]),
        (&json!("waiting"), &json!("302"))
    );

    let test = json!({"url": url});
    let tested = std::thread::spawn(move || post(address, "/v1/webhooks/test", &test).json());
    let (_, body) = receive(&listener, "204 No Content");
    assert!(String::from_utf8(body).unwrap().contains("\"test\""));
    assert_eq!(tested.join().unwrap()["is_delivered"], true);

    // The same on the page, without a script.
    let page = |answer: Reply| String::from_utf8(answer.body).unwrap();
    let listed = page(ask(address, "GET", "/webhooks", &[], b""));
    assert!(listed.contains(&format!("<code>{url}</code>")), "{listed}");
    let form = ["Content-Type: application/x-www-form-urlencoded".to_owned()];
    let body = format!("url={}", url.replace('?', "%3F").replace('=', "%3D"));
    let tested =
        std::thread::spawn(move || ask(address, "POST", "/webhooks", &form, body.as_bytes()));
    receive(&listener, "204 No Content");
    assert!(page(tested.join().unwrap()).contains("Test: delivered"));
}

#[test]
fn a_webhook_goes_nowhere_that_was_not_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let address = serve(folder.path(), &webhooks(&origin, false));
    let job = |url: &str| json!({"op": "check", "inputs": [], "webhook": url});
    let name = origin.replace("http://", "http://a:b@");
    for url in [
        "http://127.0.0.1:1/",
        "https://example.com/",
        "file:///etc/passwd",
        "x",
        "https://evil.example\\@ci.example/",
        &name,
    ] {
        let refused = post(address, "/v1/webhooks/test", &json!({"url": url}));
        assert_eq!(refused.code(), (422, "webhook".to_owned()), "{url}");
    }
    let mut check = job("http://127.0.0.1:1/");
    check["inputs"] = json!([{"digest": format!("sha256:{}", "0".repeat(64))}]);
    let refused = post(address, "/v1/jobs", &check);
    assert_eq!(refused.code(), (422, "webhook".to_owned()));
    // An origin that is allowed, and lies on this machine.
    let refused = post(address, "/v1/webhooks/test", &json!({"url": origin}));
    assert_eq!(refused.code(), (422, "webhook".to_owned()));
    listener.set_nonblocking(true).unwrap();
    listener.accept().unwrap_err();
}

#[test]
fn a_configuration_that_could_only_fail_later_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aprove.toml");
    let good = webhooks("https://ci.example", false);
    let identity = "[[identities]]\nname = \"ci\"\nissuer = \"https://ci.example\"\naudience = \"aprove\"\n\
                    keys = \"https://ci.example/keys\"\nclaims = { repository = \"a/b\" }\nscopes = [\"read\"]\n";
    for (text, key) in [
        (
            "[sources]\nallow = [\"https://h/path\"]\n".to_owned(),
            "sources.allow",
        ),
        (
            "[destinations]\nallow = [\"https://h\"]\n".to_owned(),
            "destinations.allow",
        ),
        (
            good.replace("ci.example", "ci.example/path"),
            "webhooks.allow",
        ),
        (
            good.replace("ci.example", "ci.example."),
            "`webhooks.allow` has the entry `https://ci.example.`",
        ),
        (
            "[sources]\nallow = [\"https://h\", \"http://h:0\"]\n".to_owned(),
            "`sources.allow` has the entry `http://h:0`",
        ),
        (
            "[destinations]\nallow = [\"s3://b\", \"s3://\"]\n".to_owned(),
            "`destinations.allow` has the entry `s3://`",
        ),
        (
            identity.replace("https://ci.example/keys", "HTTPS:///keys"),
            "identities.keys",
        ),
        (good.replace("whsec_", "x"), "webhooks.secret"),
        (
            webhooks("https://ci.example", false).replace(&STANDARD.encode(KEY), "c2hvcnQ="),
            "webhooks.secret",
        ),
        (
            identity.replace("https://ci.example/keys", "http://ci.example/keys"),
            "identities.keys",
        ),
        (
            identity.replace("repository = \"a/b\"", ""),
            "identities.claims",
        ),
        (
            identity.replace("[\"read\"]", "[\"write\"]"),
            "identities.scopes",
        ),
        (identity.replace("\"ci\"", "\"c i\""), "identities.name"),
    ] {
        write(&path, &text);
        let refused = Config::read(&path).unwrap().checked().unwrap_err();
        assert!(refused.to_string().contains(key), "{refused}: {text}");
    }
    write(&path, &format!("{good}{identity}"));
    Config::read(&path).unwrap().checked().unwrap();
}
