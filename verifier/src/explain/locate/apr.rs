//! One damaged byte of an APR file, by its own checksum.

use std::io;

use super::crc::{Edit, edits};
use super::patched::Patched;
use crate::code::{CauseCode, Code};
use crate::decode::apr::{self, Metadata};
use crate::decode::container::Container;
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{RegionKind, Span};
use crate::source::{Source, read_through};

/// Looks for one byte that, put right, makes the footer's CRC right and the file decodable.
///
/// `is_right` judges a decoded candidate: a sum of 32 bits alone cannot tell one edit from all others in a large file.
/// Searches the start of the file, which holds what no other file can be laid beside: 16 MiB, or all of it.
pub(crate) fn locate(
    source: &dyn Source,
    is_right: &dyn Fn(&Container<Metadata>) -> bool,
) -> io::Result<Option<Finding>> {
    let Some(shortest) = source.length().checked_sub(5) else {
        return Ok(None);
    };
    let mut end = [0; 5];
    source.read_exact_at(shortest, &mut end)?;
    let body = shortest + 1;
    let [_, stored @ ..] = end;
    let stored = u32::from_le_bytes(stored);
    let window = usize::try_from(body.min(WINDOW)).unwrap_or(0);
    let mut bytes = vec![0; window];
    source.read_exact_at(0, &mut bytes)?;
    let rest = Span::new(window as u64, body.saturating_sub(window as u64));
    let rest = (crc_of(source, rest)?, rest.length);
    let mut candidates = edits(&bytes, rest, stored);
    // Memory and disks flip single bits more often than they write other bytes.
    candidates.sort_by_key(|edit| match edit {
        Edit::Substituted { offset, original } => {
            let found = bytes.get(*offset).copied().unwrap_or_default();
            (found ^ original).count_ones()
        }
        Edit::Inserted { .. } => 9,
        Edit::Deleted { .. } => 10,
    });
    for edit in candidates.into_iter().take(MOST_CANDIDATES) {
        let patched = apr::decode(&Patched { source, edit });
        if patched.complete && is_right(&patched) {
            return Ok(Some(report(edit, &patched, &bytes)));
        }
    }
    let mut whole = crc32fast::Hasher::new_with_initial_len(crc32fast::hash(&bytes), window as u64);
    whole.combine(&crc32fast::Hasher::new_with_initial_len(rest.0, rest.1));
    Ok(in_footer(source, &whole, shortest, end)?
        .filter(|(edit, _)| {
            let patched = apr::decode(&Patched {
                source,
                edit: *edit,
            });
            patched.complete && is_right(&patched)
        })
        .map(|(_, finding)| finding))
}

/// A damage of the footer itself: what stands at the end is the CRC-32 of the rest, but for one byte.
fn in_footer(
    source: &dyn Source,
    body: &crc32fast::Hasher,
    shortest: u64,
    end: [u8; 5],
) -> io::Result<Option<(Edit, Finding)>> {
    let [_, stored @ ..] = end;
    let sum = body.clone().finalize().to_le_bytes();
    let at = |index: usize, start: u64| {
        usize::try_from(start)
            .unwrap_or(usize::MAX)
            .saturating_add(index)
    };
    let place = |offset: usize| {
        Place::new(Side::Apr, 0)
            .region(RegionKind::Footer)
            .span(Span::new(offset as u64, 1))
    };
    let start = shortest + 1;
    let wrong: Vec<usize> = (0..4)
        .filter(|&index| sum.get(index) != stored.get(index))
        .collect();
    if let [index] = wrong.as_slice() {
        let byte = |bytes: [u8; 4]| bytes.get(*index).copied().unwrap_or_default();
        let offset = at(*index, start);
        let finding =
            Change::of(byte(sum), byte(stored)).finding(RegionKind::Footer.as_str(), place(offset));
        return Ok(Some((
            Edit::Substituted {
                offset,
                original: byte(sum),
            },
            finding,
        )));
    }
    // One byte more: the sum is that of one byte less.
    let sum = crc_of(source, Span::new(0, shortest))?.to_le_bytes();
    for index in 0..5 {
        if without(&end, index) == sum {
            let offset = at(index, shortest);
            let found = end.get(index).copied().unwrap_or_default();
            let finding =
                Change::Inserted(found).finding(RegionKind::Footer.as_str(), place(offset));
            return Ok(Some((Edit::Inserted { offset }, finding)));
        }
    }
    // One byte less: the sum is that of one byte more.
    let mut longer = body.clone();
    let [_, first, last @ ..] = end;
    longer.update(&[first]);
    let sum = longer.finalize().to_le_bytes();
    for index in 0..4 {
        if without(&sum, index) == last {
            let offset = at(index, start + 1);
            let original = sum.get(index).copied().unwrap_or_default();
            let finding =
                Change::Deleted(original).finding(RegionKind::Footer.as_str(), place(offset));
            return Ok(Some((Edit::Deleted { offset, original }, finding)));
        }
    }
    Ok(None)
}

fn report(edit: Edit, patched: &Container<Metadata>, bytes: &[u8]) -> Finding {
    let (offset, what) = match edit {
        Edit::Substituted { offset, original } => {
            let found = bytes.get(offset).copied().unwrap_or_default();
            (offset, Change::of(original, found))
        }
        Edit::Inserted { offset } => (
            offset,
            Change::Inserted(bytes.get(offset).copied().unwrap_or_default()),
        ),
        Edit::Deleted { offset, original } => (offset, Change::Deleted(original)),
    };
    let region = patched.shards.first().and_then(|shard| {
        shard
            .regions
            .iter()
            .rev()
            .find(|region| region.span.offset <= offset as u64)
    });
    let kind = region.map(|region| region.kind);
    let place = Place {
        region: kind,
        name: region
            .map(|region| region.label.clone())
            .filter(|label| !label.is_empty()),
        ..Place::new(Side::Apr, 0).span(Span::new(offset as u64, 1))
    };
    what.finding(kind.map_or("file", RegionKind::as_str), place)
}

enum Change {
    Bit { original: u8, found: u8, bit: u32 },
    Byte { original: u8, found: u8 },
    Inserted(u8),
    Deleted(u8),
}

impl Change {
    const fn of(original: u8, found: u8) -> Self {
        let xor = original ^ found;
        if xor.count_ones() == 1 {
            Self::Bit {
                original,
                found,
                bit: xor.trailing_zeros(),
            }
        } else {
            Self::Byte { original, found }
        }
    }

    fn finding(&self, region: &str, mut place: Place) -> Finding {
        let offset = place.span.map_or(0, |span| span.offset);
        let region = match &place.name {
            Some(name) => format!("{region} {}", escape(name)),
            None => region.to_owned(),
        };
        let (message, expected, found, cause, text) = match *self {
            Self::Bit {
                original,
                found,
                bit,
            } => {
                place.detail = Some(format!("bit {bit}"));
                (
                    format!("bit {bit} of the byte at {offset} is flipped, in the {region}"),
                    format!("{original:02x}"),
                    format!("{found:02x}"),
                    CauseCode::SingleBit,
                    "single bit flipped: a memory or disk fault",
                )
            }
            Self::Byte { original, found } => (
                format!("the byte at {offset} was changed, in the {region}"),
                format!("{original:02x}"),
                format!("{found:02x}"),
                CauseCode::Byte,
                "a single byte was overwritten",
            ),
            Self::Inserted(found) => (
                format!("a byte was inserted at {offset}, in the {region}"),
                "nothing".to_owned(),
                format!("{found:02x}"),
                CauseCode::Shift,
                "shift by 1: a byte was inserted, and all that follows is moved",
            ),
            Self::Deleted(original) => (
                format!("a byte is missing at {offset}, in the {region}"),
                format!("{original:02x}"),
                "nothing".to_owned(),
                CauseCode::Shift,
                "shift by 1: a byte is missing, and all that follows is moved",
            ),
        };
        Finding::new(Code::AprDamaged, Effect::Different, message)
            .at(place)
            .expected_found(expected, found)
            .cause(cause, text)
    }
}

fn crc_of(source: &dyn Source, span: Span) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    read_through(source, span, &mut Vec::new(), |_, bytes| {
        hasher.update(bytes);
    })?;
    Ok(hasher.finalize())
}

/// All bytes but the one at `index`.
fn without(bytes: &[u8], index: usize) -> Vec<u8> {
    let others = bytes
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    others.map(|(_, byte)| *byte).collect()
}

const WINDOW: u64 = 16 << 20;
/// Of millions of positions a few fit by chance; each one costs a decoding.
const MOST_CANDIDATES: usize = 64;
