//! The record gives the sources back, byte for byte.

use fixtures::gguf;
use fixtures::models::{self, PRESETS};
use serde_json::{Map, Value};

use crate::support::{Artifact, Workbench};

/// Rebuilds a GGUF file from an artifact alone, as `ARTIFACT.md` describes it.
#[test]
fn every_source_can_be_rebuilt_from_its_artifact() {
    for (preset, make) in PRESETS {
        let model = make();
        let source = model.to_bytes();
        let artifact = Workbench::new(&model).artifact();
        let apr = Artifact::of(&artifact);
        let metadata = apr.metadata.clone();
        let record = &metadata["aprove"];
        assert_eq!(
            (&record["record"], &record["tool"]),
            (&2.into(), &"aprove 0.0.0".into())
        );
        let described = &record["sources"][0];
        assert_eq!(described["size"], source.len());
        assert_eq!(
            described["blake3"],
            blake3::hash(&source).to_hex().to_string()
        );

        let mut rebuilt = header(described, &metadata);
        let data_offset = usize::try_from(described["data_offset"].as_u64().unwrap()).unwrap();
        assert!(rebuilt.len() <= data_offset);
        rebuilt.resize(source.len(), 0);
        for info in described["tensors"].as_array().unwrap() {
            let start = data_offset + usize::try_from(info[3].as_u64().unwrap()).unwrap();
            // Any tensor with these bytes will do: the names need no table then.
            for data in apr.tensors.iter().map(|tensor| tensor.data) {
                if source.get(start..start + data.len()) == Some(data) {
                    rebuilt[start..start + data.len()].copy_from_slice(data);
                }
            }
        }
        assert!(rebuilt == source, "{preset}");
    }
}

#[test]
fn digests_are_those_of_the_bytes() {
    let model = models::tiny();
    let source = model.to_bytes();
    let artifact = Workbench::new(&model).artifact();
    let apr = Artifact::of(&artifact);
    let record = &apr.metadata["aprove"];
    assert_eq!(
        record["sources"][0]["blake3"],
        blake3::hash(&source).to_hex().to_string()
    );
    assert_eq!(
        record["tensors"].as_object().unwrap().len(),
        apr.tensors.len()
    );
    for tensor in &apr.tensors {
        let digest = &record["tensors"][&tensor.entry.name];
        let data = tensor.data;
        assert_eq!(*digest, blake3::hash(data).to_hex().to_string());
    }
}

#[test]
fn renaming_the_source_changes_no_byte_of_the_artifact() {
    let source = models::qwen2().to_bytes();
    let named = |name: &str| Workbench::with_files(&[(name.to_owned(), source.clone())]).artifact();
    let artifact = named("model.gguf");
    assert!(artifact == named("a longer name than the other.gguf"));
    let name = b"model.gguf";
    assert!(!artifact.windows(name.len()).any(|window| window == name));
}

#[test]
fn the_record_names_no_file_and_holds_no_sha256() {
    let mut bench = Workbench::new(&models::tiny());
    bench.request.tensor_sha256 = true;
    let artifact = bench.artifact();
    let metadata = Artifact::of(&artifact).metadata;
    let source = metadata["aprove"]["sources"][0].as_object().unwrap();
    let keys: Vec<&str> = source.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["blake3", "data_offset", "kv", "size", "tensors", "version"]
    );
    let without = {
        bench.request.tensor_sha256 = false;
        bench.request.output = bench.folder.path().join("other.apr");
        bench.artifact()
    };
    assert!(without == artifact);
}

#[test]
fn vocabulary_and_template_stand_in_the_artifact_once() {
    let (_, make) = PRESETS[0];
    let artifact = Workbench::new(&make()).artifact();
    let apr = Artifact::of(&artifact);
    let record = &apr.metadata["aprove"];
    let references: Vec<&Value> = record["sources"][0]["kv"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|pair| pair[2].get("ref"))
        .collect();
    assert_eq!(
        references,
        [
            "tokenizer.vocabulary",
            "tokenizer.token_type",
            "tokenizer.merges",
            "tokenizer.chat_template"
        ]
    );
}

fn header(described: &Value, metadata: &Map<String, Value>) -> Vec<u8> {
    let (pairs, tensors) = (array(&described["kv"]), array(&described["tensors"]));
    let mut out = b"GGUF".to_vec();
    out.extend((described["version"].as_u64().unwrap() as u32).to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((pairs.len() as u64).to_le_bytes());
    for pair in pairs {
        string(&mut out, &pair[0]);
        let type_name = pair[1].as_str().unwrap();
        out.extend(type_id(type_name).to_le_bytes());
        value(&mut out, type_name, &pair[2], metadata);
    }
    for info in tensors {
        string(&mut out, &info[0]);
        let dims = array(&info[2]);
        out.extend((dims.len() as u32).to_le_bytes());
        for dim in dims {
            out.extend(dim.as_u64().unwrap().to_le_bytes());
        }
        out.extend((info[1].as_u64().unwrap() as u32).to_le_bytes());
        out.extend(info[3].as_u64().unwrap().to_le_bytes());
    }
    out
}

fn value(out: &mut Vec<u8>, type_name: &str, written: &Value, metadata: &Map<String, Value>) {
    let unsigned = || written.as_u64().unwrap().to_le_bytes();
    let signed = || written.as_i64().unwrap().to_le_bytes();
    let hex = || {
        u64::from_str_radix(written.as_str().unwrap(), 16)
            .unwrap()
            .to_le_bytes()
    };
    match type_name {
        "u8" => out.extend(&unsigned()[..1]),
        "u16" => out.extend(&unsigned()[..2]),
        "u32" => out.extend(&unsigned()[..4]),
        "u64" => out.extend(unsigned()),
        "i8" => out.extend(&signed()[..1]),
        "i16" => out.extend(&signed()[..2]),
        "i32" => out.extend(&signed()[..4]),
        "i64" => out.extend(signed()),
        "bool" => out.push(written.as_bool().unwrap().into()),
        // At a top-level key a float is a number.
        "f32" if written.is_number() => {
            out.extend((written.as_f64().unwrap() as f32).to_le_bytes());
        }
        "f32" => out.extend(&hex()[..4]),
        "f64" => out.extend(hex()),
        "str" => string(
            out,
            written
                .get("ref")
                .map_or(written, |key| &metadata[key.as_str().unwrap()]),
        ),
        "arr" => {
            let of = written["of"].as_str().unwrap();
            let items = written
                .get("ref")
                .map_or(&written["v"], |key| &metadata[key.as_str().unwrap()]);
            out.extend(type_id(of).to_le_bytes());
            out.extend((array(items).len() as u64).to_le_bytes());
            for item in array(items) {
                value(out, of, item, metadata);
            }
        }
        other => panic!("{other}"),
    }
}

fn string(out: &mut Vec<u8>, written: &Value) {
    let bytes = match written.get("hex") {
        Some(hex) => hex
            .as_str()
            .unwrap()
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect(),
        None => written.as_str().unwrap().as_bytes().to_vec(),
    };
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

fn type_id(name: &str) -> u32 {
    let names = [
        "u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "str", "arr", "u64", "i64", "f64",
    ];
    names.iter().position(|known| *known == name).unwrap() as u32
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn arrays_in_arrays_cost_no_more_for_their_depth() {
    let cost = |depth: usize| {
        let empty = gguf::Value::Array(4, Vec::new());
        let mut nested = gguf::Value::Array(9, vec![empty; 2_000]);
        for _ in 1..depth {
            nested = gguf::Value::Array(9, vec![nested]);
        }
        let mut model = models::tiny();
        model.set("general.nested", nested);
        let bench = Workbench::new(&model);
        allocation_counter::measure(|| drop(bench.convert().unwrap())).count_total
    };
    let (flat, deep) = (cost(1), cost(50));
    assert!(deep < 2 * flat, "{flat} {deep}");
}

#[test]
fn a_record_takes_few_times_the_bytes_of_its_source() {
    let bytes = gguf::Value::Array(0, vec![gguf::Value::U8(1); 1 << 20]);
    let empty = gguf::Value::Array(0, Vec::new());
    let nested = gguf::Value::Array(9, vec![empty; 1 << 16]);
    let many = (0..1 << 15).map(|number| (format!("k{number}"), gguf::Value::U8(1)));
    for added in [
        vec![("bytes".to_owned(), bytes)],
        vec![("nested".to_owned(), nested)],
        many.collect(),
    ] {
        let mut model = models::tiny();
        let small = model.to_bytes().len();
        let kind = added[0].0.clone();
        for (key, value) in added {
            model.key_values.push((key.into_bytes(), value));
        }
        let grown = (model.to_bytes().len() - small) as u64;
        let bench = Workbench::new(&model);
        let cost = allocation_counter::measure(|| drop(bench.convert().unwrap())).bytes_max;
        assert!(cost < 20 * grown, "{kind}: {} times", cost / grown);
    }
}
