//! The text, read once, as a tree of offsets.

use std::collections::HashSet;

use super::escape::{escape_at, unescape};
use super::{Json, Kind};

pub(super) struct Reader<'a> {
    text: &'a [u8],
    /// Of the byte that is read next.
    pub(super) position: usize,
    depth: usize,
    /// Keys of an object that stand in it a second time.
    pub(super) duplicates: Vec<Json>,
}

/// What stood in place of what was expected.
type Expected<T> = Result<T, &'static str>;

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            position: 0,
            depth: 0,
            duplicates: Vec::new(),
        }
    }

    pub(super) fn document(&mut self) -> Expected<Json> {
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
