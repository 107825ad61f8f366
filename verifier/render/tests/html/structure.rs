//! What every page holds to.

use std::collections::BTreeSet;

use fixtures::models;
use verifier::{Input, Options, check};

use super::document::{Element, parse};
use super::samples::{HOSTILE, PAGES, make_pages, page, subject, verified};

fn each(check: impl Fn(&str, &str, &[Element])) {
    for (name, page) in PAGES.iter() {
        check(name, page, &parse(page));
    }
}

#[test]
fn ids_are_distinct_and_what_refers_to_them_finds_them() {
    each(|name, page, elements| {
        let ids: Vec<&str> = elements.iter().filter_map(|one| one.get("id")).collect();
        let distinct: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(ids.len(), distinct.len(), "{name}");
        let labels = elements.iter().filter_map(|one| one.get("aria-labelledby"));
        let links = elements.iter().filter_map(|one| one.get("href"));
        let links = links.map(|link| link.strip_prefix('#').expect("links stay in the page"));
        let patterns = page
            .split("url(#")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for id in labels
            .flat_map(str::split_whitespace)
            .chain(links)
            .chain(patterns)
        {
            assert!(distinct.contains(id), "{name}: #{id}");
        }
    });
}

#[test]
fn headings_go_down_by_one_and_there_is_one_title() {
    each(|name, _, elements| {
        let levels: Vec<u32> = elements.iter().filter_map(Element::level).collect();
        assert_eq!(
            levels.iter().filter(|level| **level == 1).count(),
            1,
            "{name}"
        );
        assert_eq!(levels[0], 1, "{name}");
        assert!(
            levels.windows(2).all(|pair| pair[1] <= pair[0] + 1),
            "{name}: {levels:?}"
        );
    });
}

#[test]
fn a_reader_of_the_screen_finds_its_way() {
    each(|name, _, elements| {
        let count = |tag: &str| elements.iter().filter(|one| one.name == tag).count();
        assert_eq!(
            [count("header"), count("main"), count("footer")],
            [1, 1, 1],
            "{name}"
        );
        assert_eq!(elements[0].get("lang"), Some("en"));
        for one in elements {
            let is_named = one
                .get("aria-label")
                .or(one.get("aria-labelledby"))
                .is_some();
            match one.name.as_str() {
                "th" => assert!(
                    matches!(one.get("scope"), Some("col" | "row")),
                    "{name}: {one:?}"
                ),
                "svg" if one.get("aria-hidden") == Some("true") => {}
                "svg" => assert!(
                    one.get("role") == Some("img") && is_named,
                    "{name}: {one:?}"
                ),
                "section" => assert!(is_named, "{name}: {one:?}"),
                _ => {}
            }
            if one.get("tabindex").is_some() {
                assert!(
                    one.get("role") == Some("region") && is_named,
                    "{name}: {one:?}"
                );
            }
        }
        let has = |at: usize, tag| {
            elements
                .iter()
                .any(|one| one.name == tag && one.around.last() == Some(&at))
        };
        for (at, one) in elements.iter().enumerate() {
            if one.name == "table" {
                assert!(has(at, "thead"), "{name}");
            }
            if one.get("role") == Some("img") {
                assert!(has(at, "title") && has(at, "desc"), "{name}");
            }
        }
    });
}

#[test]
fn a_page_loads_nothing_and_runs_nothing() {
    each(|name, page, elements| {
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        let metas: Vec<_> = elements
            .iter()
            .filter_map(|one| one.get("content"))
            .collect();
        assert!(
            metas.iter().any(|content| content.starts_with(policy)),
            "{name}"
        );
        for one in elements {
            for (attribute, value) in &one.attributes {
                let loads = ["src", "srcset", "action", "data", "poster", "background"];
                assert!(!loads.contains(&&**attribute), "{name}: {one:?}");
                assert!(!attribute.starts_with("on"), "{name}: {one:?}");
                assert!(
                    attribute != "style" || !value.contains("url("),
                    "{name}: {one:?}"
                );
            }
            let is_data = one.get("type") == Some("application/json");
            assert!(one.name != "script" || is_data, "{name}: {one:?}");
            let unsafe_names = [
                "img", "link", "base", "iframe", "object", "embed", "image", "use",
            ];
            assert!(!unsafe_names.contains(&&*one.name), "{name}: {one:?}");
        }
        let style = elements.iter().find(|one| one.name == "style").unwrap();
        assert!(
            !style.text.contains("@import") && !style.text.contains("//"),
            "{name}"
        );
        assert_eq!(
            page.matches("url(").count(),
            page.matches("url(#").count(),
            "{name}"
        );
    });
}

#[test]
fn hostile_names_are_text_and_turn_nothing() {
    each(|name, page, _| {
        let turns = |character: char| {
            matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                || character.is_control() && character != '\n'
        };
        assert_eq!(page.find(turns), None, "{name}");
        for text in HOSTILE {
            assert!(!page.contains(text), "{name}: {text}");
        }
    });
    let hostile = PAGES.iter().find(|(name, _)| *name == "hostile").unwrap();
    let elements = parse(&hostile.1);
    let body = elements.iter().find(|one| one.name == "body").unwrap();
    assert!(
        body.text.contains("model\\xe2\\x80\\xaegpj."),
        "{}",
        body.text
    );
    let banner = elements
        .iter()
        .find(|one| {
            one.get("class")
                .is_some_and(|class| class.starts_with("banner"))
        })
        .unwrap();
    assert!(
        banner
            .text
            .contains("<img src=http://evil.example/x onerror="),
        "{}",
        banner.text
    );
    assert!(body.text.contains("(10"), "a long name says how long it is");
}

#[test]
fn the_data_in_the_page_are_the_report() {
    let report = verified();
    let elements = parse(&page(&[subject(report.clone())]));
    let script = elements.iter().find(|one| one.name == "script").unwrap();
    let data: serde_json::Value = serde_json::from_str(&script.text).unwrap();
    assert_eq!(data, serde_json::to_value(&report).unwrap());
}

#[test]
fn the_same_answer_gives_the_same_bytes() {
    assert_eq!(*PAGES, make_pages());
}

#[test]
fn each_part_is_there_and_in_order() {
    let of = |wanted: &str| &PAGES.iter().find(|(name, _)| *name == wanted).unwrap().1;
    let elements = parse(of("bit"));
    let headings: Vec<&str> = elements
        .iter()
        .filter(|one| one.name == "h2")
        .map(|one| one.text.trim())
        .collect();
    assert_eq!(
        headings,
        [
            "Files",
            "Where the bytes lie",
            "Tensors",
            "Running both files",
            "The first difference, byte by byte",
            "Metadata",
            "Findings",
            "About this report"
        ]
    );
    let text = &elements.iter().find(|one| one.name == "main").unwrap().text;
    for words in [
        "Do nextaprove convert model.gguf --overwrite",
        "Bytes, hexadecimal",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    assert!(of("run").contains("All 591 stages of 12 tokens are equal, bit for bit."));
    assert!(
        of("differs when run").contains("The first stage that differs is 0.q_rope (prompt ramp)")
    );
}

/// A model on its own has no other whose tensors could be equal.
#[test]
fn a_checked_model_among_others_is_said_to_be_checked() {
    let gguf = models::tiny().to_bytes();
    let input = Input {
        name: "m.gguf".to_owned(),
        shards: vec![("m.gguf".to_owned(), &gguf)],
    };
    let options = Options::default();
    let report = check::check(&input, &check::Sidecar::Absent, &options, &());
    let page = page(&[subject(report.clone()), subject(report)]);
    assert!(page.contains("nothing recorded to hold the bytes against"));
    assert!(!page.contains("tensors equal"));
}

#[test]
fn what_lies_between_differences_is_not_said_to_differ() {
    let page = &PAGES.iter().find(|(name, _)| *name == "bit").unwrap().1;
    assert!(page.contains("from the first to the last difference of each tensor"));
}
