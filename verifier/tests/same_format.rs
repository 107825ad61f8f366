//! Two files of one format: what is said of each way in which they can be unlike.

use fixtures::gguf::Model;
use fixtures::{apr, damage, models};
use verifier::policy::{Allow, Policy};
use verifier::report::{AtFault, ConclusionKind, Report, text};
use verifier::source::Source;
use verifier::verdict::Verdict::{self, Different, Undecided, Verified};
use verifier::{Input, Options, verify};

fn input<'a>(name: &str, shards: &'a [Vec<u8>]) -> Input<'a> {
    Input {
        name: name.to_owned(),
        shards: shards
            .iter()
            .map(|shard| (name.to_owned(), shard as &dyn Source))
            .collect(),
    }
}

fn compare(a: &[Vec<u8>], b: &[Vec<u8>]) -> Report {
    verify(
        &input("a.model", a),
        &input("b.model", b),
        &Options::default(),
        &(),
    )
}

/// The model, and what becomes of it by an edit.
fn edited(edit: impl FnOnce(&mut Model)) -> Report {
    let model = models::tiny();
    let mut other = model.clone();
    edit(&mut other);
    compare(&[model.to_bytes()], &[other.to_bytes()])
}

#[track_caller]
fn check(report: &Report, verdict: Verdict, says: &[&str]) {
    let text = text::full(report);
    assert_eq!(report.verdict, verdict, "{text}");
    for words in says {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn identical_files_are_verified() {
    let gguf = [models::tiny().to_bytes()];
    check(&compare(&gguf, &gguf), Verified, &["[pair.identical]"]);
    let apr = [apr::from_model(&models::tiny()).to_bytes()];
    check(&compare(&apr, &apr), Verified, &["[pair.identical]"]);
}

#[test]
fn a_flipped_bit_is_named_in_both_files() {
    let gguf = models::tiny().to_bytes();
    let bit = damage::flip_bit(&gguf, gguf.len() - 100, 3);
    for (a, b) in [(&gguf, &bit), (&bit, &gguf)] {
        let report = compare(std::slice::from_ref(a), std::slice::from_ref(b));
        let says = [
            "at a.model, byte",
            "at b.model, byte",
            "bit 3",
            "tells which",
        ];
        check(&report, Different, &says);
        assert_eq!(report.conclusion.unwrap().at_fault, AtFault::Unknown);
    }
}

#[test]
fn every_unlike_key_is_named() {
    let name = "general.name";
    let report = edited(|model| model.set(name, "another"));
    check(&report, Different, &["general.name has another value"]);
    let report = edited(|model| model.set(name, 7_u32));
    check(&report, Different, &["general.name has another type"]);
    let report = edited(|model| model.set("added.key", 7_u32));
    check(&report, Different, &["added.key is only in b.model: 7"]);
    let kind = report.conclusion.as_ref().unwrap().kind;
    assert_eq!(kind, ConclusionKind::Rewritten);
    let report = edited(|model| drop(model.remove(name)));
    check(&report, Different, &["general.name is only in a.model"]);
}

#[test]
fn another_way_of_writing_is_verified_and_said() {
    let report = edited(|model| model.key_values.reverse());
    check(&report, Verified, &["keys in another order"]);
    let report = edited(|model| model.tensors.reverse());
    check(&report, Verified, &["tensors in another order"]);
    let report = edited(|model| model.version = 2);
    check(&report, Verified, &["GGUF version 2 instead of 3"]);
    let model = models::tiny();
    let report = compare(&model.shards(2), &[model.to_bytes()]);
    check(&report, Verified, &["its 2 files are merged into one"]);
    let report = compare(&[model.to_bytes()], &model.shards(2));
    check(&report, Verified, &["it is a set of 2 files instead of 1"]);
}

#[test]
fn tensors_that_one_file_lacks_or_renames_are_named() {
    let report = edited(|model| drop(model.tensors.pop()));
    check(&report, Different, &["is only in a.model [tensor.extra]"]);
    let report = edited(|model| model.tensors[0].name = b"renamed".to_vec());
    check(&report, Different, &["in a.model is renamed in b.model"]);
}

#[test]
fn tensors_of_other_types_are_one_finding() {
    let a = [models::with_type(8).to_bytes()];
    let b = [models::with_type(2).to_bytes()];
    let report = compare(&a, &b);
    check(&report, Different, &["Q8_0 in a.model, Q4_0 in b.model"]);
    let types = report.findings.iter();
    assert_eq!(types.filter(|one| one.code == "tensor.type").count(), 1);
}

/// The model with F32 values that BF16 has as well.
fn rounded() -> Model {
    let mut model = models::tiny();
    for tensor in model.tensors.iter_mut().filter(|one| one.type_id == 0) {
        for value in tensor.data.as_chunks_mut::<4>().0 {
            value[..2].fill(0);
        }
    }
    model
}

/// Stores the upper half of the F32 values.
fn as_bf16(model: &mut Model) {
    for tensor in model.tensors.iter_mut().filter(|one| one.type_id == 0) {
        let values = tensor.data.as_chunks::<4>().0.iter();
        tensor.data = values.flat_map(|value| [value[2], value[3]]).collect();
        tensor.type_id = 30;
    }
}

/// The verdict where findings with these codes may pass.
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
fn allowed(report: &mut Report, codes: &[&str]) -> Verdict {
    let rules = codes.iter().map(|code| Allow::new(code, None).unwrap());
    report.set_policy(&Policy {
        allow: rules.collect(),
        ..Policy::default()
    });
    report.verdict
}

#[test]
fn an_allowed_type_lets_no_other_values_pass() {
    let a = rounded();
    let mut b = a.clone();
    as_bf16(&mut b);
    let mut same = compare(&[a.to_bytes()], &[b.to_bytes()]);
    check(&same, Different, &["the decoded values are the same"]);
    assert_eq!(allowed(&mut same, &["tensor.type"]), Verified);

    let retyped = b.tensors.iter_mut().find(|one| one.type_id == 30).unwrap();
    let name = String::from_utf8(retyped.name.clone()).unwrap();
    retyped.data[0] ^= 1;
    for files in [[&a, &b], [&b, &a]] {
        let [a, b] = files.map(|model| [model.to_bytes()]);
        let mut report = compare(&a, &b);
        let says = format!("{name}: 1 of");
        check(&report, Different, &[&says, "[tensor.values]"]);
        assert_eq!(allowed(&mut report, &["tensor.type"]), Different);
        let both = ["tensor.type", "tensor.values"];
        assert_eq!(allowed(&mut report, &both), Verified);
    }

    let retyped = b.tensors.iter_mut().find(|one| one.type_id == 30).unwrap();
    retyped.data[..2].copy_from_slice(&[0xC0, 0x7F]);
    let mut report = compare(&[a.to_bytes()], &[b.to_bytes()]);
    check(&report, Different, &["[tensor.value-not-finite]"]);
    let both = ["tensor.type", "tensor.values"];
    assert_eq!(allowed(&mut report, &both), Different);
}

#[test]
fn an_allowed_type_of_values_unread_is_undecided() {
    let mut report = edited(|model| {
        for tensor in model.tensors.iter_mut().filter(|one| one.type_id == 0) {
            // I32, which has no values of a float.
            tensor.type_id = 26;
        }
    });
    check(&report, Different, &["[tensor.type]"]);
    assert_eq!(allowed(&mut report, &["tensor.type"]), Undecided);
}

#[test]
fn an_allowed_type_of_an_apr_file_lets_no_values_pass() {
    let model = models::tiny();
    let mut other = apr::from_model(&model);
    // An F32 as BF16.
    let norm = other.tensors.iter_mut().find(|one| one.dtype == 0).unwrap();
    let values = norm.data.as_chunks::<4>().0.iter();
    norm.data = values.flat_map(|value| [value[2] ^ 1, value[3]]).collect();
    norm.dtype = 30;
    let mut report = compare(&[other.to_bytes()], &[model.to_bytes()]);
    check(&report, Different, &["[tensor.type]"]);
    assert_eq!(allowed(&mut report, &["tensor.type"]), Different);
}

#[test]
fn an_allowed_type_of_a_key_lets_no_other_value_pass() {
    let key = "qwen2.block_count";
    let mut same = edited(|model| model.set(key, 1_u64));
    check(&same, Different, &["has another type"]);
    assert_eq!(allowed(&mut same, &["meta.type"]), Verified);
    let mut other = edited(|model| model.set("general.name", 7_u32));
    assert_eq!(allowed(&mut other, &["meta.type"]), Different);
    let both = ["meta.type", "meta.changed"];
    assert_eq!(allowed(&mut other, &both), Verified);

    let [mut a, mut b] = [(); 2].map(|()| apr::from_model(&models::tiny()));
    a.metadata = a.metadata.replacen('{', "{\"odd\": [1, 2], ", 1);
    b.metadata = b.metadata.replacen('{', "{\"odd\": [\"1\", 3], ", 1);
    let mut report = compare(&[a.to_bytes()], &[b.to_bytes()]);
    check(&report, Different, &["odd has another type at [0]"]);
    assert_eq!(allowed(&mut report, &["meta.type"]), Different);
}

#[test]
fn a_rule_for_one_tensor_lets_no_other_tensor_pass() {
    let exact = rounded();
    let mut other = exact.clone();
    as_bf16(&mut other);
    let mut retyped = compare(&[exact.to_bytes()], &[other.to_bytes()]);
    let mut renamed = edited(|model| {
        for tensor in model.tensors.iter_mut().skip(4) {
            tensor.name.insert(0, b'x');
        }
    });
    for (report, code) in [
        (&mut retyped, "tensor.type"),
        (&mut renamed, "tensor.renamed"),
    ] {
        let found = report.findings.iter().find(|one| one.code == code).unwrap();
        let names: Vec<String> = found
            .places
            .iter()
            .filter_map(|place| place.name.clone())
            .collect();
        assert!(names.len() > 2, "{names:?}");
        let mut judged = |pattern: &str| {
            report.set_policy(&Policy {
                allow: vec![Allow::new(code, Some(pattern)).unwrap()],
                ..Policy::default()
            });
            report.verdict
        };
        for name in &names {
            assert_eq!(judged(name), Different, "{code} {name}");
        }
        assert_eq!(judged("*"), Verified, "{code}");
    }
}

#[test]
fn two_models_are_two_models_and_no_damage() {
    let a = [models::qwen2().to_bytes()];
    let report = compare(&a, &[models::llama().to_bytes()]);
    check(&report, Different, &["two models: a.model is"]);
    let found = report.conclusion.unwrap();
    let expected = (ConclusionKind::AnotherModel, AtFault::Neither);
    assert_eq!((found.kind, found.at_fault), expected);
}

#[test]
fn a_cut_file_is_undecided() {
    let gguf = models::tiny().to_bytes();
    let cut = damage::truncate(&gguf, gguf.len() / 2);
    let report = compare(&[gguf], &[cut]);
    check(&report, Undecided, &["b.model is cut, half a download"]);
    assert_eq!(report.conclusion.unwrap().at_fault, AtFault::B);
}

#[test]
fn the_crc_tells_which_apr_file_is_damaged() {
    let apr = apr::from_model(&models::tiny()).to_bytes();
    let bit = damage::flip_bit(&apr, apr.len() - 200, 3);
    let crc = damage::flip_bit(&apr, apr.len() - 2, 0);
    for damaged in [bit, crc] {
        let report = compare(std::slice::from_ref(&apr), std::slice::from_ref(&damaged));
        let says = ["b.model is damaged, a.model is as it was written"];
        check(&report, Different, &says);
        assert_eq!(report.conclusion.unwrap().at_fault, AtFault::B);
        let report = compare(&[damaged], std::slice::from_ref(&apr));
        assert_eq!(report.conclusion.unwrap().at_fault, AtFault::A);
    }
}

#[test]
fn single_flipped_bits_are_damage_and_no_other_version() {
    let report = edited(|model| {
        for tensor in &mut model.tensors {
            let middle = tensor.data.len() / 2;
            tensor.data[middle] ^= 4;
        }
    });
    let says = ["one of the files is damaged, and nothing in them tells which"];
    check(&report, Different, &says);
    assert_eq!(report.conclusion.unwrap().kind, ConclusionKind::Damaged);
}

#[test]
fn a_file_with_scales_that_are_no_numbers_is_the_damaged_one() {
    let report = edited(|model| {
        let tensor = model.tensor_mut("blk.0.extra.weight");
        tensor.data[..2].copy_from_slice(&[0xff, 0x7f]);
    });
    let says = ["b.model holds numbers that no model computes with, and a.model does not"];
    check(&report, Different, &says);
    assert_eq!(report.conclusion.unwrap().at_fault, AtFault::B);
}

/// The file has its whole length: what is wrong is the list.
#[test]
fn a_wrong_size_in_a_whole_file_is_malformed_and_not_cut() {
    let apr = apr::from_model(&models::tiny()).to_bytes();
    let name = b"model.layers.0.mlp.up_proj.weight";
    let at = apr.windows(name.len()).rposition(|bytes| bytes == name);
    // Name, type, rank, two dimensions, offset, then the size.
    let size = at.unwrap() + name.len() + 2 + 16 + 8;
    let damaged = damage::flip_bit(&apr, size + 5, 2);
    let report = compare(&[apr], &[damaged]);
    let says = ["b.model is malformed: model.layers.0.mlp.up_proj.weight: its offset and size"];
    check(&report, Undecided, &says);
}

#[test]
fn a_length_beyond_any_file_is_malformed_and_not_cut() {
    let gguf = models::tiny().to_bytes();
    let key = b"tokenizer.chat_template";
    let at = gguf.windows(key.len()).position(|bytes| bytes == key);
    // The key, the type of its value, then the length.
    let damaged = damage::flip_bit(&gguf, at.unwrap() + key.len() + 4 + 6, 0);
    let report = compare(&[gguf], &[damaged]);
    let says =
        ["b.model is malformed: tokenizer.chat_template: a string says that it is 281474976710"];
    check(&report, Undecided, &says);
}
