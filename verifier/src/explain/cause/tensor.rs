//! Signatures of a damage inside tensor data.

use std::cell::Cell;
use std::io;

use crate::code::CauseCode;
use crate::compare::inputs::{Inputs, Metadata, Model};
use crate::compare::scan::difference::Difference;
use crate::compare::scan::tensor::PairOutcome;
use crate::decode::container::Tensor;
use crate::finding::{Cause, Finding, Side};
use crate::source::Source;

/// The place of the first difference in words: `block 100, qs, element 24`.
pub(crate) fn fine_place(difference: &Difference) -> String {
    let mut text = match difference.part {
        Some(part) => format!("block {}, {part}", difference.first_block),
        None => format!("element {}", difference.first_block),
    };
    if difference.part.is_some()
        && let Some(element) = difference.element
    {
        text.push_str(&format!(", element {element}"));
    }
    if let Some(bit) = difference.single_bit {
        text.push_str(&format!(", bit {bit}"));
    }
    text
}

/// Adds the first differing bytes of both sides.
pub(crate) fn with_bytes(
    finding: Finding,
    inputs: &Inputs<'_>,
    a: &Tensor,
    g: &Tensor,
    first: u64,
) -> Finding {
    let length = WINDOW.min(a.span.length - first).min(g.span.length - first);
    let show = |source: Option<&dyn Source>, tensor: &Tensor| {
        let bytes = read(source?, tensor.span.offset + first, length).ok()?;
        Some(
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    let of = |model: &Model<'_>, tensor: &Tensor| {
        let bytes = show(model.sources.get(tensor.shard).copied(), tensor)?;
        // Where the formats do not name the files, the places of the finding do.
        Some(match model.side {
            Side::Apr | Side::Gguf => format!("{bytes} ({})", model.side.as_str()),
            Side::A | Side::B => bytes,
        })
    };
    match (of(&inputs.second, g), of(&inputs.first, a)) {
        (Some(expected), Some(found)) => finding.expected_found(expected, found),
        _ => finding,
    }
}

/// What the searches for causes of all tensors together may still read: as much as there is of both files, so that many
/// small tensors cost no more than a few large ones.
pub(crate) struct Search(Cell<u64>);

impl Search {
    pub(crate) fn of(inputs: &Inputs<'_>) -> Self {
        let models = inputs.models().into_iter();
        let sources = models.flat_map(|model| model.sources);
        let all = sources.fold(0_u64, |sum, source| sum.saturating_add(source.length()));
        Self(Cell::new(all))
    }

    /// Takes so many bytes, if they are left.
    fn may_read(&self, bytes: u64) -> bool {
        let left = self.0.get().checked_sub(bytes);
        self.0.set(left.unwrap_or(self.0.get()));
        left.is_some()
    }
}

/// Looks for the signature that fits, the most telling one first.
pub(crate) fn of_tensor(
    inputs: &Inputs<'_>,
    a: &Tensor,
    g: &Tensor,
    outcome: &PairOutcome,
    search: &Search,
) -> Option<Cause> {
    let difference = outcome.difference.as_ref()?;
    by_counts(inputs, difference, outcome).or_else(|| {
        // A cause is a hint: what cannot be read for it is left out.
        let sides = Sides {
            apr: inputs.first.sources.get(a.shard).copied()?,
            gguf: inputs.second.sources.get(g.shard).copied()?,
            a,
            g,
            dims: match inputs.second.metadata {
                Metadata::Gguf(_) => g.dims.clone(),
                Metadata::Apr(_) => g.dims.iter().rev().copied().collect(),
            },
        };
        sides
            .ignored_alignment(inputs)
            .or_else(|_| sides.transposed())
            .or_else(|_| sides.moved_rows())
            .or_else(|_| sides.permuted())
            .or_else(|_| sides.repeated_page(inputs, difference, search))
            .or_else(|_| sides.shift(inputs, difference))
            .ok()
    })
}

/// What the counts of the walk say by themselves.
fn by_counts(inputs: &Inputs<'_>, difference: &Difference, outcome: &PairOutcome) -> Option<Cause> {
    let cause = |code: CauseCode, text| Some(Cause { code, text });
    if let Some(bit) = difference.single_bit {
        return cause(
            CauseCode::SingleBit,
            format!("single bit flipped, bit {bit} of one byte: a memory or disk fault"),
        );
    }
    if let Some(count) = difference.same_bit.filter(|&count| count > 1) {
        return cause(
            CauseCode::SameBit,
            format!("the same bit flipped in {count} bytes: a faulty memory cell or line"),
        );
    }
    for (zero, model) in difference.zero.into_iter().zip(inputs.models()) {
        if zero == difference.bytes && difference.bytes >= ZERO_FILLED {
            let length = difference.last - difference.first + 1;
            return cause(
                CauseCode::ZeroFilled,
                format!(
                    "zero-filled range: {length} bytes of {}, as a sparse or unfinished copy leaves",
                    model.as_file()
                ),
            );
        }
    }
    let ratio = outcome.values.and_then(|values| values.ratio)?;
    cause(
        CauseCode::Ratio,
        format!(
            "constant ratio {}: every value is that many times the one of {}",
            shown(ratio),
            inputs.second.called
        ),
    )
}

/// The two tensors of a pair, and where they are read.
pub(super) struct Sides<'a> {
    pub(super) apr: &'a dyn Source,
    pub(super) gguf: &'a dyn Source,
    pub(super) a: &'a Tensor,
    pub(super) g: &'a Tensor,
    /// The dimensions of `g`, the contiguous one first.
    pub(super) dims: Vec<u64>,
}

/// A cause, or why there is none.
pub(super) type Found = Result<Cause, Option<io::Error>>;

impl Sides<'_> {
    /// The APR tensor begins with bytes that stand earlier in the GGUF, by what its alignment adds to the usual one.
    fn ignored_alignment(&self, inputs: &Inputs<'_>) -> Found {
        let Metadata::Gguf(metadata) = inputs.second.metadata else {
            return Err(None);
        };
        let head = metadata.shards.get(self.g.shard).ok_or(None)?;
        let usual = head.infos_end.next_multiple_of(32);
        let shift = head.data_offset.saturating_sub(usual);
        let Some(start) = self.g.span.offset.checked_sub(shift).filter(|_| shift > 0) else {
            return Err(None);
        };
        let length = PROBE.min(self.a.span.length);
        let found = read(self.apr, self.a.span.offset, length)?;
        if found == read(self.gguf, start, length)? && found.iter().any(|&byte| byte != 0) {
            let text = format!(
                "ignored alignment: the data stand {shift} bytes early, as with general.alignment 32 instead of {}",
                head.alignment
            );
            return Ok(Cause {
                code: CauseCode::Alignment,
                text,
            });
        }
        Err(None)
    }

    /// A differing page that stands a second time in its file, within reach.
    fn repeated_page(
        &self,
        inputs: &Inputs<'_>,
        difference: &Difference,
        search: &Search,
    ) -> Found {
        for (source, tensor, model) in [
            (self.apr, self.a, &inputs.first),
            (self.gguf, self.g, &inputs.second),
        ] {
            let first = tensor.span.offset + difference.first;
            let last = tensor.span.offset + difference.last;
            let page = first.next_multiple_of(PAGE);
            // The first whole page that differs, or the one that the first difference lies in.
            let page = if page + PAGE <= last + 1 {
                page
            } else {
                first / PAGE * PAGE
            };
            if page + PAGE > source.length() {
                continue;
            }
            let bytes = read(source, page, PAGE)?;
            if bytes.iter().all(|byte| bytes.first() == Some(byte)) {
                continue;
            }
            let start = page.saturating_sub(REACH) / PAGE * PAGE;
            let end = (page + REACH).min(source.length());
            if !search.may_read(end - start) {
                continue;
            }
            let mut offset = start;
            while offset + PAGE <= end {
                let stretch = read(source, offset, READ.min(end - offset))?;
                for (index, other) in stretch
                    .chunks_exact(usize::try_from(PAGE).unwrap_or(1))
                    .enumerate()
                {
                    let at = offset + index as u64 * PAGE;
                    if at != page && other == bytes {
                        let text = format!(
                            "repeated page: a stale buffer or a block written twice; the {PAGE} bytes at {page} of {} stand also at {at}",
                            model.as_file()
                        );
                        return Ok(Cause {
                            code: CauseCode::RepeatedPage,
                            text,
                        });
                    }
                }
                offset += READ;
            }
        }
        Err(None)
    }

    /// After the first difference, bytes of one side equal those of the other moved by a constant distance.
    fn shift(&self, inputs: &Inputs<'_>, difference: &Difference) -> Found {
        let mut distances = Vec::new();
        let left = self.a.span.length.min(self.g.span.length) - difference.first;
        for part in 1..=3 {
            let at = difference.first + left * part / 4;
            let window = at.saturating_sub(FARTHEST_SHIFT);
            let length = (2 * FARTHEST_SHIFT + NEEDLE).min(self.g.span.length - window);
            let hay = read(self.gguf, self.g.span.offset + window, length)?;
            let needle = read(
                self.apr,
                self.a.span.offset + at,
                NEEDLE.min(self.a.span.length - at),
            )?;
            if needle.iter().all(|byte| needle.first() == Some(byte)) {
                continue;
            }
            let found = hay
                .windows(needle.len())
                .position(|window| window == needle)
                .ok_or(None)?;
            distances.push((window + found as u64).cast_signed() - at.cast_signed());
        }
        match distances.as_slice() {
            [first, rest @ ..]
                if !rest.is_empty() && rest.iter().all(|other| other == first) && *first != 0 =>
            {
                let (count, what) = (
                    first.unsigned_abs(),
                    if *first < 0 { "inserted" } else { "missing" },
                );
                let text = format!(
                    "shift by {count}: that many bytes {what} in {} at or before the first difference",
                    inputs.first.as_file()
                );
                Ok(Cause {
                    code: CauseCode::Shift,
                    text,
                })
            }
            _ => Err(None),
        }
    }
}

/// A factor without the noise of its rounding.
fn shown(ratio: f64) -> f64 {
    (ratio * 1e4).round() / 1e4
}

pub(super) fn read(source: &dyn Source, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    source.read_exact_at(offset, &mut bytes)?;
    Ok(bytes)
}

const WINDOW: u64 = 8;
const PROBE: u64 = 256;
const NEEDLE: u64 = 48;
const FARTHEST_SHIFT: u64 = 4096;
const PAGE: u64 = 4096;
pub(super) const READ: u64 = 1 << 20;
/// How far from the damage a second copy of a page is looked for.
const REACH: u64 = 64 << 20;
const ZERO_FILLED: u64 = 512;
