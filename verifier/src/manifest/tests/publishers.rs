//! Digests as people have them, of hubs, stores and shells.

use super::*;

const HEX: &str = "6566913774aaa4371dff35c0efc89e16c30680b034055eee3d64f933b26f794e";
const BLAKE3: &str = "33e35cf5bb722d588c6b5b1c0dca8721c1d95376371d4bafa405dd3bd7736142";
const SIZE: u64 = 5376;

/// What each of them says of a file with this digest.
fn texts(hex: &str) -> Vec<(&'static str, Vec<u8>)> {
    let upper = hex.to_uppercase();
    let row = format!("{hex}  t.gguf\r\n");
    let wide = |text: &str| -> Vec<u8> {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect()
    };
    let list = format!(
        "\r\nAlgorithm : SHA256\r\nHash      : {upper}\r\nPath      : C:\\m\\t.gguf\r\n\r\n"
    );
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{hex}\nsize {SIZE}\n");
    let tree = serde_json::json!([
        {"type": "file", "path": "README.md", "size": 9, "oid": "00"},
        {"type": "file", "path": "q/t.gguf", "size": SIZE, "oid": "00",
            "lfs": {"oid": hex, "size": SIZE, "pointerSize": 134}},
    ]);
    let model = serde_json::json!({"id": "a/b", "siblings": [
        {"rfilename": "t.gguf", "lfs": {"sha256": hex, "size": SIZE, "pointerSize": 134}},
    ]});
    let image = serde_json::json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/x", "digest": "sha256:00", "size": 2},
        "layers": [
            {"mediaType": "application/vnd.ollama.image.template", "digest": "sha256:00", "size": 2},
            {"mediaType": "application/vnd.ollama.image.model", "digest": format!("sha256:{hex}"), "size": SIZE},
        ],
    });
    let table = format!(
        "Algorithm       Hash       Path\n---------       ----       ----\nSHA256          {upper}       C:\\m\\t.gguf\n"
    );
    vec![
        ("byte order mark", format!("\u{feff}{row}").into_bytes()),
        ("line ends", row.clone().into_bytes()),
        ("UTF-16", wide(&row)),
        ("bare", hex.as_bytes().to_vec()),
        ("prefix", format!("sha256:{hex}  t.gguf").into_bytes()),
        ("prefix alone", format!("sha256:{hex}\n").into_bytes()),
        ("Get-FileHash", list.clone().into_bytes()),
        ("Get-FileHash in UTF-16", wide(&list)),
        ("Get-FileHash as a table", table.into_bytes()),
        ("pointer", pointer.into_bytes()),
        ("tree", tree.to_string().into_bytes()),
        ("model", model.to_string().into_bytes()),
        ("image", image.to_string().into_bytes()),
    ]
}

fn report(text: &[u8], file: &[u8]) -> Report {
    let manifest = parse("list", text).expect("it is a manifest");
    let files = [file.to_vec()];
    let options = CheckOptions {
        folders: &[],
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    check(&manifest, &input(&["t.gguf"], &files), &options, &())
}

#[test]
fn the_digests_of_hubs_and_shells_bind_the_file() {
    let gguf = models::tiny().to_bytes();
    let flipped = damage::flip_bit(&gguf, 4000, 1);
    for (name, text) in texts(HEX) {
        let right = report(&text, &gguf);
        assert_eq!(
            right.verdict,
            Verdict::Verified,
            "{name}: {:#?}",
            right.findings
        );
        assert_eq!(right.files[0].covered, SIZE, "{name}");
        assert_eq!(
            report(&text, &flipped).verdict,
            Verdict::Different,
            "{name}"
        );
    }
    for (name, text) in texts(&HEX.replace("6566", "6567")) {
        assert_judged(
            &report(&text, &gguf),
            Verdict::Different,
            "manifest.mismatch",
        );
        assert!(!name.is_empty());
    }
}

#[test]
fn the_size_that_a_publisher_gives_is_compared() {
    let gguf = models::tiny().to_bytes();
    for (name, text) in texts(HEX) {
        let text = String::from_utf8_lossy(&text).replace("5376", "5377");
        if text.contains("5377") {
            let found = report(text.as_bytes(), &gguf);
            assert_eq!(found.verdict, Verdict::Different, "{name}");
        }
    }
}

#[test]
fn a_publisher_that_contradicts_itself_says_nothing() {
    let gguf = models::tiny().to_bytes();
    let version = "version https://git-lfs.github.com/spec/v1\n";
    let oid = format!("oid sha256:{HEX}\n");
    let size = format!("size {SIZE}\n");
    let pointer = format!("{version}{oid}{size}");
    assert_eq!(report(pointer.as_bytes(), &gguf).verdict, Verdict::Verified);
    let other = "0".repeat(64);
    for wrong in [
        format!("{pointer}oid sha256:{other}\n"),
        format!("{pointer}size 1\n"),
        pointer.repeat(2),
        format!("{version}<<<<<<< HEAD\n{oid}{size}=======\n{oid}{size}>>>>>>> x\n"),
        format!("{pointer}{other}  t.gguf\n"),
        format!("{version}{oid}"),
        format!("{version}{size}"),
    ] {
        let found = report(wrong.as_bytes(), &gguf);
        assert_judged(&found, Verdict::Undecided, "manifest.syntax");
    }
    let lfs = serde_json::json!({"oid": HEX, "size": SIZE});
    let good = serde_json::json!({"type": "file", "path": "t.gguf", "size": SIZE, "lfs": lfs});
    for (key, value) in [
        ("size", serde_json::json!(1)),
        ("type", serde_json::json!("directory")),
    ] {
        let mut wrong = good.clone();
        wrong[key] = value;
        let tree = serde_json::json!([good.clone(), wrong]).to_string();
        let found = report(tree.as_bytes(), &gguf);
        assert_judged(&found, Verdict::Undecided, "manifest.syntax");
    }
}

#[test]
fn a_digest_of_the_command_line_is_a_manifest_of_one_row() {
    let files = [models::tiny().to_bytes()];
    let options = CheckOptions {
        folders: &[],
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    let verdict = |text: &str| {
        let manifest = Manifest::of_digest(text, "t.gguf").unwrap();
        check(&manifest, &input(&["t.gguf"], &files), &options, &()).verdict
    };
    for right in [
        HEX.to_owned(),
        BLAKE3.to_owned(),
        format!("sha256:{HEX}"),
        format!("blake3:{BLAKE3}"),
    ] {
        assert_eq!(verdict(&right), Verdict::Verified, "{right}");
    }
    for wrong in [format!("sha256:{BLAKE3}"), format!("blake3:{HEX}")] {
        assert_eq!(verdict(&wrong), Verdict::Different, "{wrong}");
    }
    assert!(Manifest::of_digest("sha1:00", "t.gguf").is_none());
}

#[test]
fn a_digest_of_the_command_line_is_of_the_named_file_of_a_set() {
    let set = models::tiny().shards(2);
    let names = ["t-00001-of-00002.gguf", "t-00002-of-00002.gguf"];
    let options = CheckOptions {
        folders: &[],
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    let right = blake3::hash(&set[1]).to_hex();
    for (digest, verdict, code) in [
        (right.as_str(), Verdict::Undecided, "manifest.missing"),
        (HEX, Verdict::Different, "manifest.mismatch"),
    ] {
        let manifest = Manifest::of_digest(digest, names[1]).unwrap();
        let found = check(&manifest, &input(&names, &set), &options, &());
        assert_judged(&found, verdict, code);
        assert_eq!(found.reasons[0], code);
        let concluded = found.conclusion.map(|conclusion| conclusion.text);
        let expected = "t-00002-of-00002.gguf is not the file with this digest";
        assert_eq!(
            concluded.as_deref(),
            (code == "manifest.mismatch").then_some(expected)
        );
    }
}

#[test]
fn a_digest_without_a_name_does_not_stand_for_a_split_set() {
    let set = models::tiny().shards(2);
    let names = ["t-00001-of-00002.gguf", "t-00002-of-00002.gguf"];
    let report = checked(HEX, &names, &set);
    assert_judged(&report, Verdict::Undecided, "nothing-compared");
}

#[test]
fn a_manifest_of_many_wrong_rows_counts_them() {
    let files = [models::tiny().to_bytes()];
    let row = format!("sha256    {HEX}  t.gguf:no.such.tensor\n");
    let report = checked(&row.repeat(5000), &["t.gguf"], &files);
    assert_eq!(report.verdict, Verdict::Different);
    assert!(report.findings.len() < 100, "{}", report.findings.len());
    let told = |finding: &crate::report::FindingRow| finding.message.starts_with("and 4980 more");
    assert!(report.findings.iter().any(told));
}
