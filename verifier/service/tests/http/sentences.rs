//! What is said of a job is what the program says: a policy that let something pass, the place, and the file at fault.

use std::time::Duration;

use super::*;

/// What a program prints that let four findings pass, and one that found a damage.
const ALLOWED: &str =
    "verified with 4 findings allowed by policy: everything else was compared, and agrees";
const DAMAGED: &str = "different: m.apr is damaged: bit 3 of the byte at 700,000 is flipped";

fn reports(folder: &Path, verdict: &str, sentence: &str, code: u8) -> SocketAddr {
    let policy = json!({"fail_on": "different", "allow": [{"matched": 1}, {"matched": 3}]});
    let report = json!({"verdict": verdict, "sentence": sentence, "policy": policy});
    let script = format!("printf '%s' '{report}' > report.json\nexit {code}\n");
    serve_script(folder, "", &script)
}

fn judged(address: SocketAddr, op: &str) -> Value {
    let upload = ask(address, "PUT", "/v1/blobs", &[], b"a model").json();
    let job = json!({"op": op, "inputs": [{"digest": upload.get("digest"), "name": "m.apr"}]});
    post(address, "/v1/jobs?wait=60", &job).json()
}

fn page(address: SocketAddr, path: &str) -> String {
    String::from_utf8(ask(address, "GET", path, &[], b"").body).unwrap()
}

#[test]
fn what_a_policy_let_pass_is_said_of_a_verified_job() {
    let folder = tempfile::tempdir().unwrap();
    let address = reports(folder.path(), "verified", ALLOWED, 0);
    let first = judged(address, "check");
    // The second is answered by the result of the first.
    let second = judged(address, "check");
    for job in [&first, &second] {
        assert_eq!(job["verdict"], "verified", "{job}");
        assert_eq!(job["sentence"], ALLOWED);
        assert_eq!(job["allowed"], 4);
    }
    assert_ne!(first["id"], second["id"]);
    let shown = page(address, &format!("/jobs/{}", first["id"].as_str().unwrap()));
    assert!(
        shown.contains("<span class=\"cap\">verified with 4 findings allowed by policy</span>"),
        "{shown}"
    );
    assert!(shown.contains("everything else was compared, and agrees"));
    assert!(page(address, "/").contains("verified with 4 findings allowed by policy"));
    let interface = ask(address, "GET", "/openapi.json", &[], b"").json();
    let field = interface.pointer("/components/schemas/JobView/properties/allowed");
    assert!(field.is_some(), "{interface}");
}

#[test]
fn the_sentence_of_a_job_says_where_and_who() {
    let folder = tempfile::tempdir().unwrap();
    let address = reports(folder.path(), "different", DAMAGED, 1);
    let job = judged(address, "check");
    assert_eq!(job["sentence"], DAMAGED);
    let shown = page(address, &format!("/jobs/{}", job["id"].as_str().unwrap()));
    assert!(shown.contains("<p class=\"meaning\">m.apr is damaged: bit 3"));
}

#[test]
fn a_job_without_a_report_claims_nothing_of_what_was_compared() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve_script(
        folder.path(),
        "",
        "echo '{\"verdict\":\"verified\"}' > report.json\n",
    );
    let job = judged(address, "check");
    assert_eq!(job["sentence"], "verified: the report says why");
    let folder = tempfile::tempdir().unwrap();
    let address = serve_script(folder.path(), "", "echo 'no model' >&2\nexit 2\n");
    let job = judged(address, "restore");
    assert_eq!(
        job["sentence"],
        "undecided: the program refused the input or could not go on: its message says why"
    );
}

#[test]
fn a_form_without_its_models_is_told_what_to_choose() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let submit = |op: &str| {
        let kind = ["Content-Type: multipart/form-data; boundary=x".to_owned()];
        let body =
            format!("--x\r\nContent-Disposition: form-data; name=\"op\"\r\n\r\n{op}\r\n--x--\r\n");
        let answer = ask(address, "POST", "/submit", &kind, body.as_bytes());
        (answer.status, String::from_utf8(answer.body).unwrap())
    };
    for (op, sentence) in [
        ("verify", "choose two models: the artifact and the GGUF"),
        ("check", "choose one model, and leave the other one empty"),
    ] {
        let (status, shown) = submit(op);
        assert_eq!(status, 400);
        assert!(shown.contains(sentence), "{shown}");
    }
    let refused = post(address, "/v1/jobs", &json!({"op": "verify", "inputs": []})).json();
    assert_eq!(
        refused["detail"],
        "`verify` takes two models, or one and the option `digest`: `inputs` has 0"
    );
}

#[test]
fn an_upload_beyond_what_a_token_may_is_told_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "jobs = 0\nauth = \"tokens\"\n";
    let new = NewToken {
        scopes: vec![Scope::Submit],
        bytes: Some(10),
        ..NewToken::default()
    };
    let token = tokens(folder.path(), lines, [new]);
    let address = serve_with(folder.path(), lines, PathBuf::from("/bin/false"));
    let upload = |bytes: &[u8]| ask(address, "PUT", "/v1/blobs", &token, bytes);
    let never = upload(b"eleven byte");
    assert_eq!(never.code(), (413, "too-large".to_owned()));
    assert_eq!(
        never.json()["detail"],
        "11 bytes; this token may upload 10 in 24 hours"
    );
    assert_eq!(upload(b"six by").status, 201);
    let later = upload(b"five!");
    assert_eq!(later.code(), (429, "upload-quota".to_owned()));
    assert_eq!(
        later.json()["detail"],
        "with these 5 bytes this token would have uploaded more than the 10 that it may in 24 hours"
    );
    let unseen = ask(address, "GET", "/v1/jobs", &token, b"").json();
    let detail = unseen["detail"].as_str().unwrap();
    assert!(detail.contains("`--scope` several times"), "{detail}");
}

#[test]
fn a_worker_without_jobs_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("aprove.toml");
    write(&path, "jobs = 0\n");
    let service = Service::open(Config::read(&path).unwrap(), PathBuf::from("/bin/false"));
    let service = service.unwrap();
    let (tell, told) = channel();
    std::thread::spawn(move || tell.send(service.work().map_err(|why| why.to_string())));
    let refused = told.recv_timeout(Duration::from_secs(60)).unwrap();
    let refused = refused.unwrap_err();
    assert!(refused.starts_with("`jobs` is 0, with which"), "{refused}");
}
