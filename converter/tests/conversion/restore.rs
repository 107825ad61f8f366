//! Artifacts give their sources back, bit for bit, or say why not.

use std::{fs, sync::atomic::AtomicBool};

use converter::{Error, RestoreRequest, RestoredFile, Tie, Unsupported, restore};
use fixtures::{
    apr::{Entry, Image},
    gguf::shard_name,
    malformed, models,
};
use serde_json::Value;

use crate::support::{Workbench, write};

#[test]
fn every_model_is_restored_bit_for_bit() {
    let models = [
        models::qwen2(),
        models::llama(),
        models::qwen3(),
        models::qwen2_tied(),
        models::qwen2_aligned(),
        models::llama_spm(),
        models::odd(),
        models::tiny(),
    ];
    for model in models {
        let bench = Workbench::new(&model);
        let artifact = bench.artifact();
        let restored = restored(&bench).unwrap();
        let [file] = restored.as_slice() else {
            panic!("{restored:?}");
        };
        let source = model.to_bytes();
        assert!(fs::read(&file.path).unwrap() == source);
        assert_eq!(file.size, source.len() as u64);
        assert_eq!(file.blake3, blake3::hash(&source).to_hex().to_string());
        assert!(artifact != source);
    }
}

#[test]
fn every_legal_oddity_that_converts_is_restored() {
    let mut count = 0;
    for case in malformed::gguf() {
        let (name, bytes) = (case.name, case.bytes);
        let bench = Workbench::with_files(&[("model.gguf".to_owned(), bytes.clone())]);
        let Ok(pending) = bench.convert() else {
            continue;
        };
        pending.publish(converter::Verification::Skipped).unwrap();
        let restored = restored(&bench).unwrap();
        assert!(fs::read(&restored[0].path).unwrap() == bytes, "{name}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

#[test]
fn a_split_set_is_restored_file_by_file() {
    let shards = models::qwen3().shards(3);
    let names = (1..).map(|number| shard_name("model", number, 3));
    let files: Vec<(String, Vec<u8>)> = names.zip(shards).collect();
    let bench = Workbench::with_files(&files);
    bench.artifact();
    let restored = restored(&bench).unwrap();
    for ((_, source), (number, file)) in files.iter().zip((1..).zip(&restored)) {
        let name = format!("back-{number:05}-of-00003.gguf");
        assert_eq!(file.path.file_name().unwrap(), name.as_str());
        assert!(fs::read(&file.path).unwrap() == *source);
    }
    assert_eq!(restored.len(), 3);
}

#[test]
fn a_record_without_a_file_of_its_set_restores_nothing() {
    let shards = models::qwen2().shards(3);
    let shards = (0..).zip(shards);
    let files: Vec<_> = shards
        .map(|(at, shard)| (shard_name("m", at, 3), shard))
        .collect();
    let bench = Workbench::with_files(&files);
    let sound = Image::parse(&bench.artifact());
    let before = bench.names();
    for kept in [&[0, 2][..], &[2, 1, 0], &[1], &[0]] {
        let mut metadata: Value = serde_json::from_slice(&sound.metadata).unwrap();
        let sources = &mut metadata["aprove"]["sources"];
        *sources = kept.iter().map(|at| sources[at].clone()).collect();
        let mut edited = sound.clone();
        edited.metadata = serde_json::to_vec(&metadata).unwrap();
        write(&bench.request.output, &edited.to_bytes());
        let refused = restored(&bench).unwrap_err().to_string();
        assert!(refused.contains("are no model"), "{kept:?}: {refused}");
        assert_eq!(bench.names(), before);
    }
}

#[test]
fn a_copy_of_the_embedding_is_not_restored() {
    let mut bench = Workbench::new(&models::qwen2_tied());
    bench.request.tie = Tie::Duplicate;
    bench.artifact();
    let file = &restored(&bench).unwrap()[0];
    assert!(fs::read(&file.path).unwrap() == models::qwen2_tied().to_bytes());
}

#[test]
fn raw_tensors_come_back_and_decoded_ones_are_named() {
    let model = models::with_type(Q5_0);
    for (unsupported, is_restored) in [(Unsupported::Raw, true), (Unsupported::DecodeF32, false)] {
        let mut bench = Workbench::new(&model);
        bench.request.unsupported = unsupported;
        bench.artifact();
        match restored(&bench) {
            Ok(files) => {
                assert!(is_restored);
                assert!(fs::read(&files[0].path).unwrap() == model.to_bytes());
            }
            Err(error) => {
                assert!(!is_restored, "{error}");
                let text = error.to_string();
                assert!(text.contains("decoded F32"), "{text}");
            }
        }
    }
}

#[test]
fn no_damaged_artifact_gives_another_file() {
    let bench = Workbench::new(&models::qwen3());
    let artifact = bench.artifact();
    let source = blake3::hash(&models::qwen3().to_bytes()).to_hex();
    let before = bench.names();
    let mut refused = 0;
    for bit in (0..artifact.len() * 8).step_by(9973) {
        let mut damaged = artifact.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        write(&bench.request.output, &damaged);
        match restore(&request(&bench), &(), &AtomicBool::new(false)) {
            // A bit of the padding, of the footer or of a key that is not the source's.
            Ok(pending) => {
                let (_, file) = pending.files().next().unwrap();
                assert_eq!(file.blake3, source.as_str(), "bit {bit}");
            }
            Err(_) => refused += 1,
        }
        assert_eq!(bench.names(), before, "bit {bit}");
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn a_cut_artifact_is_said_to_be_cut_and_not_to_be_written_to() {
    let bench = Workbench::new(&models::qwen3());
    let artifact = bench.artifact();
    let before = bench.names();
    for missing in [300, 5000] {
        write(&bench.request.output, &artifact[..artifact.len() - missing]);
        let refused = restored(&bench).unwrap_err().to_string();
        assert!(refused.contains("it is cut"), "{refused}");
        assert_eq!(bench.names(), before);
    }
}

#[test]
fn a_record_of_no_source_or_of_one_twice_restores_nothing() {
    let bench = Workbench::new(&models::qwen2());
    let sound = Image::parse(&bench.artifact());
    let before = bench.names();
    for times in [0, 2] {
        let mut metadata: Value = serde_json::from_slice(&sound.metadata).unwrap();
        let sources = metadata["aprove"]["sources"].as_array_mut().unwrap();
        *sources = vec![sources[0].clone(); times];
        let mut edited = sound.clone();
        edited.metadata = serde_json::to_vec(&metadata).unwrap();
        write(&bench.request.output, &edited.to_bytes());
        let refused = restored(&bench).unwrap_err().to_string();
        assert!(refused.contains("its record has"), "{refused}");
        assert_eq!(bench.names(), before);
    }
}

#[test]
fn a_record_that_leaves_out_a_tensor_restores_nothing() {
    let bench = Workbench::new(&models::qwen2());
    let mut edited = Image::parse(&bench.artifact());
    edited.entries.push(Entry {
        name: b"zzz.weight".to_vec(),
        dtype: 0,
        dims: vec![16],
        offset: edited.data.len() as u64,
        size: 64,
    });
    edited.data.extend([0; 64]);
    write(&bench.request.output, &edited.to_bytes());
    let refused = restored(&bench).unwrap_err().to_string();
    assert!(
        refused.contains("has the tensor \"zzz.weight\""),
        "{refused}"
    );
}

#[test]
fn files_of_others_are_refused_with_what_is_lost() {
    let model = models::qwen2();
    let bench = Workbench::new(&model);
    write(
        &bench.request.output,
        &fixtures::apr::from_model(&model).to_bytes(),
    );
    let text = restored(&bench).unwrap_err().to_string();
    assert!(text.contains("another tool made it"), "{text}");
    write(&bench.request.output, &model.to_bytes());
    let text = restored(&bench).unwrap_err().to_string();
    assert!(text.contains("a GGUF model, not an APR v2 file"), "{text}");
}

#[test]
fn what_is_not_a_gguf_is_never_replaced() {
    let bench = Workbench::new(&models::qwen3());
    bench.artifact();
    let output = bench.folder.path().join("back.gguf");
    write(&output, b"#!/bin/sh\n");
    let mut request = request(&bench);
    request.overwrite = true;
    let refused = restore(&request, &(), &AtomicBool::new(false)).unwrap_err();
    assert!(refused.to_string().contains("never replaced"), "{refused}");
    assert_eq!(fs::read(&output).unwrap(), b"#!/bin/sh\n");
}

fn request(bench: &Workbench) -> RestoreRequest {
    RestoreRequest {
        artifact: bench.request.output.clone(),
        output: bench.folder.path().join("back.gguf"),
        lossy: false,
        overwrite: false,
    }
}

fn restored(bench: &Workbench) -> Result<Vec<RestoredFile>, Error> {
    restore(&request(bench), &(), &AtomicBool::new(false))?.publish()
}

/// The id of a type that APR cannot hold and that can be stored raw or decoded.
const Q5_0: u32 = 6;
