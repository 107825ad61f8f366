//! One model in several files.

use super::*;
use crate::SplitSet;

/// A shard with F32 tensors of 32 bytes.
fn shard(number: u16, count: u16, total: i32, names: &[&str]) -> Vec<u8> {
    let mut writer = Writer::new(3, 32);
    writer
        .key_value(b"split.no", &Value::U16(number))
        .key_value(b"split.count", &Value::U16(count));
    writer.key_value(b"split.tensors.count", &Value::I32(total));
    for name in names {
        writer.tensor(name.as_bytes(), &[8], 0, 32).unwrap();
    }
    file(&writer, &vec![32; names.len()])
}

fn join(files: &[Vec<u8>]) -> Result<Vec<(usize, String)>, Error> {
    let shards: Vec<_> = files.iter().map(|file| read(file).unwrap()).collect();
    let set = SplitSet::join(&shards)?;
    assert_eq!(set.shards().len(), files.len());
    assert_eq!(
        set.get(b"split.no").is_some(),
        shards[0].get(b"split.no").is_some()
    );
    let name = |name: &[u8]| String::from_utf8(name.to_vec()).unwrap();
    Ok(set
        .tensors()
        .map(|(number, info)| (number, name(info.name)))
        .collect())
}

fn assert_refused(files: &[Vec<u8>], code: &str) {
    let error = join(files).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

#[test]
fn shards_in_order_are_one_model() {
    let files = [
        shard(0, 3, 3, &[]),
        shard(1, 3, 3, &["a", "b"]),
        shard(2, 3, 3, &["c"]),
    ];
    let expected = [
        (1, "a".to_owned()),
        (1, "b".to_owned()),
        (2, "c".to_owned()),
    ];
    assert_eq!(join(&files).unwrap(), expected);
}

#[test]
fn a_file_that_was_never_split_or_was_merged_is_a_set_of_one() {
    for file in [
        good(),
        shard(0, 0, 2, &["a", "b"]),
        shard(0, 1, 2, &["a", "b"]),
    ] {
        assert_eq!(join(&[file]).unwrap().len(), 2);
    }
}

#[test]
fn a_missing_or_a_further_shard_is_refused() {
    assert_refused(&[shard(0, 2, 2, &["a"])], "gguf.split.count");
    assert_refused(
        &[shard(0, 3, 2, &["a"]), shard(1, 3, 2, &["b"])],
        "gguf.split.count",
    );
    assert_refused(
        &[shard(0, 2, 2, &["a"]), shard(1, 9, 2, &["b"])],
        "gguf.split.count",
    );
    assert_refused(&[shard(0, 2, 2, &["a"]), good()], "gguf.split.count");
    assert_eq!(SplitSet::join(&[]).unwrap_err().code(), "gguf.split.count");
}

#[test]
fn shards_out_of_order_are_refused() {
    let error = join(&[shard(1, 2, 2, &["a"]), shard(0, 2, 2, &["b"])]).unwrap_err();
    let text = "shard 0 split.no at offset 44: expected 0 as u16, found 1 as u16 (gguf.split.no)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn numbers_of_a_set_have_the_types_that_loaders_ask_for() {
    for key in ["split.no", "split.count", "split.tensors.count"] {
        let mut second = shard(1, 2, 2, &["b"]);
        let mut places = second.windows(key.len());
        let type_id = places.position(|part| part == key.as_bytes()).unwrap() + key.len();
        // i16 in the place of u16, u32 in that of i32.
        second[type_id] = if second[type_id] == 2 { 3 } else { 4 };
        let error = join(&[shard(0, 2, 2, &["a"]), second]).unwrap_err();
        assert!(
            error.to_string().contains(&format!("shard 1 {key} ")),
            "{error}"
        );
    }
}

#[test]
fn tensors_add_up_and_come_once() {
    assert_refused(
        &[shard(0, 2, 3, &["a"]), shard(1, 2, 3, &["b"])],
        "gguf.split.tensors",
    );
    assert_refused(
        &[shard(0, 2, 2, &["a"]), shard(1, 2, 1, &["b"])],
        "gguf.split.tensors",
    );
    assert_refused(
        &[shard(0, 2, 2, &["a"]), shard(1, 2, 2, &["a"])],
        "gguf.split.duplicate",
    );
}

#[test]
fn what_a_later_file_says_of_the_model_the_first_one_says_too() {
    let with = |number: u16, key: Option<(&[u8], u32)>| {
        let mut writer = Writer::new(3, 32);
        writer
            .key_value(b"split.no", &Value::U16(number))
            .key_value(b"split.count", &Value::U16(2))
            .key_value(b"split.tensors.count", &Value::I32(1));
        if let Some((key, value)) = key {
            writer.key_value(key, &Value::U32(value));
        }
        let tensors = usize::from(number);
        if tensors > 0 {
            writer.tensor(b"a", &[8], 0, 32).unwrap();
        }
        file(&writer, &vec![32; tensors])
    };
    let first = || with(0, Some((b"llama.block_count", 2)));
    for key in [None, Some((&b"llama.block_count"[..], 2))] {
        assert!(join(&[first(), with(1, key)]).is_ok());
    }
    // Where the data stand is said by each file of itself.
    assert!(join(&[first(), with(1, Some((b"general.alignment", 32)))]).is_ok());
    for key in [(&b"llama.block_count"[..], 3), (b"llama.context_length", 8)] {
        assert_refused(&[first(), with(1, Some(key))], "gguf.split.key");
    }
}
