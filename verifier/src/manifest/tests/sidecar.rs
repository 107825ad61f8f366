//! What the converter writes beside an artifact.

use super::*;
use crate::check::Sidecar;
use crate::input::Options;

const SHA256: &str = "6566913774aaa4371dff35c0efc89e16c30680b034055eee3d64f933b26f794e";

/// What the converter would write beside this artifact.
fn text(apr: &[u8]) -> String {
    let own = written(&["t.apr"], &[apr.to_vec()], JSON);
    let mut sidecar: serde_json::Value = serde_json::from_str(&own).unwrap();
    for tensor in sidecar["tensors"].as_array_mut().unwrap() {
        let name = gguf_name(tensor["name"].as_str().unwrap().as_bytes());
        tensor["source_name"] = String::from_utf8(name).unwrap().into();
    }
    sidecar["sources"] = serde_json::json!([{
        "blake3": "33e35cf5bb722d588c6b5b1c0dca8721c1d95376371d4bafa405dd3bd7736142",
        "name": "tiny.gguf", "sha256": SHA256, "size": 5376}]);
    sidecar["verification"] = "verified".into();
    sidecar.to_string()
}

fn apr() -> Vec<u8> {
    fixtures::apr::from_model(&models::tiny()).to_bytes()
}

#[test]
fn the_artifact_and_its_source_both_verify() {
    let text = text(&apr());
    let report = checked(&text, &["t.apr"], &[apr()]);
    assert_judged(&report, Verdict::Verified, "manifest.bound");
    assert_eq!(report.counts.bytes_equal, models::tiny().tensors.len());
    assert_eq!(report.mode, Mode::Manifest);
    let manifest = report.manifest.unwrap();
    assert_eq!(manifest.name, "list");
    assert_eq!(
        manifest.bound,
        ["every byte of t.apr, by sha256 and blake3"]
    );
    let gguf = [models::tiny().to_bytes()];
    let report = checked(&text, &["tiny.gguf"], &gguf);
    assert_judged(&report, Verdict::Verified, "manifest.role");
    let changed = text.replace(SHA256, &SHA256.replace("6566", "6567"));
    assert_judged(
        &checked(&changed, &["tiny.gguf"], &gguf),
        Verdict::Different,
        "manifest.mismatch",
    );
}

#[test]
fn what_of_a_manifest_was_not_held_is_said() {
    let mut report = checked(&text(&apr()), &["t.apr"], &[apr()]);
    assert_judged(&report, Verdict::Verified, "manifest.not-compared");
    let first = |report: &Report| {
        let said = crate::report::text::answer(report);
        said.lines().next().unwrap().to_owned()
    };
    let said = first(&report);
    let whole =
        "verified: everything that the manifest says of this model was compared, and agrees";
    assert_eq!(said, whole);
    report.note_unchecked_behaviour();
    let said = first(&report);
    let without = "the behaviour that it records was not compared";
    assert!(said.ends_with(without), "{said}");
    let line = crate::report::text::line(&report);
    assert!(line.ends_with(", behaviour not compared\n"), "{line}");
}

#[test]
fn every_byte_of_the_artifact_is_bound() {
    let apr = apr();
    let text = text(&apr);
    for at in (0..apr.len()).step_by(89).chain([apr.len() - 1]) {
        let report = checked(&text, &["t.apr"], &[damage::flip_bit(&apr, at, 1)]);
        assert_ne!(report.verdict, Verdict::Verified, "{at}");
    }
    let mut cut = apr.clone();
    cut.truncate(apr.len() - 4);
    assert_ne!(
        checked(&text, &["t.apr"], &[cut]).verdict,
        Verdict::Verified
    );
}

#[test]
fn a_digest_that_does_not_hold_is_said_in_one_sentence() {
    let apr = apr();
    // The last bytes before the footer are those of a tensor.
    let damaged = damage::flip_bit(&apr, apr.len() - 10, 1);
    let report = checked(&text(&apr), &["t.apr"], &[damaged]);
    let said = report.conclusion.unwrap().text;
    let expected =
        "t.apr is not the file that list describes: 1 of 16 tensors differs, the first is ";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn metadata_under_a_forged_crc_are_different() {
    let apr = apr();
    let text = text(&apr);
    // Every checksum of the file is put right: only the digests of the sidecar tell.
    let mut image = fixtures::apr::from_model(&models::tiny());
    let changed = image.metadata.replace("messages[0]", "messages[1]");
    assert_ne!(changed, image.metadata);
    image.metadata = changed;
    let forged = image.to_bytes();
    assert_eq!(forged.len(), apr.len());
    let report = checked(&text, &["t.apr"], &[forged]);
    assert_judged(&report, Verdict::Different, "manifest.mismatch");
}

#[test]
fn an_artifact_that_was_not_verified_is_never_a_pass() {
    let apr = [apr()];
    let text = text(&apr[0]);
    let word = "\"verification\":\"verified\"";
    assert!(text.contains(word));
    for other in ["skipped", "different", "undecided", "Verified", ""] {
        let changed = text.replace(word, &format!("\"verification\":\"{other}\""));
        let report = checked(&changed, &["t.apr"], &apr);
        assert_judged(&report, Verdict::Undecided, "manifest.not-verified");
        let beside = Sidecar::Read(parse("list", changed.as_bytes()).unwrap());
        let options = Options::default();
        let report = crate::check::check(&input(&["t.apr"], &apr), &beside, &options, &());
        assert_judged(&report, Verdict::Undecided, "manifest.not-verified");
    }
    let without = text.replace(&format!(",{word}"), "");
    assert_ne!(without, text);
    let report = checked(&without, &["t.apr"], &apr);
    assert_judged(&report, Verdict::Undecided, "manifest.not-verified");
}

#[test]
fn a_sidecar_of_version_1_says_that_it_is_of_an_older_program() {
    let old = r#"{"artifact": {"crc32": "00000000", "file": "t.apr", "size": 1}, "manifest": 1,
        "sources": [], "tensors": [], "tool": "aprove 0.1.0", "verification": "verified"}"#;
    let report = checked(old, &["t.apr"], &[apr()]);
    assert_judged(&report, Verdict::Undecided, "manifest.syntax");
    assert!(report.findings[0].message.contains("older aprove"));
}

#[test]
fn a_sidecar_that_leaves_the_metadata_open_is_no_pass() {
    let apr = [apr()];
    let full: serde_json::Value = serde_json::from_str(&text(&apr[0])).unwrap();
    for (left_out, code) in [
        (&["files"][..], "manifest.coverage"),
        (&["files", "tensors"], "nothing-compared"),
    ] {
        let mut sidecar = full.clone();
        for list in left_out {
            sidecar[*list] = serde_json::json!([]);
        }
        let sidecar = sidecar.to_string();
        let report = checked(&sidecar, &["t.apr"], &apr);
        assert_judged(&report, Verdict::Undecided, code);
        let beside = Sidecar::Read(parse("list", sidecar.as_bytes()).unwrap());
        let options = Options::default();
        let report = crate::check::check(&input(&["t.apr"], &apr), &beside, &options, &());
        assert_judged(&report, Verdict::Undecided, code);
    }
}
