//! The JSON and the header of two APR files.

use std::collections::{HashMap, VecDeque};

use super::super::equal::{in_words, shorten};
use super::{Found, Shown};
use crate::code::Code;
use crate::compare::inputs::Model;
use crate::decode::apr::{Document, Json, Kind, Metadata};
use crate::finding::{Effect, Finding, Place};
use crate::region::{RegionKind, Span};

/// Compares every key of both, our record with them, and what the header says beside sizes and places.
pub(super) fn compare(a: &Metadata, b: &Metadata, found: &mut Found<'_>) {
    compare_flags(a, b, found);
    let (Some(a), Some(b)) = (&a.document, &b.document) else {
        // That one has no metadata is a finding of the decoder.
        return;
    };
    let (first, second) = (&found.inputs.first, &found.inputs.second);
    let mut of_first = by_name(a, a.members());
    for (name, json) in b.members() {
        let key = b.name(name);
        let same_name = of_first.get_mut(&*key);
        let Some(other) = same_name.and_then(VecDeque::pop_front) else {
            let shown = shown(second, &key, b, json);
            found.only_in(second, key.as_bytes(), &shorten(&key), shown);
            continue;
        };
        let Some(difference) = difference([(a, other), (b, json)]) else {
            found.equal(key.as_bytes(), in_words(b, json));
            continue;
        };
        let path = difference.path();
        let [json_a, json_b] = difference.places;
        let [text_a, text_b] = difference.texts;
        let at_path = |shown: Shown, text| Shown {
            place: Place {
                detail: Some(path.clone()).filter(|path| !path.is_empty()),
                ..shown.place
            },
            text,
        };
        let shown = [
            at_path(shown(first, &key, a, json_a), text_a),
            at_path(shown(second, &key, b, json_b), text_b),
        ];
        // Two kinds of values never say the same, and behind the first difference there may be more.
        let kinds = [difference.is_type, true];
        found.changed(key.as_bytes(), &shorten(&key), kinds, shown);
    }
    for (key, json) in left_of(a, &of_first) {
        let shown = shown(first, key, a, json);
        found.only_in(first, key.as_bytes(), &shorten(key), shown);
    }
}

/// The members that were not taken, in the order of the text.
fn left_of<'a, 'k>(
    document: &Document,
    members: &'k HashMap<String, VecDeque<&'a Json>>,
) -> Vec<(&'k str, &'a Json)> {
    let members = members.iter();
    let mut left: Vec<_> = members
        .flat_map(|(key, jsons)| jsons.iter().map(|json| (key.as_str(), *json)))
        .collect();
    left.sort_by_key(|(_, json)| document.span(json));
    left
}

/// The other fields of a header are sizes and places of what is compared itself.
fn compare_flags(a: &Metadata, b: &Metadata, found: &mut Found<'_>) {
    let flags = [a, b].map(|metadata| metadata.header.map(|header| header.flags));
    let [Some(of_a), Some(of_b)] = flags else {
        return;
    };
    if of_a == of_b {
        return;
    }
    let place = |model: &Model<'_>| {
        Place::new(model.side, 0)
            .region(RegionKind::Header)
            .span(Span::new(FLAGS_OFFSET, 2))
            .name("flags")
    };
    let [first, second] = found.inputs.models();
    let finding = Finding::new(
        Code::MetaFlags,
        Effect::Different,
        "the flags of the headers are unlike",
    );
    found.findings.push(
        finding
            .at(place(first))
            .at(place(second))
            .expected_found(format!("{of_b:#06x}"), format!("{of_a:#06x}")),
    );
}

/// Where two values part.
struct Difference<'a> {
    /// The way there from the key, the last step first.
    steps: Vec<String>,
    /// The values, or those that one of them is missing in.
    places: [&'a Json; 2],
    texts: [String; 2],
    /// Whether they are of two kinds.
    is_type: bool,
}

/// The first place at which two values do not say the same, whatever their form in the text.
///
/// The reader refuses values that are nested deeply, so that the recursion is bounded.
fn difference<'a>([(a, of_a), (b, of_b)]: [(&'a Document, &'a Json); 2]) -> Option<Difference<'a>> {
    if a.text(of_a) == b.text(of_b) {
        return None;
    }
    let unlike = |is_type| Difference {
        steps: Vec::new(),
        places: [of_a, of_b],
        texts: [in_words(a, of_a), in_words(b, of_b)],
        is_type,
    };
    let (is_same, is_type) = match (&of_a.kind, &of_b.kind) {
        (Kind::Array(items_a), Kind::Array(items_b)) => {
            let mut pairs = items_a.iter().zip(items_b).enumerate();
            let found = pairs.find_map(|(index, (item_a, item_b))| {
                let found = difference([(a, item_a), (b, item_b)])?;
                Some(found.after(format!("[{index}]")))
            });
            if found.is_some() {
                return found;
            }
            (items_a.len() == items_b.len(), false)
        }
        (Kind::Object(members_a), Kind::Object(members_b)) => {
            return difference_of_members([(a, members_a), (b, members_b)], &unlike);
        }
        (Kind::Number, Kind::Number) => (is_same_number([(a, of_a), (b, of_b)]), false),
        (Kind::String, Kind::String) => (a.string(of_a) == b.string(of_b), false),
        (Kind::Bool(of_a), Kind::Bool(of_b)) => (of_a == of_b, false),
        (Kind::Null, Kind::Null) => (true, false),
        _ => (false, true),
    };
    (!is_same).then(|| unlike(is_type))
}

/// The same for the members of two objects, in any order.
fn difference_of_members<'a>(
    [(a, of_a), (b, of_b)]: [(&'a Document, &'a [(Json, Json)]); 2],
    unlike: &dyn Fn(bool) -> Difference<'a>,
) -> Option<Difference<'a>> {
    let only = |name: &str, texts: [String; 2]| {
        let found = Difference {
            texts,
            ..unlike(false)
        };
        Some(found.after(format!(".{}", shorten(name))))
    };
    let nothing = || "nothing".to_owned();
    let mut of_first = by_name(a, of_a);
    for (name, json) in of_b {
        let name = b.name(name);
        let same_name = of_first.get_mut(&*name);
        let Some(other) = same_name.and_then(VecDeque::pop_front) else {
            return only(&name, [nothing(), in_words(b, json)]);
        };
        if let Some(found) = difference([(a, other), (b, json)]) {
            return Some(found.after(format!(".{}", shorten(&name))));
        }
    }
    let left = left_of(a, &of_first);
    let (name, json) = left.first()?;
    only(name, [in_words(a, json), nothing()])
}

impl Difference<'_> {
    /// One step further up.
    fn after(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }

    /// `sources[0].size`; empty where the values themselves are unlike.
    fn path(&self) -> String {
        let path: String = self.steps.iter().rev().map(String::as_str).collect();
        path.trim_start_matches('.').to_owned()
    }
}

/// Whether loaders get the same number of both, as a count and as a float.
fn is_same_number([(a, of_a), (b, of_b)]: [(&Document, &Json); 2]) -> bool {
    let bits = |document: &Document, json| document.f64(json).map(f64::to_bits);
    let narrow = |document: &Document, json| document.f32(json).map(f32::to_bits);
    a.integer(of_a) == b.integer(of_b)
        && bits(a, of_a).is_some_and(|of_a| Some(of_a) == bits(b, of_b))
        && narrow(a, of_a).is_some_and(|of_a| Some(of_a) == narrow(b, of_b))
}

/// The members of an object by name; those of one name in order.
fn by_name<'a>(
    document: &Document,
    members: &'a [(Json, Json)],
) -> HashMap<String, VecDeque<&'a Json>> {
    let mut all: HashMap<String, VecDeque<&Json>> = HashMap::with_capacity(members.len());
    for (name, json) in members {
        let name = document.name(name);
        all.entry(name.into_owned()).or_default().push_back(json);
    }
    all
}

fn shown(model: &Model<'_>, key: &str, document: &Document, json: &Json) -> Shown {
    Shown {
        place: Place::new(model.side, 0)
            .region(RegionKind::Metadata)
            .span(document.span(json))
            .name(key),
        text: in_words(document, json),
    }
}

/// Where the header states its flags.
const FLAGS_OFFSET: u64 = 6;
