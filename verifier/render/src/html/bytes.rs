//! The bytes around the first difference, side by side.

use verifier::report::text::grouped;
use verifier::report::{Excerpt, FirstDifference, Report};

use super::escape::clip;
use super::shown::Limits;

/// The first difference.
pub(super) struct Bytes {
    pub(super) tensor: String,
    pub(super) r#type: String,
    pub(super) block: String,
    pub(super) sides: Vec<Side>,
    pub(super) fields: Vec<Field>,
    pub(super) value: Option<Value>,
}

/// The bytes of one file.
pub(super) struct Side {
    pub(super) label: String,
    pub(super) lines: Vec<Line>,
}

/// Bytes of one line.
pub(super) struct Line {
    pub(super) offset: String,
    pub(super) bytes: Vec<Byte>,
}

/// One byte.
pub(super) struct Byte {
    pub(super) hex: String,
    pub(super) differs: bool,
}

/// The bytes of one field of a block in both files.
pub(super) struct Field {
    pub(super) block: String,
    pub(super) name: String,
    pub(super) bytes: Vec<Vec<Byte>>,
    /// Whether there are more bytes.
    pub(super) is_cut: bool,
    pub(super) differs: bool,
}

/// A decoded value in both files.
pub(super) struct Value {
    pub(super) element: String,
    pub(super) sides: [String; 2],
}

/// The first difference of a report.
pub(super) fn bytes(report: &Report, labels: &[String; 2], limits: Limits) -> Option<Bytes> {
    let found = report.first_difference.as_ref()?;
    let (first, second) = (found.sides.first()?, found.sides.second()?);
    let both = [(first, second), (second, first)];
    let sides = labels
        .iter()
        .zip(both)
        .map(|(label, (excerpt, other))| Side {
            label: label.clone(),
            lines: lines(excerpt, other),
        });
    Some(Bytes {
        tensor: clip(&found.tensor, limits.name),
        r#type: clip(&found.r#type, limits.name),
        block: grouped(found.block),
        sides: sides.collect(),
        fields: fields(found, both),
        value: found.value.as_ref().map(|value| Value {
            element: grouped(value.element),
            sides: [value.sides.first(), value.sides.second()]
                .map(|value| value.map_or("not finite".to_owned(), ToString::to_string)),
        }),
    })
}

fn lines(excerpt: &Excerpt, other: &Excerpt) -> Vec<Line> {
    let lines = excerpt.bytes.chunks(LINE).zip(other.bytes.chunks(LINE));
    let offsets = (excerpt.offset..).step_by(LINE);
    let lines = offsets.zip(lines).map(|(offset, (line, other))| Line {
        offset: grouped(offset),
        bytes: marked(line, other).collect(),
    });
    lines.collect()
}

fn marked(bytes: &[u8], other: &[u8]) -> impl Iterator<Item = Byte> {
    bytes.iter().zip(other).map(|(byte, other)| Byte {
        hex: format!("{byte:02x}"),
        differs: byte != other,
    })
}

/// The fields that these bytes belong to; of a long one its start, and where it differs.
fn fields(found: &FirstDifference, both: [(&Excerpt, &Excerpt); 2]) -> Vec<Field> {
    let fields = found.fields.iter().map(|field| {
        let bytes = both.map(|(excerpt, other)| {
            let of = |excerpt: &'_ Excerpt| {
                excerpt
                    .bytes
                    .get(field.start..field.end)
                    .map(<[u8]>::to_vec)
            };
            let (bytes, other) = (
                of(excerpt).unwrap_or_default(),
                of(other).unwrap_or_default(),
            );
            marked(&bytes, &other).collect::<Vec<_>>()
        });
        let differs = bytes.iter().flatten().any(|byte| byte.differs);
        let first = bytes
            .iter()
            .flatten()
            .position(|byte| byte.differs)
            .unwrap_or_default();
        let start = first.saturating_sub(SHOWN / 2);
        let is_cut = bytes.iter().any(|bytes| bytes.len() > SHOWN);
        let shown = |bytes: Vec<Byte>| bytes.into_iter().skip(start).take(SHOWN).collect();
        Field {
            block: grouped(field.block),
            name: field.name.clone(),
            bytes: bytes.map(shown).into(),
            is_cut,
            differs,
        }
    });
    fields.collect()
}

/// Bytes of a line: two files stand side by side, and one fits a phone.
const LINE: usize = 8;
/// Bytes of a field.
const SHOWN: usize = 8;
