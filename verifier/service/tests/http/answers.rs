//! What programs and people are told: the description of the interface, the page, and what a job runs.

use std::collections::BTreeSet;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::*;

fn text(reply: Reply) -> String {
    String::from_utf8(reply.body).unwrap()
}

/// A program that keeps its command line as its report's only word.
const SCRIPT: &str = "printf '{\"verdict\":\"verified\",\"line\":\"%s\"}' \"$*\" > report.json\n";

/// Submits a check, and returns its id.
fn waiting_job(address: SocketAddr) -> String {
    let word = |reply: Reply, key| reply.json().get(key).unwrap().as_str().unwrap().to_owned();
    let digest = word(ask(address, "PUT", "/v1/blobs", &[], b"a model"), "digest");
    let job = json!({"op": "check", "inputs": [{"digest": digest}]});
    word(post(address, "/v1/jobs", &job), "id")
}

#[test]
fn a_program_is_given_names_and_no_device_beside_a_digest() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve_script(folder.path(), "", SCRIPT);
    let line = |job: &Value| {
        let job = post(address, "/v1/jobs?wait=60", job).json();
        assert_eq!(job["verdict"], "verified", "{job}");
        let path = format!("/v1/jobs/{}/report.json", job["id"].as_str().unwrap());
        let report = ask(address, "GET", &path, &[], b"").json();
        report["line"].as_str().unwrap().to_owned()
    };
    let digest = ask(address, "PUT", "/v1/blobs", &[], b"a model").json()["digest"].clone();
    let job = json!({"op": "verify", "inputs": [{"digest": digest, "name": "m.apr"}], "options": {"digest": digest}});
    let said = line(&job);
    assert!(said.contains(" verify m.apr --digest sha256:"), "{said}");
    assert!(!said.contains("--device"), "{said}");
    for (second, expected) in [
        ("m.gguf", " verify m.apr m.gguf --device cpu"),
        ("m.apr", " verify a/m.apr b/m.apr "),
        ("tmp", " verify a/m.apr b/tmp "),
    ] {
        let inputs = ["m.apr", second].map(|name| json!({"digest": digest, "name": name}));
        let said = line(&json!({"op": "verify", "inputs": inputs}));
        assert!(said.contains(expected), "{said}");
    }
    let unnamed = json!({"digest": digest});
    let said = line(&json!({"op": "verify", "inputs": [unnamed, unnamed]}));
    assert!(said.contains(" verify model other "), "{said}");
}

#[test]
fn the_description_of_the_interface_is_one_that_tools_read() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let description = ask(address, "GET", "/openapi.json", &[], b"").json();
    let paths = description["paths"].as_object().unwrap();
    let operations = paths
        .values()
        .flat_map(|item| item.as_object().unwrap().values());
    let ids: Vec<&Value> = operations
        .map(|operation| &operation["operationId"])
        .collect();
    let unique: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    let report = &paths["/v1/jobs/{id}/{report}"]["get"]["responses"]["200"];
    let kinds: Vec<&String> = report["content"].as_object().unwrap().keys().collect();
    assert!(
        kinds.iter().any(|kind| *kind == "text/html") && kinds.len() == 5,
        "{kinds:?}"
    );
    let part = &paths["/v1/uploads/{id}"]["patch"];
    let bytes = &part["requestBody"]["content"]["application/offset+octet-stream"];
    assert!(bytes.is_object() && bytes["schema"].is_null(), "{part}");
    assert!(part["responses"]["204"]["headers"]["Upload-Digest"].is_object());
}

#[test]
fn an_upload_in_parts_says_what_it_speaks() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "max_upload = 100\n");
    let spoken = ask(address, "OPTIONS", "/v1/uploads", &[], b"");
    assert_eq!((spoken.status, spoken.header("tus-max-size")), (204, "100"));
    let [length, other] = ["Upload-Length: 3", "Tus-Resumable: 0.2.2"].map(str::to_owned);
    let refused = ask(
        address,
        "POST",
        "/v1/uploads",
        &[length.clone(), other],
        b"",
    );
    assert_eq!(refused.header("tus-version"), "1.0.0");
    assert_eq!(refused.code(), (412, "precondition-failed".to_owned()));
    let begun = ask(address, "POST", "/v1/uploads", &[length], b"");
    let place = begun.header("location").to_owned();
    let [first] = offset(0);
    let headers = [first, "Content-Type: application/json".to_owned()];
    let refused = ask(address, "PATCH", &place, &headers, b"abc");
    assert_eq!(refused.header("tus-resumable"), "1.0.0");
    assert_eq!(refused.code(), (415, "media-type".to_owned()));
}

#[test]
fn a_model_that_is_given_twice_in_the_form_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "[roots]\nr = \".\"\n");
    let field = |name: &str, rest: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"{rest}\r\n")
    };
    let body = field("op", "\r\n\r\ncheck")
        + &field("a_file", "; filename=\"m.gguf\"\r\n\r\na model")
        + &field("a_path", "\r\n\r\nr/aprove.toml")
        + "--x--\r\n";
    let form = ["Content-Type: multipart/form-data; boundary=x".to_owned()];
    let page = ask(address, "POST", "/submit", &form, body.as_bytes());
    assert_eq!(page.status, 400);
    assert!(text(page).contains("given twice"));
    assert_eq!(
        ask(address, "GET", "/v1/jobs", &[], b"").json()["jobs"],
        json!([])
    );
}

#[test]
fn a_page_looks_again_by_a_script_or_by_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let id = waiting_job(address);
    let page = ask(address, "GET", &format!("/jobs/{id}"), &[], b"");
    assert!(
        page.header("content-security-policy")
            .contains("script-src 'self'")
    );
    let page = text(page).replace("&#34;", "\"");
    assert!(
        !page.contains("http-equiv") && page.contains("Look again"),
        "{page}"
    );
    assert!(page.contains("data-seconds") && page.contains("src=\"/live.js\""));
    assert!(
        page.contains(&format!("\"http://{address}/v1/jobs?wait=60\"")),
        "{page}"
    );
    let script = ask(address, "GET", "/live.js", &[], b"");
    assert_eq!(
        script.header("content-type"),
        "text/javascript; charset=utf-8"
    );
    ask(address, "DELETE", &format!("/v1/jobs/{id}"), &[], b"");
    let page = text(ask(address, "GET", &format!("/jobs/{id}"), &[], b""));
    assert!(
        !page.contains("data-seconds") && !page.contains("Look again"),
        "{page}"
    );
}

#[test]
fn a_token_goes_to_no_guessed_address_and_a_wrong_one_is_told() {
    for (outer, expected) in [
        ("", "\"$APROVE_URL/v1/jobs?wait=60\""),
        (
            "public_url = \"https://aprove.example/a/\"\n",
            "\"https://aprove.example/a/v1/jobs?wait=60\"",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let lines = format!("auth = \"tokens\"\n{outer}");
        let new = NewToken {
            scopes: Scope::ALL.to_vec(),
            ..NewToken::default()
        };
        let token = tokens(folder.path(), &lines, [new]);
        let address = serve(folder.path(), &lines);
        let digest = ask(address, "PUT", "/v1/blobs", &token, b"a model").json()["digest"].clone();
        let job = json!({"op": "check", "inputs": [{"digest": digest}]}).to_string();
        let [token] = token;
        let headers = [token, "Content-Type: application/json".to_owned()];
        let job = ask(address, "POST", "/v1/jobs", &headers, job.as_bytes()).json();
        let path = format!("/jobs/{}", job["id"].as_str().unwrap());
        let page = text(ask(address, "GET", &path, &headers, b"")).replace("&#34;", "\"");
        assert!(page.contains(expected), "{page}");

        let wrong = ["Cookie: aprove_token=aprove_1_2".to_owned()];
        let sent = ask(address, "GET", "/", &wrong, b"");
        let login = sent.header("location").to_owned();
        assert_eq!(login, "/login?refused=token-unknown");
        let login = text(ask(address, "GET", &login, &[], b""));
        assert!(login.contains("there is no such token"), "{login}");
        let left = ask(address, "POST", "/logout", &[], b"");
        assert!(left.header("set-cookie").contains("Max-Age=0"));
    }
}

/// Follows a job; the line of the status, and what must live as long as somebody watches.
fn watch(address: SocketAddr, path: &str, header: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{header}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut status = String::new();
    BufReader::new(stream.try_clone().unwrap())
        .read_line(&mut status)
        .unwrap();
    (stream, status)
}

#[test]
fn one_token_that_watches_leaves_places_to_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "auth = \"tokens\"\nmax_connections = 16\n";
    let new = || NewToken {
        scopes: Scope::ALL.to_vec(),
        ..NewToken::default()
    };
    let tokens = tokens(folder.path(), lines, [new(), new()]);
    let address = serve(folder.path(), lines);
    // Eight may wait, and two of one token.
    let events = |token: &String| {
        let given = [token.clone(), "Content-Type: application/json".to_owned()];
        let digest = ask(address, "PUT", "/v1/blobs", &given, b"a model").json()["digest"].clone();
        let job = json!({"op": "check", "inputs": [{"digest": digest}]}).to_string();
        let job = ask(address, "POST", "/v1/jobs", &given, job.as_bytes()).json();
        format!("/v1/jobs/{}/events", job["id"].as_str().unwrap())
    };
    let [one, other] = &tokens;
    let path = events(one);
    let mut watching = vec![];
    for expected in [200, 200, 429] {
        let (stream, status) = watch(address, &path, &format!("{one}\r\n"));
        assert!(status.contains(&format!(" {expected} ")), "{status}");
        watching.push(stream);
    }
    let (_stream, status) = watch(address, &events(other), &format!("{other}\r\n"));
    assert!(status.contains(" 200 "), "{status}");
}

#[test]
fn those_who_watch_leave_room_for_those_who_ask() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "max_connections = 4\n");
    let id = waiting_job(address);
    let path = format!("/v1/jobs/{id}/events");
    let watching = [(); 2].map(|()| watch(address, &path, ""));
    assert!(watching.iter().all(|(_, status)| status.contains(" 200 ")));
    let refused = ask(address, "GET", &path, &[], b"");
    assert_eq!(refused.code(), (429, "rate-limit".to_owned()));
    assert_eq!(ask(address, "GET", "/healthz", &[], b"").status, 200);
    let waited = ask(address, "GET", &format!("/v1/jobs/{id}?wait=60"), &[], b"");
    assert_eq!(waited.json()["state"], "queued");
}

#[test]
fn a_worker_without_room_lives_and_is_said_to_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let program = PathBuf::from("/bin/false");
    let lines = "min_free_disk = 1000000000000000\n";
    let address = serve_with(folder.path(), lines, program);
    let ready = || ask(address, "GET", "/readyz", &[], b"").json();
    let begun = Instant::now();
    while ready()["worker"] == false && begun.elapsed() < Duration::from_secs(20) {
        std::thread::yield_now();
    }
    assert_eq!(ready()["worker"], true);
    assert_eq!(ready()["room"], false);
    let home = text(ask(address, "GET", "/", &[], b""));
    assert!(home.contains("the disk has no room"), "{home}");
    let metrics = text(ask(address, "GET", "/metrics", &[], b""));
    assert!(metrics.contains("\naprove_disk_room_bytes -"), "{metrics}");
}
