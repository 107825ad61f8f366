//! Whose an upload is, what room it takes, and which jobs share a result.

use std::os::unix::fs::MetadataExt as _;

use super::*;

#[test]
fn an_upload_is_for_those_who_sent_it() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "jobs = 0\nauth = \"tokens\"\n";
    let new = |scope| NewToken {
        name: "test".to_owned(),
        scopes: vec![Scope::Read, scope],
        ..NewToken::default()
    };
    let scopes = [Scope::Submit, Scope::Submit, Scope::Admin];
    let [mine, other, admin] = tokens(folder.path(), lines, scopes.map(new));
    let address = serve_with(folder.path(), lines, PathBuf::from("/bin/false"));
    let upload = |token: &str| {
        let put = ask(address, "PUT", "/v1/blobs", &[token.to_owned()], b"a model");
        put.json()["digest"].clone()
    };
    let submit = |token: &str, digest: &Value| {
        let json = "Content-Type: application/json".to_owned();
        let job = json!({"op": "check", "inputs": [{"digest": digest}]}).to_string();
        let headers = [json, token.to_owned()];
        ask(address, "POST", "/v1/jobs", &headers, job.as_bytes())
    };
    let digest = upload(&mine);
    assert_eq!(submit(&mine, &digest).status, 202);
    // In the same words as one that is not there.
    let absent = json!(format!("sha256:{}", "0".repeat(64)));
    let refused = [&digest, &absent].map(|digest| {
        let refused = submit(&other, digest);
        assert_eq!(refused.code(), (422, "input".to_owned()));
        let said = refused.json()["detail"].as_str().unwrap().to_owned();
        said.replace(digest.as_str().unwrap(), "DIGEST")
    });
    assert_eq!(refused[0], refused[1]);
    assert_eq!(submit(&admin, &digest).status, 202);
    assert_eq!(upload(&other), digest);
    assert_eq!(submit(&other, &digest).status, 202);

    let parts = |method: &str, path: &str, token: &str, header: &str| {
        let headers = [token.to_owned(), header.to_owned()];
        ask(address, method, path, &headers, b"")
    };
    let begun = parts("POST", "/v1/uploads", &mine, "Upload-Length: 7");
    let place = begun.header("location");
    for (method, header) in [("GET", "X: x"), ("PATCH", "Upload-Offset: 0")] {
        let refused = parts(method, place, &other, header);
        assert_eq!(refused.code(), (404, "not-found".to_owned()));
    }
    assert_eq!(parts("GET", place, &mine, "X: x").status, 200);
}

#[test]
fn an_upload_takes_its_room_before_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "max_upload = 9000000000000000000\n");
    let begin = |length: u64| {
        let length = [format!("Upload-Length: {length}")];
        ask(address, "POST", "/v1/uploads", &length, b"")
    };
    let refused = begin(1 << 60).code();
    assert_eq!(refused, (507, "disk-full".to_owned()));
    let begun = begin(1 << 20);
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    let file = folder.path().join("aprove-data/uploads").join(id);
    let status = std::fs::metadata(file).unwrap();
    assert_eq!(status.len(), 0);
    assert!(status.blocks() * 512 >= 1 << 20, "{}", status.blocks());
}

#[test]
fn the_same_bytes_again_leave_the_file_that_jobs_read() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let file = || {
        let digest = ask(address, "PUT", "/v1/blobs", &[], b"a model").json()["digest"].clone();
        let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
        let path = folder.path().join("aprove-data/blobs").join(hex);
        let status = std::fs::metadata(path).unwrap();
        (status.ino(), status.ctime_nsec())
    };
    assert_eq!(file(), file());
}

#[test]
fn a_job_whose_policy_expires_shares_no_result() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let digest = ask(address, "PUT", "/v1/blobs", &[], b"a model").json()["digest"].clone();
    let submit = |policy: &str| {
        let job = json!({"op": "check", "inputs": [{"digest": digest}], "policy": policy});
        post(address, "/v1/jobs", &job).json()["id"].clone()
    };
    let lasting = "[[allow]]\ncode = \"meta.missing\"\n";
    assert_eq!(submit(lasting), submit(lasting));
    for expires in [
        "expires = \"2026-12-01\"",
        "expires = 2026-12-01",
        "\"expires\" = \"2026-12-01\"",
    ] {
        let dated = format!("{lasting}{expires}\n");
        assert_ne!(submit(&dated), submit(&dated), "{expires}");
    }
}
