//! Split sets: several files that are one model.
//!
//! `split.no` u16 counts from 0, `split.count` u16 is the number of files, `split.tensors.count` i32 the tensors of all. Numbers of
//! other types are none here: llama.cpp refuses a set that has them.

use std::collections::HashSet;

use super::value::{I32, U16};
use super::{Metadata, ShardHead};
use crate::code::Code;
use crate::decode::container::Container;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape};

pub(super) fn check(container: &Container<Metadata>, findings: &mut Findings) {
    let heads = &container.metadata.shards;
    let mut refuse = |code, shard, text: String| {
        findings
            .push(Finding::new(code, Effect::Undecided, text).at(Place::new(Side::Gguf, shard)));
    };
    let integer = |shard: usize, key: &[u8]| heads.get(shard)?.get(key)?.as_u64();
    let of_type = |shard: usize, key: &[u8], type_id| {
        let value = heads.get(shard)?.get(key)?;
        value.as_u64().filter(|_| value.type_id == type_id)
    };
    let found = |shard: usize, key: &[u8]| {
        let value = heads.get(shard).and_then(|head| head.get(key));
        value.map_or("none".to_owned(), |value| match value.as_integer() {
            Some(number) => format!("{number} as {}", value.type_name()),
            None => value.type_name().to_owned(),
        })
    };
    // A merged file keeps the keys with a count of 0.
    let count = integer(0, b"split.count").unwrap_or(0);
    if heads.len() == 1 && count <= 1 {
        return;
    }
    if count != heads.len() as u64 {
        refuse(
            Code::GgufSplitCount,
            0,
            format!("the set has {count} files and {} are here", heads.len()),
        );
    }
    for shard in 0..heads.len() {
        if of_type(shard, b"split.no", U16) != Some(shard as u64) {
            let found = found(shard, b"split.no");
            let text =
                format!("split.no is {found} in file {shard} of the set, not {shard} as u16");
            refuse(Code::GgufSplitNo, shard, text);
        }
        if of_type(shard, b"split.count", U16) != Some(count) {
            let found = found(shard, b"split.count");
            let text = format!("split.count of file {shard} is {found}, not {count} as u16");
            refuse(Code::GgufSplitCount, shard, text);
        }
    }
    if heads.len() > 1 {
        let total = container.tensors.len() as u64;
        if of_type(0, b"split.tensors.count", I32) != Some(total) {
            let found = found(0, b"split.tensors.count");
            let text = format!("split.tensors.count is {found}, and not {total} as i32");
            refuse(Code::GgufSplitTensors, 0, text);
        }
    }
    check_keys(heads, &mut refuse);
    let mut names = HashSet::new();
    for tensor in &container.tensors {
        if !names.insert(&tensor.name) && heads.len() > 1 {
            refuse(
                Code::GgufSplitDuplicate,
                tensor.shard,
                format!("{} stands in two files", escape(&tensor.name)),
            );
        }
    }
}

/// Loaders read the keys of the first file: what another one says of the model must be said there, too.
fn check_keys(heads: &[ShardHead], refuse: &mut impl FnMut(Code, usize, String)) {
    let Some((first, others)) = heads.split_first() else {
        return;
    };
    for (shard, head) in (1..).zip(others) {
        for entry in &head.entries {
            let key = head.key(entry);
            if key.starts_with(b"split.") || key == b"general.alignment" {
                continue;
            }
            let of_first = first.entry(key).map(|entry| first.raw(entry));
            if of_first != Some(head.raw(entry)) {
                let text = format!(
                    "{} is not what the first file of the set says, which is the one that loaders read",
                    escape(key)
                );
                refuse(Code::GgufSplitKey, shard, text);
            }
        }
    }
}
