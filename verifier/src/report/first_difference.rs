//! The bytes around the first difference of two tensors of one type.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Sides, text::grouped};

/// The bytes around the first difference, a few lines of each file.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FirstDifference {
    /// The tensor, as the GGUF or the second file names it.
    pub tensor: String,
    /// The type of both.
    pub r#type: String,
    /// The block that differs first, from 0; the element, for a plain type.
    pub block: u64,
    /// The bytes of each file, at the same place of the tensor.
    #[serde(flatten)]
    pub sides: Sides<Excerpt>,
    /// The fields of the blocks that these bytes belong to, in order; none for a plain type.
    pub fields: Vec<FieldSpan>,
    /// The first decoded value that differs, where the type can be decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<ValuePair>,
}

/// A few bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Excerpt {
    /// The first of them, from the start of the file.
    pub offset: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Bytes of one field of one block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FieldSpan {
    /// The name that ggml gives the field.
    pub name: String,
    /// The block, from the start of the tensor.
    pub block: u64,
    /// The first byte, from the start of the excerpt.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
}

/// One element, decoded from both files; a value that is not finite is left out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ValuePair {
    /// The element, in the order of the data.
    pub element: u64,
    /// The value in each file.
    #[serde(flatten)]
    pub sides: Sides<f32>,
}

/// Bytes of a line.
pub(crate) const LINE: usize = 16;

/// Writes the lines of both files in turn, under the names of the files, the bytes that differ marked below.
pub(super) fn write(
    text: &mut String,
    found: &FirstDifference,
    names: [&str; 2],
) -> std::fmt::Result {
    let (Some(first), Some(second)) = (found.sides.first(), found.sides.second()) else {
        unreachable!("two files have a first difference");
    };
    let called = names.map(str::len).into_iter().max().unwrap_or_default();
    let offset = [first, second].map(|excerpt| grouped(excerpt.offset + EXCERPT));
    let offset = offset.iter().map(String::len).max().unwrap_or_default();
    let lines = first.bytes.chunks(LINE).zip(second.bytes.chunks(LINE));
    for (start, (one, other)) in (0_usize..).step_by(LINE).zip(lines) {
        let fields = fields_of(found, start);
        for (name, excerpt, bytes, fields) in [
            (names[0], first, one, fields.as_str()),
            (names[1], second, other, ""),
        ] {
            let at = grouped(excerpt.offset + start as u64);
            let bytes: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
            let line = format!("  {name:<called$} {at:>offset$} {bytes:<48}  {fields}");
            writeln!(text, "{}", line.trim_end())?;
        }
        if one != other {
            let mark = |(a, b): (&u8, &u8)| if a == b { "   " } else { " ^^" };
            let marks: String = one.iter().zip(other).map(mark).collect();
            writeln!(
                text,
                "  {:<called$} {:>offset$} {}",
                "",
                "",
                marks.trim_end()
            )?;
        }
    }
    if let Some(value) = &found.value {
        let show = |value: Option<&f32>| value.map_or("not finite".to_owned(), ToString::to_string);
        writeln!(
            text,
            "  value {}: {} ({}), {} ({})",
            grouped(value.element),
            show(value.sides.first()),
            names[0],
            show(value.sides.second()),
            names[1]
        )?;
    }
    Ok(())
}

/// The fields of a line, such as `block 279 d, dmin, scales, qs`.
fn fields_of(found: &FirstDifference, start: usize) -> String {
    let mut text = String::new();
    let mut block = None;
    let of_line = |field: &&FieldSpan| field.end > start && field.start < start + LINE;
    for field in found.fields.iter().filter(of_line) {
        // Writing to a String cannot fail.
        let _ = if block == Some(field.block) {
            write!(text, ", {}", field.name)
        } else if block.is_none() {
            write!(text, "block {} {}", field.block, field.name)
        } else {
            write!(text, "; block {} {}", field.block, field.name)
        };
        block = Some(field.block);
    }
    text
}

/// Bytes of an excerpt: three lines.
pub(crate) const EXCERPT: u64 = 3 * LINE as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Side;

    #[test]
    fn differing_bytes_are_marked_and_fields_named() {
        let mut gguf: Vec<u8> = (0..20).collect();
        let apr = gguf.clone();
        gguf[3] = 0xff;
        let field = |name: &str, block, start, end| FieldSpan {
            name: name.to_owned(),
            block,
            start,
            end,
        };
        let found = FirstDifference {
            tensor: "t".to_owned(),
            r#type: "Q8_0".to_owned(),
            block: 4,
            sides: Sides::new(
                Side::BY_FORMAT,
                [
                    Some(Excerpt {
                        offset: 9_990,
                        bytes: apr,
                    }),
                    Some(Excerpt {
                        offset: 64,
                        bytes: gguf,
                    }),
                ],
            ),
            fields: vec![
                field("qs", 3, 0, 2),
                field("d", 4, 2, 4),
                field("qs", 4, 4, 20),
            ],
            value: Some(ValuePair {
                element: 1234,
                sides: Sides::new(Side::BY_FORMAT, [Some(0.5), None]),
            }),
        };
        let mut text = String::new();
        write(&mut text, &found, ["apr", "gguf"]).unwrap();
        assert_eq!(
            text,
            "  apr   9,990  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f  block 3 qs; block 4 d, qs
  gguf     64  00 01 02 ff 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f
                        ^^
  apr  10,006  10 11 12 13                                      block 4 qs
  gguf     80  10 11 12 13
  value 1,234: 0.5 (apr), not finite (gguf)
"
        );
    }
}
