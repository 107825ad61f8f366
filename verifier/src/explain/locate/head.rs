//! The head of a GGUF against the one that the artifact's record builds again.

use std::io;

use crate::code::{CauseCode, Code};
use crate::compare::metadata::record::SourceRecord;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{RegionKind, Span};
use crate::source::Source;

/// Finds the first byte of the head that is not what the artifact recorded when it was made.
pub(crate) fn compare(
    record: &SourceRecord,
    shard: usize,
    source: &dyn Source,
) -> io::Result<Option<Finding>> {
    let held = usize::try_from(source.length())
        .unwrap_or(usize::MAX)
        .min(record.head.len());
    let mut bytes = vec![0; held];
    source.read_exact_at(0, &mut bytes)?;
    let differing = bytes
        .iter()
        .zip(&record.head)
        .position(|(found, expected)| found != expected);
    let offset = match differing {
        Some(offset) => offset,
        None if held < record.head.len() => held,
        None => return Ok(None),
    };
    let region = record
        .regions
        .iter()
        .find(|region| region.span.end() > offset as u64);
    let kind = region.map_or(RegionKind::Header, |region| region.kind);
    let label = region
        .map(|region| region.label.clone())
        .unwrap_or_default();
    let name = match kind {
        RegionKind::KeyValue | RegionKind::TensorInfo => {
            format!("{} {}", kind.as_str(), escape(&label))
        }
        _ => kind.as_str().to_owned(),
    };
    let expected = record.head.get(offset).copied().unwrap_or_default();
    let found = bytes.get(offset).copied();
    if found.is_none() {
        let missing = record.size.saturating_sub(source.length());
        let place = Place::new(Side::Gguf, shard)
            .region(kind)
            .span(Span::new(offset as u64, 1));
        return Ok(Some(
            Finding::new(
                Code::GgufDamaged,
                Effect::Unreadable,
                format!("the file ends at {offset}, in the {name}"),
            )
            .at(place)
            .expected_found(format!("{} bytes", record.size), format!("{held} bytes"))
            .cause(
                CauseCode::Truncated,
                format!(
                    "truncated: a download or copy that ended early, {missing} bytes are missing"
                ),
            )
            .hint("fetch the file again"),
        ));
    }
    let flipped = found
        .map(|found| found ^ expected)
        .filter(|xor| xor.count_ones() == 1);
    // A flip is the whole damage only when the next bytes are right.
    let next = offset + 1;
    let alone = bytes.get(next..) == record.head.get(next..held);
    let place = Place {
        name: Some(label).filter(|label| !label.is_empty()),
        detail: flipped.map(|xor| format!("bit {}", xor.trailing_zeros())),
        ..Place::new(Side::Gguf, shard)
            .region(kind)
            .span(Span::new(offset as u64, 1))
    };
    let mut finding = Finding::new(
        Code::GgufDamaged,
        Effect::Different,
        format!(
            "the byte at {offset} is not what the artifact recorded of its source, in the {name}"
        ),
    )
    .at(place)
    .expected_found(
        format!("{expected:02x}"),
        found.map_or("end of file".to_owned(), |found| format!("{found:02x}")),
    );
    if alone && flipped.is_some() {
        finding = finding.cause(
            CauseCode::SingleBit,
            "single bit flipped: a memory or disk fault",
        );
    } else if let Some(cause) = shifted(&bytes, &record.head, offset) {
        finding = finding.cause(CauseCode::Shift, cause);
    }
    Ok(Some(finding))
}

/// Tells whether one byte came or went at `offset`, by looking whether the rest agrees moved by one.
fn shifted(found: &[u8], expected: &[u8], offset: usize) -> Option<&'static str> {
    let next = offset + 1;
    let same = |a: Option<&[u8]>, b: Option<&[u8]>| {
        let (a, b) = (a?, b?);
        let length = a.len().min(b.len());
        Some(length > 0 && a.get(..length) == b.get(..length))
    };
    if same(found.get(next..), expected.get(offset..)) == Some(true) {
        Some("shift by 1: a byte was inserted, and all that follows is moved")
    } else if same(found.get(offset..), expected.get(next..)) == Some(true) {
        Some("shift by 1: a byte is missing, and all that follows is moved")
    } else {
        None
    }
}
