//! Edits of the JSON of a good artifact, with the checksums made right again: never verified, unless the JSON says the same or
//! the report names what it leaves out.
#![no_main]

use fixtures::apr::{Converted, converted};
use fixtures::models::tiny;
use fuzz::{PAIR, judged};
use libfuzzer_sys::{
    arbitrary::{self, Arbitrary},
    fuzz_target,
};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use verifier::{Verdict, finding::Effect, report::text::full};

#[derive(Arbitrary, Debug)]
enum Edit<'a> {
    Drop(u16),
    Set(u16, New<'a>),
    Nudge(u16, i8),
    Rename(u16, &'a str),
    Add(u16, &'a str, New<'a>),
    /// Writes one node over another.
    Copy(u16, u16),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum New<'a> {
    Null,
    Flag(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    List(u8),
    Object,
}

static ARTIFACT: LazyLock<Converted> = LazyLock::new(|| converted(&tiny()));

fuzz_target!(|edits: Vec<Edit<'_>>| {
    let intact = Value::Object(ARTIFACT.metadata.clone());
    let mut changed = intact.clone();
    for edit in &edits {
        edit.apply(&mut changed);
    }
    let report = judged(&ARTIFACT.with_text(changed.to_string()), &PAIR.gguf);
    if changed == intact {
        assert_eq!(report.verdict, Verdict::Verified, "{}", full(&report));
    } else if report.verdict == Verdict::Verified {
        let [intact, changed] = [&intact, &changed].map(meaning);
        let is_named = report
            .findings
            .iter()
            .any(|row| row.effect == Effect::Warning);
        let differences = differences("", &intact, &changed);
        assert!(
            is_named || differences.is_empty(),
            "{differences:?}\n{}",
            full(&report)
        );
    }
});

/// The JSON without what may be written in several ways: a reference to a value is that value, and the name of the program that
/// made the artifact is free text.
fn meaning(root: &Value) -> Value {
    let mut meant = root.clone();
    if let Some(tool) = meant
        .pointer_mut("/aprove/tool")
        .filter(|tool| tool.is_string())
    {
        *tool = json!("");
    }
    let pairs = meant
        .pointer_mut("/aprove/sources/0/kv")
        .and_then(Value::as_array_mut);
    for pair in pairs.into_iter().flatten() {
        if let Some(value) = pair.get_mut(2)
            && let Some(target) = value["ref"].as_str().and_then(|name| root.get(name))
        {
            *value = match value.get("of") {
                Some(of) => json!({"of": of, "v": target}),
                None => target.clone(),
            };
        }
    }
    meant
}

/// Where two values differ, and how.
fn differences(path: &str, one: &Value, other: &Value) -> Vec<String> {
    let sides = match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            let keys = one.keys().cloned();
            keys.zip(one.values().zip(other.values())).collect()
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let places = (0..one.len()).map(|place| place.to_string());
            places.zip(one.iter().zip(other)).collect()
        }
        _ if one == other => Vec::new(),
        _ => return vec![format!("{path}: {one} {other}")],
    };
    let within =
        |(key, (one, other)): (String, _)| differences(&format!("{path}/{key}"), one, other);
    sides.into_iter().flat_map(within).collect()
}

impl Edit<'_> {
    fn apply(&self, root: &mut Value) {
        match *self {
            Self::Drop(at) => within(root, at, |parent, place| match parent {
                Value::Object(map) => drop(take(map, place)),
                Value::Array(items) => drop(items.remove(place)),
                _ => {}
            }),
            Self::Set(at, new) => node(root, at, |value| *value = new.value()),
            Self::Nudge(at, by) => node(root, at, |value| nudge(value, by)),
            Self::Rename(at, name) => within(root, at, |parent, place| {
                if let Value::Object(map) = parent {
                    let (_, value) = take(map, place);
                    map.insert(name.to_owned(), value);
                }
            }),
            Self::Add(at, name, new) => node(root, at, |value| match value {
                Value::Object(map) => drop(map.insert(name.to_owned(), new.value())),
                Value::Array(items) => items.push(new.value()),
                _ => {}
            }),
            Self::Copy(from, to) => {
                let mut copy = Value::Null;
                node(root, from, |value| copy = value.clone());
                node(root, to, |value| *value = copy.clone());
            }
        }
    }
}

impl New<'_> {
    fn value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Flag(flag) => json!(flag),
            Self::Int(number) => json!(number),
            Self::Float(number) => json!(number),
            Self::Text(text) => json!(text),
            Self::List(count) => (0..count % 9).map(Value::from).collect(),
            Self::Object => json!({}),
        }
    }
}

/// Calls with the node of this number, counted from the root in the order of the text; with none when there are fewer.
fn node(root: &mut Value, number: u16, mut change: impl FnMut(&mut Value)) {
    let mut left = usize::from(number) % count(root);
    visit(root, &mut left, &mut change);
}

fn visit(value: &mut Value, left: &mut usize, change: &mut impl FnMut(&mut Value)) -> bool {
    if *left == 0 {
        change(value);
        return true;
    }
    *left -= 1;
    match value {
        Value::Object(map) => map.values_mut().any(|value| visit(value, left, change)),
        Value::Array(items) => items.iter_mut().any(|value| visit(value, left, change)),
        _ => false,
    }
}

/// Calls with a list or an object that is not empty, and a place in it.
fn within(root: &mut Value, number: u16, mut change: impl FnMut(&mut Value, usize)) {
    node(root, number, |value| {
        let size = match value {
            Value::Object(map) => map.len(),
            Value::Array(items) => items.len(),
            _ => 0,
        };
        if size > 0 {
            change(value, usize::from(number) % size);
        }
    });
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

fn take(map: &mut Map<String, Value>, place: usize) -> (String, Value) {
    let key = map.keys().nth(place).unwrap().clone();
    let value = map.remove(&key).unwrap();
    (key, value)
}

fn nudge(value: &mut Value, by: i8) {
    *value = match &*value {
        Value::Number(number) if let Some(whole) = number.as_i64() => {
            json!(whole.wrapping_add(by.into()))
        }
        Value::Number(number) => {
            let bits = number
                .as_f64()
                .unwrap()
                .to_bits()
                .wrapping_add_signed(by.into());
            json!(f64::from_bits(bits))
        }
        Value::Bool(flag) => json!(!flag),
        Value::String(text) => {
            let mut bytes = text.clone().into_bytes();
            let place = usize::from(by.unsigned_abs()) % bytes.len().max(1);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1;
            }
            json!(String::from_utf8_lossy(&bytes))
        }
        other => other.clone(),
    };
}
