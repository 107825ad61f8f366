//! Padding must be zero: no digest of a tensor covers it, so anything could be hidden there.

use std::io;

use crate::code::{CauseCode, Code};
use crate::decode::container::{Format, Shard};
use crate::finding::{Effect, Finding, Place, Side, counted, escape};
use crate::region::{RegionKind, Span};
use crate::source::Source;

/// A padding with a byte that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotZero {
    /// The first such byte of the file.
    offset: u64,
    /// Its value.
    value: u8,
    /// How many there are in this padding.
    count: u64,
}

impl NotZero {
    /// Looks through the bytes at `position` and adds what it finds.
    pub(crate) fn note(found: &mut Option<Self>, position: u64, bytes: &[u8]) {
        for (index, &value) in bytes.iter().enumerate().filter(|(_, value)| **value != 0) {
            let first = found.get_or_insert(Self {
                offset: position.saturating_add(index as u64),
                value,
                count: 0,
            });
            first.count = first.count.saturating_add(1);
        }
    }

    /// The finding for it; `parts` is the file that it is in.
    pub(crate) fn finding(
        &self,
        side: Side,
        format: Format,
        shard: usize,
        parts: &Shard,
    ) -> Finding {
        let region = parts
            .regions
            .iter()
            .find(|region| region.span.end() > self.offset);
        let label = region
            .map(|region| region.label.clone())
            .unwrap_or_default();
        let code = match (format, label.as_slice()) {
            (Format::Gguf, _) => Code::GgufPadding,
            (Format::Apr, b"metadata") => Code::AprMetaPadding,
            (Format::Apr, b"index") => Code::AprIndexPadding,
            (Format::Apr, _) => Code::AprDataPadding,
        };
        let after = if label.is_empty() {
            String::new()
        } else {
            format!(" after {}", escape(&label))
        };
        let mut at = Place::new(side, shard)
            .region(RegionKind::Padding)
            .span(Span::new(self.offset, 1))
            .name(label);
        let verb = if self.count == 1 { "is" } else { "are" };
        let bytes = counted(self.count, "byte");
        let message = format!("{bytes} of the padding{after} {verb} not zero");
        let mut finding = Finding::new(code, Effect::Different, message)
            .expected_found("00", format!("{:02x}", self.value));
        if self.count == 1 && self.value.is_power_of_two() {
            at = at.detail(format!("bit {}", self.value.trailing_zeros()));
            finding = finding.cause(
                CauseCode::SingleBit,
                "single bit flipped: a memory or disk fault",
            );
        }
        finding.at(at)
    }
}

/// Reads the padding of a file and nothing else: what can be said of it without a pass over the data.
pub(crate) fn check(
    side: Side,
    shard: usize,
    parts: &Shard,
    source: &dyn Source,
) -> io::Result<Vec<Finding>> {
    // A file alone is named by its format.
    let format = match side {
        Side::Apr => Format::Apr,
        Side::Gguf | Side::A | Side::B => Format::Gguf,
    };
    let mut findings = Vec::new();
    for region in parts
        .regions
        .iter()
        .filter(|region| region.kind == RegionKind::Padding)
    {
        // Never longer than the largest alignment.
        let mut bytes = vec![0; usize::try_from(region.span.length).map_err(io::Error::other)?];
        source.read_exact_at(region.span.offset, &mut bytes)?;
        let mut found = None;
        NotZero::note(&mut found, region.span.offset, &bytes);
        findings.extend(found.map(|found| found.finding(side, format, shard, parts)));
    }
    Ok(findings)
}
