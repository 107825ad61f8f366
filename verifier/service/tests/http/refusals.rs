//! Every refusal has a code.

use super::*;

#[test]
fn every_refusal_is_a_problem_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve(folder.path(), "");
    let json = "Content-Type: application/json";
    let long = format!("/v1/jobs?{}", "a".repeat(9000));
    let field = format!("X-A: {}", "a".repeat(40_000));
    let fields = "X-A: a\r\n".repeat(120);
    let large = "a".repeat((1 << 20) + 1);
    for (method, path, header, body, expected) in [
        ("GET", "/nothing", "", "", (404, "not-found")),
        ("GET", "/v1/jobs/nothing", "", "", (404, "not-found")),
        (
            "GET",
            "/v1/jobs/nothing/report.pdf",
            "",
            "",
            (404, "not-found"),
        ),
        ("PATCH", "/v1/jobs", "", "", (405, "method-not-allowed")),
        ("POST", "/healthz", "", "", (405, "method-not-allowed")),
        ("GET", "/v1/jobs?stat=done", "", "", (400, "bad-request")),
        ("GET", "/v1/jobs?limit=many", "", "", (400, "bad-request")),
        (
            "GET",
            "/v1/jobs/nothing?wait=-1",
            "",
            "",
            (400, "bad-request"),
        ),
        ("POST", "/v1/jobs", "", "{}", (415, "media-type")),
        ("POST", "/v1/jobs", json, "{", (400, "bad-request")),
        (
            "POST",
            "/v1/jobs",
            json,
            "{\"op\": \"boo\"}",
            (400, "bad-request"),
        ),
        ("POST", "/v1/jobs", json, "[]", (400, "bad-request")),
        ("POST", "/v1/jobs", json, &large, (413, "too-large")),
        ("PUT", "/v1/blobs?digits=0", "", "", (400, "bad-request")),
        ("POST", "/login", "", "token=x", (415, "media-type")),
        ("GET", &long, "", "", (414, "address-too-long")),
        ("GET", "/healthz", &field, "", (431, "head-too-large")),
        (
            "GET",
            "/healthz",
            fields.trim_end(),
            "",
            (431, "head-too-large"),
        ),
        ("GET", "/healthz", "Host: evil.example", "", (403, "origin")),
    ] {
        let headers: Vec<&str> = [header].into_iter().filter(|one| !one.is_empty()).collect();
        let refused = client::ask(
            &address.to_string(),
            method,
            path,
            &headers,
            body.as_bytes(),
        );
        let refused = refused.unwrap();
        let about = format!("{method} {path:.40} {header:.40} {body:.40}");
        assert_eq!(
            refused.header("content-type"),
            "application/problem+json",
            "{about}"
        );
        let (status, code) = refused.code();
        assert_eq!((status, &*code), expected, "{about}");
        let said = refused.json();
        assert_eq!(said["status"], status, "{about}");
        assert_ne!(said["detail"], "", "{about}");
    }
    let refused = ask(address, "PATCH", "/v1/jobs", &[], b"");
    assert_eq!(refused.header("allow"), "GET,HEAD,POST");
    let page = ["Accept: text/html".to_owned()];
    let page = ask(address, "POST", "/codes", &page, b"");
    assert_eq!(
        (page.status, page.header("content-type")),
        (405, "text/html; charset=utf-8")
    );
}
