//! A JSON reader that keeps the place of every value (RFC 8259).
//!
//! It is at least as strict as the reader of the loaders, `serde_json`: what that refuses (a number beyond the range of
//! an f64, values nested 128 deep) is refused here, because a loader drops all metadata then.
//!
//! Values stay where they are in the text: a node holds offsets, and strings are unescaped when they are asked for. So a
//! finding can name the bytes of a value, and a vocabulary of 150,000 tokens costs one small node for each.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

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
        self.text
            .get(json.start as usize..json.end as usize)
            .unwrap_or_default()
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
                "apr.meta.utf8",
                "the metadata is not UTF-8",
                Span::new(at, 1),
            ));
            return None;
        }
    };
    let mut reader = Reader {
        text: bytes,
        position: 0,
        depth: 0,
        duplicates: Vec::new(),
    };
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
                    "apr.meta.json",
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
            "apr.meta.json",
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
        let name = document.string(key).unwrap_or_default();
        index.entry(name.into_owned()).or_insert(place);
    }
    document.index = index;
    for duplicate in &reader.duplicates {
        let name = document.string(duplicate).unwrap_or_default();
        let start: String = name.chars().take(LONGEST_SHOWN).collect();
        findings.push(
            Finding::new(
                "apr.meta.duplicate",
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

fn unreadable(code: &'static str, message: &str, span: Span) -> Finding {
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

/// Every text that reaches this was checked while reading, so an escape that does not parse cannot occur.
fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escaped)) = rest.split_once('\\') {
        text.push_str(plain);
        let (character, length) = escape_at(escaped.as_bytes()).unwrap_or(('\u{fffd}', 1));
        text.push(character);
        rest = escaped.get(length..).unwrap_or_default();
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of the escape after a backslash, and how many bytes it takes.
fn escape_at(bytes: &[u8]) -> Option<(char, usize)> {
    let simple = match bytes.first()? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_at(bytes),
        _ => return None,
    };
    Some((simple, 1))
}

/// `uXXXX`, or `uXXXX\uXXXX` for a surrogate pair.
fn unicode_at(bytes: &[u8]) -> Option<(char, usize)> {
    let high = hex(bytes.get(1..5)?)?;
    if !(0xd800..0xe000).contains(&high) {
        return Some((char::from_u32(high)?, 5));
    }
    let low = bytes
        .get(5..7)
        .filter(|&mark| mark == b"\\u")
        .and_then(|_| hex(bytes.get(7..11)?))?;
    let mut decoded = char::decode_utf16([high, low].map(|unit| u16::try_from(unit).unwrap_or(0)));
    Some((decoded.next()?.ok()?, 11))
}

fn hex(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

struct Reader<'a> {
    text: &'a [u8],
    position: usize,
    depth: usize,
    duplicates: Vec<Json>,
}

/// What stood in place of what was expected.
type Expected<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn document(&mut self) -> Expected<Json> {
        self.blanks();
        let root = self.value()?;
        self.blanks();
        if self.position < self.text.len() {
            return Err("the end of the text");
        }
        Ok(root)
    }

    fn value(&mut self) -> Expected<Json> {
        let start = self.position;
        let kind = match self.peek() {
            Some(b'{') => self.nested(Self::object)?,
            Some(b'[') => self.nested(Self::array)?,
            Some(b'"') => self.string()?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word(b"true", Kind::Bool(true))?,
            Some(b'f') => self.word(b"false", Kind::Bool(false))?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => return Err("a value"),
        };
        self.node(start, kind)
    }

    fn node(&self, start: usize, kind: Kind) -> Expected<Json> {
        let offset = |offset: usize| u32::try_from(offset).map_err(|_| "a text under 4 GiB");
        Ok(Json {
            start: offset(start)?,
            end: offset(self.position)?,
            kind,
        })
    }

    /// The nesting is bounded, so the recursion is.
    fn nested(&mut self, read: fn(&mut Self) -> Expected<Kind>) -> Expected<Kind> {
        if self.depth >= DEEPEST {
            return Err("at most 127 values in one another");
        }
        self.depth = self.depth.saturating_add(1);
        self.step();
        let kind = read(self)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(kind)
    }

    fn object(&mut self) -> Expected<Kind> {
        let mut members: Vec<(Json, Json)> = Vec::new();
        self.blanks();
        if self.peek() == Some(b'}') {
            self.step();
            return Ok(Kind::Object(members));
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return Err("a key");
            }
            let start = self.position;
            let kind = self.string()?;
            let key = self.node(start, kind)?;
            self.blanks();
            self.expect(b':', "a colon")?;
            self.blanks();
            members.push((key, self.value()?));
            self.blanks();
            match self.peek() {
                Some(b',') => self.step(),
                Some(b'}') => break self.step(),
                _ => return Err("a comma or a closing brace"),
            }
        }
        self.note_duplicates(&members);
        Ok(Kind::Object(members))
    }

    fn note_duplicates(&mut self, members: &[(Json, Json)]) {
        if members.len() < 2 {
            return;
        }
        let mut seen = HashSet::with_capacity(members.len());
        for (key, _) in members {
            let range =
                (key.start as usize).saturating_add(1)..(key.end as usize).saturating_sub(1);
            let raw = self.text.get(range).unwrap_or_default();
            let name = unescape(std::str::from_utf8(raw).unwrap_or_default());
            if !seen.insert(name) {
                self.duplicates.push(key.clone());
            }
        }
    }

    fn array(&mut self) -> Expected<Kind> {
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(b']') {
            self.step();
            return Ok(Kind::Array(items));
        }
        loop {
            self.blanks();
            items.push(self.value()?);
            self.blanks();
            match self.peek() {
                Some(b',') => self.step(),
                Some(b']') => break self.step(),
                _ => return Err("a comma or a closing bracket"),
            }
        }
        items.shrink_to_fit();
        Ok(Kind::Array(items))
    }

    fn string(&mut self) -> Expected<Kind> {
        self.step();
        loop {
            match self.peek() {
                Some(b'"') => break self.step(),
                Some(b'\\') => {
                    self.step();
                    let rest = self.text.get(self.position..).unwrap_or_default();
                    let (_, length) = escape_at(rest).ok_or("an escape")?;
                    self.position = self.position.saturating_add(length);
                }
                Some(0..=0x1f) | None => return Err("a character of a string, or its end"),
                Some(_) => self.step(),
            }
        }
        Ok(Kind::String)
    }

    fn number(&mut self) -> Expected<Kind> {
        let start = self.position;
        if self.peek() == Some(b'-') {
            self.step();
        }
        if self.peek() == Some(b'0') {
            self.step();
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.step();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.step();
            if let Some(b'+' | b'-') = self.peek() {
                self.step();
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.position).unwrap_or_default();
        let number = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok());
        if number.is_none_or(|number: f64| number.abs() > LARGEST_NUMBER) {
            self.position = start;
            return Err("a number within the range of an f64");
        }
        Ok(Kind::Number)
    }

    fn digits(&mut self) -> Expected<()> {
        let start = self.position;
        while let Some(b'0'..=b'9') = self.peek() {
            self.step();
        }
        if self.position == start {
            Err("a digit")
        } else {
            Ok(())
        }
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Expected<Kind> {
        for &byte in word {
            self.expect(byte, "true, false or null")?;
        }
        Ok(kind)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Expected<()> {
        if self.peek() != Some(byte) {
            return Err(what);
        }
        self.step();
        Ok(())
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.step();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    const fn step(&mut self) {
        self.position = self.position.saturating_add(1);
    }
}

/// `serde_json` reads 127 levels and refuses the next.
const DEEPEST: usize = 127;
/// A little under the largest f64: near it, readers disagree about what is infinite.
const LARGEST_NUMBER: f64 = 1e308;
const LONGEST_SHOWN: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &[u8], offset: u64) -> (Option<Document>, Vec<Finding>) {
        let mut findings = Findings::default();
        let document = read(text, offset, &mut findings);
        (document, findings.into_list())
    }

    fn document(text: &str) -> Document {
        let (document, findings) = read_all(text.as_bytes(), 64);
        assert!(findings.is_empty(), "{findings:?}");
        document.unwrap()
    }

    #[test]
    fn whatever_the_loaders_reader_refuses_is_refused() {
        let nested =
            |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
        let texts = [
            r#"{"a":1e400}"#.to_owned(),
            r#"{"a":-1e400}"#.to_owned(),
            format!("{{\"a\":{}}}", "9".repeat(400)),
            nested(126),
            nested(127),
            nested(10_000),
            r#"{"a":"\ud800"}"#.to_owned(),
            "{\"a\":\"\u{1}\"}".to_owned(),
            "\u{feff}{}".to_owned(),
            r#"{"a":.5}"#.to_owned(),
            r#"{"a":NaN}"#.to_owned(),
            r#"{"a":1e+}"#.to_owned(),
        ];
        let mut refused = 0;
        for text in texts {
            let theirs: Result<serde_json::Value, _> = serde_json::from_str(&text);
            let (ours, findings) = read_all(text.as_bytes(), 0);
            let start: String = text.chars().take(40).collect();
            if theirs.is_err() {
                assert!(ours.is_none(), "{start}");
                assert_eq!(findings[0].effect, Effect::Undecided, "{start}");
                refused += 1;
            }
        }
        assert_eq!(refused, 11);
        assert!(read_all(nested(126).as_bytes(), 0).0.is_some());
    }

    #[test]
    fn minus_zero_is_not_a_whole_number() {
        let document = document(r#"{"a":-0,"b":0,"c":-1}"#);
        let [a, b, c] = ["a", "b", "c"].map(|key| document.get(key).unwrap());
        assert_eq!(document.integer(a), None);
        assert_eq!(document.u64(a), None);
        assert_eq!(document.u64(b), Some(0));
        assert_eq!(document.integer(c), Some(-1));
        assert_eq!(document.f32(a).map(f32::to_bits), Some(0x8000_0000));
    }

    #[test]
    fn a_text_that_two_roundings_read_differently_has_no_value() {
        // Just above the middle of 1 and the next f32: the nearest f32 is the upper, the nearest f64 is the middle
        // itself, and the cast of that goes to the even, lower one.
        let text = "1.00000005960464477539062500001";
        assert_eq!(text.parse::<f32>().unwrap().to_bits(), 0x3f80_0001);
        assert_eq!(narrow(text.parse().unwrap()).to_bits(), 0x3f80_0000);
        let document = document(&format!("{{\"a\":{text},\"b\":1e-6,\"c\":1e39}}"));
        assert_eq!(document.f32(document.get("a").unwrap()), None);
        assert_eq!(document.f32(document.get("b").unwrap()), Some(1e-6));
        assert_eq!(document.f32(document.get("c").unwrap()), None);
    }

    #[test]
    fn values_know_their_place() {
        let document = document(r#"{"a": [1, "x\u00e9\ud83d\ude00"], "b": 1e-06}"#);
        let Kind::Array(items) = &document.get("a").unwrap().kind else {
            panic!()
        };
        assert_eq!(document.u64(&items[0]), Some(1));
        assert_eq!(document.string(&items[1]).unwrap(), "xé😀");
        assert_eq!(document.span(&items[0]), Span::new(64 + 7, 1));
        assert_eq!(document.f32(document.get("b").unwrap()), Some(1e-6_f32));
    }

    #[test]
    fn what_is_not_json_is_refused_at_its_offset() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("{\"a\":01}", 6),
            ("{\"a\":1,}", 7),
            ("[1]x", 3),
            ("{\"a\":\"\\ud800\"}", 7),
            ("{\"a\":\"\n\"}", 6),
            ("{\"a\":nul}", 8),
        ] {
            let (document, findings) = read_all(text.as_bytes(), 0);
            assert!(document.is_none(), "{text}");
            assert_eq!(findings[0].places[0].span.unwrap().offset, at, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_recursing_on() {
        let (document, _) = read_all("[".repeat(100_000).as_bytes(), 0);
        assert!(document.is_none());
    }

    #[test]
    fn the_same_key_in_two_spellings_is_a_duplicate() {
        let (_, findings) = read_all(br#"{"a":1,"\u0061":2}"#, 0);
        assert_eq!(findings[0].code, "apr.meta.duplicate");
    }
}
