//! The metadata of a file that carries our record, held against what the source and the options make of it.

use std::collections::{BTreeMap, BTreeSet};

use super::equal::{in_words, shorten};
use super::expected::{Expected, Spelling};
use super::look_alike::looks_like;
use super::{Comparison, KeyResult, Status, record, table};
use crate::code::Code;
use crate::decode::apr::{Document, Json, Kind};
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::RegionKind;

/// Names every key that is not what it must be, unless a finding has named it already.
pub(super) fn check(
    comparison: &Comparison<'_>,
    expected: &BTreeMap<String, Expected<'_>>,
    findings: &mut Findings,
    keys: &mut Vec<KeyResult>,
) {
    let named: BTreeSet<Vec<u8>> = findings
        .iter()
        .filter(|finding| finding.effect == Effect::Different)
        .flat_map(|finding| &finding.places)
        .filter(|place| place.side == Side::Apr)
        .filter_map(|place| place.name.clone())
        .collect();
    let document = comparison.document;
    let mut respelled = None;
    for (key, json) in document.members() {
        let name = document.name(key);
        match expected.get(&*name) {
            Some(expected) if expected.holds(document, json, Spelling::Own) => {}
            // A tool wrote the text again, which comes after what it lost or changed.
            Some(expected) if expected.holds(document, json, Spelling::Any) => {
                respelled.get_or_insert(json);
            }
            Some(_) if named.contains(name.as_bytes()) => {}
            Some(expected) => findings.push(
                Finding::new(
                    table::code_of(&name),
                    Effect::Different,
                    format!("{name} is not what the GGUF and the options of the conversion give"),
                )
                .at(comparison.apr_place(&name, json, None))
                .expected_found(expected.show(), shorten(document.text(json))),
            ),
            None => {
                keys.push(KeyResult {
                    key: name.as_bytes().to_vec(),
                    status: Status::Invented,
                    values: [Some(in_words(document, json)), None],
                });
                let known = expected.keys().map(String::as_str);
                let message = match looks_like(&name, known) {
                    Some(twin) => format!(
                        "{} is explained by no key of the GGUF, and looks like {twin}",
                        short(&name)
                    ),
                    None => format!("{} is explained by no key of the GGUF", short(&name)),
                };
                findings.push(
                    Finding::new(Code::MetaUnexplained, Effect::Different, message)
                        .at(comparison.apr_place(&name, json, None))
                        .expected_found("nothing", shorten(document.text(json))),
                );
            }
        }
    }
    for (name, expected) in expected {
        if expected.is_optional() || document.get(name).is_some() || named.contains(name.as_bytes())
        {
            continue;
        }
        findings.push(
            Finding::new(
                Code::MetaLost,
                Effect::Different,
                format!(
                    "{} is missing: loaders look for it",
                    escape(name.as_bytes())
                ),
            )
            .at(Place::new(Side::Apr, 0)
                .region(RegionKind::Metadata)
                .name(name.as_str()))
            .expected_found(expected.show(), "nothing"),
        );
    }
    if let Some(json) = first_odd(document).or(respelled) {
        findings.push(other_form(document, json));
    }
}

/// The text itself is a function, too: compact, keys in the order of their bytes, nothing escaped that need not be, and each number
/// written in one way.
fn other_form(document: &Document, json: &Json) -> Finding {
    let message = "the JSON is not in the form in which a conversion writes it: compact, keys sorted, nothing escaped that need not be, numbers in their shortest form";
    Finding::new(Code::MetaForm, Effect::Different, message).at(Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .span(document.span(json))
        .name(record::KEY))
}

/// The first value that is followed by blanks, or stands out of order, or is written in more bytes than it needs.
fn first_odd(document: &Document) -> Option<&Json> {
    let mut stack = vec![document.root()];
    while let Some(json) = stack.pop() {
        // Brackets, commas and colons: what a compact text has beside its values.
        let own = match &json.kind {
            Kind::Array(items) => {
                stack.extend(items);
                let inner = items.iter().map(|item| document.span(item).length);
                inner.sum::<u64>() + separators(items.len())
            }
            Kind::Object(members) => {
                let names: Vec<_> = members
                    .iter()
                    .map(|(key, _)| document.string(key))
                    .collect();
                if !names.is_sorted_by(|one, other| one < other) {
                    return Some(json);
                }
                stack.extend(members.iter().flat_map(|(key, value)| [key, value]));
                let inner = members.iter().map(|(key, value)| {
                    let (key, value) = (document.span(key).length, document.span(value).length);
                    key + value + 1
                });
                inner.sum::<u64>() + separators(members.len())
            }
            Kind::String if is_over_escaped(document.text(json)) => return Some(json),
            _ => continue,
        };
        if own != document.span(json).length {
            return Some(json);
        }
    }
    // Blanks around the whole.
    let root = document.root();
    (document.span(root).length != document.length()).then_some(root)
}

fn separators(count: usize) -> u64 {
    (count.saturating_sub(1) as u64) + 2
}

/// Only quotes, backslashes and control characters are escaped, each in its one form.
fn is_over_escaped(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, escaped)) = rest.split_once('\\') {
        let (form, after) = match escaped.as_bytes() {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => (true, 1),
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low, ..] => {
                let short = matches!((high, low), (b'0', b'8' | b'9' | b'a' | b'c' | b'd'));
                (!short && matches!(low, b'0'..=b'9' | b'a'..=b'f'), 5)
            }
            _ => (false, 1),
        };
        if !form {
            return true;
        }
        rest = escaped.get(after..).unwrap_or_default();
    }
    false
}

fn short(name: &str) -> String {
    let start: String = name.chars().take(LONGEST_SHOWN).collect();
    let more = if start.len() < name.len() { "..." } else { "" };
    format!("{}{more}", escape(start.as_bytes()))
}

const LONGEST_SHOWN: usize = 80;
