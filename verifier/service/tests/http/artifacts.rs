//! What a job wrote, fetched in parts.

use super::*;

/// A program that writes a model.
const SCRIPT: &str = "printf 0123456789 > 'artifact/m\u{f6}del 1.apr'\nprintf '{\"verdict\":\"verified\"}' > report.json\n";

#[test]
fn an_artifact_is_fetched_in_parts_that_belong_together() {
    let folder = tempfile::tempdir().unwrap();
    let address = serve_script(folder.path(), "", SCRIPT);
    let digest = ask(address, "PUT", "/v1/blobs", &[], b"a model").json()["digest"].clone();
    let job = json!({"op": "convert", "inputs": [{"digest": digest}]});
    let job = post(address, "/v1/jobs?wait=60", &job).json();
    assert_eq!(job["verdict"], "verified", "{job}");
    let path = format!("/v1/jobs/{}/artifact", job["id"].as_str().unwrap());
    let get = |headers: &[&str]| {
        let headers: Vec<String> = headers.iter().map(|&header| header.to_owned()).collect();
        ask(address, "GET", &path, &headers, b"")
    };

    let whole = get(&[]);
    assert_eq!((whole.status, &*whole.body), (200, &b"0123456789"[..]));
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(
        whole.header("content-disposition"),
        "attachment; filename=\"m_del_1.apr\"; filename*=UTF-8''m%C3%B6del%201.apr"
    );
    let tag = whole.header("etag");
    assert!(tag.starts_with('"') && tag.len() > 2, "{tag}");
    let [same, unless] = ["If-Range", "If-None-Match"].map(|name| format!("{name}: {tag}"));

    for (headers, status, body, range) in [
        (&["Range: bytes=2-4"][..], 206, "234", "bytes 2-4/10"),
        (&["Range: bytes=7-"], 206, "789", "bytes 7-9/10"),
        (&["Range: bytes=-1"], 206, "9", "bytes 9-9/10"),
        (&["Range: bytes=2-4", &same], 206, "234", "bytes 2-4/10"),
        (
            &["Range: bytes=2-4", "If-Range: \"other\""],
            200,
            "0123456789",
            "",
        ),
        (&["Range: bytes=1-2,4-5"], 200, "0123456789", ""),
        (&["If-Match: \"other\", *"], 200, "0123456789", ""),
        (&[&unless], 304, "", ""),
    ] {
        let part = get(headers);
        let got = (part.status, part.header("content-range"));
        assert_eq!(got, (status, range), "{headers:?}");
        assert_eq!(part.body, body.as_bytes(), "{headers:?}");
        assert_eq!(part.header("etag"), tag);
    }
    let beyond = get(&["Range: bytes=10-"]);
    assert_eq!(beyond.header("content-range"), "bytes */10");
    assert_eq!(beyond.code(), (416, "range".to_owned()));
    let other = get(&["If-Match: \"other\""]);
    assert_eq!(other.code(), (412, "precondition-failed".to_owned()));
}
