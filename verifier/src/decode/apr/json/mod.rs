//! A JSON reader that keeps the place of every value (RFC 8259).
//!
//! It is at least as strict as the reader of the loaders, `serde_json`: what that refuses (a number beyond the range of
//! an f64, values nested 128 deep) is refused here, because a loader drops all metadata then.
//!
//! Values stay where they are in the text: a node holds offsets, and strings are unescaped when they are asked for. So a
//! finding can name the bytes of a value, and a vocabulary of 150,000 tokens costs one small node for each.

mod escape;
mod reader;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use self::escape::unescape;
use self::reader::Reader;
use crate::code::Code;
use crate::decode::findings::Findings;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{RegionKind, Span};

/// The metadata text and the tree over it.
#[derive(Clone, Debug)]
pub struct Document {
    text: String,
    /// Offset of the text in the file.
    offset: u64,
    root: Json,
    /// Where each top-level key stands among the members; of a duplicate key, the first.
    index: BTreeMap<String, usize>,
}

/// One value of the tree.
#[derive(Clone, Debug)]
pub struct Json {
    start: u32,
    end: u32,
    /// What the value is.
    pub kind: Kind,
}

/// The kind of a value, with what it holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, kept as its text.
    Number,
    /// A string, kept as its text.
    String,
    /// Items in order.
    Array(Vec<Json>),
    /// Members in order; the first of each pair is a string.
    Object(Vec<(Json, Json)>),
}

impl Document {
    /// Returns the value of a top-level key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Json> {
        let (_, value) = self.members().get(*self.index.get(key)?)?;
        Some(value)
    }

    /// Returns the value that is the whole text.
    #[must_use]
    pub const fn root(&self) -> &Json {
        &self.root
    }

    /// Returns the length of the text in bytes.
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.text.len() as u64
    }

    /// Returns the top-level members in order.
    #[must_use]
    pub fn members(&self) -> &[(Json, Json)] {
        match &self.root.kind {
            Kind::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the value of a key of an object.
    #[must_use]
    pub fn member<'a>(&self, object: &'a Json, key: &str) -> Option<&'a Json> {
        let Kind::Object(members) = &object.kind else {
            return None;
        };
        members
            .iter()
            .find(|(name, _)| self.string(name).is_some_and(|name| name == key))
            .map(|(_, value)| value)
    }

    /// Returns a string, unescaped.
    #[must_use]
    pub fn string(&self, json: &Json) -> Option<Cow<'_, str>> {
        let Kind::String = json.kind else {
            return None;
        };
        let text = self.text(json);
        let inner = text.get(1..text.len().saturating_sub(1))?;
        Some(unescape(inner))
    }

    /// Returns a whole number that is not negative.
    #[must_use]
    pub fn u64(&self, json: &Json) -> Option<u64> {
        self.integer(json)?.try_into().ok()
    }

    /// Returns a whole number. `-0` is none: loaders read it as a float, and refuse it where a count belongs.
    #[must_use]
    pub fn integer(&self, json: &Json) -> Option<i128> {
        self.number(json).filter(|&text| text != "-0")?.parse().ok()
    }

    /// Returns a number as the f32 that loaders get, and that it says.
    ///
    /// The loaders' reader is `serde_json`: the text becomes an f64, by an algorithm that may miss the nearest one, and
    /// that is cast to f32. The two roundings can miss the f32 that is nearest to the text. A text on which the ways
    /// part has no value here.
    #[must_use]
    pub fn f32(&self, json: &Json) -> Option<f32> {
        let text = self.number(json)?;
        let nearest: f32 = text.parse().ok()?;
        let loaded: f32 = serde_json::from_str(text).ok()?;
        let twice = narrow(text.parse().ok()?);
        let same = [loaded, twice]
            .iter()
            .all(|way| way.to_bits() == nearest.to_bits());
        (same && nearest.is_finite()).then_some(nearest)
    }

    /// Returns a number rounded to f64.
    #[must_use]
    pub fn f64(&self, json: &Json) -> Option<f64> {
        self.number(json)?.parse().ok()
    }

    /// Returns the text of a value as it stands in the file.
    #[must_use]
    pub fn text(&self, json: &Json) -> &str {
        &self.text[json.start as usize..json.end as usize]
    }

    /// Returns the name of a member; `key` is the first of a pair of an object.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "the reader takes nothing but strings there"
    )]
    pub(crate) fn name(&self, key: &Json) -> Cow<'_, str> {
        self.string(key).expect("keys of JSON are strings")
    }

    /// Returns the bytes of the file that hold a value.
    #[must_use]
    pub const fn span(&self, json: &Json) -> Span {
        let offset = self.offset.saturating_add(json.start as u64);
        Span::new(offset, json.end.saturating_sub(json.start) as u64)
    }

    fn number(&self, json: &Json) -> Option<&str> {
        matches!(json.kind, Kind::Number).then(|| self.text(json))
    }
}

/// Reads the text at `offset` of the file, and says what is wrong with it.
pub(super) fn read(bytes: &[u8], offset: u64, findings: &mut Findings) -> Option<Document> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = offset.saturating_add(error.valid_up_to() as u64);
            findings.push(unreadable(
                Code::AprMetaUtf8,
                "the metadata is not UTF-8",
                Span::new(at, 1),
            ));
            return None;
        }
    };
    let mut reader = Reader::new(bytes);
    let root = match reader.document() {
        Ok(root) => root,
        Err(expected) => {
            let position = reader.position.min(bytes.len());
            let found = bytes
                .get(position)
                .map_or("end of text".to_owned(), |&byte| escape(&[byte]));
            let at = offset.saturating_add(position as u64);
            findings.push(
                unreadable(
                    Code::AprMetaJson,
                    "the metadata is not JSON that loaders read: they run without any of it",
                    Span::new(at, 1),
                )
                .expected_found(expected, found)
                .hint("convert again: `aprove convert`"),
            );
            return None;
        }
    };
    if !matches!(root.kind, Kind::Object(_)) {
        findings.push(unreadable(
            Code::AprMetaJson,
            "the metadata is not a JSON object",
            Span::new(offset, 1),
        ));
    }
    let mut document = Document {
        text: text.to_owned(),
        offset,
        root,
        index: BTreeMap::new(),
    };
    let mut index = BTreeMap::new();
    for (place, (key, _)) in document.members().iter().enumerate() {
        let name = document.name(key);
        index.entry(name.into_owned()).or_insert(place);
    }
    document.index = index;
    for duplicate in &reader.duplicates {
        let name = document.name(duplicate);
        let start: String = name.chars().take(LONGEST_SHOWN).collect();
        findings.push(
            Finding::new(
                Code::AprMetaDuplicate,
                Effect::Different,
                format!(
                    "duplicate key {}: the serving loader drops all metadata then",
                    escape(start.as_bytes())
                ),
            )
            .at(place(document.span(duplicate))),
        );
    }
    Some(document)
}

fn unreadable(code: Code, message: &str, span: Span) -> Finding {
    Finding::new(code, Effect::Undecided, message).at(place(span))
}

const fn place(span: Span) -> Place {
    Place::new(Side::Apr, 0)
        .region(RegionKind::Metadata)
        .span(span)
}

/// The cast of the loaders, from f64 to f32.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rounding is the meaning"
)]
const fn narrow(number: f64) -> f32 {
    number as f32
}

const LONGEST_SHOWN: usize = 120;
