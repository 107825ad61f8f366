//! Whether the sizes that the keys of a model state are numbers that llama.cpp takes at all. They are looked at before all
//! else: what is wrong with them is the cause of whatever would be said of other keys.

use architectures::find;
use gguf_file::Value;

use crate::{
    error::{Error, Problems},
    plan::{
        behaviour,
        keys::{Keys, wrong},
    },
};

/// Refuses lists of keys of which llama.cpp reads one value (`get_key`), lists of another length than there are layers
/// (`get_key_or_arr`), and sizes of 0 that it divides by; of a llama also heads of no whole size.
///
/// # Errors
/// Fails with the first list that should be a value, or with all numbers that are wrong.
pub(crate) fn check(keys: &Keys<'_>, is_llama: bool) -> Result<(), Error> {
    let described = find(keys.architecture());
    // What is no number is said where the key is read.
    let count = |ending: &str| keys.count(&keys.name(ending)).ok().flatten();
    let mut problems = Problems::default();
    for (key, ending, value) in keys.of_architecture() {
        let Value::Array(items) = value else {
            continue;
        };
        let found = items.count;
        if OF_LAYERS.contains(&ending) {
            if count("block_count").is_some_and(|layers| layers != found) {
                problems.push_with(|| format!("{key} has {found} numbers, not one for each layer"));
            }
        } else if behaviour::is_of_one_value(ending)
            && described.is_none_or(|described| described.reads(ending) != Some(false))
        {
            let expected = "one value, of which llama.cpp takes no list";
            return Err(wrong(key, expected, value));
        }
    }
    // A model without attention has no heads.
    for (ending, is_needed) in [
        ("embedding_length", true),
        ("attention.head_count", described.is_some()),
    ] {
        if is_needed && count(ending) == Some(0) {
            let key = keys.name(ending);
            problems.push_with(|| format!("{key} is 0, and has to be at least 1"));
        }
    }
    problems.into_result(|problems| Error::Unfit { problems })?;
    let heads = count("attention.head_count");
    match count("embedding_length").zip(heads) {
        Some((size, heads))
            if is_llama
                && keys.get(&keys.name("attention.key_length")).is_none()
                && !size.is_multiple_of(heads) =>
        {
            Err(Error::Key {
                key: keys.name("attention.head_count"),
                expected: format!(
                    "a divisor of {} ({size}), or {} given",
                    keys.name("embedding_length"),
                    keys.name("attention.key_length")
                ),
                found: heads.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// What llama.cpp reads by `get_key_or_arr` with a number for each layer, of the keys that stand at the top level.
const OF_LAYERS: [&str; 5] = [
    "attention.head_count",
    "attention.head_count_kv",
    "expert_feed_forward_length",
    "expert_used_count",
    "feed_forward_length",
];
