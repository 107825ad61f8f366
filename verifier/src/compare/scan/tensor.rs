//! One tensor, or one pair of tensors: read once, hash, compare, look for numbers that are not finite.

use std::io;

use sha2::{Digest as _, Sha256};

use super::difference::{Difference, Walk};
use super::file_digest::{FileDigest, Piece};
use super::values::{Statistics, ValueWalk};
use crate::compare::pairing::Comparison;
use crate::decode::blocks::{NotFinite, decode, first_not_finite};
use crate::decode::types::BlockType;
use crate::observer::Observer;
use crate::region::Span;
use crate::source::{READ, Source};

/// The digests of a tensor's unpadded bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digests {
    /// BLAKE3.
    pub(crate) blake3: [u8; 32],
    /// SHA-256.
    pub(crate) sha256: [u8; 32],
}

/// Where a tensor is read from, and whether this reading is the one that counts for its file.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) source: &'a dyn Source,
    pub(crate) span: Span,
    pub(crate) file: Option<&'a FileDigest>,
}

/// What came of one pair.
#[derive(Clone, Debug)]
pub(crate) struct PairOutcome {
    pub(crate) apr: Digests,
    pub(crate) gguf: Digests,
    pub(crate) difference: Option<Difference>,
    pub(crate) values: Option<Statistics>,
    /// The first number that is not finite, in the APR file and in the GGUF, with its offset from the tensor's start.
    pub(crate) not_finite: [Option<NotFinite>; 2],
}

/// Buffers of one thread, used again for every job.
#[derive(Default)]
pub(crate) struct Buffers {
    apr: Vec<u8>,
    gguf: Vec<u8>,
    apr_values: Vec<f32>,
    gguf_values: Vec<f32>,
}

/// Reads both tensors side by side.
pub(crate) fn compare(
    apr: Place<'_>,
    gguf: Place<'_>,
    how: Comparison,
    buffers: &mut Buffers,
    observer: &dyn Observer,
) -> io::Result<PairOutcome> {
    match how {
        Comparison::Bytes(block_type) => compare_bytes(apr, gguf, block_type, buffers, observer),
        Comparison::DecodedF32 { gguf: g, apr: a } | Comparison::Types { gguf: g, apr: a } => {
            compare_values(apr, gguf, a, g, buffers, observer)
        }
    }
}

fn compare_bytes(
    apr: Place<'_>,
    gguf: Place<'_>,
    block_type: &'static BlockType,
    buffers: &mut Buffers,
    observer: &dyn Observer,
) -> io::Result<PairOutcome> {
    let mut apr_piece = apr.file.map(|file| file.piece(apr.span.offset));
    let mut gguf_piece = gguf.file.map(|file| file.piece(gguf.span.offset));
    // While all bytes are equal, one digest is the digest of both.
    let mut apr_hashes = Hashes::default();
    let mut gguf_hashes: Option<Hashes> = None;
    let mut walk = Walk::new(block_type);
    let mut not_finite = [None, None];
    for (offset, length) in cut(block_type.bytes, apr.span.length) {
        read(apr, offset, length, &mut buffers.apr, &mut apr_piece)?;
        read(gguf, offset, length, &mut buffers.gguf, &mut gguf_piece)?;
        let equal = buffers.apr == buffers.gguf;
        if !equal && gguf_hashes.is_none() {
            gguf_hashes = Some(apr_hashes.clone());
        }
        apr_hashes.update(&buffers.apr);
        note(&mut not_finite[0], block_type, offset, &buffers.apr);
        if let Some(hashes) = &mut gguf_hashes {
            hashes.update(&buffers.gguf);
        }
        if equal {
            if let [found @ Some(_), None] = not_finite {
                not_finite[1] = found;
            }
        } else {
            note(&mut not_finite[1], block_type, offset, &buffers.gguf);
            walk.compare(offset, &buffers.apr, &buffers.gguf);
        }
        observer.advance(2_u64.saturating_mul(length as u64));
    }
    end(apr_piece);
    end(gguf_piece);
    let apr_digests = apr_hashes.finish();
    let difference = walk.end();
    let values = match difference {
        Some(_) => values_of(apr, gguf, block_type, block_type, buffers)?,
        None => None,
    };
    Ok(PairOutcome {
        apr: apr_digests,
        gguf: gguf_hashes.map_or(apr_digests, Hashes::finish),
        difference,
        values,
        not_finite,
    })
}

/// Two types: every side is hashed for itself, then the values are set side by side.
fn compare_values(
    apr: Place<'_>,
    gguf: Place<'_>,
    apr_type: &'static BlockType,
    gguf_type: &'static BlockType,
    buffers: &mut Buffers,
    observer: &dyn Observer,
) -> io::Result<PairOutcome> {
    let (apr_digests, apr_not_finite) = hash(apr, Some(apr_type), buffers, observer)?;
    let (gguf_digests, gguf_not_finite) = hash(gguf, Some(gguf_type), buffers, observer)?;
    Ok(PairOutcome {
        apr: apr_digests,
        gguf: gguf_digests,
        difference: None,
        values: values_of(apr, gguf, apr_type, gguf_type, buffers)?,
        not_finite: [apr_not_finite, gguf_not_finite],
    })
}

/// Hashes one tensor that has no counterpart, or none that it can be compared with.
pub(crate) fn hash(
    place: Place<'_>,
    block_type: Option<&'static BlockType>,
    buffers: &mut Buffers,
    observer: &dyn Observer,
) -> io::Result<(Digests, Option<NotFinite>)> {
    let mut piece = place.file.map(|file| file.piece(place.span.offset));
    let mut hashes = Hashes::default();
    let mut not_finite = None;
    let size = block_type.map_or(1, |block_type| block_type.bytes);
    for (offset, length) in cut(size, place.span.length) {
        read(place, offset, length, &mut buffers.apr, &mut piece)?;
        hashes.update(&buffers.apr);
        if let Some(block_type) = block_type {
            note(&mut not_finite, block_type, offset, &buffers.apr);
        }
        observer.advance(length as u64);
    }
    end(piece);
    Ok((hashes.finish(), not_finite))
}

/// Sets the decoded values of both sides side by side, in the order of the elements. Only for tensors that differ.
fn values_of(
    apr: Place<'_>,
    gguf: Place<'_>,
    apr_type: &'static BlockType,
    gguf_type: &'static BlockType,
    buffers: &mut Buffers,
) -> io::Result<Option<Statistics>> {
    let (apr, gguf) = (Place { file: None, ..apr }, Place { file: None, ..gguf });
    let Some(mut walk) = ValueWalk::new(apr_type, gguf_type) else {
        return Ok(None);
    };
    // A stretch of elements that is whole blocks of every type.
    let count = |block_type: &BlockType, length: u64| {
        length
            .checked_div(block_type.bytes)
            .and_then(|blocks| blocks.checked_mul(block_type.elements))
    };
    let elements = count(apr_type, apr.span.length).min(count(gguf_type, gguf.span.length));
    let mut element = 0;
    while let Some(left) = elements
        .and_then(|elements| elements.checked_sub(element))
        .filter(|&left| left > 0)
    {
        let now = left.min(ELEMENTS);
        for (place, block_type, bytes, values) in [
            (apr, apr_type, &mut buffers.apr, &mut buffers.apr_values),
            (gguf, gguf_type, &mut buffers.gguf, &mut buffers.gguf_values),
        ] {
            let offset = block_type.size_of(element).unwrap_or(0);
            let length = block_type
                .size_of(now)
                .and_then(|length| usize::try_from(length).ok());
            read(place, offset, length.unwrap_or(0), bytes, &mut None)?;
            values.clear();
            decode(block_type, bytes, values);
        }
        walk.compare(element, &buffers.apr_values, &buffers.gguf_values);
        element = element.saturating_add(now);
    }
    Ok(Some(walk.end()))
}

fn read(
    place: Place<'_>,
    offset: u64,
    length: usize,
    buffer: &mut Vec<u8>,
    piece: &mut Option<Piece<'_>>,
) -> io::Result<()> {
    buffer.resize(length, 0);
    place
        .source
        .read_exact_at(place.span.offset.saturating_add(offset), buffer)?;
    if let Some(piece) = piece {
        piece.feed(buffer);
    }
    Ok(())
}

fn end(piece: Option<Piece<'_>>) {
    if let Some(piece) = piece {
        piece.end();
    }
}

/// Keeps the first number that is not finite, and counts on.
fn note(found: &mut Option<NotFinite>, block_type: &BlockType, offset: u64, bytes: &[u8]) {
    let Some(new) = first_not_finite(block_type, bytes) else {
        return;
    };
    match found {
        Some(first) => first.count = first.count.saturating_add(new.count),
        None => {
            let blocks = offset.checked_div(block_type.bytes).unwrap_or(0);
            let base = usize::try_from(offset).unwrap_or(usize::MAX);
            *found = Some(NotFinite {
                block: new.block.saturating_add(blocks),
                offset: new.offset.saturating_add(base),
                ..new
            });
        }
    }
}

/// Cuts a length into stretches of about [`READ`] that are whole blocks.
fn cut(block: u64, length: u64) -> impl Iterator<Item = (u64, usize)> {
    let step = READ
        .checked_div(block)
        .unwrap_or(1)
        .saturating_mul(block)
        .max(1);
    (0..length.div_ceil(step)).map(move |index| {
        let offset = index.saturating_mul(step);
        let left = length.saturating_sub(offset).min(step);
        (offset, usize::try_from(left).unwrap_or(usize::MAX))
    })
}

#[derive(Clone, Default)]
struct Hashes {
    blake3: blake3::Hasher,
    sha256: Sha256,
}

impl Hashes {
    fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
    }

    fn finish(self) -> Digests {
        Digests {
            blake3: *self.blake3.finalize().as_bytes(),
            sha256: self.sha256.finalize().into(),
        }
    }
}

/// Elements decoded at a time; a multiple of every block.
const ELEMENTS: u64 = 64 << 10;
