//! What the readers refuse, and that damage is an error and never a panic.

use std::{fs, path::Path};

use fixtures::{models, random::Random, shared};
use trace_compare::format::{
    AprtSink, SafetensorsSink, Trace, TraceError, TraceFormat, stage_widths,
};

use crate::support::{ByKey, Loaded, safetensors, write};

#[test]
fn a_written_file_has_the_stages_of_the_contract_every_time() {
    let loaded = Loaded::new(models::qwen3().to_bytes());
    let written = || {
        let digest = Some(inference::digest(&[1.0]));
        let mut sink = SafetensorsSink::new(Vec::new(), &loaded.model, &TOKENS, digest).unwrap();
        loaded.run(&loaded.model, &TOKENS, &mut sink);
        sink.finish().unwrap()
    };
    let bytes = written();
    assert_eq!(bytes, written());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    write(&path, &bytes);
    let trace = Trace::open(&path).unwrap();
    assert_eq!(trace.format, TraceFormat::Own);
    assert_eq!(trace.tokens, Some(TOKENS.to_vec()));
    assert_eq!(trace.label("numerics"), Some("f32-fixed-2"));
    assert_eq!(trace.label("model_blake3").map(str::len), Some(64));
    let mut stages = ByKey::default();
    loaded.run(&loaded.model, &TOKENS, &mut stages);
    assert_eq!(trace.records.len(), stages.0.len());
    for record in &trace.records {
        assert_eq!(
            trace.values(record).unwrap().as_ref(),
            stages.0.get(&record.name)
        );
    }
    let widths = stage_widths(&loaded.model, TOKENS.len());
    for (step, width) in widths {
        assert_eq!(stages.0[&step.to_string()].len(), width * TOKENS.len());
    }
}

#[test]
fn a_run_that_is_not_that_of_the_header_is_not_written() {
    let loaded = Loaded::new(models::qwen2().to_bytes());
    let sink = || SafetensorsSink::new(Vec::new(), &loaded.model, &TOKENS, None).unwrap();
    assert!(sink().finish().is_err());
    let mut shorter = sink();
    loaded.run(&loaded.model, &TOKENS[..2], &mut shorter);
    assert!(shorter.finish().is_err());
}

#[test]
fn damage_to_a_trace_of_ours_is_never_a_panic() {
    let loaded = Loaded::new(models::llama().to_bytes());
    let mut sink = SafetensorsSink::new(Vec::new(), &loaded.model, &TOKENS[..1], None).unwrap();
    loaded.run(&loaded.model, &TOKENS[..1], &mut sink);
    assert_survives_damage([sink.finish().unwrap()]);
}

#[needs::data("oracle", "apr")]
#[test]
fn every_format_is_told_by_content_and_damage_is_never_a_panic() {
    assert_survives_damage(
        [
            "oracle/llama.llama_cpp.trace.npz",
            "apr/llama.gguf.trace.json",
            "apr/llama.A.trace.txt",
        ]
        .map(shared::read),
    );
}

/// Reads each sample, and then sixty damaged copies of it.
fn assert_survives_damage<const N: usize>(samples: [Vec<u8>; N]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace");
    let mut random = Random::new(5);
    for sample in samples {
        write(&path, &sample);
        read_all(&path).unwrap();
        let mut draw = |below: usize| {
            let mut bytes = [0; 4];
            random.fill(&mut bytes);
            u32::from_le_bytes(bytes) as usize % below.max(1)
        };
        for turn in 0..60 {
            let mut bytes = sample.clone();
            // The heads are short and the tails hold the index of a zip: both are hit more often.
            let place = match turn % 3 {
                0 => draw(200.min(bytes.len())),
                1 => bytes.len() - 1 - draw(200.min(bytes.len())),
                _ => draw(bytes.len()),
            };
            if turn % 5 == 0 {
                bytes.truncate(place);
            } else {
                bytes[place] ^= 1 << draw(8);
            }
            write(&path, &bytes);
            drop(read_all(&path));
        }
    }
}

#[test]
fn a_header_that_contradicts_the_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.safetensors");
    let refused = |header: &str, data: usize| {
        let length = (header.len() as u64).to_le_bytes();
        write(
            &path,
            &[&length[..], header.as_bytes(), &vec![0; data]].concat(),
        );
        let error = Trace::open(&path).unwrap_err();
        assert!(
            matches!(error, TraceError::Malformed { .. }),
            "{header}: {error}"
        );
        assert!(error.to_string().contains("trace.safetensors, byte "));
    };
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!("{{\"a\":{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":{offsets}}}}}")
    };
    refused(&tensor("F32", "[2]", "[0,8]"), 4);
    refused(&tensor("F32", "[2]", "[0,8]"), 12);
    refused(&tensor("F32", "[2]", "[4,12]"), 12);
    refused(&tensor("F32", "[3]", "[0,8]"), 8);
    refused(&tensor("F32", "[2]", "[8,0]"), 8);
    refused(&tensor("F3", "[2]", "[0,8]"), 8);
    refused(&tensor("F32", "[-1]", "[0,8]"), 8);
    refused(&tensor("F32", "[4294967296,4294967296]", "[0,8]"), 8);
    refused("{\"a\":1}", 0);
    refused("{\"__metadata__\":{\"tokens\":\"1,x\"}}", 0);
    refused("{", 0);
    // A header that is longer than the file.
    write(&path, &[&9u64.to_le_bytes()[..], b"{}"].concat());
    assert!(matches!(
        Trace::open(&path),
        Err(TraceError::Malformed { .. })
    ));
    safetensors(&path, "{}", &[("a".to_owned(), vec![1.0])]);
    assert_eq!(Trace::open(&path).unwrap().records.len(), 1);
}

#[test]
fn an_empty_tensor_stands_before_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trace.safetensors");
    let tensors = [("b", vec![]), ("a", vec![1.0])];
    let tensors = tensors.map(|(name, values)| (name.to_owned(), values));
    safetensors(&path, "{}", &tensors);
    assert_eq!(Trace::open(&path).unwrap().records.len(), 2);
}

#[test]
fn aprt_files_that_lie_are_named_with_their_offset() {
    let folder = tempfile::tempdir().unwrap();
    let loaded = Loaded::new(models::llama().to_bytes());
    let mut sink = AprtSink::new(folder.path());
    loaded.run(&loaded.model, &TOKENS, &mut sink);
    sink.finish().unwrap();
    Trace::open(folder.path()).unwrap();
    let path = folder.path().join("layer-1/ffn_up.bin");
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], expected: u64| {
        write(&path, bytes);
        match Trace::open(folder.path()) {
            Err(TraceError::Malformed { offset, file, .. }) => {
                assert_eq!(offset, expected);
                assert!(file.ends_with("layer-1/ffn_up.bin"));
            }
            other => panic!("{other:?}"),
        }
    };
    refused(&good[..11], 0);
    refused(b"", 0);
    refused(&good[..good.len() - 1], 8);
    refused(&[&b"APRX"[..], &good[4..]].concat(), 0);
    refused(&[&b"APRT\0\0\0\0"[..], &good[8..]].concat(), 4);
    refused(&[&good[..8], &[255; 4], &good[12..]].concat(), 8);
}

#[test]
fn what_is_no_trace_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other");
    for bytes in [
        &b""[..],
        b"PK",
        b"GGUF\x03\0\0\0{",
        b"hello\n",
        b"{}",
        b"\xFF\xFE",
    ] {
        write(&path, bytes);
        assert!(Trace::open(&path).is_err(), "{bytes:?}");
    }
    let absent = Trace::open(&folder.path().join("absent")).err().unwrap();
    // A program is told that the system refused it.
    let cause = std::error::Error::source(&absent).unwrap();
    assert!(cause.is::<std::io::Error>(), "{absent:?}");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(matches!(
        Trace::open(&empty),
        Err(TraceError::Malformed { .. })
    ));
    // A pipe would be waited for.
    assert!(Trace::open(Path::new("/dev/null")).is_err());
}

fn read_all(path: &Path) -> Result<(), TraceError> {
    let trace = Trace::open(path)?;
    for record in &trace.records {
        trace.values(record)?;
    }
    Ok(())
}

const TOKENS: [u32; 3] = [7, 300, 0];
