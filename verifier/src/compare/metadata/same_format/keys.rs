//! The key/values of two GGUFs, type and bytes.

use std::collections::{HashMap, VecDeque};

use super::super::equal::{shorten, show};
use super::{Found, Shown};
use crate::compare::inputs::Model;
use crate::decode::gguf::{Entry, Metadata, ShardHead, Value};
use crate::finding::Place;
use crate::region::RegionKind;

/// Compares every key of both. The keys `split.*` say which file of a set it is: they are compared where both are sets
/// of as many files.
pub(super) fn compare(a: &Metadata, b: &Metadata, found: &mut Found<'_>) {
    let (first, second) = (&found.inputs.first, &found.inputs.second);
    let is_same_set = a.shards.len() == b.shards.len();
    let mut of_first: HashMap<(Option<usize>, &[u8]), VecDeque<Key<'_>>> = HashMap::new();
    for key in keys(a, is_same_set) {
        of_first.entry(key.identity()).or_default().push_back(key);
    }
    for key in keys(b, is_same_set) {
        let same_name = of_first.get_mut(&key.identity());
        match same_name.and_then(VecDeque::pop_front) {
            Some(other) => compare_key(&other, &key, found),
            None => key.only_in(second, found),
        }
    }
    // Those that are left, in the order of the file.
    let mut left: Vec<Key<'_>> = of_first.into_values().flatten().collect();
    left.sort_by_key(|key| (key.shard, key.entry.span));
    for key in left {
        key.only_in(first, found);
    }
}

fn compare_key(a: &Key<'_>, b: &Key<'_>, found: &mut Found<'_>) {
    let values = [a.value(), b.value()];
    let [of_a, of_b] = values;
    if of_a.type_id == of_b.type_id && of_a.bytes == of_b.bytes {
        return found.equal(b.name(), show(of_b));
    }
    let [type_a, type_b] = values.map(type_of);
    let is_type = type_a != type_b;
    let (detail, [text_a, text_b]) = if is_type {
        let with_type = |value, name| format!("{} ({name})", show(value));
        (None, [with_type(of_a, type_a), with_type(of_b, type_b)])
    } else {
        difference(of_a, of_b)
    };
    let [first, second] = found.inputs.models();
    let shown = [
        a.shown(first, detail.clone(), text_a),
        b.shown(second, detail, text_b),
    ];
    let kinds = [is_type, !is_type || !says_the_same(of_a, of_b)];
    found.changed(b.name(), &b.shown_name(), kinds, shown);
}

/// Whether two values of two types are the same numbers.
fn says_the_same(a: Value<'_>, b: Value<'_>) -> bool {
    let float = |value: Value<'_>| {
        let whole = value
            .as_integer()
            .and_then(|whole| i32::try_from(whole).ok());
        let wide = value.as_f32().map(f64::from).or(whole.map(f64::from));
        wide.or_else(|| value.as_f64()).map(f64::to_bits)
    };
    match (a.as_array(), b.as_array()) {
        (Some(of_a), Some(of_b)) => {
            of_a.count == of_b.count && of_a.zip(of_b).all(|(a, b)| says_the_same(a, b))
        }
        (None, None) => {
            let [whole_a, whole_b] = [a, b].map(|value| value.as_integer());
            whole_a.is_some() && whole_a == whole_b || float(a).is_some() && float(a) == float(b)
        }
        _ => false,
    }
}

/// Where two values of one type part, and what each says there.
fn difference(a: Value<'_>, b: Value<'_>) -> (Option<String>, [String; 2]) {
    let (Some(mut items_a), Some(mut items_b)) = (a.as_array(), b.as_array()) else {
        return (None, [a, b].map(show));
    };
    let counts = [items_a.count, items_b.count];
    let mut index = 0_u64;
    loop {
        match (items_a.next(), items_b.next()) {
            (Some(of_a), Some(of_b)) if of_a.bytes == of_b.bytes => {
                index += 1;
            }
            (Some(of_a), Some(of_b)) => {
                return (Some(format!("element {index}")), [of_a, of_b].map(show));
            }
            // One is the start of the other.
            _ => {
                let texts = counts.map(|count| format!("{count} items"));
                return (Some(format!("element {index}")), texts);
            }
        }
    }
}

/// `u32`, `array of string`.
fn type_of(value: Value<'_>) -> String {
    match value.as_array() {
        Some(items) => {
            let item = Value {
                type_id: items.type_id,
                bytes: &[],
            };
            format!("array of {}", item.type_name())
        }
        None => value.type_name().to_owned(),
    }
}

/// A key/value of one file of a model.
struct Key<'a> {
    shard: usize,
    head: &'a ShardHead,
    entry: &'a Entry,
}

fn keys(metadata: &Metadata, is_same_set: bool) -> impl Iterator<Item = Key<'_>> {
    let heads = metadata.shards.iter().enumerate();
    let keys = heads.flat_map(|(shard, head)| {
        let entries = head.entries.iter();
        entries.map(move |entry| Key { shard, head, entry })
    });
    keys.filter(move |key| is_same_set || !key.is_of_split())
}

impl<'a> Key<'a> {
    fn name(&self) -> &'a [u8] {
        self.head.key(self.entry)
    }

    /// Cut, and without what could confuse a reader.
    fn shown_name(&self) -> String {
        shorten(&String::from_utf8_lossy(self.name()))
    }

    fn is_of_split(&self) -> bool {
        self.name().starts_with(b"split.")
    }

    /// Every file of a set has its own place in it; other keys are those of the model.
    fn identity(&self) -> (Option<usize>, &'a [u8]) {
        (self.is_of_split().then_some(self.shard), self.name())
    }

    fn value(&self) -> Value<'a> {
        self.head.value(self.entry)
    }

    fn only_in(&self, model: &Model<'_>, found: &mut Found<'_>) {
        let shown = self.shown(model, None, show(self.value()));
        found.only_in(model, self.name(), &self.shown_name(), shown);
    }

    fn shown(&self, model: &Model<'_>, detail: Option<String>, text: String) -> Shown {
        let place = Place::new(model.side, self.shard)
            .region(RegionKind::KeyValue)
            .span(self.entry.value)
            .name(self.name());
        Shown {
            place: Place { detail, ..place },
            text,
        }
    }
}
