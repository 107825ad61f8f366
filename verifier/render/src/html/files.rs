//! The files: what each of them is, and a picture of where its bytes lie.

use verifier::finding::Side;
use verifier::region::{RegionKind, Span};
use verifier::report::text::{grouped, place};
use verifier::report::{FileFormat, FileRow, Report};

use super::escape::clip;
use super::shown::{Limits, Shown};

/// One file.
pub(super) struct File {
    pub(super) format: &'static str,
    pub(super) role: &'static str,
    pub(super) name: String,
    pub(super) size: String,
    pub(super) blake3: Option<String>,
    pub(super) sha256: Option<String>,
    pub(super) regions: String,
    pub(super) covered: String,
    pub(super) types: String,
    /// The width of the picture, in thousandths of that of the largest file.
    pub(super) width: u64,
    pub(super) stretches: Vec<Stretch>,
    pub(super) ticks: Vec<u64>,
    pub(super) places: Shown<String>,
    pub(super) kinds: Vec<(Kind, String)>,
}

/// A stretch of the picture that has one colour.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) kind: Kind,
    pub(super) start: u64,
    pub(super) width: u64,
}

/// What the bytes of a file are for. What is later here covers what is earlier, where both fall on one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Padding,
    Header,
    Metadata,
    Index,
    Data,
    Trailing,
    Differs,
    NotCovered,
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Header,
        Self::Metadata,
        Self::Index,
        Self::Data,
        Self::Padding,
        Self::Trailing,
        Self::Differs,
        Self::NotCovered,
    ];

    const fn of(region: RegionKind) -> Self {
        match region {
            RegionKind::Header | RegionKind::Footer => Self::Header,
            RegionKind::KeyValue | RegionKind::Metadata => Self::Metadata,
            RegionKind::TensorInfo | RegionKind::IndexEntry => Self::Index,
            RegionKind::Tensor => Self::Data,
            RegionKind::Padding => Self::Padding,
            RegionKind::Trailing => Self::Trailing,
            // A kind that is new here is one that nothing is known of.
            _ => Self::NotCovered,
        }
    }

    /// The class of the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Padding => "k-padding",
            Self::Header => "k-header",
            Self::Metadata => "k-metadata",
            Self::Index => "k-index",
            Self::Data => "k-data",
            Self::Trailing => "k-trailing",
            Self::Differs => "k-differs",
            Self::NotCovered => "k-open",
        }
    }

    /// Whether more than a colour tells it.
    pub(super) const fn has_pattern(self) -> bool {
        !matches!(self, Self::Data | Self::Padding)
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Padding => "padding",
            Self::Header => "header and footer",
            Self::Metadata => "metadata",
            Self::Index => "list of tensors",
            Self::Data => "tensor data",
            Self::Trailing => "bytes after the end",
            Self::Differs => "from the first to the last difference of each tensor",
            Self::NotCovered => "not covered",
        }
    }
}

/// The files of a report.
pub(super) fn files(report: &Report, limits: Limits) -> Shown<File> {
    let largest = report.files.iter().map(|file| file.size).max();
    Shown::of(report.files.iter(), limits.files, |row| {
        file(report, row, largest.unwrap_or_default(), limits)
    })
}

fn file(report: &Report, row: &FileRow, largest: u64, limits: Limits) -> File {
    let side = side_of(row);
    let deciding = report.findings.iter().filter(|finding| finding.decides());
    let places = deciding.flat_map(|finding| &finding.places);
    let of_file = places.filter(|one| Some(one.file) == side && one.shard == row.shard);
    let at: Vec<_> = of_file.filter(|one| one.offset.is_some()).collect();
    let mut ticks: Vec<u64> = at.iter().filter_map(|one| one.offset).collect();
    ticks
        .iter_mut()
        .for_each(|offset| *offset = point(*offset, row.size));
    ticks.sort_unstable();
    ticks.dedup();
    let differing = differing(report, side, row.shard);
    File {
        format: match row.format {
            FileFormat::Apr => "APR",
            FileFormat::Gguf => "GGUF",
            FileFormat::Unknown => "unknown format",
        },
        role: match row.side {
            Some(Side::A) => "first file, ",
            Some(Side::B) => "second file, ",
            _ => "",
        },
        name: clip(&row.name, limits.name),
        size: grouped(row.size),
        blake3: row.blake3.clone(),
        sha256: row.sha256.clone(),
        regions: grouped(row.regions as u64),
        covered: covered(row),
        types: types(report, side, row.shard),
        width: point(row.size, largest).max(POINTS / 100),
        stretches: stretches(row, &differing),
        ticks,
        places: Shown::of(at.into_iter(), limits.places, |one| {
            clip(&place(report, one), limits.name)
        }),
        kinds: kinds(row, &differing),
    }
}

/// The side of a file in findings and tensors; none for a file of no format that is known.
const fn side_of(row: &FileRow) -> Option<Side> {
    match (row.side, row.format) {
        (Some(side), _) => Some(side),
        (None, FileFormat::Apr) => Some(Side::Apr),
        (None, FileFormat::Gguf) => Some(Side::Gguf),
        (None, FileFormat::Unknown) => None,
    }
}

fn covered(row: &FileRow) -> String {
    if row.covered == row.size {
        return "all of it".to_owned();
    }
    let percent = (row.covered * 100).checked_div(row.size);
    let bytes = grouped(row.covered);
    match percent {
        Some(percent) => format!("{bytes} bytes ({percent} %)"),
        None => "nothing".to_owned(),
    }
}

/// The types of the tensors, with how many have each, most first.
fn types(report: &Report, side: Option<Side>, shard: usize) -> String {
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for (of, tensor) in report.tensors.iter().flat_map(|row| row.sides.all()) {
        if Some(of) == side && tensor.shard == shard {
            let count = counts.entry(&tensor.r#type).or_default();
            *count += 1;
        }
    }
    let total: usize = counts.values().sum();
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let words = counts
        .iter()
        .take(MOST_TYPES)
        .map(|(name, count)| format!("{} {name}", grouped(*count as u64)));
    let words: Vec<String> = words.collect();
    match total {
        0 => "none read".to_owned(),
        _ => format!("{}: {}", grouped(total as u64), words.join(", ")),
    }
}

/// From the first differing byte to the last one, of each tensor that differs.
fn differing(report: &Report, side: Option<Side>, shard: usize) -> Vec<Span> {
    let tensors = report.tensors.iter().filter_map(|row| {
        let tensor = row.sides.get(side?)?;
        let is_here =
            row.result == verifier::report::TensorResult::Different && tensor.shard == shard;
        let whole = Span::new(tensor.offset, tensor.size);
        let bytes = row
            .difference
            .as_ref()
            .and_then(|found| found.sides.get(side?));
        is_here.then(|| match bytes {
            Some([first, last]) => Span::new(*first, last.saturating_sub(*first) + 1),
            None => whole,
        })
    });
    tensors.collect()
}

/// The stretches of a file from its start to its end: what most bytes of each point are for.
fn stretches(row: &FileRow, differing: &[Span]) -> Vec<Stretch> {
    #[expect(clippy::cast_possible_truncation, reason = "a small constant")]
    let mut points = vec![None; POINTS as usize];
    // Of the bytes of a point the most, and at once the kind that covers others.
    let mut held = vec![0_u64; points.len()];
    for (kind, span) in &row.layout {
        let kind = Kind::of(*kind);
        paint(*span, row.size, |at, bytes| {
            if let (Some(point), Some(held)) = (points.get_mut(at), held.get_mut(at))
                && (point.is_none() || bytes > *held)
            {
                (*point, *held) = (Some(kind), bytes);
            }
        });
    }
    let marks = differing.iter().map(|span| (Kind::Differs, span));
    let marks = marks.chain(row.unread.iter().map(|span| (Kind::NotCovered, span)));
    for (kind, span) in marks {
        paint(*span, row.size, |at, _| {
            if let Some(point) = points.get_mut(at) {
                *point = (*point).max(Some(kind));
            }
        });
    }
    let mut stretches: Vec<Stretch> = Vec::new();
    for (start, kind) in (0..).zip(points) {
        let kind = kind.unwrap_or(Kind::NotCovered);
        match stretches.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.width += 1,
            None => stretches.push(Stretch {
                kind,
                start,
                width: 1,
            }),
        }
    }
    stretches
}

/// Visits the points that a span falls on, with the bytes of it that each of them has.
fn paint(span: Span, size: u64, mut visit: impl FnMut(usize, u64)) {
    if size == 0 || span.length == 0 {
        return;
    }
    let end = span.end().min(size);
    let (first, last) = (point(span.offset, size), point(end.saturating_sub(1), size));
    for at in first..=last {
        let start = offset(at, size).max(span.offset);
        let stop = offset(at + 1, size).min(end);
        visit(
            usize::try_from(at).unwrap_or(usize::MAX),
            stop.saturating_sub(start),
        );
    }
}

/// The point of the picture that an offset falls on.
fn point(offset: u64, size: u64) -> u64 {
    let scaled = u128::from(offset) * u128::from(POINTS);
    let point = scaled.checked_div(u128::from(size)).unwrap_or_default();
    u64::try_from(point).unwrap_or(POINTS)
}

/// The first offset of a point.
fn offset(point: u64, size: u64) -> u64 {
    let scaled = u128::from(point) * u128::from(size);
    u64::try_from(scaled.div_ceil(u128::from(POINTS))).unwrap_or(size)
}

/// How many bytes are for what.
fn kinds(row: &FileRow, differing: &[Span]) -> Vec<(Kind, String)> {
    let regions = row
        .layout
        .iter()
        .map(|(kind, span)| (Kind::of(*kind), span));
    let unread = row.unread.iter().map(|span| (Kind::NotCovered, span));
    let all = regions.chain(unread);
    let all: Vec<_> = all
        .chain(differing.iter().map(|span| (Kind::Differs, span)))
        .collect();
    let sum = |kind| {
        let spans = all.iter().filter(|(of, _)| *of == kind);
        spans.fold(0_u64, |sum, (_, span)| sum + span.length)
    };
    let sums = Kind::ALL.map(|kind| (kind, sum(kind)));
    let known = sums.into_iter().filter(|(_, sum)| *sum > 0);
    known.map(|(kind, sum)| (kind, grouped(sum))).collect()
}

/// The width of a picture.
const POINTS: u64 = 1000;
/// Types of tensors that are named.
const MOST_TYPES: usize = 6;
