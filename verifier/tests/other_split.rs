//! A record of one file beside a set of two: what cannot be held against these files is held against the artifact itself.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use fixtures::apr::{Converted, converted};
use fixtures::models;
use serde_json::{Value as Json, json};
use verifier::report::{Report, text};
use verifier::source::Source;
use verifier::verdict::Verdict;
use verifier::{Input, Options, verify};

fn report(apr: &Converted, set: &[Vec<u8>]) -> Report {
    let apr = apr.to_bytes();
    let named = |source| ("file".to_owned(), source);
    let input = |shards| Input {
        name: "file".to_owned(),
        shards,
    };
    let apr = input(vec![named(&apr as &dyn Source)]);
    let set = set.iter().map(|shard| named(shard as &dyn Source));
    verify(&apr, &input(set.collect()), &Options::default(), &())
}

/// The place of every value in a JSON, as pointers.
fn places(json: &Json, at: String, all: &mut Vec<String>) {
    let mut below = |name: String, json| places(json, format!("{at}/{name}"), all);
    match json {
        Json::Array(items) => {
            let few = items.iter().enumerate().take(6);
            few.for_each(|(index, item)| below(index.to_string(), item));
        }
        Json::Object(members) => {
            let few = members.iter().take(12);
            few.for_each(|(name, member)| below(name.clone(), member));
        }
        _ => {}
    }
    all.push(at);
}

fn altered(json: &Json) -> Json {
    match json {
        Json::Bool(bool) => json!(!bool),
        Json::Number(number) => json!(number.as_u64().unwrap() + 1),
        Json::String(text) if text.ends_with('0') => json!(format!("{}1", &text[..text.len() - 1])),
        Json::String(text) if text.is_empty() => json!("x"),
        Json::String(text) => {
            let last = text.char_indices().last().unwrap().0;
            json!(format!("{}0", &text[..last]))
        }
        Json::Array(items) => items.iter().skip(1).cloned().chain([json!("x")]).collect(),
        Json::Object(_) | Json::Null => json!({"x": 1}),
    }
}

#[test]
fn every_edit_of_the_record_is_seen_beside_another_split() {
    let model = models::tiny();
    let (set, honest) = (model.shards(2), converted(&model));
    let found = report(&honest, &set);
    assert_eq!(found.verdict, Verdict::Verified, "{}", text::full(&found));

    let mut all = Vec::new();
    places(
        honest.metadata.get("aprove").unwrap(),
        String::new(),
        &mut all,
    );
    all.retain(|place| !place.is_empty() && place != "/tool");
    assert!(all.len() > 60, "{}", all.len());
    let empty = |json: &Json| match json {
        Json::Array(_) => json!([]),
        Json::Object(_) => json!({}),
        _ => json!(""),
    };
    let edits: [fn(&Json) -> Json; 3] = [altered, empty, |_| Json::Null];
    let mut passed = Vec::new();
    for place in &all {
        for edit in edits {
            let mut forged = honest.clone();
            let value = forged.at(&format!("/aprove{place}"));
            let other = edit(value);
            if other == *value {
                continue;
            }
            *value = other.clone();
            if report(&forged, &set).verdict == Verdict::Verified {
                passed.push(format!("{place} = {other}"));
            }
        }
    }
    assert!(passed.is_empty(), "{}: {passed:#?}", passed.len());
}

#[test]
fn another_source_in_the_record_is_seen_beside_another_split() {
    let model = models::tiny();
    let (set, honest) = (model.shards(2), converted(&model));
    let mut other = model.clone();
    other.set("general.license", "another");
    let of_other = converted(&other).metadata["aprove"]["sources"].clone();
    let mut of_nothing = honest.metadata["aprove"]["sources"][0].clone();
    of_nothing["blake3"] = json!("0".repeat(64));
    of_nothing["kv"] = json!([]);
    of_nothing["tensors"] = json!([]);
    of_nothing["size"] = json!(5);
    let own = honest.metadata["aprove"]["sources"][0].clone();
    // The last is sound in itself, with the right digest, and of another file.
    for (sources, files) in [
        (json!([own, of_nothing]), model.shards(1)),
        (json!([of_nothing, own]), model.shards(1)),
        (json!([own, own]), model.shards(1)),
        (json!([]), set.clone()),
        (json!([]), vec![model.to_bytes()]),
        (json!([own, own, own]), set.clone()),
        (of_other, set),
    ] {
        let mut forged = honest.clone();
        *forged.at("/aprove/sources") = sources;
        let found = report(&forged, &files);
        assert_eq!(found.verdict, Verdict::Different, "{}", text::full(&found));
    }
}

#[test]
fn a_key_of_a_later_file_is_named_where_the_cuts_differ() {
    let model = models::tiny();
    let first = model.shards_from(&[0, 2]);
    let mut second = model.shards_from(&[0, 1]);
    let key = b"split.tensors.count";
    let bytes = second.last_mut().unwrap();
    let at = bytes.windows(key.len()).position(|part| part == key);
    *bytes.get_mut(at.unwrap() + key.len() - 1).unwrap() = b'x';
    let set = |files: &'static str, set| {
        let shards: &Vec<Vec<u8>> = set;
        let shards = shards
            .iter()
            .map(|one| (files.to_owned(), one as &dyn Source));
        Input {
            name: files.to_owned(),
            shards: shards.collect(),
        }
    };
    let found = verify(
        &set("a", &first),
        &set("b", &second),
        &Options::default(),
        &(),
    );
    let said = text::full(&found);
    let line = said.lines().next().unwrap_or_default();
    assert!(line.contains("split.tensors.cou"), "{said}");
}

#[test]
fn a_set_whose_numbers_have_types_that_no_loader_reads_is_undecided() {
    let model = models::tiny();
    let honest = converted(&model);
    for (file, key) in [
        (1, "split.no"),
        (1, "split.count"),
        (0, "split.tensors.count"),
    ] {
        let mut set = model.shards(2);
        let bytes = set.get_mut(file).unwrap();
        let mut places = bytes.windows(key.len());
        let type_id = places.position(|part| part == key.as_bytes()).unwrap() + key.len();
        // i16 in the place of u16, u32 in that of i32.
        let type_id = bytes.get_mut(type_id).unwrap();
        *type_id = if *type_id == 2 { 3 } else { 4 };
        let found = report(&honest, &set);
        assert_eq!(
            found.verdict,
            Verdict::Undecided,
            "{key}: {}",
            text::full(&found)
        );
    }
}
