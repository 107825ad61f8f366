//! The tensor index: one entry per tensor, sorted by name.
//!
//! `u16 name_len | name | u8 dtype | u8 ndim | ndim x u64 dim | u64 offset | u64 size`

use super::{Broken, Header};
use crate::code::Code;
use crate::decode::blocks::can_decode;
use crate::decode::findings::Findings;
use crate::decode::head_reader::Head;
use crate::decode::types::{BlockType, TYPES, TypeId, ggml_type};
use crate::finding::{Effect, Finding, Place, Side, escape};
use crate::region::{Region, RegionKind, Span};

/// An index entry, before its data is looked for.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) dtype: u8,
    pub(super) block_type: Option<&'static BlockType>,
    pub(super) dims: Vec<u64>,
    /// From the start of the data.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) span: Span,
}

pub(super) fn decode(
    head: &mut Head<'_>,
    header: &Header,
    regions: &mut Vec<Region>,
    findings: &mut Findings,
) -> Result<Vec<Entry>, Broken> {
    let mut entries: Vec<Entry> = Vec::new();
    for index in 0..header.tensor_count {
        let start = head.position();
        let entry = decode_one(head, header.data_offset, findings)?;
        let Some(entry) = entry else {
            return Err(Broken::Field(Box::new(
                Finding::new(
                    Code::AprIndexShort,
                    Effect::Undecided,
                    format!("entry {index} does not end before the data"),
                )
                .at(Place::new(Side::Apr, 0)
                    .region(RegionKind::IndexEntry)
                    .span(Span::new(start, header.data_offset.saturating_sub(start))))
                .expected_found(
                    format!(
                        "{} entries before {}",
                        header.tensor_count, header.data_offset
                    ),
                    format!("entry {index} at {start}"),
                ),
            )));
        };
        if let Some(last) = entries.last() {
            check_order(&last.name, &entry, findings);
        }
        regions.push(Region {
            kind: RegionKind::IndexEntry,
            span: entry.span,
            label: entry.name.clone(),
        });
        entries.push(entry);
    }
    Ok(entries)
}

/// Reads one entry; none when it would reach into the data.
fn decode_one(
    head: &mut Head<'_>,
    end: u64,
    findings: &mut Findings,
) -> Result<Option<Entry>, Broken> {
    let stop = |stop| Broken::Stop(stop, RegionKind::IndexEntry);
    let start = head.position();
    let length = u64::from(head.u16().map_err(stop)?);
    if start.saturating_add(length).saturating_add(FIXED) > end {
        return Ok(None);
    }
    let name = head.take(length).map_err(stop)?.to_vec();
    let dtype_offset = head.position();
    let dtype = head.u8().map_err(stop)?;
    let rank = head.u8().map_err(stop)?;
    if head
        .position()
        .saturating_add(8 * u64::from(rank))
        .saturating_add(16)
        > end
    {
        return Ok(None);
    }
    let dims = (0..rank)
        .map(|_| head.u64())
        .collect::<Result<Vec<_>, _>>()
        .map_err(stop)?;
    let offset = head.u64().map_err(stop)?;
    let size = head.u64().map_err(stop)?;
    let span = Span::new(start, head.position().saturating_sub(start));
    let mut entry = Entry {
        name,
        dtype,
        block_type: None,
        dims,
        offset,
        size,
        span,
    };
    check_name(&entry, findings);
    if rank == 0 || rank > MOST_DIMS {
        findings.push(
            finding(
                &entry,
                Code::AprIndexRank,
                Effect::Undecided,
                "the number of dimensions is not allowed",
            )
            .expected_found("1 to 8 dimensions", rank.to_string()),
        );
    }
    entry.block_type = interpret(&entry, Span::new(dtype_offset, 1), findings);
    Ok(Some(entry))
}

fn check_name(entry: &Entry, findings: &mut Findings) {
    let problem = if entry.name.is_empty() {
        "the name is empty"
    } else if entry.name.len() > LONGEST_NAME {
        "the name is longer than 256 bytes"
    } else if std::str::from_utf8(&entry.name).is_err() {
        "the name is not UTF-8"
    } else if entry.name.iter().any(u8::is_ascii_control) {
        "the name has control bytes"
    } else {
        return;
    };
    findings.push(finding(
        entry,
        Code::AprIndexName,
        Effect::Undecided,
        problem,
    ));
}

fn check_order(last: &[u8], entry: &Entry, findings: &mut Findings) {
    if entry.name == last {
        findings.push(finding(
            entry,
            Code::AprIndexDuplicate,
            Effect::Undecided,
            "the name stands twice",
        ));
    } else if entry.name.as_slice() < last {
        findings.push(
            finding(
                entry,
                Code::AprIndexOrder,
                Effect::Different,
                "the entry does not follow in the order of names",
            )
            .expected_found(
                format!("a name after {}", escape(last)),
                escape(&entry.name),
            ),
        );
    }
}

/// What the data is: the dtype byte means one thing to the library and another to the serving loader, so size and shape
/// must agree with exactly one meaning.
fn interpret(
    entry: &Entry,
    dtype_span: Span,
    findings: &mut Findings,
) -> Option<&'static BlockType> {
    let elements = entry
        .dims
        .iter()
        .try_fold(1_u64, |product, &dim| product.checked_mul(dim));
    let Some(elements) = elements.filter(|&elements| elements <= i64::MAX.unsigned_abs()) else {
        findings.push(
            finding(
                entry,
                Code::AprTensorElements,
                Effect::Undecided,
                "the dimensions multiply to more than 2^63",
            )
            .expected_found("at most 2^63 - 1 elements", format!("{:?}", entry.dims)),
        );
        return None;
    };
    let meanings = meanings(entry.dtype);
    let fits = |block_type: &&BlockType| block_type.size_of(elements) == Some(entry.size);
    let mut fitting = meanings.iter().copied().filter(fits);
    if let Some(block_type) = fitting.next() {
        note_ambiguity(entry, block_type, meanings.len(), dtype_span, findings);
        return Some(block_type);
    }
    // Only types that occur in models: with all of them some size fits by chance.
    let others: Vec<&str> = TYPES
        .iter()
        .filter(|other| can_decode(other))
        .filter(fits)
        .map(|other| other.name)
        .collect();
    let names: Vec<&str> = meanings.iter().map(|meaning| meaning.name).collect();
    let found = format!(
        "dtype {}, {} bytes for {elements} elements",
        entry.dtype, entry.size
    );
    let finding = if names.is_empty() {
        finding(
            entry,
            Code::AprTensorDtype,
            Effect::Undecided,
            "the dtype cannot be interpreted",
        )
        .expected_found("0, 1, 12, 14 or 30", found)
    } else if others.is_empty() {
        let expected: Vec<String> = meanings
            .iter()
            .map(|meaning| match meaning.size_of(elements) {
                Some(size) => format!("{size} bytes of {}", meaning.name),
                None => format!("whole blocks of {}", meaning.name),
            })
            .collect();
        finding(
            entry,
            Code::AprTensorSize,
            Effect::Different,
            "the size does not fit type and shape",
        )
        .expected_found(expected.join(" or "), found)
    } else {
        finding(
            entry,
            Code::AprTensorDtype,
            Effect::Different,
            "the size is that of another type",
        )
        .expected_found(
            others.join(" or "),
            format!("{} ({found})", names.join(" or ")),
        )
    };
    findings.push(at_dtype(finding, dtype_span));
    None
}

/// What a dtype byte can stand for. Ids 8 and 9 (and 128, 129) are native types that no GGUF has.
fn meanings(dtype: u8) -> Vec<&'static BlockType> {
    let ids: &[u32] = match dtype {
        0 | 1 | 2 | 10 | 11 | 12 | 13 | 14 | 16 | 17 | 30 => &[dtype.into()],
        3 => &[28, 3],
        4 => &[26],
        5 => &[27],
        6 => &[24, 6],
        7 => &[7],
        _ => &[],
    };
    ids.iter()
        .filter_map(|&id| match ggml_type(id) {
            TypeId::Known(block_type) => Some(block_type),
            TypeId::Removed | TypeId::Unknown => None,
        })
        .collect()
}

fn note_ambiguity(
    entry: &Entry,
    block_type: &BlockType,
    meanings: usize,
    span: Span,
    findings: &mut Findings,
) {
    let ggml_only = matches!(entry.dtype, 2 | 10 | 11 | 13 | 16 | 17);
    if !ggml_only && meanings < 2 && entry.dtype != 7 {
        return;
    }
    let text = format!(
        "dtype {} is read as {} here, by its size; the library of the format reads it differently or not at all",
        entry.dtype, block_type.name
    );
    findings.push(at_dtype(
        finding(entry, Code::AprTensorDtypeAmbiguous, Effect::Warning, &text),
        span,
    ));
}

fn finding(entry: &Entry, code: Code, effect: Effect, text: &str) -> Finding {
    Finding::new(code, effect, format!("{}: {text}", escape(&entry.name))).at(Place::new(
        Side::Apr,
        0,
    )
    .region(RegionKind::IndexEntry)
    .span(entry.span)
    .name(entry.name.clone()))
}

fn at_dtype(mut finding: Finding, span: Span) -> Finding {
    if let Some(place) = finding.places.first_mut() {
        place.span = Some(span);
        place.detail = Some("dtype".to_owned());
    }
    finding
}

/// Bytes of an entry beside its name and dimensions.
const FIXED: u64 = 20;
const LONGEST_NAME: usize = 256;
const MOST_DIMS: u8 = 8;
