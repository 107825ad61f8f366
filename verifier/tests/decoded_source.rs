//! An artifact that stores tensors in another way than its source: its digests can be put right by whoever edits it, and the
//! BLAKE3 of the source shows nothing where no file has what it is of. Then nobody is accused.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fixtures::apr::{Converted, converted};
use fixtures::gguf::Model;
use fixtures::models;
use verifier::report::{AtFault, ConclusionKind, text};
use verifier::verdict::Verdict;

mod common;

const DECODED: [&str; 2] = [
    "blk.0.attn_q.weight",
    "model.layers.0.self_attn.q_proj.weight",
];
const OTHER: [&str; 2] = [
    "blk.0.attn_k.weight",
    "model.layers.0.self_attn.k_proj.weight",
];
const KEPT: [&str; 2] = [
    "blk.0.attn_norm.weight",
    "model.layers.0.input_layernorm.weight",
];

fn artifact() -> Converted {
    let mut artifact = converted(&models::small());
    artifact.decode_f16(DECODED[0], DECODED[1]);
    artifact.decode_f16(OTHER[0], OTHER[1]);
    artifact
}

/// One bit of a number of a tensor, with the digest that the record has of it.
fn edit(artifact: &mut Converted, name: &str) {
    let first = artifact.tensor_mut(name).data.first_mut().unwrap();
    *first ^= 4;
    artifact.put_right(name);
}

fn edited(change: impl Fn(&mut Model)) -> Model {
    let mut model = models::small();
    change(&mut model);
    model
}

fn flip(model: &mut Model, name: &str) {
    *model.tensor_mut(name).data.first_mut().unwrap() ^= 4;
}

#[test]
fn an_edited_artifact_with_right_digests_accuses_no_gguf() {
    let reversed: fn(&mut Model) = |model| model.key_values[1..].reverse();
    let (apr, gguf, unknown) = (AtFault::Apr, AtFault::Gguf, AtFault::Unknown);
    let mut wrong = Vec::new();
    for (name, forged, gguf, at_fault, says) in [
        (
            "a decoded tensor",
            &[DECODED[1]][..],
            edited(reversed),
            apr,
            "the GGUF has the tensors of the file that it was made from",
        ),
        (
            "a tensor that is stored as it was",
            &[KEPT[1]],
            edited(reversed),
            apr,
            "the GGUF has the tensors of the file that it was made from",
        ),
        (
            "a decoded tensor, and another one of the GGUF",
            &[DECODED[1]],
            edited(|model| flip(model, "blk.0.ffn_up.weight")),
            AtFault::Both,
            "both files are damaged, or the GGUF is not the file that the APR file was made from",
        ),
        (
            "two decoded tensors, one of each file",
            &[DECODED[1]],
            edited(|model| flip(model, OTHER[0])),
            unknown,
            "which of them is wrong cannot be told",
        ),
        (
            "an honest artifact, a decoded tensor of the GGUF",
            &[],
            edited(|model| {
                reversed(model);
                flip(model, DECODED[0]);
            }),
            unknown,
            "which of them is wrong cannot be told",
        ),
        (
            "an honest artifact, another tensor of the GGUF",
            &[],
            edited(|model| flip(model, KEPT[0])),
            gguf,
            "the GGUF is damaged, or not the file that the APR file was made from",
        ),
    ] {
        let mut artifact = artifact();
        for name in forged {
            edit(&mut artifact, name);
        }
        let report = common::report(&artifact.to_bytes(), &gguf.to_bytes(), 1);
        let told = report.conclusion.as_ref().unwrap();
        let is_right = report.verdict == Verdict::Different
            && told.at_fault == at_fault
            && told.text.contains(says);
        if !is_right {
            wrong.push(format!("{name}: {}", text::full(&report)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let honest = artifact().to_bytes();
    let report = common::report(&honest, &models::small().to_bytes(), 1);
    assert_eq!(report.verdict, Verdict::Verified, "{}", text::full(&report));
    let rewritten = common::report(&honest, &edited(reversed).to_bytes(), 1);
    let told = rewritten.conclusion.unwrap();
    assert_eq!(told.kind, ConclusionKind::Rewritten, "{}", told.text);
}

/// Its record holds: it was edited in a tensor that has no counterpart of its own in the source.
#[test]
fn a_copy_of_the_embedding_that_is_none_accuses_no_gguf() {
    let tied: fn(&mut Model) = |model| {
        model
            .tensors
            .retain(|tensor| tensor.name != b"output.weight");
    };
    let mut artifact = converted(&edited(tied));
    let embedding = artifact.tensor_mut("model.embed_tokens.weight").clone();
    let output = "lm_head.weight";
    artifact.tensors.push(fixtures::apr::AprTensor {
        name: output.into(),
        ..embedding
    });
    artifact.tensors.sort_by(|a, b| a.name.cmp(&b.name));
    artifact.put_right(output);
    *artifact.at("/aprove/tie") = "duplicate".into();
    let reversed = edited(|model| {
        tied(model);
        model.key_values[1..].reverse();
    });
    let gguf = reversed.to_bytes();
    let report = common::report(&artifact.to_bytes(), &gguf, 1);
    let told = report.conclusion.unwrap();
    assert_eq!(told.kind, ConclusionKind::Rewritten, "{}", told.text);
    edit(&mut artifact, output);
    let report = common::report(&artifact.to_bytes(), &gguf, 1);
    let told = report.conclusion.unwrap();
    assert_eq!(told.at_fault, AtFault::Apr, "{}", told.text);
}

/// One tensor with its digest, another one without: what the record says of the first is no word about the GGUF.
#[test]
fn a_forged_digest_beside_a_damage_accuses_no_gguf() {
    let mut artifact = converted(&models::small());
    edit(&mut artifact, KEPT[1]);
    let other = artifact.tensor_mut(DECODED[1]);
    *other.data.first_mut().unwrap() ^= 4;
    let reversed = edited(|model| model.key_values[1..].reverse());
    let report = common::report(&artifact.to_bytes(), &reversed.to_bytes(), 1);
    let told = report.conclusion.unwrap();
    assert_eq!(told.at_fault, AtFault::Apr, "{}", told.text);
}
