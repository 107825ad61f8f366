use std::io::Write as _;
use std::process::{Command, Stdio};

use fixtures::{damage, models};

use super::*;
use crate::code::Code;
use crate::compare::names::gguf_name;
use crate::finding::Effect;
use crate::input::Input;
use crate::policy::{Allow, Policy};
use crate::report::Report;
use crate::report::verdict::Verdict;

const JSON: Form = Form::Json {
    tensor_sha256: false,
};
const JSON_SHA256: Form = Form::Json {
    tensor_sha256: true,
};
const GGUF_HASH: Form = Form::GgufHash { all: false };
const GGUF_HASH_ALL: Form = Form::GgufHash { all: true };
const FORMS: [Form; 6] = [
    JSON,
    JSON_SHA256,
    Form::Sha256sum,
    Form::B3sum,
    GGUF_HASH,
    GGUF_HASH_ALL,
];

fn input<'a>(names: &[&str], files: &'a [Vec<u8>]) -> Input<'a> {
    let shards = names
        .iter()
        .zip(files)
        .map(|(name, bytes)| ((*name).to_owned(), bytes as &dyn Source));
    Input {
        name: names[0].to_owned(),
        shards: shards.collect(),
    }
}

fn written(names: &[&str], files: &[Vec<u8>], form: Form) -> String {
    write(&input(names, files), &options(form), &())
        .unwrap()
        .text
}

fn options(form: Form) -> WriteOptions<'static> {
    WriteOptions {
        form,
        tool: "aprove test",
        as_path: None,
        threads: 2,
    }
}

fn checked(manifest: &str, names: &[&str], files: &[Vec<u8>]) -> Report {
    judged(manifest, names, files, false)
}

/// The same, where header and metadata may stay unbound.
fn checked_weights(manifest: &str, names: &[&str], files: &[Vec<u8>]) -> Report {
    judged(manifest, names, files, true)
}

fn judged(
    manifest: &str,
    names: &[&str],
    files: &[Vec<u8>],
    allow_unbound_metadata: bool,
) -> Report {
    let manifest = parse("list", manifest.as_bytes()).expect("it is a manifest");
    let options = CheckOptions {
        allow_unbound_metadata,
        ..OPTIONS
    };
    check(&manifest, &input(names, files), &options, &())
}

const OPTIONS: CheckOptions<'_> = CheckOptions {
    folders: &[],
    threads: 2,
    allow_unbound_metadata: false,
    file_digests: false,
};

/// Writes a manifest of `tiny`, changes its text, and checks `tiny` against it.
fn with_changed_rows(form: Form, change: impl Fn(&str) -> String) -> Report {
    let files = [models::tiny().to_bytes()];
    let text = written(&["tiny.gguf"], &files, form);
    let changed = change(&text);
    assert_ne!(changed, text);
    checked_weights(&changed, &["tiny.gguf"], &files)
}

fn codes(report: &Report) -> Vec<&str> {
    report
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

#[track_caller]
fn assert_judged(report: &Report, verdict: Verdict, code: &str) {
    assert!(
        report.verdict == verdict && codes(report).contains(&code),
        "{:?} {:#?}",
        report.verdict,
        report.findings
    );
}

fn without_line(text: &str, part: &str) -> String {
    text.lines()
        .filter(|line| !line.contains(part))
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[test]
fn every_form_of_every_kind_of_model_verifies() {
    let model = models::tiny();
    let gguf = [model.to_bytes()];
    let apr = [fixtures::apr::from_model(&model).to_bytes()];
    let set = model.shards(3);
    let shards = [
        "t-00001-of-00003.gguf",
        "t-00002-of-00003.gguf",
        "t-00003-of-00003.gguf",
    ];
    for form in FORMS {
        for (names, files) in [
            (&["t.gguf"][..], &gguf[..]),
            (&["t.apr"], &apr),
            (&shards, &set),
        ] {
            let text = written(names, files, form);
            let is_bound = !matches!(form, Form::GgufHash { .. });
            let report = checked(&text, names, files);
            assert_eq!(report.verdict == Verdict::Verified, is_bound);
            let report = checked_weights(&text, names, files);
            assert_eq!(
                report.verdict,
                Verdict::Verified,
                "{text}{:#?}",
                report.findings
            );
            let tensors = if matches!(form, Form::Sha256sum | Form::B3sum) {
                0
            } else {
                model.tensors.len()
            };
            assert_eq!(
                (report.counts.bytes_equal, report.tensors.len()),
                (tensors, tensors)
            );
        }
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let files = [models::qwen2().to_bytes()];
    let input = input(&["m.gguf"], &files);
    let text = |threads| {
        let options = WriteOptions {
            threads,
            ..options(GGUF_HASH_ALL)
        };
        write(&input, &options, &()).unwrap().text
    };
    assert_eq!(text(1), text(5));
}

#[test]
fn the_rows_of_gguf_hash_are_those_of_the_tool() {
    // The numbers were computed from the file with gguf-py and hashlib; sha1 and sha256 are those that its
    // `gguf_hash.py` prints.
    let files = [models::tiny().to_bytes()];
    let text = written(&["tiny.gguf"], &files, GGUF_HASH_ALL);
    for row in [
        "xxh64     b8728fb40e9ddec6  tiny.gguf:blk.0.extra.weight",
        "xxh3      f3f991a807f72280  tiny.gguf:blk.0.extra.weight",
        "sha1      121f9c7d1b588b0532bdead12360dbb9b1ccac38  tiny.gguf:blk.0.extra.weight",
        "sha256    e81b7458eef56cbb46fb5cba15e31835e8c8d74a73d798783353050f8f6246fa  tiny.gguf:blk.0.extra.weight",
        "xxh64     44be5856fc85cb58  tiny.gguf",
        "xxh3      b00e7602534a0c07  tiny.gguf",
        "sha1      07cd11b3a41347c04fddf0fd2da3c3fb44f9ea38  tiny.gguf",
        "sha256    353ad24bf25d6747c95640ccb0c3795bc66742b4874a9513b4158d7dc8a36826  tiny.gguf",
    ] {
        assert!(text.lines().any(|line| line == row), "{row}\n{text}");
    }
    let first = text.lines().position(|line| line.ends_with("  tiny.gguf"));
    assert_eq!(
        first,
        Some(text.lines().count() - 4),
        "the rows of the model come last"
    );
}

#[test]
fn a_uuid_row_is_looked_up_as_a_uuid() {
    let files = [models::tiny().to_bytes()];
    let right = "uuid      0db8fd11-7460-5f06-b73a-ef99c9b8859a  tiny.gguf\n";
    assert_eq!(
        checked_weights(right, &["tiny.gguf"], &files).verdict,
        Verdict::Verified
    );
    let wrong = right.replace("0db8", "0db9");
    assert_judged(
        &checked(&wrong, &["tiny.gguf"], &files),
        Verdict::Different,
        "manifest.mismatch",
    );
}

#[test]
fn our_form_has_the_digests_of_files_and_tensors() {
    let files = [models::tiny().to_bytes()];
    let text = written(&["tiny.gguf"], &files, JSON_SHA256);
    let without = written(&["tiny.gguf"], &files, JSON);
    assert!(!without.contains("e81b7458eef56cbb"));
    for digest in [
        "6566913774aaa4371dff35c0efc89e16c30680b034055eee3d64f933b26f794e",
        "33e35cf5bb722d588c6b5b1c0dca8721c1d95376371d4bafa405dd3bd7736142",
        "e81b7458eef56cbb46fb5cba15e31835e8c8d74a73d798783353050f8f6246fa",
        "0cc30e9eb84527af582359e5bf6d24b6e451eaf9ff1504d30e6e350529da0cc7",
    ] {
        assert!(text.contains(digest), "{digest}");
    }
}

#[test]
fn a_flipped_bit_anywhere_is_different_in_forms_that_bind_the_file() {
    let bytes = models::tiny().to_bytes();
    let texts = [JSON, Form::Sha256sum, Form::B3sum]
        .map(|form| written(&["t.gguf"], std::slice::from_ref(&bytes), form));
    for at in (0..bytes.len()).step_by(97) {
        let damaged = [damage::flip_bit(&bytes, at, 3)];
        for text in &texts {
            let report = checked(text, &["t.gguf"], &damaged);
            // What it can no longer be decoded for is undecided, as in every mode.
            let unread = report
                .findings
                .iter()
                .any(|one| one.effect == Effect::Unreadable || one.code == Code::FormatUnknown);
            let expected = if unread {
                Verdict::Undecided
            } else {
                Verdict::Different
            };
            assert_eq!(report.verdict, expected, "{at} {:#?}", report.findings);
        }
    }
}

#[test]
fn a_cut_model_is_undecided_whatever_its_digest_and_the_policy() {
    let policy = Policy {
        allow: ["manifest.mismatch", "gguf.truncated", "apr.truncated"]
            .map(|rule| Allow::parse(rule).unwrap())
            .to_vec(),
        ..Policy::default()
    };
    let model = models::tiny();
    let apr = fixtures::apr::from_model(&model).to_bytes();
    for (name, whole) in [("t.gguf", model.to_bytes()), ("t.apr", apr)] {
        let cut = [damage::truncate(&whole, whole.len() - 200)];
        for described in [&[whole], &cut] {
            let text = written(&[name], described, Form::Sha256sum);
            let mut report = checked(&text, &[name], &cut);
            assert_eq!(report.verdict, Verdict::Undecided, "{name}");
            report.set_policy(&policy);
            assert_eq!(report.verdict, Verdict::Undecided, "{name}, allowed");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_tensor_names_the_tensor() {
    let bytes = models::tiny().to_bytes();
    let damaged = [damage::flip_bit(&bytes, bytes.len() - 100, 0)];
    for form in [JSON, GGUF_HASH] {
        let report = checked(
            &written(&["t.gguf"], std::slice::from_ref(&bytes), form),
            &["t.gguf"],
            &damaged,
        );
        assert_judged(&report, Verdict::Different, "manifest.mismatch");
        let named = report.findings.iter().flat_map(|finding| &finding.places);
        assert!(
            named
                .filter_map(|place| place.name.as_deref())
                .any(|name| name == "blk.0.extra.weight")
        );
        assert_eq!(report.counts.tensors_different, 1);
    }
}

#[test]
fn rows_that_are_missing_extra_or_repeated_are_different() {
    let missing = with_changed_rows(GGUF_HASH, |text| without_line(text, ":output.weight"));
    assert_judged(&missing, Verdict::Different, "manifest.missing");
    let extra = with_changed_rows(GGUF_HASH, |text| {
        text.replace(":output.weight", ":output.bias")
    });
    assert_judged(&extra, Verdict::Different, "manifest.extra");
    let repeated = with_changed_rows(GGUF_HASH, |text| {
        let row = text.lines().next().unwrap();
        let digest = row.split_whitespace().nth(1).unwrap();
        let other = row.replace(digest, &"0".repeat(digest.len()));
        format!("{text}{other}\n")
    });
    assert_judged(&repeated, Verdict::Different, "manifest.duplicate");
    let repeated = with_changed_rows(Form::Sha256sum, |text| text.repeat(2));
    assert_judged(&repeated, Verdict::Verified, "manifest.bound");
    let model_row_only = with_changed_rows(GGUF_HASH, |text| without_line(text, "weight"));
    assert_judged(&model_row_only, Verdict::Different, "manifest.missing");
    let no_layers = with_changed_rows(GGUF_HASH, |text| without_line(text, "gguf:"));
    assert_judged(&no_layers, Verdict::Verified, "manifest.coverage");
}

#[test]
fn one_matching_tensor_does_not_make_up_for_a_wrong_one() {
    let wrong = with_changed_rows(GGUF_HASH, |text| {
        text.replace("e81b7458eef56cbb", "e81b7458eef56cbc")
    });
    assert_judged(&wrong, Verdict::Different, "manifest.mismatch");
    assert_eq!(wrong.counts.tensors_different, 1);
}

#[test]
fn names_with_spaces_and_colons_are_found() {
    let mut model = models::tiny();
    model.tensors[0].name = b"a  b:c d".to_vec();
    let files = [model.to_bytes()];
    for form in FORMS {
        let text = written(&["my  model: x.gguf"], &files, form);
        let report = checked_weights(&text, &["my  model: x.gguf"], &files);
        assert_eq!(
            report.verdict,
            Verdict::Verified,
            "{text}{:#?}",
            report.findings
        );
        // Of another name the tensors that are known tell the path.
        let moved = text.replace("my  model: x", "my  model");
        assert_judged(
            &checked_weights(&moved, &["y.gguf"], &files),
            Verdict::Verified,
            "manifest.name",
        );
    }
    let text = written(&["m.gguf"], &files, GGUF_HASH);
    let extra = checked(
        &text.replace("m.gguf:a  b:c d", "m.gguf:a  b:x"),
        &["m.gguf"],
        &files,
    );
    assert_judged(&extra, Verdict::Different, "manifest.extra");
}

#[test]
fn a_model_that_was_moved_or_renamed_is_found() {
    let files = [models::tiny().to_bytes()];
    for form in [Form::Sha256sum, GGUF_HASH] {
        for path in ["/models/tiny.gguf", "C:\\models\\tiny.gguf"] {
            let options = WriteOptions {
                as_path: Some(path),
                ..options(form)
            };
            let text = write(&input(&["tiny.gguf"], &files), &options, &())
                .unwrap()
                .text;
            assert_eq!(
                checked_weights(&text, &["tiny.gguf"], &files).verdict,
                Verdict::Verified,
                "{text}"
            );
            assert_judged(
                &checked_weights(&text, &["other.gguf"], &files),
                Verdict::Verified,
                "manifest.name",
            );
        }
    }
}

#[test]
fn rows_of_other_files_count_only_where_none_is_for_this_one() {
    let files = [models::tiny().to_bytes()];
    let other = [models::qwen2().to_bytes()];
    for form in [Form::Sha256sum, GGUF_HASH] {
        let both = written(&["tiny.gguf"], &files, form) + &written(&["other.gguf"], &other, form);
        assert_judged(
            &checked_weights(&both, &["tiny.gguf"], &files),
            Verdict::Verified,
            "manifest.other-files",
        );
        assert_judged(
            &checked(&both, &["third.gguf"], &files),
            Verdict::Undecided,
            "nothing-compared",
        );
    }
}

#[test]
fn of_rows_in_several_folders_the_one_of_its_own_counts() {
    let digest = |file: &[u8]| {
        let text = written(&["t.gguf"], &[file.to_vec()], Form::Sha256sum);
        text.split(' ').next().unwrap().to_owned()
    };
    let (own, other) = (models::tiny().to_bytes(), models::qwen2().to_bytes());
    let (d, e) = (digest(&own), digest(&other));
    let third = digest(b"");
    let sizes = |of_q4: usize| {
        let row = |path: &str, digest: &str, size: usize| {
            let lfs = serde_json::json!({"oid": digest, "size": size, "pointerSize": 134});
            serde_json::json!({"type": "file", "path": path, "size": size, "oid": "00", "lfs": lfs})
        };
        let rows = [
            row("q4/t.gguf", &d, of_q4),
            row("q8/t.gguf", &e, other.len()),
        ];
        serde_json::json!(rows).to_string()
    };
    let (verified, different, undecided) =
        (Verdict::Verified, Verdict::Different, Verdict::Undecided);
    let rows = format!("{d}  q4/t.gguf\n{e}  ./q8/t.gguf\n");
    let deep = format!("{e}  q4/t.gguf\n{d}  a/q4/t.gguf\n{e}  t.gguf\n");
    let bare = |digest: &str| format!("{d}  q4/t.gguf\n{digest}  ./t.gguf\n");
    let neither = format!("{third}  q4/t.gguf\n{e}  q8/t.gguf\n");
    for (text, folder, verdict) in [
        (&rows, "/models/q4", verified),
        (&rows, "/models/q8", different),
        (&rows, "", verified),
        (&rows, "/models", verified),
        (&neither, "/models", undecided),
        (&bare(&third), "/models", different),
        (&bare(&d), "/models", verified),
        (&bare(&third), "/models/q4", verified),
        (&neither, "/models/q4", different),
        (&deep, "/x/a/q4", verified),
        (&deep, "/x/q4", different),
        (&sizes(own.len()), "/models/q4", verified),
        (&sizes(own.len()), "/models", verified),
        (&sizes(own.len()), "/models/q8", different),
        (&sizes(own.len() + 1), "/models", undecided),
    ] {
        let manifest = parse("list", text.as_bytes()).unwrap();
        let folders = &[folder.to_owned()];
        let options = CheckOptions { folders, ..OPTIONS };
        let files = std::slice::from_ref(&own);
        let report = check(&manifest, &input(&["t.gguf"], files), &options, &());
        assert_eq!(report.verdict, verdict, "{folder} {text} {report:#?}");
    }
}

#[test]
fn a_row_of_this_file_in_another_spelling_is_its_row() {
    let digest = |file: &[u8]| {
        let text = written(&["t.gguf"], &[file.to_vec()], Form::Sha256sum);
        text.split(' ').next().unwrap().to_owned()
    };
    let own = models::tiny().to_bytes();
    let (d, e) = (digest(&own), digest(b""));
    let (verified, different, undecided) =
        (Verdict::Verified, Verdict::Different, Verdict::Undecided);
    for (path, verdict) in [
        ("../e/d/t.gguf", different),
        ("/abs/e/d/t.gguf", different),
        ("C:\\e\\d\\t.gguf", different),
        ("e/x/../d/t.gguf", different),
        ("E/D/t.gguf", different),
        ("*e/d/t.gguf", different),
        ("/m/e/d/t.gguf", different),
        // It may be this file, before it was moved.
        ("/abs/y/t.gguf", undecided),
        ("C:\\y\\t.gguf", undecided),
        ("../y/t.gguf", undecided),
        // A folder of the list that this file is not in.
        ("y/t.gguf", verified),
    ] {
        for text in [
            format!("{e}  {path}\n{d}  x/t.gguf\n"),
            format!("{d}  x/t.gguf\n{e}  {path}\n"),
        ] {
            let manifest = parse("list", text.as_bytes()).unwrap();
            let folder = "/m/e/d";
            let folders = &[folder.to_owned()];
            let options = CheckOptions { folders, ..OPTIONS };
            let files = std::slice::from_ref(&own);
            let report = check(&manifest, &input(&["t.gguf"], files), &options, &());
            assert_eq!(report.verdict, verdict, "{text} {report:#?}");
        }
    }
}

/// Both paths lead to the file at hand: the rows of both must hold.
#[test]
fn a_file_in_a_linked_folder_has_the_rows_of_both_paths() {
    let own = models::tiny().to_bytes();
    let row = written(&["t.gguf"], std::slice::from_ref(&own), Form::Sha256sum);
    let (d, e) = (row.split(' ').next().unwrap(), "0".repeat(64));
    let folders = &["/m/lnk".to_owned(), "/m/e/d".to_owned()];
    for (text, verdict) in [
        (
            format!("{e}  e/d/t.gguf\n{d}  x/t.gguf\n"),
            Verdict::Different,
        ),
        (
            format!("{e}  lnk/t.gguf\n{d}  e/d/t.gguf\n"),
            Verdict::Different,
        ),
        (
            format!("{d}  lnk/t.gguf\n{e}  x/t.gguf\n"),
            Verdict::Verified,
        ),
    ] {
        let manifest = parse("list", text.as_bytes()).unwrap();
        let options = CheckOptions { folders, ..OPTIONS };
        let files = std::slice::from_ref(&own);
        let report = check(&manifest, &input(&["t.gguf"], files), &options, &());
        assert_eq!(report.verdict, verdict, "{text} {report:#?}");
    }
}

/// The tensors of an artifact have names of their own; what it stores as it was has the digests of the GGUF.
#[test]
fn rows_of_a_gguf_are_held_against_its_artifact_by_their_names() {
    let model = models::tiny();
    let gguf = [model.to_bytes()];
    let rows = written(&["t.gguf"], &gguf, GGUF_HASH);
    let rows = |wrong: &str| {
        let changed = rows.lines().map(|row| match row.contains(wrong) {
            true => {
                let digest = row.split_whitespace().nth(1).unwrap();
                row.replace(digest, &"0".repeat(digest.len()))
            }
            false => row.to_owned(),
        });
        changed.collect::<Vec<_>>().join("\n")
    };
    let mut artifact = fixtures::apr::converted(&model);
    let apr = artifact.to_bytes();
    artifact.decode_f16(
        "blk.0.attn_q.weight",
        "model.layers.0.self_attn.q_proj.weight",
    );
    let decoded = artifact.to_bytes();
    for (wrong, apr, verdict) in [
        ("nothing", &apr, Verdict::Verified),
        (":blk.0.attn_k.weight", &apr, Verdict::Different),
        ("nothing", &decoded, Verdict::Undecided),
    ] {
        let apr = std::slice::from_ref(apr);
        let report = checked_weights(&rows(wrong), &["t.apr"], apr);
        assert_eq!(report.verdict, verdict, "{wrong} {report:#?}");
    }
}

#[test]
fn a_set_is_one_whose_rows_are_all_of_one_folder() {
    let names = ["t-00001-of-00002.gguf", "t-00002-of-00002.gguf"];
    let own = models::tiny().shards(2);
    let mut other = own.clone();
    *other[1].last_mut().unwrap() ^= 1;
    let rows = |folder: &str, files: &[Vec<u8>]| {
        let text = written(&names, files, Form::Sha256sum);
        text.replace("  t-", &format!("  {folder}/t-"))
    };
    let both = rows("a", &own) + &rows("b", &[own[1].clone(), other[1].clone()]);
    // A list that lacks a row.
    let lacking = rows("a", &own[..1]) + &rows("b", &[own[1].clone(), other[1].clone()]);
    for (list, files, verdict) in [
        (&both, [&own[0], &own[1]], Verdict::Verified),
        (&both, [&own[0], &other[1]], Verdict::Undecided),
        (&lacking, [&own[0], &other[1]], Verdict::Undecided),
    ] {
        let manifest = parse("list", list.as_bytes()).unwrap();
        let files = files.map(Clone::clone);
        let report = check(&manifest, &input(&names, &files), &OPTIONS, &());
        assert_eq!(report.verdict, verdict, "{report:#?}");
    }
}

#[test]
fn of_tensor_rows_in_several_folders_none_accuses_the_file() {
    let files = [models::tiny().to_bytes()];
    let rows = |path: &str, model: &[u8]| {
        let as_path = Some(path);
        let options = WriteOptions {
            as_path,
            ..options(GGUF_HASH)
        };
        let files = [model.to_vec()];
        write(&input(&["t.gguf"], &files), &options, &())
            .unwrap()
            .text
    };
    let both = rows("q4/t.gguf", &files[0]) + &rows("q8/t.gguf", &models::qwen2().to_bytes());
    let manifest = parse("list", both.as_bytes()).unwrap();
    for (folder, verdict) in [
        ("q4", Verdict::Verified),
        ("q8", Verdict::Different),
        ("", Verdict::Undecided),
    ] {
        let folders = &[folder.to_owned()];
        let options = CheckOptions {
            folders,
            allow_unbound_metadata: true,
            ..OPTIONS
        };
        let report = check(&manifest, &input(&["t.gguf"], &files), &options, &());
        assert_eq!(report.verdict, verdict, "{folder} {report:#?}");
    }
}

#[test]
fn where_no_row_holds_nothing_is_left_to_let_pass() {
    let files = [models::tiny().to_bytes()];
    let zeros = "0".repeat(64);
    let digest = Manifest::of_digest(&zeros, "t.gguf").unwrap();
    let mut report = check(&digest, &input(&["t.gguf"], &files), &OPTIONS, &());
    assert_eq!(report.verdict, Verdict::Different);
    report.set_policy(&Policy {
        allow: vec![Allow::parse("manifest.mismatch").unwrap()],
        ..Policy::default()
    });
    assert_eq!(report.verdict, Verdict::Undecided);
    let said = crate::report::text::answer(&report);
    assert!(said.contains("nothing was compared that agrees"), "{said}");
}

#[test]
fn every_file_of_a_set_needs_a_row() {
    let set = models::tiny().shards(2);
    let names = ["t-00001-of-00002.gguf", "t-00002-of-00002.gguf"];
    // Rows of tensors are of a whole model: one without a row is another model.
    for (form, verdict) in [
        (Form::Sha256sum, Verdict::Undecided),
        (GGUF_HASH, Verdict::Different),
    ] {
        let text = without_line(&written(&names, &set, form), "00002-of");
        assert_judged(&checked(&text, &names, &set), verdict, "manifest.missing");
    }
    let merged = written(&["t.gguf"], &[models::tiny().to_bytes()], GGUF_HASH);
    let report = checked_weights(&merged, &names, &set);
    assert_judged(&report, Verdict::Verified, "manifest.name");
}

#[test]
fn unbound_metadata_are_undecided_unless_they_are_allowed() {
    let files = [models::tiny().to_bytes()];
    let all = written(&["tiny.gguf"], &files, GGUF_HASH_ALL);
    let of_64_bits = without_line(&without_line(&all, "sha256  "), "sha1  ");
    for text in [&all, &of_64_bits, &without_line(&of_64_bits, "gguf:")] {
        let report = checked(text, &["tiny.gguf"], &files);
        assert_judged(&report, Verdict::Undecided, "manifest.coverage");
        let manifest = report.manifest.unwrap();
        assert_eq!(
            manifest.unbound,
            ["header, metadata and padding of tiny.gguf"]
        );
    }
    let report = checked(&all, &["tiny.gguf"], &files);
    let tensors = models::tiny().tensors.len();
    let bound = format!("the bytes of {tensors} tensors");
    assert_eq!(report.manifest.unwrap().bound, [bound]);
    let whole = written(&["tiny.gguf"], &files, Form::B3sum);
    let manifest = checked(&whole, &["tiny.gguf"], &files).manifest.unwrap();
    assert_eq!(manifest.bound, ["every byte of tiny.gguf, by blake3"]);
    assert!(manifest.unbound.is_empty());
}

#[test]
fn weak_digests_and_unbound_metadata_are_named() {
    let weak = with_changed_rows(GGUF_HASH_ALL, |text| without_line(text, "sha256  "));
    assert_judged(&weak, Verdict::Verified, "manifest.weak");
    let strong = with_changed_rows(GGUF_HASH_ALL, |text| without_line(text, "xxh64  "));
    assert!(!codes(&strong).contains(&"manifest.weak"));
    assert!(codes(&strong).contains(&"manifest.coverage"));
    assert!(strong.files[0].covered < strong.files[0].size);
}

#[test]
fn a_row_that_cannot_be_read_is_undecided() {
    for form in [Form::Sha256sum, GGUF_HASH] {
        let report = with_changed_rows(form, |text| format!("{text}what is this\n"));
        assert_judged(&report, Verdict::Undecided, "manifest.syntax");
    }
    for change in [
        ("\"size\"", "\"length\""),
        ("\"manifest\": 2", "\"manifest\": 1"),
        ("\"manifest\": 2", "\"manifest\": 3"),
        ("\"files\": [", "\"files\": [}"),
        (
            "\"name\": \"tiny.gguf\"",
            "\"name\": \"tiny.gguf\", \"signed\": true",
        ),
    ] {
        let report = with_changed_rows(JSON, |text| text.replacen(change.0, change.1, 1));
        assert_judged(&report, Verdict::Undecided, "manifest.syntax");
    }
    let short = with_changed_rows(JSON_SHA256, |text| text.replace("e81b7458eef56cbb", "e81b"));
    assert_judged(&short, Verdict::Undecided, "manifest.syntax");
}

#[test]
fn an_empty_manifest_compares_nothing() {
    let files = [models::tiny().to_bytes()];
    let report = checked(
        "{\"manifest\":2,\"tool\":\"aprove\",\"files\":[],\"tensors\":[]}",
        &["t.gguf"],
        &files,
    );
    assert_judged(&report, Verdict::Undecided, "nothing-compared");
}

#[test]
fn what_our_form_says_of_a_tensor_is_compared() {
    for (from, to) in [
        ("\"type\": \"Q4_K\"", "\"type\": \"Q5_K\""),
        (
            "\"name\": \"blk.0.extra.weight\"",
            "\"name\": \"blk.0.more.weight\"",
        ),
        ("\"size\": 144", "\"size\": 145"),
        ("\"shape\": [", "\"shard\": 1, \"shape\": ["),
        ("\"size\": 5376", "\"size\": 5377"),
        ("\"offset\": ", "\"offset\": 1"),
    ] {
        let report = with_changed_rows(JSON, |text| text.replacen(from, to, 1));
        assert_eq!(
            report.verdict,
            Verdict::Different,
            "{from} {:#?}",
            report.findings
        );
    }
}

#[test]
fn a_cut_file_does_not_verify_where_only_tensors_are_bound() {
    let bytes = models::tiny().to_bytes();
    let text = written(&["t.gguf"], std::slice::from_ref(&bytes), GGUF_HASH);
    let checked = |length| checked(&text, &["t.gguf"], &[bytes[..length].to_vec()]);
    assert_judged(&checked(0), Verdict::Undecided, "input.not-a-model");
    for length in [10, 200] {
        assert_judged(
            &checked(length),
            Verdict::Undecided,
            "manifest.not-compared",
        );
    }
    let report = checked(bytes.len() - 200);
    assert_ne!(report.verdict, Verdict::Verified);
    assert!(codes(&report).contains(&"manifest.not-compared"));
    assert!(!codes(&report).contains(&"manifest.mismatch"));
}

#[test]
fn a_file_that_does_not_decode_has_whole_file_rows_only() {
    let whole = models::tiny().to_bytes();
    for bytes in [
        whole[..3000].to_vec(),
        whole[..200].to_vec(),
        damage::html_page(),
    ] {
        let files = [bytes];
        let input = input(&["t.gguf"], &files);
        for form in [Form::Sha256sum, Form::B3sum] {
            let written = write(&input, &options(form), &()).unwrap();
            assert!(written.text.ends_with("  t.gguf\n") && !written.warnings.is_empty());
        }
        for form in [JSON, GGUF_HASH] {
            let refused = write(&input, &options(form), &());
            assert!(matches!(refused, Err(Error::Incomplete { .. })));
        }
    }
}

#[test]
fn a_name_that_a_row_cannot_hold_is_refused() {
    let mut model = models::tiny();
    model.tensors[0].name = b"a\nb".to_vec();
    let files = [model.to_bytes()];
    let refused = write(&input(&["t.gguf"], &files), &options(GGUF_HASH), &());
    assert!(matches!(refused, Err(Error::Name { .. })));
    let text = written(&["t.gguf"], &files, JSON);
    assert!(text.contains(r"a\nb"));
    let set = models::tiny().shards(2);
    let named = WriteOptions {
        as_path: Some("x"),
        ..options(Form::B3sum)
    };
    let refused = write(&input(&["a", "b"], &set), &named, &());
    assert!(matches!(refused, Err(Error::OneNameForMany { count: 2 })));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_not_judged() {
    struct Changing(Vec<u8>);
    impl Source for Changing {
        fn length(&self) -> u64 {
            self.0.length()
        }
        fn read_exact_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
            self.0.read_exact_at(offset, buffer)
        }
        fn check_unchanged(&self) -> Result<(), String> {
            Err("it was written to".to_owned())
        }
    }
    let files = [models::tiny().to_bytes()];
    let text = written(&["t.gguf"], &files, JSON);
    let changing = Changing(files[0].clone());
    let input = Input {
        name: "t.gguf".to_owned(),
        shards: vec![("t.gguf".to_owned(), &changing)],
    };
    assert!(matches!(
        write(&input, &options(JSON), &()),
        Err(Error::Changed { .. })
    ));
    let how = CheckOptions {
        folders: &[],
        threads: 1,
        allow_unbound_metadata: false,
        file_digests: false,
    };
    let report = check(&parse("list", text.as_bytes()).unwrap(), &input, &how, &());
    assert_judged(&report, Verdict::Undecided, "input-changed");
}

#[needs::command("sha256sum --version")]
#[test]
fn the_rows_are_accepted_by_sha256sum() {
    assert_accepted_by("sha256sum", Form::Sha256sum);
}

#[needs::command("b3sum --version")]
#[test]
fn the_rows_are_accepted_by_b3sum() {
    assert_accepted_by("b3sum", Form::B3sum);
}

fn assert_accepted_by(tool: &str, form: Form) {
    let files = [models::tiny().to_bytes()];
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny.gguf", "back\\slash  and\nline.gguf"] {
        let path = folder.path().join(name);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        file.write_all(&files[0]).unwrap();
        let text = written(&[name], &files, form);
        assert_eq!(
            checked(&text, &[name], &files).verdict,
            Verdict::Verified,
            "{text}"
        );
        let mut child = Command::new(tool)
            .arg("-c")
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut rows = child.stdin.take().unwrap();
        rows.write_all(text.as_bytes()).unwrap();
        drop(rows);
        assert!(child.wait().unwrap().success(), "{tool}: {text}");
    }
}

#[test]
fn what_is_not_a_manifest_is_not_taken_for_one() {
    for bytes in [
        &b""[..],
        b"{}",
        b"{\"model\": 1}",
        b"{ not json",
        b"[1]",
        b"hello\n",
        b"\xff\xfeh",
        &models::tiny().to_bytes(),
        &damage::html_page(),
    ] {
        assert!(parse("x", bytes).is_none());
    }
    let gguf = models::tiny().to_bytes();
    assert!(matches!(read("x", &gguf), Err(Unusable::Model)));
    assert!(matches!(
        read("x", &damage::html_page()),
        Err(Unusable::Unknown)
    ));
    assert!(matches!(read("x", &Vec::new()), Err(Unusable::Unknown)));
    let text = written(&["t.gguf"], &[gguf], GGUF_HASH).into_bytes();
    assert!(read("x", &text).is_ok());
}

#[test]
fn what_is_not_a_model_is_not_compared_with_a_manifest() {
    let files = [damage::html_page()];
    let text = written(&["page.gguf"], &files, Form::Sha256sum);
    let report = checked(&text, &["page.gguf"], &files);
    assert_judged(&report, Verdict::Undecided, "input.web-page");
    assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
}

#[test]
fn a_manifest_in_the_place_of_a_model_is_undecided() {
    let gguf = [models::tiny().to_bytes()];
    let list = [written(&["t.gguf"], &gguf, Form::Sha256sum).into_bytes()];
    let (model, manifest) = (input(&["t.gguf"], &gguf), input(&["m.apr"], &list));
    for (a, b) in [(&model, &manifest), (&manifest, &model)] {
        let report = crate::verify(a, b, &crate::Options::default(), &());
        assert_judged(&report, Verdict::Undecided, "pair.manifest");
        let hint = report.findings[0].hint.as_deref();
        assert_eq!(hint, Some("verify t.gguf --manifest m.apr"));
        assert_eq!(report.mode, Mode::Pair);
    }
}

mod publishers;
mod sidecar;

#[test]
fn a_manifest_that_changes_while_it_is_read_decides_nothing() {
    let files = [models::tiny().to_bytes()];
    let why = Unusable::Changed("its length".to_owned());
    let report = cannot_check("list", &why, &input(&["m.gguf"], &files));
    assert_judged(&report, Verdict::Undecided, "input-changed");
}
