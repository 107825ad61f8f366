//! Split sets: several files that are one model.
//!
//! `split.no` u16 counts from 0, `split.count` u16 is the number of files, `split.tensors.count` i32 the tensors of all.

use std::collections::HashSet;

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
        let number = integer(shard, b"split.no");
        if number != Some(shard as u64) {
            let found = number.map_or("none".to_owned(), |number| number.to_string());
            refuse(
                Code::GgufSplitNo,
                shard,
                format!("split.no is {found} in file {shard} of the set"),
            );
        }
        let own = integer(shard, b"split.count");
        if own != Some(count) {
            refuse(
                Code::GgufSplitCount,
                shard,
                format!("split.count of file {shard} is not {count}"),
            );
        }
    }
    if heads.len() > 1 {
        let total = integer(0, b"split.tensors.count");
        if total != Some(container.tensors.len() as u64) {
            let found = total.map_or("none".to_owned(), |total| total.to_string());
            let text = format!(
                "split.tensors.count is {found}, the files hold {}",
                container.tensors.len()
            );
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
