//! How a document is laid out: a key on each line, and every row of a table on one.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

/// Writes a document as JSON, with a line end: a row, which is an object in an array, is on a line of its own.
///
/// # Panics
/// Panics when a map of the document has keys that are no strings, which is a bug.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "a document that is not written must not look like an empty one"
)]
pub fn to_json(document: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    document
        .serialize(&mut Serializer::with_formatter(
            &mut bytes,
            Layout::default(),
        ))
        .expect("a document holds names, numbers and texts only, which always serialise");
    bytes.push(b'\n');
    String::from_utf8(bytes).expect("the serialiser writes UTF-8")
}

/// What is open where something is written, the outermost first.
#[derive(Default)]
struct Layout {
    open: Vec<Open>,
    /// Whether the object that is open has a key.
    has_key: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// An object with each key on a line.
    Object,
    /// A row, or an object inside one.
    Row,
    /// An array in which no object was seen.
    List,
    /// An array of rows.
    Table,
}

impl Layout {
    /// Begins a line; the rows of a table stand as far to the right as its name.
    fn line(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let is_indented = |open: &&Open| matches!(open, Open::Object | Open::Table);
        let levels = self.open.iter().filter(is_indented).count();
        let tables = usize::from(self.open.last() == Some(&Open::Table));
        let width = levels.saturating_sub(tables) * 2;
        write!(writer, "\n{:width$}", "")
    }
}

impl Formatter for Layout {
    fn begin_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        self.open.push(Open::List);
        writer.write_all(b"[")
    }

    fn end_array<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        if self.open.last() == Some(&Open::Table) {
            self.line(writer)?;
        }
        self.open.pop();
        writer.write_all(b"]")
    }

    fn begin_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let kind = match self.open.last_mut() {
            Some(array @ (Open::List | Open::Table)) => {
                *array = Open::Table;
                self.line(writer)?;
                Open::Row
            }
            Some(Open::Row) => Open::Row,
            Some(Open::Object) | None => Open::Object,
        };
        self.open.push(kind);
        self.has_key = false;
        writer.write_all(b"{")
    }

    fn end_object<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        let closed = self.open.pop();
        if closed == Some(Open::Object) && self.has_key {
            self.line(writer)?;
        }
        writer.write_all(b"}")
    }

    fn begin_object_key<W: Write + ?Sized>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            writer.write_all(b",")?;
        }
        if self.open.last() == Some(&Open::Object) {
            self.line(writer)?;
        }
        Ok(())
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        match self.open.last() {
            Some(Open::Object) => writer.write_all(b": "),
            _ => writer.write_all(b":"),
        }
    }

    fn end_object_value<W: Write + ?Sized>(&mut self, _writer: &mut W) -> io::Result<()> {
        self.has_key = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::to_json;

    #[test]
    fn every_row_is_on_one_line() {
        let document = json!({
            "counts": { "equal": 2 },
            "empty": {},
            "none": [],
            "reasons": ["io", "x"],
            "rows": [
                { "a": { "b": [1, 2] } },
                { "places": [{ "file": "apr" }], "z": null },
            ],
        });
        let expected = r#"{
  "counts": {
    "equal": 2
  },
  "empty": {},
  "none": [],
  "reasons": ["io","x"],
  "rows": [
  {"a":{"b":[1,2]}},
  {"places":[
    {"file":"apr"}
    ],"z":null}
  ]
}
"#;
        assert_eq!(to_json(&document), expected);
    }
}
