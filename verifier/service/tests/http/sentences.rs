//! What is said of a job is what the program says: a policy that let something pass, the place, and the file at fault.

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
