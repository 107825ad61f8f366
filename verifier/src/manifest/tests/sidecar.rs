use super::*;

const SHA256: &str = "6566913774aaa4371dff35c0efc89e16c30680b034055eee3d64f933b26f794e";

/// What the converter would write beside this artifact, in its own field order.
fn text(apr: &[u8]) -> String {
    let own = written(&["t.apr"], &[apr.to_vec()], JSON);
    let mut own: serde_json::Value = serde_json::from_str(&own).unwrap();
    for tensor in own["tensors"].as_array_mut().unwrap() {
        let tensor = tensor.as_object_mut().unwrap();
        tensor.remove("shard");
        tensor.insert("gguf_name".to_owned(), "x".into());
    }
    let (before_footer, _) = apr.split_last_chunk::<4>().unwrap();
    let sidecar = serde_json::json!({
        "artifact": {"crc32": format!("{:08x}", crc32fast::hash(before_footer)), "file": "t.apr", "size": apr.len()},
        "manifest": 1,
        "sources": [{"blake3": "33e35cf5bb722d588c6b5b1c0dca8721c1d95376371d4bafa405dd3bd7736142",
            "file": "tiny.gguf", "sha256": SHA256, "size": 5376}],
        "tensors": own["tensors"],
        "tool": "aprove 0",
        "verification": "verified",
    });
    sidecar.to_string()
}

fn apr() -> Vec<u8> {
    fixtures::apr::from_model(&models::tiny()).to_bytes()
}

#[test]
fn the_artifact_and_its_source_both_verify() {
    let text = text(&apr());
    let report = checked(&text, &["t.apr"], &[apr()]);
    assert_judged(&report, Verdict::Verified, "manifest.weak");
    assert_eq!(report.counts.bytes_equal, models::tiny().tensors.len());
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
